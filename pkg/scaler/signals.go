package scaler

import (
	"context"
	"sync"
	"sync/atomic"
)

// Listener is one watch of a Watcher, which Signals calls.
type Listener struct {
	on      func(Signal)
	stopped atomic.Bool
}

// NewListener wraps what Watch was given.
func NewListener(on func(Signal)) *Listener { return &Listener{on: on} }

// Stop ends the watch: what is queued for it is not delivered. A call that is
// under way goes on.
func (l *Listener) Stop() { l.stopped.Store(true) }

// Signals delivers signals to the listeners of one connection: each gets its
// own in order, from a goroutine that lives while there are some, so that a
// Watcher may tell while it holds a lock of its own. It is safe for use by
// several goroutines.
type Signals struct {
	ctx context.Context

	mu      sync.Mutex // guards what follows; never held while calling listeners
	queue   []delivery
	running bool
}

type delivery struct {
	to     *Listener
	signal Signal
}

// NewSignals returns a queue that delivers nothing more once ctx has ended.
func NewSignals(ctx context.Context) *Signals { return &Signals{ctx: ctx} }

// Tell queues a signal and returns at once.
func (q *Signals) Tell(l *Listener, s Signal) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, delivery{l, s})
	if !q.running {
		q.running = true
		go q.deliver()
	}
}

func (q *Signals) deliver() {
	for {
		q.mu.Lock()
		if len(q.queue) == 0 {
			q.queue, q.running = nil, false
			q.mu.Unlock()
			return
		}
		d := q.queue[0]
		q.queue = q.queue[1:]
		q.mu.Unlock()
		if !d.to.stopped.Load() && q.ctx.Err() == nil {
			d.to.on(d.signal)
		}
	}
}
