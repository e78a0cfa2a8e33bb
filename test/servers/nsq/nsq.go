// Package nsqserver runs a real nsqlookupd and nsqd for tests.
//
// It owns the processes and their folders; they end with the test.
package nsqserver

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/test/servers/process"
)

// patience is when waiting for a server is given up.
const patience = 20 * time.Second

// Server is a running nsqlookupd with its nsqd.
type Server struct {
	// Lookup is the HTTP interface of nsqlookupd, Daemons are those of the
	// nsqd; 127.0.0.1:port.
	Lookup  string
	Daemons []string
}

// Start runs nsqlookupd and n nsqd until the test ends. When they can't be
// built the test is skipped, or fails where the environment has CI=true.
func Start(t testing.TB, n int) *Server {
	t.Helper()
	folder := process.Script(t, "NSQ", "nsq")
	tcp, lookup := run(t, filepath.Join(folder, "nsqlookupd"), "-tcp-address=127.0.0.1:0", "-http-address=127.0.0.1:0", "-broadcast-address=127.0.0.1")
	s := &Server{Lookup: lookup}
	for range n {
		_, daemon := run(t, filepath.Join(folder, "nsqd"), "-tcp-address=127.0.0.1:0", "-http-address=127.0.0.1:0",
			"-broadcast-address=127.0.0.1", "-lookupd-tcp-address="+tcp, "-data-path="+t.TempDir())
		s.Daemons = append(s.Daemons, daemon)
	}
	return s
}

// run starts a program and returns where it says it listens.
func run(t testing.TB, program string, args ...string) (tcp, web string) {
	t.Helper()
	err := process.RunUntil(t, exec.Command(program, args...), func(line string) bool {
		if _, address, ok := strings.Cut(line, " TCP: listening on "); ok {
			tcp = address
		}
		if _, address, ok := strings.Cut(line, " HTTP: listening on "); ok {
			web = address
		}
		return tcp != "" && web != ""
	}, process.Within(patience))
	if err != nil {
		t.Fatalf("starting %s: %v", program, err)
	}
	return tcp, web
}

// Do sends a command to a server, such as /channel/pause?topic=t&channel=c.
func Do(t testing.TB, server, command, body string) {
	t.Helper()
	resp, err := http.Post("http://"+server+command, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s at %s: %s: %s", command, server, resp.Status, answer)
	}
}

// Fill makes a channel hold n messages at one nsqd, and waits until both that
// and nsqlookupd know.
func (s *Server) Fill(t testing.TB, server, topic, channel string, n int) {
	t.Helper()
	of := "?topic=" + topic + "&channel=" + channel
	Do(t, server, "/topic/create?topic="+topic, "")
	Do(t, server, "/channel/create"+of, "")
	Do(t, server, "/channel/empty"+of, "")
	if n > 0 {
		Do(t, server, "/mpub?topic="+topic, strings.Repeat("x\n", n))
	}
	s.wait(t, server, topic, func(of Topic) bool {
		i := slices.IndexFunc(of.Channels, func(c Channel) bool { return c.Name == channel })
		return i >= 0 && of.Channels[i].Depth == n
	})
}

// FillTopic makes a topic without channels hold n messages more at one nsqd.
func (s *Server) FillTopic(t testing.TB, server, topic string, n int) {
	t.Helper()
	Do(t, server, "/topic/create?topic="+topic, "")
	Do(t, server, "/mpub?topic="+topic, strings.Repeat("x\n", n))
	s.wait(t, server, topic, func(of Topic) bool { return of.Depth >= n })
}

// Topic and Channel are nsqd's statistics.
type Topic struct {
	Name     string    `json:"topic_name"`
	Depth    int       `json:"depth"`
	Channels []Channel `json:"channels"`
}

// Channel is one of a Topic.
type Channel struct {
	Name  string `json:"channel_name"`
	Depth int    `json:"depth"`
}

func (s *Server) wait(t testing.TB, server, topic string, ready func(Topic) bool) {
	t.Helper()
	_, port, _ := strings.Cut(server, ":")
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var stats struct{ Topics []Topic }
		var known struct {
			Producers []struct {
				Port json.Number `json:"http_port"`
			}
		}
		get(t, server, "/stats?format=json&topic="+topic, &stats)
		get(t, s.Lookup, "/lookup?topic="+topic, &known)
		listed := slices.ContainsFunc(known.Producers, func(p struct {
			Port json.Number `json:"http_port"`
		},
		) bool {
			return p.Port.String() == port
		})
		if listed && len(stats.Topics) == 1 && ready(stats.Topics[0]) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the topic %s does not become ready: %+v, listed %v", topic, stats, listed)
		}
	}
}

func get(t testing.TB, server, path string, into any) {
	t.Helper()
	resp, err := http.Get("http://" + server + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatalf("%s at %s: %v", path, server, err)
	}
}
