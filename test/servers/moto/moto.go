// Package motoserver runs moto for tests: a server that answers as AWS does.
//
// It owns the process, which ends with the test. It refuses to be shared
// between tests, since who may ask is one setting for the whole server.
package motoserver

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/kedago/keda/test/servers/process"
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
	program := process.Script(t, "moto", "moto")
	return process.Try(t, "moto", 1, func(at []string) (*Server, error) {
		s := &Server{URL: "http://" + at[0], Addr: at[0]}
		cmd := exec.Command(program, "-H", "127.0.0.1", "-p", process.Port(s.Addr))
		return s, process.Run(t, cmd, func(ctx context.Context) error {
			return s.ask(ctx, http.MethodGet, "/moto-api/data.json", "")
		})
	})
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
