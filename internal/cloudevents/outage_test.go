package cloudevents

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// A destination that is away gets everything, in order, once it is back, and
// says so in its state.
func TestOutage(t *testing.T) {
	with(t, func(t *testing.T, b *bench) {
		b.add(t, source("team", "s", nil))
		away := b.sinks["s"]
		away.set(errDown)
		begin := time.Now()
		for _, n := range []string{"a", "b", "c"} {
			b.Tell(ready("team", n))
		}
		synctest.Wait()
		if working, _, _ := b.State(source("team", "s", nil).Key); !working {
			t.Error("one failure is told already; expected the third to be")
		}
		time.Sleep(firstPause + 2*firstPause)
		synctest.Wait()
		working, why, _ := b.State(source("team", "s", nil).Key)
		if working || why != errDown.Error() {
			t.Errorf("state after three failures: got working %t, %q; want false, %q", working, why, errDown)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		var waits []time.Duration
		tried := away.seen().tried
		for i, at := range tried[:9] {
			if i > 0 {
				waits = append(waits, at.Sub(tried[i-1]))
			}
		}
		s := time.Second
		if want := []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}; !slices.Equal(waits, want) {
			t.Errorf("pauses: got %v, want %v", waits, want)
		}
		away.set(nil)
		time.Sleep(longestPause)
		synctest.Wait()
		if got, want := away.names(), []string{"a", "b", "c"}; !slices.Equal(got, want) {
			t.Errorf("delivered: got %v, want %v", got, want)
		}
		if at := away.seen().got[0].Time; !at.Equal(begin) {
			t.Errorf("time of the event: got %v, want when it happened, %v", at, begin)
		}
		if working, _, _ := b.State(source("team", "s", nil).Key); !working {
			t.Error("the source does not work again")
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if want := []string{"s", "s"}; !slices.Equal(b.changed, want) {
			t.Errorf("told of changes: got %v, want %v", b.changed, want)
		}
	})
}

// However slow a destination is, telling does not wait; the newest events are
// kept, and other sources are served.
func TestNeverWaits(t *testing.T) {
	with(t, func(t *testing.T, b *bench) {
		b.sink("stuck").block = true
		b.add(t, source("team", "stuck", nil))
		b.add(t, source("team", "quick", nil))
		begin := time.Now()
		const all = mostWaiting + 100
		for i := range all {
			b.Tell(ready("team", strconv.Itoa(i)))
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if took := time.Since(begin); took != 0 {
			t.Errorf("telling took %v", took)
		}
		if got := len(b.sinks["quick"].names()); got != all {
			t.Errorf("the other source got %d events, want %d", got, all)
		}
		c := b.count(t, "stuck")
		if c.Queued != mostWaiting || c.Dropped != 100 {
			t.Errorf("queued %d, dropped %d; want %d and 100", c.Queued, c.Dropped, mostWaiting)
		}
		if c := b.count(t, "quick"); c.Emitted != all || c.Queued != 0 || c.Failed != 0 {
			t.Errorf("the other source: got %+v, want %d emitted", c, all)
		}
	})
}

func TestGivenUp(t *testing.T) {
	tests := map[string]struct {
		err   error
		after time.Duration
		// left events wait still.
		left int
	}{
		"refused for good": {err: scaler.BadAnswer(errors.New("400"), "sending")},
		"denied, which may be mended": {
			err: scaler.Denied(errors.New("403"), "sending"), after: longestWait / 2, left: 1,
		},
		"too old": {err: errDown, after: longestWait + longestPause},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			with(t, func(t *testing.T, b *bench) {
				b.add(t, source("team", "s", nil))
				b.sinks["s"].set(tt.err)
				b.Tell(ready("team", "a"))
				time.Sleep(tt.after)
				synctest.Wait()
				c := b.count(t, "s")
				if c.Queued != tt.left || c.Dropped != uint64(1-tt.left) || c.Failed == 0 || c.Emitted != 0 {
					t.Errorf("got %+v, want %d queued and the rest dropped", c, tt.left)
				}
				b.sinks["s"].set(nil)
				b.Tell(ready("team", "b"))
				time.Sleep(longestPause)
				synctest.Wait()
				if got := b.sinks["s"].names(); got[len(got)-1] != "b" {
					t.Errorf("delivered: got %v, want b at the end", got)
				}
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	with(t, func(t *testing.T, b *bench) {
		b.add(t, source("team", "s", nil))
		b.sinks["s"].set(&scaler.Error{Reason: scaler.ReasonUnreachable, Doing: "sending", RetryAfter: 5 * time.Minute})
		b.Tell(ready("team", "a"))
		time.Sleep(5*time.Minute - time.Millisecond)
		synctest.Wait()
		if got := len(b.sinks["s"].seen().tried); got != 1 {
			t.Errorf("tried %d times before the server wanted it, want 1", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := len(b.sinks["s"].seen().tried); got != 2 {
			t.Errorf("tried %d times, want 2", got)
		}
	})
}

// What waits at a source that is held, or whose destination is away, goes to
// its next destination at once.
func TestMended(t *testing.T) {
	tests := map[string]func(b *bench){
		"held": func(b *bench) { b.Hold(source("team", "s", nil), "no Secret") },
		"away": func(b *bench) { b.sinks["s"].set(errDown) },
	}
	for name, breaks := range tests {
		t.Run(name, func(t *testing.T) {
			with(t, func(t *testing.T, b *bench) {
				b.add(t, source("team", "s", nil))
				breaks(b)
				b.Tell(ready("team", "a"))
				synctest.Wait()
				if got := b.sinks["s"].names(); len(got) > 0 {
					t.Fatalf("delivered %v", got)
				}
				b.add(t, source("team", "s", func(s *model.EventSource) { s.HTTP = &model.HTTPSink{URI: "next"} }))
				synctest.Wait()
				if got := b.sinks["next"].names(); !slices.Equal(got, []string{"a"}) {
					t.Errorf("the next destination got %v, want a", got)
				}
				if got := b.sinks["s"].seen().closed; got != 1 {
					t.Errorf("the first destination was closed %d times, want once", got)
				}
				if working, why, known := b.State(source("team", "s", nil).Key); !working || !known {
					t.Errorf("the source does not work: %s", why)
				}
			})
		})
	}
}

func TestHeldState(t *testing.T) {
	with(t, func(t *testing.T, b *bench) {
		key := source("team", "s", nil).Key
		if _, _, known := b.State(key); known {
			t.Error("a source is known that was never set")
		}
		b.Hold(source("team", "s", nil), "no Secret")
		if working, why, known := b.State(key); working || why != "no Secret" || !known {
			t.Errorf("got %t, %q, %t; want false, no Secret, true", working, why, known)
		}
		err := b.Set(source("team", "s", func(s *model.EventSource) { s.HTTP = nil }), model.Credentials{})
		if working, why, _ := b.State(key); working || err == nil || why != err.Error() {
			t.Errorf("got %t, %q; want false and the error %v", working, why, err)
		}
	})
}

func TestSetAgainChangesNothing(t *testing.T) {
	with(t, func(t *testing.T, b *bench) {
		for range 3 {
			b.add(t, source("team", "s", nil))
		}
		if got := b.sinks["s"].seen().closed; got != 0 {
			t.Errorf("closed %d times, want 0", got)
		}
		if err := b.Set(source("team", "s", nil), model.Credentials{Digest: "another"}); err != nil {
			t.Fatal(err)
		}
		if got := b.sinks["s"].seen().closed; got != 1 {
			t.Errorf("closed %d times after other credentials, want once", got)
		}
	})
}

func TestRemoved(t *testing.T) {
	with(t, func(t *testing.T, b *bench) {
		b.add(t, source("team", "s", nil))
		b.sinks["s"].set(errDown)
		b.Tell(ready("team", "a"))
		synctest.Wait()
		b.Remove(source("team", "s", nil).Key)
		b.sinks["s"].set(nil)
		b.Tell(ready("team", "b"))
		time.Sleep(longestPause)
		synctest.Wait()
		if got := b.sinks["s"].names(); len(got) > 0 || b.sinks["s"].seen().closed != 1 {
			t.Errorf("delivered %v, closed %d times; want nothing, and once", got, b.sinks["s"].seen().closed)
		}
	})
}

func TestAfterTheEnd(t *testing.T) {
	with(t, func(t *testing.T, b *bench) {
		b.sink("s").block = true
		b.add(t, source("team", "s", nil))
		b.Tell(ready("team", "a"))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Run(ctx); err != nil {
			t.Fatal(err)
		}
		b.Tell(ready("team", "b"))
		b.add(t, source("team", "late", nil))
		if len(b.sinks) != 1 || b.sinks["s"].seen().closed != 1 {
			t.Errorf("%d destinations, closed %d times; want one, closed once", len(b.sinks), b.sinks["s"].seen().closed)
		}
	})
}
