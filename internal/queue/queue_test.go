package queue

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/workqueue"
)

func TestCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticker := calm{}.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		start := time.Now()
		if at := <-ticker.C(); at.Sub(start) != gaugesEvery {
			t.Errorf("ticked after %s, expected %s", at.Sub(start), gaugesEvery)
		}
	})
}

// TestQueue: what is added later, or again after an error, comes when it should.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New("test", workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, time.Minute))
		defer q.ShutDown()
		start := time.Now()
		q.AddAfter("later", 40*time.Second)
		q.Add("now")
		q.AddRateLimited("failed")
		for _, want := range []struct {
			item  string
			after time.Duration
		}{{"now", 0}, {"failed", time.Second}, {"later", 40 * time.Second}} {
			item, _ := q.Get()
			if item != want.item || time.Since(start) != want.after {
				t.Errorf("%s after %s, expected %s after %s", item, time.Since(start), want.item, want.after)
			}
			q.Done(item)
		}
	})
}
