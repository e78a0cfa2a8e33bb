// Package beanstalkdserver runs a real beanstalkd for tests.
//
// It owns the process, which ends with the test.
package beanstalkdserver

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	client "github.com/beanstalkd/go-beanstalk"
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
	program, err := exec.LookPath("beanstalkd")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no beanstalkd in PATH; CI needs one")
		}
		t.Skip("there is no beanstalkd in PATH")
	}
	const tries = 3 // the port may be taken between looking and listening
	for range tries {
		s, err := start(t, program)
		if err == nil {
			return s
		}
		t.Logf("starting beanstalkd: %v", err)
	}
	t.Fatal("beanstalkd did not start")
	return nil
}

func start(t testing.TB, program string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: l.Addr().String()}
	_ = l.Close()
	_, port, _ := net.SplitHostPort(s.Addr)
	var said bytes.Buffer
	cmd := exec.Command(program, "-l", "127.0.0.1", "-p", port) //nolint:gosec // found in PATH
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if s.Conn, err = client.Dial("tcp", s.Addr); err == nil {
			break
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("it ended: %s", said.String())
		default:
		}
		if time.Now().After(end) {
			stop()
			return nil, fmt.Errorf("it did not become ready: %w", err)
		}
	}
	t.Cleanup(func() { _ = s.Conn.Close(); stop() })
	return s, nil
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
