// Package couchserver runs PouchDB Server for tests: CouchDB's HTTP API.
//
// It owns the process, which ends with the test and keeps all in memory.
package couchserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// User may read all, see Server.Password.
const User = "keda"

// owner prepares what User reads.
const owner, ownerPassword = "owner", "password-of-the-owner"

// Server is a running server.
type Server struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string

	client *http.Client
	owned  bool // the owner exists, and has to be named
}

// Start runs the server until the test ends, with User's password. Without it,
// and without the means to install it, the test is skipped, or fails where the
// environment has CI=true.
func Start(t testing.TB, password string) *Server {
	t.Helper()
	program, err := find()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("PouchDB Server is needed in CI: %v", err)
		}
		t.Skipf("no PouchDB Server: %v", err)
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		s, err := start(t, program)
		if err == nil {
			s.must(t, http.MethodPut, "/_config/admins/"+owner, ownerPassword)
			s.owned = true
			s.Password(t, password)
			return s
		}
		t.Logf("starting PouchDB Server: %v", err)
	}
	t.Fatal("PouchDB Server did not start")
	return nil
}

// find returns the program, installed if need be.
func find() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "couchdb.sh")
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
	s := &Server{Addr: l.Addr().String(), client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	_ = l.Close()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return nil, err
	}
	var said bytes.Buffer
	cmd := exec.Command("node", program, "--in-memory", "--host", host, "--port", port, "--no-stdout-logs", "--config", "config.json")
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
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
		if status, _, err := s.ask(http.MethodGet, "/", nil); err == nil && status == http.StatusOK {
			return nil
		}
	}
}

// Password changes that of User, for all requests from then on.
func (s *Server) Password(t testing.TB, password string) {
	t.Helper()
	s.must(t, http.MethodPut, "/_config/admins/"+User, password)
}

// Database makes the database name anew, with n copies of a document.
func (s *Server) Database(t testing.TB, name string, n int, document map[string]any) {
	t.Helper()
	status, _, err := s.ask(http.MethodDelete, "/"+name, nil)
	if err != nil || status != http.StatusOK && status != http.StatusNotFound {
		t.Fatalf("deleting the database %s: %d, %v", name, status, err)
	}
	s.must(t, http.MethodPut, "/"+name, nil)
	docs := make([]any, n)
	for i := range docs {
		docs[i] = document
	}
	s.must(t, http.MethodPost, "/"+name+"/_bulk_docs", map[string]any{"docs": docs})
}

func (s *Server) must(t testing.TB, method, path string, body any) {
	t.Helper()
	status, text, err := s.ask(method, path, body)
	if err != nil || status < 200 || status > 299 {
		t.Fatalf("%s %s: %d %s, %v", method, path, status, text, err)
	}
}

func (s *Server) ask(method, path string, body any) (status int, text string, err error) {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, "", err
		}
		content = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Addr+path, content)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.owned {
		req.SetBasicAuth(owner, ownerPassword)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}
