package kubernetesevents

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// cluster holds the events of the namespace "default".
type cluster struct {
	scaler.Cluster // what events don't need
	mu             sync.Mutex
	events         []scaler.Event
	watchers       map[context.Context]func(scaler.Event)
	err            error
}

func (c *cluster) ListEvents(_ context.Context, namespace string) ([]scaler.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if namespace != "default" {
		return nil, errors.New("another namespace")
	}
	return c.events, c.err
}

func (c *cluster) WatchEvents(ctx context.Context, _ string, on func(scaler.Event)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.watchers[ctx] = on
	return nil
}

func (c *cluster) put(events ...scaler.Event) {
	c.mu.Lock()
	c.events = events
	var tell []func(scaler.Event)
	for _, on := range c.watchers {
		tell = append(tell, on)
	}
	c.mu.Unlock()
	for _, on := range tell {
		for _, e := range events {
			on(e)
		}
	}
}

func newCluster() *cluster { return &cluster{watchers: map[context.Context]func(scaler.Event){}} }

func TestConformance(t *testing.T) {
	c := newCluster()
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: map[string]string{"reason": "BackOff", "value": "5"},
		ScalerEnv: func(e *scaler.Env) { e.Cluster = c },
		Fixture: func(*testing.T) scalertest.Fixture {
			return scalertest.Fixture{Set: func(_ context.Context, n float64) {
				events := []scaler.Event{{Reason: "Pulled", Last: time.Now()}}
				for i := range int(n) {
					events = append(events, scaler.Event{Reason: "BackOff", Name: fmt.Sprint(i), Last: time.Now()})
				}
				c.put(events...)
			}}
		},
	})
}

func open(t *testing.T, c scaler.Cluster, now time.Time, metadata map[string]string) (scaler.Source, error) {
	t.Helper()
	return scalertest.TryOpen(t, Kinds()[0].New(), param.Values{Metadata: metadata}, scaler.Env{Namespace: "default", Cluster: c, Now: func() time.Time { return now }})
}

func TestMeasure(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	c := newCluster()
	c.put(
		scaler.Event{Type: "Warning", Reason: "BackOff", Kind: "Pod", Name: "a", Last: ago(time.Second)},
		scaler.Event{Type: "Warning", Reason: "BackOff", Kind: "Pod", Name: "b", Last: ago(4 * time.Minute)},
		scaler.Event{Type: "Warning", Reason: "Failed", Kind: "Pod", Name: "b", Last: ago(time.Second)},
		scaler.Event{Type: "Normal", Reason: "Pulled", Kind: "Pod", Name: "b", Last: ago(time.Second)},
		scaler.Event{Type: "Warning", Reason: "BackOff", Kind: "Job", Name: "a", Last: ago(5 * time.Minute)},
	)
	tests := map[string]struct {
		metadata map[string]string
		want     float64
	}{
		"all within 5 minutes": {map[string]string{}, 4},
		"longer window":        {map[string]string{"window": "301"}, 5},
		"short window":         {map[string]string{"window": "1m"}, 3},
		"reason":               {map[string]string{"reason": "BackOff"}, 2},
		"reasons":              {map[string]string{"reason": "BackOff,Failed"}, 3},
		"type":                 {map[string]string{"type": "normal"}, 1},
		"object":               {map[string]string{"kind": "Pod", "name": "b"}, 3},
		"nothing":              {map[string]string{"kind": "Node"}, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.metadata["value"] = "1"
			s, err := open(t, c, now, tc.metadata)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Measure(t.Context())
			if diff := cmp.Diff(scaler.Reading{Value: tc.want}, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	c.err = errors.New("gone")
	s, _ := open(t, c, now, map[string]string{"value": "1"})
	if got, err := s.Measure(t.Context()); err == nil || scaler.ReasonOf(err) != scaler.ReasonUnreachable {
		t.Errorf("got %+v, %v", got, err)
	}
	signals := make(chan scaler.Signal, 1)
	defer s.(scaler.Watcher).Watch(func(s scaler.Signal) { signals <- s })()
	if got := <-signals; got.Kind != scaler.Broken || got.Err == nil {
		t.Errorf("got %+v", got)
	}
}

func TestWithoutACluster(t *testing.T) {
	if _, err := open(t, nil, time.Time{}, map[string]string{"value": "1"}); scaler.ReasonOf(err) != scaler.ReasonMisconfigured || err == nil {
		t.Errorf("got %v, want Misconfigured", err)
	}
}
