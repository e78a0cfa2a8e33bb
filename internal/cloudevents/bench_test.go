package cloudevents

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// sink is a destination that tests rule over.
type sink struct {
	mu     sync.Mutex
	err    error
	block  bool
	tried  []time.Time
	got    []Event
	closed int
}

func (s *sink) Send(ctx context.Context, e Event) error {
	s.mu.Lock()
	s.tried = append(s.tried, time.Now())
	block, err := s.block, s.err
	if err == nil && !block {
		s.got = append(s.got, e)
	}
	s.mu.Unlock()
	if block {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *sink) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
}

func (s *sink) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// seen is what has come so far.
type seen struct {
	tried  []time.Time
	got    []Event
	closed int
}

func (s *sink) seen() seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return seen{slices.Clone(s.tried), slices.Clone(s.got), s.closed}
}

func (s *sink) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, e := range s.got {
		out = append(out, e.Subject[len("/prod/team/scaledobject/"):])
	}
	return out
}

// bench is an emitter whose sources send to sinks, by their address.
type bench struct {
	*Emitter
	sinks   map[string]*sink
	mu      sync.Mutex
	changed []string
}

var errDown = scaler.Unreachable(errors.New("connection refused"), "sending")

// with runs a test on an emitter in a bubble of its own time.
func with(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{sinks: map[string]*sink{}}
		b.Emitter = New(Options{
			Namespace: "keda", ClusterName: "prod", Clock: clock.RealClock{},
			Open: func(src *model.EventSource, _ model.Credentials) (Sender, error) {
				if src.HTTP == nil {
					return nil, scaler.Misconfigured(nil, "no destination")
				}
				return b.sink(src.HTTP.URI), nil
			},
			Changed: func(k model.Key) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.changed = append(b.changed, k.Name)
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		var ran sync.WaitGroup
		ran.Go(func() { _ = b.Run(ctx) })
		test(t, b)
		stop()
		ran.Wait() // a goroutine left over would end the bubble with a panic
	})
}

func (b *bench) sink(uri string) *sink {
	if b.sinks[uri] == nil {
		b.sinks[uri] = &sink{}
	}
	return b.sinks[uri]
}

func source(namespace, name string, change func(*model.EventSource)) *model.EventSource {
	kind := model.KindCloudEventSource
	if namespace == "" {
		kind = model.KindClusterCloudEventSource
	}
	s := &model.EventSource{
		Key:  model.Key{Group: model.GroupEventing, Kind: kind, Namespace: namespace, Name: name},
		HTTP: &model.HTTPSink{URI: name},
	}
	if change != nil {
		change(s)
	}
	return s
}

func (b *bench) add(t *testing.T, s *model.EventSource) {
	t.Helper()
	if err := b.Set(s, model.Credentials{}); err != nil {
		t.Fatal(err)
	}
}

func ready(namespace, name string) Happening {
	return Happening{Kind: model.KindScaledObject, Namespace: namespace, Name: name, Reason: "ScaledObjectReady", Message: "ready"}
}

func (b *bench) count(t *testing.T, name string) Count {
	t.Helper()
	var got Count
	b.Each(func(c Count) {
		if c.Source.Key.Name == name {
			got = c
		}
	})
	if got.Source == nil {
		t.Fatalf("there is no source %s", name)
	}
	return got
}
