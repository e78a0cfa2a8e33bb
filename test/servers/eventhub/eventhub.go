// Package eventhubserver runs a stand-in for Azure Event Hubs for tests: what
// hubs tell about their partitions over AMQP 1.0.
//
// It owns the process, which ends with the test, and its state. Tests that
// share a server keep apart by the names of their hubs.
package eventhubserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/test/servers/process"
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
	program := process.Script(t, "stand-in for Event Hubs", "eventhub")
	s := &Server{t: t, hubs: map[string][]Partition{}, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	cmd := exec.Command("node", program)
	_, err := cmd.StdinPipe() // the program ends when this end closes
	if err == nil {
		err = process.RunUntil(t, cmd, s.read)
	}
	if err != nil {
		t.Fatalf("starting the stand-in for Event Hubs: %v", err)
	}
	s.set(map[string]any{"keys": map[string]string{KeyName: Key}, "tokens": []string{Token}})
	return s
}

// read takes a line that the program writes: its ports, once it is ready.
func (s *Server) read(line string) bool {
	var ports struct{ AMQP, Control int }
	if json.Unmarshal([]byte(line), &ports) != nil || ports.AMQP == 0 || ports.Control == 0 {
		return false
	}
	s.Addr, s.control = fmt.Sprint("127.0.0.1:", ports.AMQP), fmt.Sprint("http://127.0.0.1:", ports.Control)
	return true
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
