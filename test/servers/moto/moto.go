// Package motoserver runs moto for tests: a server that answers as AWS does.
//
// It owns the process, which ends with the test. It refuses to be shared
// between tests, since who may ask is one setting for the whole server.
package motoserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Region is where tests make things.
const Region = "eu-west-1"

// Server is a running moto.
type Server struct {
	// URL is its address, http://127.0.0.1:port; Addr is that without scheme.
	URL, Addr string
}

// Start runs moto until the test ends. Without it, and without the means to
// install it, the test is skipped, or fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := find()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("moto is needed in CI: %v", err)
		}
		t.Skipf("no moto: %v", err)
	}
	const tries = 3 // the port may be taken between looking and listening
	for range tries {
		s, err := start(t, program)
		if err == nil {
			return s
		}
		t.Logf("starting moto: %v", err)
	}
	t.Fatal("moto did not start")
	return nil
}

// find returns the program, installed if need be.
func find() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "moto.sh")
	var problem bytes.Buffer
	cmd := exec.Command("sh", script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func start(t testing.TB, program string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(address)
	var said bytes.Buffer
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	s := &Server{URL: "http://" + address, Addr: address}
	if err := s.waitReady(ended); err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	t.Cleanup(stop)
	return s, nil
}

func (s *Server) waitReady(ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.New("it did not become ready")
		case <-tick.C:
		}
		if s.ask(ctx, http.MethodGet, "/moto-api/data.json", "") == nil {
			return nil
		}
	}
}

// Deny makes the server check credentials from now on; it knows none.
func (s *Server) Deny(t testing.TB) { s.auth(t, "0") }

// Allow makes the server take any credentials, as it does at first.
func (s *Server) Allow(t testing.TB) { s.auth(t, "inf") }

func (s *Server) auth(t testing.TB, after string) {
	t.Helper()
	if err := s.ask(context.Background(), http.MethodPost, "/moto-api/reset-auth", after); err != nil {
		t.Fatalf("setting who may ask moto: %v", err)
	}
}

func (s *Server) ask(ctx context.Context, method, path, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return nil
}
