package secret

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// shelf is a Store whose answers a test sets.
type shelf struct {
	mu      sync.Mutex
	answers map[string]Fetched // by Item.Name
	fetches [][]string         // names of each Fetch
	opened  int
	closed  int
	opening error
	gate    chan struct{} // when set, a Fetch waits for it
}

func (s *shelf) open() (Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	if s.opening != nil {
		return nil, s.opening
	}
	return s, nil
}

func (s *shelf) Fetch(_ context.Context, items []Item) []Fetched {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	var out []Fetched
	for _, it := range items {
		names = append(names, it.Name)
		out = append(out, s.answers[it.Name])
	}
	s.fetches = append(s.fetches, names)
	if s.answers["panic"].Value != "" {
		panic("an answer that nobody expects")
	}
	return out
}

func (s *shelf) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
}

func (s *shelf) set(name string, f Fetched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[name] = f
}

func (s *shelf) asked() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// bench is a running Cache.
type bench struct {
	*Cache
	t       *testing.T
	clock   *clocktesting.FakeClock
	changed chan model.Reference
	mu      sync.Mutex
	unused  bool
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, clock: clocktesting.NewFakeClock(time.Unix(1000, 0)), changed: make(chan model.Reference, 100)}
	b.Cache = NewCache(CacheOptions{
		Clock: b.clock, Jitter: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
		Changed: func(r model.Reference) { b.changed <- r },
		Used: func(model.Reference) bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return !b.unused
		},
	})
	return b
}

// run runs the cache until the test ends.
func (b *bench) run() *bench {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := b.Run(ctx); err != nil {
			b.t.Errorf("running: %v", err)
		}
	}()
	b.t.Cleanup(func() { cancel(); <-ended })
	b.until("the cache waits", b.clock.HasWaiters)
	return b
}

// until waits for a condition.
func (b *bench) until(what string, done func() bool) {
	b.t.Helper()
	for range 5000 {
		if done() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	b.t.Fatalf("it did not come about that %s", what)
}

// pass moves the clock once nothing is at work, and waits for n fetches in all.
func (b *bench) pass(s *shelf, d time.Duration, n int) {
	b.t.Helper()
	b.until("nothing is at work", func() bool {
		b.Cache.mu.Lock()
		defer b.Cache.mu.Unlock()
		for _, e := range b.entries {
			if e.busy != nil {
				return false
			}
		}
		return b.clock.HasWaiters()
	})
	b.clock.Step(d)
	b.until("the store was asked", func() bool { return len(s.asked()) >= n })
}

var theRef = model.Reference{Kind: "hashiCorpVault", Namespace: "ns", Name: "hash"}

func (b *bench) ask(s *shelf, names ...string) []held {
	b.t.Helper()
	var items []Item
	for _, n := range names {
		items = append(items, Item{Name: n})
	}
	return b.get(b.t.Context(), theRef, items, s.open)
}

func valuesOf(got []held) []string {
	var out []string
	for _, h := range got {
		s := "-"
		if h.has {
			s = h.value
		}
		if h.err != nil {
			s += " !" + h.err.Error()
		}
		out = append(out, s)
	}
	return out
}

func (b *bench) expect(what string, got []held, want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, valuesOf(got)); diff != "" {
		b.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (b *bench) told() model.Reference {
	b.t.Helper()
	select {
	case r := <-b.changed:
		return r
	case <-time.After(5 * time.Second):
		b.t.Fatal("nobody was told of the change")
		return model.Reference{}
	}
}

// TestOneFetchForAll: however many ask, before and after the answer, the store
// is opened and asked once.
func TestOneFetchForAll(t *testing.T) {
	b := newBench(t)
	s := &shelf{answers: map[string]Fetched{"a": {Value: "1"}}, gate: make(chan struct{})}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { b.expect("values", b.ask(s, "a"), "1") })
	}
	close(s.gate)
	all.Wait()
	b.expect("later", b.ask(s, "a"), "1")
	if s.opened != 1 || len(s.asked()) != 1 {
		t.Errorf("opened %d times, asked %d times; expected once", s.opened, len(s.asked()))
	}
}

func TestWaitingEnds(t *testing.T) {
	b := newBench(t)
	s := &shelf{answers: map[string]Fetched{"a": {Value: "1"}}, gate: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := b.get(ctx, theRef, []Item{{Name: "a"}}, s.open)
	if got[0].has || !errors.Is(got[0].err, context.Canceled) {
		t.Errorf("got %v; expected that the caller gave up", valuesOf(got))
	}
	close(s.gate)
	if r := b.told(); r != theRef {
		t.Errorf("told of %v", r)
	}
	b.expect("later", b.ask(s, "a"), "1")
}

// TestRotation: a changed value is noticed at the usual time, and told once.
func TestRotation(t *testing.T) {
	b := newBench(t).run()
	s := &shelf{answers: map[string]Fetched{"a": {Value: "old"}, "b": {Value: "same"}}}
	b.expect("first", b.ask(s, "a", "b"), "old", "same")
	b.told()
	b.pass(s, DefaultEvery, 2)
	s.set("a", Fetched{Value: "new"})
	b.pass(s, DefaultEvery, 3)
	b.told()
	b.expect("rotated", b.ask(s, "a", "b"), "new", "same")
	if len(b.changed) != 0 {
		t.Error("told of a change where there was none")
	}
	if s.opened != 1 {
		t.Errorf("opened %d times; expected one login", s.opened)
	}
}

// TestLastGood: a failure never takes a value away; it is told once, tried
// again soon, and its end is told too.
func TestLastGood(t *testing.T) {
	b := newBench(t).run()
	s := &shelf{answers: map[string]Fetched{"a": {Value: "good"}}}
	b.ask(s, "a")
	b.told()
	down := func(port string) error { return scaler.Unreachable(errors.New("refused at port "+port), "reading") }
	s.set("a", Fetched{Err: down("1")})
	b.pass(s, DefaultEvery, 2)
	b.told()
	b.expect("while it fails", b.ask(s, "a"), "good !reading: refused at port 1")
	s.set("a", Fetched{Err: down("2")})
	b.pass(s, firstRetry, 3)
	b.pass(s, 2*firstRetry, 4)
	b.expect("while it still fails", b.ask(s, "a"), "good !reading: refused at port 1")
	if len(b.changed) != 0 {
		t.Error("told of the same failure again")
	}
	s.set("a", Fetched{Value: "better"})
	b.pass(s, 4*firstRetry, 5)
	b.told()
	b.expect("afterwards", b.ask(s, "a"), "better")
}

// TestFirstFailure: with nothing got yet there is no value, and the store is
// asked until there is.
func TestFirstFailure(t *testing.T) {
	b := newBench(t).run()
	s := &shelf{opening: scaler.Misconfigured(nil, "no such place"), answers: map[string]Fetched{"a": {Value: "1"}}}
	b.expect("first", b.ask(s, "a"), "- !no such place")
	b.told()
	s.mu.Lock()
	s.opening = nil
	s.mu.Unlock()
	b.pass(s, firstRetry, 1)
	b.told()
	b.expect("opened", b.ask(s, "a"), "1")
}

func TestRetryAfter(t *testing.T) {
	e := &entry{held: make([]held, 1)}
	o := CacheOptions{Clock: clocktesting.NewFakeClock(time.Unix(0, 0)), Every: DefaultEvery, Jitter: func() float64 { return 0 }}
	for i, tt := range []struct {
		wish, want time.Duration
	}{{0, firstRetry}, {time.Minute, time.Minute}, {0, 4 * firstRetry}, {time.Hour, DefaultEvery}, {0, 16 * firstRetry}, {0, DefaultEvery}} {
		e.take([]int{0}, []Fetched{{Err: &scaler.Error{Reason: scaler.ReasonUnreachable, RetryAfter: tt.wish}}}, o)
		if got := e.held[0].due.Sub(time.Unix(0, 0)); got != min(tt.want, DefaultEvery) {
			t.Errorf("failure %d: again after %v; expected %v", i+1, got, tt.want)
		}
	}
}

// TestOwnTimes: items that last shorter or longer than others are asked for at
// their own times.
func TestOwnTimes(t *testing.T) {
	b := newBench(t).run()
	s := &shelf{answers: map[string]Fetched{"kv": {Value: "1"}, "certificate": {Value: "2", Again: time.Hour, Issued: true}, "token": {Value: "3", Again: time.Minute}}}
	b.ask(s, "kv", "certificate", "token")
	b.pass(s, time.Minute, 2)
	b.pass(s, time.Minute, 3)
	b.pass(s, 3*time.Minute, 4)
	want := [][]string{{"kv", "certificate", "token"}, {"token"}, {"token"}, {"kv", "token"}}
	if diff := cmp.Diff(want, s.asked()); diff != "" {
		t.Errorf("fetches (-want +got):\n%s", diff)
	}
}

// TestDistrust: a value that a source refuses is asked for at once, but not
// over and over.
func TestDistrust(t *testing.T) {
	b := newBench(t).run()
	s := &shelf{answers: map[string]Fetched{"a": {Value: "old"}, "issued": {Value: "x", Again: time.Hour, Issued: true}}}
	b.ask(s, "a", "issued")
	b.told()
	b.Distrust(model.Reference{Kind: "other"})
	b.Distrust(theRef)
	if n := len(s.asked()); n != 1 {
		t.Fatalf("asked %d times right after the first", n)
	}
	s.set("a", Fetched{Value: "new"})
	b.clock.Step(freshFor)
	b.Distrust(theRef)
	b.told()
	b.expect("after the refusal", b.ask(s, "a", "issued"), "new", "x")
	if diff := cmp.Diff([][]string{{"a", "issued"}, {"a"}}, s.asked()); diff != "" {
		t.Errorf("fetches (-want +got):\n%s", diff)
	}
}

// TestDistrustIssued: what is made by asking is made anew once after a
// refusal, and then only when it is due.
func TestDistrustIssued(t *testing.T) {
	b := newBench(t).run()
	s := &shelf{answers: map[string]Fetched{"a": {Value: "1", Again: time.Hour, Issued: true}}}
	b.ask(s, "a")
	b.clock.Step(issuedFor)
	b.Distrust(theRef)
	b.until("it is made anew", func() bool { return len(s.asked()) == 2 })
	for range 5 {
		b.pass(s, issuedFor, 2)
		b.Distrust(theRef)
	}
	if n := len(s.asked()); n != 2 {
		t.Errorf("made %d times; expected once more after the refusals", n)
	}
	b.pass(s, time.Hour, 3)
	b.pass(s, issuedFor, 3)
	b.Distrust(theRef)
	b.until("it is made anew after the usual time", func() bool { return len(s.asked()) == 4 })
}

// TestUnused: what nobody uses is dropped and closed; asking again opens it anew.
func TestUnused(t *testing.T) {
	b := newBench(t).run()
	s := &shelf{answers: map[string]Fetched{"a": {Value: "1"}}}
	b.ask(s, "a")
	b.mu.Lock()
	b.unused = true
	b.mu.Unlock()
	b.until("nothing is at work", b.clock.HasWaiters)
	b.pass(s, DefaultEvery, 1)
	b.until("it is closed", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.closed == 1 })
	b.ask(s, "a")
	if s.opened != 2 || len(s.asked()) != 2 {
		t.Errorf("opened %d times, asked %d times; expected twice", s.opened, len(s.asked()))
	}
}

func TestClosedAtTheEnd(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := &shelf{answers: map[string]Fetched{"a": {Value: "1"}}}
	b.ask(s, "a")
	cancel()
	if err := b.Run(ctx); err != nil {
		t.Fatal(err)
	}
	b.expect("afterwards", b.ask(s, "a"), "- !waiting for the first answer: context canceled")
	if s.closed != 1 || s.opened != 1 {
		t.Errorf("closed %d times, opened %d times; expected once", s.closed, s.opened)
	}
}

func TestPanicIsAFailure(t *testing.T) {
	b := newBench(t)
	s := &shelf{answers: map[string]Fetched{"panic": {Value: "now"}}}
	b.expect("values", b.ask(s, "panic"), "- !the answer could not be read")
}
