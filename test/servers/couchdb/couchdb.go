// Package couchserver runs PouchDB Server for tests: CouchDB's HTTP API.
//
// It owns the process, which ends with the test and keeps all in memory.
package couchserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/kedago/keda/test/servers/process"
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
	program := process.Script(t, "PouchDB Server", "couchdb")
	s := process.Try(t, "PouchDB Server", 1, func(at []string) (*Server, error) {
		s := &Server{Addr: at[0], client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
		cmd := exec.Command("node", program, "--in-memory", "--host", "127.0.0.1", "--port", process.Port(s.Addr), "--no-stdout-logs", "--config", "config.json")
		cmd.Dir = t.TempDir()
		return s, process.Run(t, cmd, s.ready)
	})
	s.must(t, http.MethodPut, "/_config/admins/"+owner, ownerPassword)
	s.owned = true
	s.Password(t, password)
	return s
}

func (s *Server) ready(context.Context) error {
	status, _, err := s.ask(http.MethodGet, "/", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the server answered %d", status)
	}
	return err
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
