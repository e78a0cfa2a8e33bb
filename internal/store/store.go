// Package store keeps the last samples of all triggers and what the HPAs may
// ask for. It is the only thing that read paths touch: no read does I/O.
//
// One lock guards the maps and is never held over a call out.
package store

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kedago/keda/internal/model"
)

// Entry is what the store knows of one workload besides its samples.
type Entry struct {
	Key model.Key
	// SelectorKey and SelectorValue are the label that the HPA selects by.
	SelectorKey, SelectorValue string
	// Interval is the polling interval.
	Interval time.Duration
	// Metrics lists the triggers, by index.
	Metrics []model.Metric
	// Composite is the metric that a formula makes of all triggers, if any.
	Composite *model.Metric
}

// CompositeIndex stands for a trigger's index where a formula's result is meant.
const CompositeIndex = -1

// external calls f with every external metric and its index.
func (e *Entry) external(f func(index int, m model.Metric)) {
	for _, m := range e.Metrics {
		if m.External != "" {
			f(m.Trigger, m)
		}
	}
	if e.Composite != nil {
		f(CompositeIndex, *e.Composite)
	}
}

func (e *Entry) metric(index int) model.Metric {
	if index == CompositeIndex {
		return *e.Composite
	}
	return e.Metrics[index]
}

// Store holds entries and samples. The zero value is not usable; see New.
type Store struct {
	mu       sync.RWMutex
	entries  map[model.Key]*record
	byMetric map[metricKey][]model.TriggerKey
	onChange []func(model.Key)
	onTarget []func(model.Key)
	onEntry  []func(model.Key)
}

type record struct {
	entry   Entry
	samples []model.Sample
}

// metricKey finds a metric by its name in small letters.
type metricKey struct{ namespace, metric string }

func keyOf(namespace, metric string) metricKey { return metricKey{namespace, strings.ToLower(metric)} }

// New returns an empty store.
func New() *Store {
	return &Store{entries: map[model.Key]*record{}, byMetric: map[metricKey][]model.TriggerKey{}}
}

// OnChange registers a listener that is called, outside the lock, with the
// key of each workload of which a sample was put. Register before use.
func (s *Store) OnChange(f func(model.Key)) { s.onChange = append(s.onChange, f) }

// OnTarget is OnChange for when a source states another target than before.
func (s *Store) OnTarget(f func(model.Key)) { s.onTarget = append(s.onTarget, f) }

// OnEntry is OnChange for when a workload was added, replaced or removed.
func (s *Store) OnEntry(f func(model.Key)) { s.onEntry = append(s.onEntry, f) }

// SetEntry adds or replaces a workload. Samples of triggers whose external
// metric keeps its name are kept, so an edit never forgets what is known.
func (s *Store) SetEntry(e Entry) {
	s.set(e)
	tell(s.onEntry, e.Key)
}

func tell(listeners []func(model.Key), k model.Key) {
	for _, f := range listeners {
		f(k)
	}
}

func (s *Store) set(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	samples := make([]model.Sample, len(e.Metrics))
	if old := s.entries[e.Key]; old != nil {
		s.unindex(old.entry)
		for i, m := range e.Metrics {
			if i < len(old.entry.Metrics) && old.entry.Metrics[i].External == m.External {
				samples[i] = old.samples[i]
			}
		}
	}
	s.entries[e.Key] = &record{entry: e, samples: samples}
	e.external(func(index int, m model.Metric) {
		k := keyOf(e.Key.Namespace, m.External)
		s.byMetric[k] = append(s.byMetric[k], model.TriggerKey{Workload: e.Key, Index: index})
	})
}

// Remove forgets a workload.
func (s *Store) Remove(key model.Key) {
	s.mu.Lock()
	old := s.entries[key]
	if old != nil {
		s.unindex(old.entry)
		delete(s.entries, key)
	}
	s.mu.Unlock()
	if old != nil {
		tell(s.onEntry, key)
	}
}

func (s *Store) unindex(e Entry) {
	e.external(func(_ int, m model.Metric) {
		k := keyOf(e.Key.Namespace, m.External)
		left := slices.DeleteFunc(s.byMetric[k], func(t model.TriggerKey) bool { return t.Workload == e.Key })
		if len(left) == 0 {
			delete(s.byMetric, k)
		} else {
			s.byMetric[k] = left
		}
	})
}

// Update changes the sample of a trigger and tells the listeners. A trigger
// that the store does not know is ignored: its workload has gone.
func (s *Store) Update(t model.TriggerKey, change func(*model.Sample)) {
	s.mu.Lock()
	r := s.entries[t.Workload]
	ok := r != nil && t.Index >= 0 && t.Index < len(r.samples)
	moved := false
	if ok {
		before := r.samples[t.Index].Target
		change(&r.samples[t.Index])
		moved = r.samples[t.Index].Target != before
	}
	s.mu.Unlock()
	if moved {
		tell(s.onTarget, t.Workload)
	}
	if ok {
		tell(s.onChange, t.Workload)
	}
}

// metrics are the entry's, with the targets that the sources stated last.
func (r *record) metrics() []model.Metric {
	out, own := r.entry.Metrics, false
	for i, m := range r.entry.Metrics {
		if !m.Stated {
			continue
		}
		if !own {
			out, own = slices.Clone(out), true
		}
		out[i].Target = r.samples[i].Target
	}
	return out
}

// Get returns a workload's entry and a copy of its samples, by trigger index.
// The metrics have the targets that the sources stated last.
func (s *Store) Get(key model.Key) (Entry, []model.Sample, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.entries[key]
	if r == nil {
		return Entry{}, nil, false
	}
	e := r.entry
	e.Metrics = r.metrics()
	return e, slices.Clone(r.samples), true
}

// Sample returns one trigger's sample.
func (s *Store) Sample(t model.TriggerKey) (model.Sample, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.entries[t.Workload]
	if r == nil || t.Index < 0 || t.Index >= len(r.samples) {
		return model.Sample{}, false
	}
	return r.samples[t.Index], true
}

// Found is a trigger that answers a metric query.
type Found struct {
	Trigger                    model.TriggerKey
	Metric                     model.Metric
	SelectorKey, SelectorValue string
	Interval                   time.Duration
}

// Find returns the triggers of a namespace whose external metric has a name,
// in letters of any case: Kubernetes' clients ask in small ones.
// Several workloads may share the name; the caller's selector tells them apart.
func (s *Store) Find(namespace, metric string) []Found {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Found
	for _, t := range s.byMetric[keyOf(namespace, metric)] {
		r := s.entries[t.Workload]
		out = append(out, Found{t, r.entry.metric(t.Index), r.entry.SelectorKey, r.entry.SelectorValue, r.entry.Interval})
	}
	return out
}

// MetricNames lists the names of all external metrics, sorted, each once.
func (s *Store) MetricNames() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	seen := map[string]bool{}
	for _, r := range s.entries {
		r.entry.external(func(_ int, m model.Metric) { seen[m.External] = true })
	}
	out := make([]string, 0, len(seen))
	for n := range seen {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Keys lists the workloads, in no order.
func (s *Store) Keys() []model.Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]model.Key, 0, len(s.entries))
	for k := range s.entries {
		out = append(out, k)
	}
	return out
}
