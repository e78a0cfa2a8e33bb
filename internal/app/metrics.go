package app

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/metricsapi"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/poll"
	"github.com/kedago/keda/internal/store"
)

// metricSource answers HPAs from the store, with one refresh by the poller
// when a sample is too old.
type metricSource struct {
	store  *store.Store
	poller *poll.Poller
	input  func(context.Context, model.Key) (decide.Input, bool)
	// told counts the answers.
	told func(decide.Answer, error)
}

var _ metricsapi.Source = metricSource{}

// readPatience is how long a read waits for a refresh before it is answered
// with what is known.
const readPatience = 3 * time.Second

// Metric implements metricsapi.Source.
func (m metricSource) Metric(ctx context.Context, namespace, name string, selector labels.Selector) ([]metricsapi.Value, error) {
	var out []metricsapi.Value
	for _, f := range m.store.Find(namespace, name) {
		set := labels.Set{f.SelectorKey: f.SelectorValue}
		if !selector.Matches(set) {
			continue
		}
		a, err := m.read(ctx, f)
		m.told(a, err)
		if err != nil {
			return nil, err
		}
		out = append(out, metricsapi.Value{Name: f.Metric.External, Labels: set, Value: a.Value, At: a.At})
	}
	if len(out) == 0 {
		return nil, metricsapi.ErrUnknownMetric
	}
	return out, nil
}

func (m metricSource) read(ctx context.Context, f store.Found) (decide.Answer, error) {
	m.refresh(ctx, f)
	in, ok := m.input(ctx, f.Trigger.Workload)
	return answerOf(in, ok, f.Trigger.Index)
}

// answerOf is what is known of a trigger or, by store.CompositeIndex, of a
// formula.
func answerOf(in decide.Input, known bool, index int) (decide.Answer, error) {
	switch {
	case !known:
		return decide.Answer{}, metricsapi.ErrUnknownMetric
	case index != store.CompositeIndex:
		return decide.AnswerTrigger(in, index)
	case in.Composite == nil: // edited meanwhile
		return decide.Answer{}, metricsapi.ErrUnknownMetric
	}
	return decide.AnswerComposite(in)
}

// refresh waits until what is asked for is fresh, or for as long as a reader
// can be kept waiting.
func (m metricSource) refresh(ctx context.Context, f store.Found) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	if f.Trigger.Index != store.CompositeIndex {
		m.poller.Read(ctx, f.Trigger, f.Metric.UseCached)
		return
	}
	entry, _, _ := m.store.Get(f.Trigger.Workload)
	var all sync.WaitGroup
	for _, t := range entry.Metrics {
		if t.External != "" {
			all.Go(func() {
				m.poller.Read(ctx, model.TriggerKey{Workload: f.Trigger.Workload, Index: t.Trigger}, t.UseCached)
			})
		}
	}
	all.Wait()
}

// Names implements metricsapi.Source.
func (m metricSource) Names() []string { return m.store.MetricNames() }
