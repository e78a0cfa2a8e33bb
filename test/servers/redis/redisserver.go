// Package redisserver runs real Redis servers for tests: single ones,
// clusters, and sentinels that watch a master.
//
// It owns the processes and their folders; all end with the test.
package redisserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kedago/keda/test/servers/process"
)

// Server is a Redis server, or a sentinel.
type Server struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string
	// Port is the port of Addr.
	Port string

	command []string
	client  *redis.Client
	stop    func()
}

// Option changes how a server is started.
type Option func(*settings)

type settings struct {
	args    []string
	options redis.Options
	plain   bool
}

// Args gives the server command-line arguments, as in "--maxclients", "10".
func Args(args ...string) Option {
	return func(s *settings) { s.args = append(s.args, args...) }
}

// binary finds a program, or skips the test; it fails where the environment
// has CI=true.
func binary(t testing.TB, name string) string {
	t.Helper()
	path, err := process.Program(name, "redis")
	process.Need(t, name, err)
	return path
}

// Start runs a server until the test ends. Without the binary the test is
// skipped, or fails where the environment has CI=true.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	path := binary(t, "redis-server")
	s := settings{plain: true}
	for _, o := range options {
		o(&s)
	}
	return launch(t, s, func(port, folder string) []string {
		args := []string{path, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no", "--daemonize", "no"}
		if s.plain {
			return append(append(args, "--port", port), s.args...)
		}
		return append(append(args, "--port", "0", "--tls-port", port), s.args...)
	})
}

// launch runs a command until the test ends, on a port that is free.
func launch(t testing.TB, s settings, command func(port, folder string) []string) *Server {
	t.Helper()
	r := process.Try(t, "Redis", 1, func(at []string) (*Server, error) {
		options, port := s.options, process.Port(at[0])
		options.Addr, options.Protocol, options.DisableIdentity = at[0], 2, true
		r := &Server{Addr: at[0], Port: port, command: command(port, t.TempDir()), client: redis.NewClient(&options), stop: func() {}}
		err := r.Start()
		if err != nil {
			_ = r.client.Close()
		}
		return r, err
	})
	t.Cleanup(func() { r.stop(); _ = r.client.Close() })
	return r
}

// Start runs the server again after Stop, on the same port. What it held is
// gone unless its arguments say otherwise.
func (s *Server) Start() error {
	// The shell ends the server when the test's process ends, however it does.
	cmd := exec.Command("sh", append([]string{"-c", `"$@" & p=$!; cat >/dev/null; kill -9 $p; wait $p`, "sh"}, s.command...)...) //nolint:gosec // the test's own command
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stop, err := process.Begin(cmd, s.ready, process.Within(20*time.Second), process.EndBy(func(*os.Process) { _ = life.Close() }))
	if err != nil {
		return err
	}
	s.stop = stop
	return nil
}

func (s *Server) ready(ctx context.Context) error {
	err := s.client.Ping(ctx).Err()
	var denied redis.Error
	if errors.As(err, &denied) && strings.HasPrefix(denied.Error(), "NOAUTH") {
		return nil
	}
	return err
}

// Stop kills the server and waits for its end.
func (s *Server) Stop() { s.stop() }

// Try sends a command and returns its answer, as the default user without a
// password.
func (s *Server) Try(args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.client.Do(ctx, args...).Result()
}

// Do is Try for commands that must work.
func (s *Server) Do(t testing.TB, args ...any) any {
	t.Helper()
	got, err := s.Try(args...)
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatalf("%v: %v", args[0], err)
	}
	return got
}

// Stat returns a number of the server's INFO.
func (s *Server) Stat(t testing.TB, section, name string) int64 {
	t.Helper()
	for line := range strings.Lines(fmt.Sprint(s.Do(t, "INFO", section))) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			var n int64
			if _, err := fmt.Sscan(value, &n); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return n
		}
	}
	t.Fatalf("INFO %s has no %s", section, name)
	return 0
}

// writeFile writes a file that a server reads.
func writeFile(t testing.TB, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
