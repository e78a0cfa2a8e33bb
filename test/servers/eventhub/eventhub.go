// Package eventhubserver runs a stand-in for Azure Event Hubs for tests: what
// hubs tell about their partitions over AMQP 1.0.
//
// It owns the process, which ends with the test, and its state. Tests that
// share a server keep apart by the names of their hubs.
package eventhubserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// KeyName and Key are what the server accepts.
const (
	KeyName = "keda"
	Key     = "a2V5LW9mLXRoZS1zdGFuZC1pbg=="
)

// Token is what the server accepts as a token of an identity.
const Token = "the-token-of-an-identity" //nolint:gosec // made up

// Partition is what a hub tells about a partition.
type Partition struct {
	ID    string `json:"id"`
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	Empty bool   `json:"empty"`
}

// Seen counts what the server was asked so far.
type Seen struct {
	Connections, Puts, Hubs, Partitions int
	// AtOnce is the largest number of questions at the same time.
	AtOnce int
}

// Server is a running stand-in.
type Server struct {
	// Addr is where it listens for AMQP without TLS, 127.0.0.1:port.
	Addr string

	t       testing.TB
	control string
	client  *http.Client

	mu   sync.Mutex // guards hubs
	hubs map[string][]Partition
}

// Connection is a connection string for a hub, for a server that is reached at addr.
func Connection(addr, hub string) string {
	return fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=%s;SharedAccessKey=%s;EntityPath=%s;UseDevelopmentEmulator=true", addr, KeyName, Key, hub)
}

// Start runs the server until the test ends. Without it, and without the means
// to install it, the test is skipped, or fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := find()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the stand-in for Event Hubs is needed in CI: %v", err)
		}
		t.Skipf("no stand-in for Event Hubs: %v", err)
	}
	s := &Server{t: t, hubs: map[string][]Partition{}, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	if err := s.start(program); err != nil {
		t.Fatalf("starting the stand-in for Event Hubs: %v", err)
	}
	s.set(map[string]any{"keys": map[string]string{KeyName: Key}, "tokens": []string{Token}})
	return s
}

// find returns the program, installed if need be.
func find() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "eventhub.sh")
	var problem bytes.Buffer
	cmd := exec.Command("sh", script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// start runs the program, which prints its ports once it is ready.
func (s *Server) start(program string) error {
	cmd := exec.Command("node", program)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	in, err := cmd.StdinPipe() // the program ends with it
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := func() { _, _ = in.Close(), cmd.Process.Kill(); _ = cmd.Wait() }
	hurry := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	hurry.Stop()
	var ports struct{ AMQP, Control int }
	if err == nil {
		err = json.Unmarshal(line, &ports)
	}
	if err != nil {
		stop()
		return fmt.Errorf("%w: %s", err, problem.String())
	}
	s.t.Cleanup(stop)
	s.Addr, s.control = fmt.Sprint("127.0.0.1:", ports.AMQP), fmt.Sprint("http://127.0.0.1:", ports.Control)
	return nil
}

// Hub makes the server have a hub with these partitions.
func (s *Server) Hub(name string, partitions ...Partition) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hubs[name] = partitions
	s.set(map[string]any{"hubs": s.hubs})
}

// Deny makes the server refuse all tokens, or accept good ones again.
func (s *Server) Deny(deny bool) { s.t.Helper(); s.set(map[string]any{"deny": deny}) }

// Fault makes the server answer questions about hubs in a wrong way, see
// answer in its program; an empty one ends that.
func (s *Server) Fault(fault string) { s.t.Helper(); s.set(map[string]any{"fault": fault}) }

// Seen tells what the server was asked.
func (s *Server) Seen() Seen { s.t.Helper(); return s.exchange(http.MethodGet, nil) }

func (s *Server) set(change map[string]any) {
	s.t.Helper()
	s.exchange(http.MethodPost, change)
}

func (s *Server) exchange(method string, change any) (seen Seen) {
	s.t.Helper()
	body, err := json.Marshal(change)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.control, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&seen); err != nil {
		s.t.Fatal(err)
	}
	return seen
}
