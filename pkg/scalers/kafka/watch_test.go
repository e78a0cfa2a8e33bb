package kafka

import (
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// recorder is what a watching trigger has been told.
type recorder struct {
	mu      sync.Mutex
	signals []scaler.Signal
	stop    func()
}

func watch(t *testing.T, s *source) *recorder {
	t.Helper()
	r := &recorder{}
	r.stop = s.Watch(func(sig scaler.Signal) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.signals = append(r.signals, sig)
	})
	t.Cleanup(r.stop)
	return r
}

func (r *recorder) all() []scaler.Signal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]scaler.Signal(nil), r.signals...)
}

func (r *recorder) count(kind scaler.SignalKind) int {
	n := 0
	for _, s := range r.all() {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

// await waits until a signal has come n times.
func (r *recorder) await(t *testing.T, kind scaler.SignalKind, n int) scaler.Signal {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		seen := 0
		for _, s := range r.all() {
			if s.Kind == kind {
				if seen++; seen == n {
					return s
				}
			}
		}
	}
	t.Fatalf("signal %d did not come %d times; got %v", kind, n, r.all())
	return scaler.Signal{}
}

func watchBehaviours(t *testing.T, c *cluster) {
	t.Run("a record wakes its triggers only", func(t *testing.T) { wakesItsOwn(t, c) })
	t.Run("a record since the measurement", func(t *testing.T) { sinceMeasurement(t, c) })
	t.Run("persistent lag does not wake", func(t *testing.T) { persistentDoesNotWake(t, c) })
	t.Run("all topics of a group", func(t *testing.T) { watchAll(t, c) })
	t.Run("a topic that goes and comes", func(t *testing.T) { goesAndComes(t, c) })
}

// idle makes a topic that a group has caught up with, and measures it.
func (c *cluster) idle(t *testing.T, partitions int, more ...string) (*source, string) {
	t.Helper()
	topic, group := name("topic"), name("group")
	c.client.CreateTopic(t, topic, partitions)
	for p := range partitions {
		c.client.Produce(t, topic, p, 2)
		c.client.Commit(t, group, topic, p, 2)
	}
	s := c.open(t, group, topic, more...)
	expect(t, s, 0, 0, "")
	return s, topic
}

func wakesItsOwn(t *testing.T, c *cluster) {
	a, topic := c.idle(t, 3)
	b, other := c.idle(t, 3)
	limited := c.open(t, a.config.group, topic, "partitionLimitation", "0")
	expect(t, limited, 0, 0, "")
	ra, rb, rl := watch(t, a), watch(t, b), watch(t, limited)
	for _, r := range []*recorder{ra, rb, rl} {
		r.await(t, scaler.Watching, 1)
	}
	c.client.Produce(t, topic, 1, 1)
	ra.await(t, scaler.Arrived, 1)
	c.client.Produce(t, topic, 2, 1)
	ra.await(t, scaler.Arrived, 2)
	// What follows has passed through the same long poll, so nothing is late.
	c.client.Produce(t, other, 0, 1)
	rb.await(t, scaler.Arrived, 1)
	if n := rb.count(scaler.Arrived); n != 1 {
		t.Errorf("woken %d times by one record", n)
	}
	if n := rl.count(scaler.Arrived); n != 0 {
		t.Error("woken by a partition that is not its own")
	}
	ra.stop()
	before := len(ra.all())
	c.client.Produce(t, topic, 1, 1)
	c.client.Produce(t, other, 0, 1)
	rb.await(t, scaler.Arrived, 2)
	if after := len(ra.all()); after != before {
		t.Errorf("%d signals after the end of the watch", after-before)
	}
}

func sinceMeasurement(t *testing.T, c *cluster) {
	first, topic := c.idle(t, 1)
	second := c.open(t, first.config.group, topic)
	expect(t, second, 0, 0, "")
	c.client.Produce(t, topic, 0, 1)
	r := watch(t, first)
	r.await(t, scaler.Arrived, 1)
	watch(t, second).await(t, scaler.Arrived, 1) // the long poll is past that record
}

func persistentDoesNotWake(t *testing.T, c *cluster) {
	s, topic := c.idle(t, 1)
	c.client.Produce(t, topic, 0, 5)
	expect(t, s, 5, 5, "")
	r := watch(t, s)
	r.await(t, scaler.Watching, 1)
	if n := r.count(scaler.Arrived); n != 0 {
		t.Errorf("woken %d times by lag that was measured", n)
	}
	c.client.Produce(t, topic, 0, 1)
	r.await(t, scaler.Arrived, 1)
}

func watchAll(t *testing.T, c *cluster) {
	s, topic := c.idle(t, 2)
	all := c.open(t, s.config.group, "")
	expect(t, all, 0, 0, "")
	r := watch(t, all)
	r.await(t, scaler.Watching, 1)
	c.client.Produce(t, topic, 1, 1)
	r.await(t, scaler.Arrived, 1)
}

func goesAndComes(t *testing.T, c *cluster) {
	s, topic := c.idle(t, 1)
	r := watch(t, s)
	r.await(t, scaler.Watching, 1)
	c.client.DeleteTopic(t, topic)
	if got := r.await(t, scaler.Broken, 1); got.Err == nil {
		t.Error("broken without a reason")
	}
	c.client.CreateTopic(t, topic, 1)
	r.await(t, scaler.Watching, 2)
	r.await(t, scaler.Arrived, 1)
	seen := r.count(scaler.Arrived)
	c.client.Produce(t, topic, 0, 1)
	r.await(t, scaler.Arrived, seen+1)
}
