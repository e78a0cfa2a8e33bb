// Package pubsubserver runs Google's Pub/Sub emulator for tests.
//
// It owns the process, which ends with the test. It refuses to measure: the
// emulator has no metrics, so what waits in a subscription is found by pulling.
package pubsubserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Project is where tests make things; any project is there.
const Project = "shop-1"

// Server is a running emulator.
type Server struct {
	// URL is its address, http://127.0.0.1:port.
	URL string
}

// Start runs the emulator until the test ends. Without it the test is
// skipped, in CI too: no package registry has the emulator, so it is expected
// only on machines that have Google's Cloud SDK. hack/test.sh names what was
// left out.
func Start(t testing.TB) *Server {
	t.Helper()
	jar, err := find()
	if err != nil {
		t.Skipf("no Pub/Sub emulator: %v", err)
	}
	const tries = 3 // the port may be taken between looking and listening
	for range tries {
		s, err := start(t, jar)
		if err == nil {
			return s
		}
		t.Logf("starting the Pub/Sub emulator: %v", err)
	}
	t.Fatal("the Pub/Sub emulator did not start")
	return nil
}

func find() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "pubsub.sh")
	var problem bytes.Buffer
	cmd := exec.Command("sh", script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func start(t testing.TB, jar string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(address)
	var said bytes.Buffer
	cmd := exec.Command("java", "-Xmx128m", "-jar", jar, "--host=127.0.0.1", "--port="+port)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	s := &Server{URL: "http://" + address}
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
		if s.ask(ctx, http.MethodGet, "topics", nil, nil) == nil {
			return nil
		}
	}
}

// Subscribe makes a topic and a subscription, both with this name.
func (s *Server) Subscribe(t testing.TB, name string) {
	t.Helper()
	s.must(t, http.MethodPut, "topics/"+name, map[string]any{}, nil)
	s.must(t, http.MethodPut, "subscriptions/"+name, map[string]any{"topic": "projects/" + Project + "/topics/" + name}, nil)
}

// Publish sends n messages to a topic.
func (s *Server) Publish(t testing.TB, topic string, n int) {
	t.Helper()
	messages := make([]map[string]any, n)
	for i := range messages {
		messages[i] = map[string]any{"data": "aGVsbG8="}
	}
	s.must(t, http.MethodPost, "topics/"+topic+":publish", map[string]any{"messages": messages}, nil)
}

// Take pulls up to n messages and acknowledges them; it returns how many there were.
func (s *Server) Take(t testing.TB, subscription string, n int) int {
	t.Helper()
	ids := s.pull(t, subscription, n)
	if len(ids) > 0 {
		s.must(t, http.MethodPost, "subscriptions/"+subscription+":acknowledge", map[string]any{"ackIds": ids}, nil)
	}
	return len(ids)
}

// Waiting counts the messages that are not acknowledged, and leaves them there.
func (s *Server) Waiting(t testing.TB, subscription string) int {
	t.Helper()
	const all = 1000
	var seen []string
	for {
		ids := s.pull(t, subscription, all)
		if len(ids) == 0 {
			break
		}
		seen = append(seen, ids...)
	}
	if len(seen) > 0 {
		s.must(t, http.MethodPost, "subscriptions/"+subscription+":modifyAckDeadline", map[string]any{"ackIds": seen, "ackDeadlineSeconds": 0}, nil)
	}
	return len(seen)
}

func (s *Server) pull(t testing.TB, subscription string, n int) []string {
	t.Helper()
	var got struct {
		ReceivedMessages []struct {
			AckID string `json:"ackId"`
		} `json:"receivedMessages"`
	}
	s.must(t, http.MethodPost, "subscriptions/"+subscription+":pull", map[string]any{"maxMessages": n, "returnImmediately": true}, &got)
	var ids []string
	for _, m := range got.ReceivedMessages {
		ids = append(ids, m.AckID)
	}
	return ids
}

func (s *Server) must(t testing.TB, method, path string, body, answer any) {
	t.Helper()
	if err := s.ask(context.Background(), method, path, body, answer); err != nil {
		t.Fatalf("asking the Pub/Sub emulator: %v", err)
	}
}

func (s *Server) ask(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/v1/projects/"+Project+"/"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: the server answered %s", method, path, resp.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
