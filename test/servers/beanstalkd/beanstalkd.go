// Package beanstalkdserver runs a real beanstalkd for tests.
//
// It owns the process, which ends with the test.
package beanstalkdserver

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	client "github.com/beanstalkd/go-beanstalk"

	"github.com/kedago/keda/test/servers/process"
)

// Server is a running beanstalkd.
type Server struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string
	// Conn is connected to it until the test ends.
	Conn *client.Conn
}

// Start runs beanstalkd until the test ends. Without the binary the test is
// skipped, or fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := process.Program("beanstalkd", "beanstalkd")
	process.Need(t, "beanstalkd", err)
	s := process.Try(t, "beanstalkd", 1, func(at []string) (*Server, error) {
		s := &Server{Addr: at[0]}
		cmd := exec.Command(program, "-l", "127.0.0.1", "-p", process.Port(s.Addr))
		return s, process.Run(t, cmd, func(context.Context) (err error) {
			s.Conn, err = client.Dial("tcp", s.Addr)
			return err
		})
	})
	t.Cleanup(func() { _ = s.Conn.Close() })
	return s
}

// Put puts a job into a tube.
func (s *Server) Put(t testing.TB, tube string, delay time.Duration) {
	t.Helper()
	if _, err := client.NewTube(s.Conn, tube).Put([]byte("x"), 1, delay, time.Hour); err != nil {
		t.Fatal(err)
	}
}

// Fill makes a tube hold n jobs that are ready.
func (s *Server) Fill(t testing.TB, tube string, n int) {
	t.Helper()
	for {
		id, _, err := client.NewTube(s.Conn, tube).PeekReady()
		if errors.Is(err, client.ErrNotFound) {
			break
		}
		if err == nil {
			err = s.Conn.Delete(id)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		s.Put(t, tube, 0)
	}
}
