package scalertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

func batch(t *testing.T, b *bench) {
	first, ok := b.open(t).(scaler.Batcher)
	if !ok {
		return
	}
	key := first.BatchKey()
	if same := b.open(t).(scaler.Batcher).BatchKey(); key == "" || same != key {
		t.Errorf("equal triggers have the batch keys %q and %q", key, same)
	}
	sources, want := []scaler.Source{first}, []float64{b.Expect(2)}
	b.set(t, 2)
	for i, sibling := range b.Siblings {
		s := b.open(t, sibling.Metadata)
		n := float64(5 + i)
		sibling.Set(t.Context(), n)
		sources, want = append(sources, s), append(want, b.Expect(n))
	}
	if len(b.Siblings) == 0 {
		t.Log("conformance: only equal triggers are measured together, the fixture has no Siblings")
		sources, want = append(sources, b.open(t)), append(want, b.Expect(2))
	}
	bad := -1
	if b.Bad != nil {
		bad = 1 // in the middle
		sources = append(sources[:1:1], append([]scaler.Source{b.open(t, b.Bad)}, sources[1:]...)...)
		want = append(want[:1:1], append([]float64{0}, want[1:]...)...)
	} else {
		t.Log("conformance: no failure among others is checked, the fixture has no Bad")
	}
	for i, s := range sources {
		if got := s.(scaler.Batcher).BatchKey(); got != key {
			t.Errorf("source %d has the batch key %q, want %q", i, got, key)
		}
	}
	wrong := func() string { return wrongResult(first.MeasureAll(t.Context(), sources), want, bad) }
	text := wrong()
	for end := time.Now().Add(patience); text != "" && time.Now().Before(end); text = wrong() {
		time.Sleep(10 * time.Millisecond) // a server may take a moment to count
	}
	if text == "" { // now with connections and what was learned
		text = wrong()
	}
	if text != "" {
		t.Error(text)
	}
	if b.Down == nil || b.Up == nil {
		return
	}
	b.Down()
	defer b.Up()
	for i, r := range first.MeasureAll(t.Context(), sources) {
		if r.Err == nil || i != bad && scaler.ReasonOf(r.Err) != scaler.ReasonUnreachable {
			t.Errorf("unreachable: source %d gave %+v, %v", i, r.Reading, r.Err)
		}
	}
}

// wrongResult says what is wrong with the results of a batch, "" when nothing.
// The source at bad, -1 for none, must fail.
func wrongResult(results []scaler.Result, want []float64, bad int) string {
	if len(results) != len(want) {
		return fmt.Sprintf("%d results for %d sources", len(results), len(want))
	}
	for i, r := range results {
		switch {
		case i == bad && r.Err == nil:
			return fmt.Sprintf("the bad source measured %+v", r.Reading)
		case i == bad:
		case r.Err != nil || r.Reading.Value != want[i]:
			return fmt.Sprintf("source %d gave %+v, %v; want %v", i, r.Reading, r.Err, want[i])
		}
	}
	return ""
}

// ear listens to a watcher.
type ear struct {
	mu     sync.Mutex // guards counts and last
	counts map[scaler.SignalKind]int
	last   error
	some   chan struct{}
}

func listen(w scaler.Watcher) (*ear, func()) {
	e := &ear{counts: map[scaler.SignalKind]int{}, some: make(chan struct{}, 1)}
	return e, w.Watch(func(s scaler.Signal) {
		e.mu.Lock()
		e.counts[s.Kind]++
		if s.Err != nil {
			e.last = s.Err
		}
		e.mu.Unlock()
		select {
		case e.some <- struct{}{}:
		default:
		}
	})
}

func (e *ear) count(kind scaler.SignalKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts[kind]
}

// wait waits until more than n signals of a kind have come.
func (e *ear) wait(t *testing.T, what string, kind scaler.SignalKind, n int) {
	t.Helper()
	over := time.After(patience)
	for e.count(kind) <= n {
		select {
		case <-e.some:
		case <-over:
			e.mu.Lock()
			defer e.mu.Unlock()
			t.Fatalf("%s: no such signal in time; signals so far %v, last error %v", what, e.counts, e.last)
		}
	}
}

// settle waits until signals have ceased for a moment, so that what comes
// next has a new cause.
func (e *ear) settle() {
	for {
		select {
		case <-e.some:
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

// watching opens a source that is idle and watched.
func watching(t *testing.T, b *bench) (scaler.Watcher, *ear, func()) {
	t.Helper()
	s := b.open(t)
	w, ok := s.(scaler.Watcher)
	if !ok {
		return nil, nil, nil
	}
	b.set(t, 0)
	if _, err := measureWithin(t, s); err != nil {
		t.Fatalf("measuring an idle source: %v", err)
	}
	e, stop := listen(w)
	t.Cleanup(stop)
	e.wait(t, "after Watch", scaler.Watching, 0)
	e.settle()
	return w, e, stop
}

func watch(t *testing.T, b *bench) {
	w, e, stop := watching(t, b)
	if w == nil {
		return
	}
	before := e.count(scaler.Arrived)
	b.Arrive(t.Context())
	e.wait(t, "after an arrival", scaler.Arrived, before)

	stop()
	stop() // may be called again
	b.set(t, 0)
	if _, err := measureWithin(t, w); err != nil {
		t.Fatalf("measuring an idle source: %v", err)
	}
	second, stopSecond := listen(w)
	defer stopSecond()
	second.wait(t, "after Watch again", scaler.Watching, 0)
	second.settle()
	stopped, before := e.count(scaler.Arrived), second.count(scaler.Arrived)
	b.Arrive(t.Context())
	second.wait(t, "after an arrival, watched again", scaler.Arrived, before)
	if after := e.count(scaler.Arrived); after != stopped {
		t.Errorf("%d signals came after stop", after-stopped)
	}
}

func watchAgain(t *testing.T, b *bench) {
	w, e, _ := watching(t, b)
	if w == nil {
		return
	}
	broken, watched, arrived := e.count(scaler.Broken), e.count(scaler.Watching), e.count(scaler.Arrived)
	b.Down()
	e.wait(t, "after the connection broke", scaler.Broken, broken)
	b.Up()
	e.wait(t, "after the connection is back", scaler.Watching, watched)
	// Something may have arrived meanwhile, so the source must be measured.
	e.wait(t, "after the connection is back", scaler.Arrived, arrived)
	e.settle()
	arrived = e.count(scaler.Arrived)
	b.Arrive(t.Context())
	e.wait(t, "after an arrival", scaler.Arrived, arrived)
}
