package scalertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kedago/keda/pkg/scaler"
)

// measured are the tests that need a source, in the order run.
var measured = []struct {
	name  string
	needs func(Fixture) string // the hook that is missing
	test  func(*testing.T, *bench)
}{
	{"open does no I/O", anything, openDoesNoIO},
	{"measure", needsSet, measures},
	{"stops when cancelled", needs("Hang", func(f Fixture) bool { return f.Hang != nil }), stopsWhenCancelled},
	{"unreachable and back", needs("Down and Up", func(f Fixture) bool { return f.Down != nil && f.Up != nil && f.Set != nil }), unreachable},
	{"garbage", needs("Garbage", func(f Fixture) bool { return f.Garbage != nil }), garbageAnswer},
	{"denied", needs("Deny", func(f Fixture) bool { return f.Deny != nil }), denied},
	{"refused servers", needs("Connections or Proxy", hasConnections), refusedServers},
	{"close", anything, closes},
	{"batch", needsSet, batch},
	{"watch", needs("Set or Arrive", func(f Fixture) bool { return f.Set != nil && f.Arrive != nil }), watch},
	{"watch after an interruption", needs("Down and Up", func(f Fixture) bool { return f.Down != nil && f.Up != nil && f.Set != nil }), watchAgain},
	{"times of change", anything, timesOfChange},
}

func anything(Fixture) string { return "" }

func needs(what string, has func(Fixture) bool) func(Fixture) string {
	return func(f Fixture) string {
		if has(f) {
			return ""
		}
		return what
	}
}

func needsSet(f Fixture) string { return needs("Set", func(f Fixture) bool { return f.Set != nil })(f) }

// measureWithin measures with a deadline like the poller's, and fails the
// test when Measure does not keep it.
func measureWithin(t *testing.T, s scaler.Source) (scaler.Reading, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience/4)
	defer cancel()
	return measureUntil(ctx, t, s)
}

func measureUntil(ctx context.Context, t *testing.T, s scaler.Source) (scaler.Reading, error) {
	t.Helper()
	type answer struct {
		reading scaler.Reading
		err     error
	}
	got := make(chan answer, 1)
	go func() {
		r, err := s.Measure(ctx)
		got <- answer{r, err}
	}()
	select {
	case a := <-got:
		return a.reading, a.err
	case <-time.After(patience):
		t.Fatal("Measure does not return though its context is over")
		return scaler.Reading{}, nil
	}
}

// eventually measures until the source answers want.
func (b *bench) eventually(t *testing.T, s scaler.Source, want float64) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		r, err := measureWithin(t, s)
		if err == nil && r.Value == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the source does not come back: %+v, %v; want %v", r, err, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// refused checks a failed measurement.
func (b *bench) refused(t *testing.T, s scaler.Source, reasons ...scaler.Reason) {
	t.Helper()
	r, err := measureWithin(t, s)
	if err == nil {
		t.Fatalf("Measure gives %+v and no error; want %v", r, reasons)
	}
	var own *scaler.Error
	if !errors.As(err, &own) {
		t.Errorf("the error has no reason: %v", err)
	}
	got := scaler.ReasonOf(err)
	for _, want := range reasons {
		if got == want {
			for _, secret := range b.secretValues(b.Fixture.Auth) {
				if strings.Contains(err.Error(), secret) || strings.Contains(b.logs.String(), secret) {
					t.Errorf("the error or the log shows a credential: %v", err)
				}
			}
			return
		}
	}
	t.Errorf("the reason is %s, want %v: %v", got, reasons, err)
}

func openDoesNoIO(t *testing.T, b *bench) {
	if b.Down != nil {
		b.Down()
		defer b.Up()
	}
	before := 0
	if b.Connections != nil {
		before = b.Connections()
	}
	s := b.open(t)
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if b.Connections != nil && b.Connections() != before {
		t.Errorf("Open made %d connections", b.Connections()-before)
	}
}

func measures(t *testing.T, b *bench) {
	s := b.open(t)
	for _, n := range b.Values {
		b.set(t, n)
		r, err := measureWithin(t, s)
		if err != nil {
			t.Fatalf("with %v at the source: %v", n, err)
		}
		if want := b.Expect(n); r.Value != want {
			t.Errorf("with %v at the source: measured %v, want %v", n, r.Value, want)
		}
		if _, stated := b.config(t).(scaler.Stated); stated != (r.Target > 0) {
			t.Errorf("with %v at the source: the target stated is %v; expected one above 0 of a scaler.Stated only", n, r.Target)
		}
	}
}

func stopsWhenCancelled(t *testing.T, b *bench) {
	if b.Up != nil {
		defer b.Up()
	}
	s := b.open(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := measureUntil(over, t, s); err == nil {
		t.Errorf("measured %+v with a context that was over", r)
	}

	b.Hang()
	asked, cancel := context.WithCancel(t.Context())
	defer cancel()
	if b.Proxy != nil {
		go func() {
			select {
			case <-b.Proxy.Asked():
			case <-time.After(patience / 4):
			}
			cancel()
		}()
	} else {
		time.AfterFunc(100*time.Millisecond, cancel)
	}
	checkStopped(asked, t, "cancelled", s)

	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	checkStopped(short, t, "past its deadline", s)
}

func checkStopped(ctx context.Context, t *testing.T, how string, s scaler.Source) {
	t.Helper()
	r, err := measureUntil(ctx, t, s)
	if err == nil {
		t.Errorf("%s: measured %+v", how, r)
		return
	}
	if ctx.Err() == nil {
		t.Errorf("%s: gave up before: %v", how, err)
	}
	if scaler.ReasonOf(err) != scaler.ReasonUnreachable {
		t.Errorf("%s: the reason is %s: %v", how, scaler.ReasonOf(err), err)
	}
}

func unreachable(t *testing.T, b *bench) {
	s := b.open(t)
	b.Down()
	b.refused(t, s, scaler.ReasonUnreachable)
	b.Up()
	b.set(t, 3)
	b.eventually(t, s, b.Expect(3))

	b.Down() // now with connections that were good
	b.refused(t, s, scaler.ReasonUnreachable)
	b.Up()
	b.set(t, 1)
	b.eventually(t, s, b.Expect(1))
}

func garbageAnswer(t *testing.T, b *bench) {
	s := b.open(t)
	b.Garbage()
	b.refused(t, s, scaler.ReasonBadAnswer, scaler.ReasonUnreachable, scaler.ReasonMisconfigured)
	if b.Up == nil || b.Set == nil {
		return
	}
	b.Up()
	b.set(t, 1)
	b.eventually(t, s, b.Expect(1))
}

func denied(t *testing.T, b *bench) {
	s := b.open(t)
	if b.Set != nil {
		b.set(t, 1)
		b.eventually(t, s, b.Expect(1))
	}
	b.Deny()
	if b.Allow != nil {
		defer b.Allow()
	}
	b.refused(t, s, scaler.ReasonDenied)
	if b.Allow == nil || b.Set == nil {
		return
	}
	b.Allow()
	b.eventually(t, s, b.Expect(1))
}

func closes(t *testing.T, b *bench) {
	before := append([]goleak.Option{goleak.IgnoreCurrent()}, b.Leaks...)
	var sources []scaler.Source
	for range 2 { // two that share what can be shared
		s, err := b.config(t).Open(t.Context(), b.env())
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		sources = append(sources, s)
		_, _ = measureWithin(t, s)
		if w, ok := s.(scaler.Watcher); ok {
			defer w.Watch(func(scaler.Signal) {})()
		}
	}
	for _, s := range sources {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	}
	if held := b.pool.Held(); held != 0 {
		t.Errorf("%d leases are held after Close", held)
	}
	if err := goleak.Find(before...); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func timesOfChange(t *testing.T, b *bench) {
	s, ok := b.open(t).(scaler.Timed)
	if !ok {
		return
	}
	now := b.env().Now()
	for range 10 {
		next := s.NextChange(now)
		if next.IsZero() {
			return
		}
		if !next.After(now) {
			t.Fatalf("the next change after %v is %v", now, next)
		}
		now = next
	}
}
