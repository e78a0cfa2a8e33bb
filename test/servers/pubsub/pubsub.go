// Package pubsubserver runs Google's Pub/Sub emulator for tests.
//
// It owns the process, which ends with the test. It refuses to measure: the
// emulator has no metrics, so what waits in a subscription is found by pulling.
package pubsubserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"github.com/kedago/keda/test/servers/process"
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
	jar, err := process.Installed("pubsub")
	if err != nil {
		t.Skipf("no Pub/Sub emulator: %v", err)
	}
	return process.Try(t, "the Pub/Sub emulator", 1, func(at []string) (*Server, error) {
		s := &Server{URL: "http://" + at[0]}
		cmd := exec.Command("java", "-Xmx128m", "-jar", jar, "--host=127.0.0.1", "--port="+process.Port(at[0]))
		return s, process.Run(t, cmd, func(ctx context.Context) error {
			return s.ask(ctx, http.MethodGet, "topics", nil, nil)
		})
	})
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
