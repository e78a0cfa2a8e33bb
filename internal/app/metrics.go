package app

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/kedago/keda/internal/metricsapi"
	"github.com/kedago/keda/internal/poll"
	"github.com/kedago/keda/internal/store"
)

// metricSource answers HPAs from the store, with one refresh by the poller
// when a sample is too old.
type metricSource struct {
	store  *store.Store
	poller *poll.Poller
	now    func() time.Time
}

var _ metricsapi.Source = metricSource{}

const (
	// readPatience is how long a read waits for a refresh before it is
	// answered with the last good value.
	readPatience = 3 * time.Second
	// staleAfter is how many polling intervals the last good value of a
	// failing source is still given to HPAs. After that they get the failure,
	// upon which they keep their replica counts.
	staleAfter = 3
	// staleAtLeast keeps short polling intervals from making that too short.
	staleAtLeast = time.Minute
)

// Metric implements metricsapi.Source.
func (m metricSource) Metric(ctx context.Context, namespace, name string, selector labels.Selector) ([]metricsapi.Value, error) {
	var out []metricsapi.Value
	for _, f := range m.store.Find(namespace, name) {
		set := labels.Set{f.SelectorKey: f.SelectorValue}
		if !selector.Matches(set) {
			continue
		}
		v, err := m.read(ctx, f)
		if err != nil {
			return nil, err
		}
		v.Name, v.Labels = f.Metric.External, set
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, metricsapi.ErrUnknownMetric
	}
	return out, nil
}

func (m metricSource) read(ctx context.Context, f store.Found) (metricsapi.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	s, ok := m.poller.Read(ctx, f.Trigger, f.Metric.UseCached)
	switch {
	case !ok:
		return metricsapi.Value{}, metricsapi.ErrUnknownMetric
	case !s.Known() && s.Failing():
		return metricsapi.Value{}, fmt.Errorf("the source fails: %s", s.Message)
	case !s.Known():
		return metricsapi.Value{}, fmt.Errorf("the source has not been measured yet")
	}
	age := m.now().Sub(s.At)
	if limit := max(staleAfter*f.Interval, staleAtLeast); age > limit {
		if s.Failing() {
			return metricsapi.Value{}, fmt.Errorf("the source fails, and its last value is %s old: %s", age.Round(time.Second), s.Message)
		}
		return metricsapi.Value{}, fmt.Errorf("the last value is %s old", age.Round(time.Second))
	}
	return metricsapi.Value{Value: s.Value, At: s.At}, nil
}

// Names implements metricsapi.Source.
func (m metricSource) Names() []string { return m.store.MetricNames() }
