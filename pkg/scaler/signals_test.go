package scaler_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kedago/keda/pkg/scaler"
)

// TestSignals checks that signals come in order and outside the teller's lock,
// not to a listener that has stopped, and not after the context's end.
func TestSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		q := scaler.NewSignals(ctx)
		var mu sync.Mutex // the Watcher's own
		var got []scaler.SignalKind
		var one *scaler.Listener
		one = scaler.NewListener(func(s scaler.Signal) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, s.Kind)
			if s.Kind == scaler.Broken {
				one.Stop()
			}
		})
		calls := 0
		other := scaler.NewListener(func(scaler.Signal) { calls++ })
		want := []scaler.SignalKind{scaler.Watching, scaler.Arrived, scaler.Arrived, scaler.Broken}
		mu.Lock()
		for _, kind := range append(slices.Clone(want), scaler.Watching, scaler.Arrived) {
			q.Tell(one, scaler.Signal{Kind: kind})
		}
		q.Tell(other, scaler.Signal{})
		mu.Unlock()
		synctest.Wait()
		q.Tell(other, scaler.Signal{}) // after a rest
		synctest.Wait()
		if !slices.Equal(want, got) || calls != 2 {
			t.Errorf("got %v and %d calls, want %v and 2", got, calls, want)
		}
		cancel()
		q.Tell(other, scaler.Signal{})
		synctest.Wait()
		if calls != 2 {
			t.Errorf("a signal was delivered after the end of the context")
		}
	})
}
