// Package kubernetesevents counts the Kubernetes Events of the ScaledObject's
// namespace that were seen within a window of time.
//
// It owns the choice of what is counted. Events come from a watch that its
// surroundings hold; it asks the API server for nothing itself, and refuses to
// look into other namespaces.
package kubernetesevents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "kubernetes-events",
		Title: "Kubernetes Events",
		About: "The number of Events in the object's namespace that were seen within a window, by reason, type and the object they are about. " +
			"An Event that Kubernetes counts up counts once, from when it was seen last. A new one is noticed at once.",
		Since:       "1.0",
		Permissions: "KEDA's own service account lists and watches events; no credentials are needed.",
		Cost:        "One watch at the API server for all triggers together; a poll costs nothing.",
		ByHand:      "kubectl get events --field-selector=reason=BackOff,type=Warning,involvedObject.kind=Pod --sort-by=.lastTimestamp",
		Examples: []scaler.Example{
			{
				Title:    "A debugger for every five Pods that could not be placed in the last ten minutes",
				Metadata: map[string]string{"reason": "FailedScheduling", "kind": "Pod", "window": "10m", "value": "5"},
			},
			{
				Title: "Active while one Job fails",
				Metadata: map[string]string{
					"reason": "BackoffLimitExceeded,DeadlineExceeded", "type": "Warning", "kind": "Job", "name": "nightly", "value": "1",
				},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	reasons                []string
	kind, name, typ        string
	window                 time.Duration
	value, activationValue float64
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.List("reason", &c.reasons).Example("FailedScheduling").Doc("Reasons of the Events that count, separated by commas; all when unset."),
		param.Text("type", &c.typ).OneOf("Normal", "Warning").Doc("Type of the Events that count; both when unset."),
		param.Text("kind", &c.kind).Example("Pod").Doc("Kind of the objects whose Events count; all when unset."),
		param.Text("name", &c.name).Doc("Name of the object whose Events count; all when unset."),
		param.Duration("window", &c.window, time.Second).Default("5m").Min(1).Max(3600).
			Doc("How long ago an Event may have been seen last, in seconds; API servers keep Events for an hour."),
		param.Float("value", &c.value).Required().Target().Doc("Events per replica."),
		param.Float("activationValue", &c.activationValue).Activation().Doc("Number of Events above which the workload is active."),
	}
}

// Metric implements scaler.Config.
func (c *config) Metric() string {
	parts := []string{"events"}
	for _, p := range append([]string{c.typ, c.kind, c.name}, c.reasons...) {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "-")
}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	events, ok := env.Cluster.(scaler.Events)
	if !ok {
		return nil, scaler.Misconfigured(errors.New("there is no cluster whose events could be watched"), "opening a kubernetes-events trigger")
	}
	return &source{config: c, events: events, namespace: env.Namespace, now: env.Now}, nil
}

func (c *config) counts(e scaler.Event) bool {
	return (len(c.reasons) == 0 || slices.Contains(c.reasons, e.Reason)) && (c.typ == "" || c.typ == e.Type) &&
		(c.kind == "" || c.kind == e.Kind) && (c.name == "" || c.name == e.Name)
}

type source struct {
	config    *config
	events    scaler.Events
	namespace string
	now       func() time.Time
}

var _ scaler.Watcher = (*source)(nil)

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	doing := "counting the events of namespace " + s.namespace
	if err := ctx.Err(); err != nil {
		return scaler.Reading{}, scaler.Unreachable(err, "%s", doing)
	}
	all, err := s.events.ListEvents(ctx, s.namespace)
	if err != nil {
		var known *scaler.Error
		if errors.As(err, &known) {
			return scaler.Reading{}, fmt.Errorf("%s: %w", doing, err)
		}
		return scaler.Reading{}, scaler.Unreachable(err, "%s", doing)
	}
	since, n := s.now().Add(-s.config.window), 0
	for _, e := range all {
		if s.config.counts(e) && e.Last.After(since) {
			n++
		}
	}
	return scaler.Reading{Value: float64(n)}, nil
}

// Close implements scaler.Source.
func (s *source) Close() error { return nil }

// retryPause is how long a watch that could not begin waits.
const retryPause = 5 * time.Second

// Watch implements scaler.Watcher.
func (s *source) Watch(on func(scaler.Signal)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go s.begin(ctx, on)
	return cancel
}

// begin tries until the watch stands. What came before it was not told, so the
// trigger is measured then.
func (s *source) begin(ctx context.Context, on func(scaler.Signal)) {
	for failed := false; ; failed = true {
		err := s.events.WatchEvents(ctx, s.namespace, func(e scaler.Event) {
			if ctx.Err() == nil && s.config.counts(e) {
				on(scaler.Signal{Kind: scaler.Arrived})
			}
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			on(scaler.Signal{Kind: scaler.Watching})
			on(scaler.Signal{Kind: scaler.Arrived})
			return
		}
		if !failed {
			on(scaler.Signal{Kind: scaler.Broken, Err: scaler.Unreachable(err, "watching the events of namespace %s", s.namespace)})
		}
		if !sleep.For(ctx, retryPause) {
			return
		}
	}
}
