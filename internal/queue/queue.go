// Package queue makes client-go's work queues for what is idle most of the time.
package queue

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// gaugesEvery is how often a queue's gauges of unfinished work are brought up
// to date. By itself each queue wakes the process twice a second for them,
// which is much of what an operator costs that has nothing to do.
const gaugesEvery = 15 * time.Second

// New returns a queue with metrics under a name.
func New[T comparable](name string, limiter workqueue.TypedRateLimiter[T]) workqueue.TypedRateLimitingInterface[T] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[T]{Name: name, Clock: calm{}})
}

// calm is the real clock, whose tickers tick every gaugesEvery at most.
type calm struct{ clock.RealClock }

// NewTicker implements clock.WithTicker.
func (c calm) NewTicker(d time.Duration) clock.Ticker {
	return c.RealClock.NewTicker(max(d, gaugesEvery))
}
