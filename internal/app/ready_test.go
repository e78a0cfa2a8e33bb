package app

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// slowCache fails to list for a while, then makes readers wait for its list.
type slowCache struct {
	client.Reader
	failures atomic.Int32
	synced   chan struct{}
}

func (c *slowCache) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	if c.failures.Add(-1) >= 0 {
		return errors.New("no such kind yet")
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.synced:
		return nil
	}
}

// TestReadiness: not ready before every kind has been listed, ready from then on.
func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := &slowCache{synced: make(chan struct{})}
		c.failures.Store(2)
		var r readiness
		ended := make(chan error, 1)
		go func() { ended <- r.await(ctx, c) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if err := r.check(); !errors.Is(err, errNotMeasuring) {
			t.Errorf("before the first lists: %v", err)
		}
		close(c.synced)
		synctest.Wait()
		if err := r.check(); err != nil {
			t.Errorf("after the first lists: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("at the end: %v", err)
		}
	})
}
