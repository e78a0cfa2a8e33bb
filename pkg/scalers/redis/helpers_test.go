package redis

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func (c *listConfig) at() topology    { return c.server.topology }
func (c *streamsConfig) at() topology { return c.server.topology }

func contains(text, part string) bool { return strings.Contains(text, part) }

func splitAddress(t testing.TB, address string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// over merges maps, the last one winning.
func over(ms ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range ms {
		maps.Copy(out, m)
	}
	return out
}

func newEnv() scaler.Env {
	return scaler.Env{Log: slog.New(slog.DiscardHandler), Pool: pool.New(), Now: time.Now, Namespace: "shop"}
}

// open decodes and opens a trigger, which must be right.
func open(t testing.TB, env scaler.Env, kind string, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, kindOf(t, kind).New(), param.Values{Metadata: metadata, Auth: auth}, env)
}

func measure(s scaler.Source) (scaler.Reading, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.Measure(ctx)
}

// expect measures and compares the value, and what the note mentions.
func expect(t *testing.T, s scaler.Source, value float64, note string) {
	t.Helper()
	got, err := measure(s)
	if err != nil {
		t.Fatal(err)
	}
	if got.Value != value || (note == "") != (got.Note == "") || !strings.Contains(got.Note, note) {
		t.Errorf("measured %+v, want %v with note %q", got, value, note)
	}
}

// refuse measures and expects an error.
func refuse(t *testing.T, s scaler.Source, reason scaler.Reason, mentions ...string) {
	t.Helper()
	got, err := measure(s)
	if err == nil || scaler.ReasonOf(err) != reason {
		t.Fatalf("got %+v, %v; want %s", got, err, reason)
	}
	for _, m := range mentions {
		if !strings.Contains(err.Error(), m) {
			t.Errorf("%q does not mention %q", err, m)
		}
	}
}

// recorder is what a watching trigger has been told.
type recorder struct {
	mu      sync.Mutex
	signals []scaler.Signal
	stop    func()
}

func watch(t *testing.T, s scaler.Source) *recorder {
	t.Helper()
	r := &recorder{}
	r.stop = s.(scaler.Watcher).Watch(func(sig scaler.Signal) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.signals = append(r.signals, sig)
	})
	t.Cleanup(r.stop)
	return r
}

// count returns how many signals of a kind have come.
func (r *recorder) count(kind scaler.SignalKind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.signals {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

// await waits until a signal has come n times.
func (r *recorder) await(t *testing.T, kind scaler.SignalKind, n int) scaler.Signal {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r.mu.Lock()
		seen := 0
		for _, s := range r.signals {
			if s.Kind == kind {
				if seen++; seen == n {
					r.mu.Unlock()
					return s
				}
			}
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Fatalf("signal %d did not come %d times; got %v", kind, n, r.signals)
	return scaler.Signal{}
}
