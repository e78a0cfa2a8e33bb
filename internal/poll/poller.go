// Package poll decides when and how to measure: which triggers are due, which
// of them are equal and measured once, which share a round trip, how long a
// measurement may take, and when to try again.
//
// It owns all sources and is the only caller of Measure. It writes results to
// the store and decides nothing about replicas. One mutex guards its state
// and is never held over I/O; one goroutine schedules, and each group of
// triggers that shares a round trip is measured in a goroutine of its own, so
// a slow source delays nobody else.
package poll

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/pkg/scaler"
)

// Trigger is what the poller needs to know of one trigger.
type Trigger struct {
	// Identity is equal for triggers that measure the same: a digest of kind,
	// parameters and credentials. Equal triggers are measured once.
	Identity string
	// Kind is the trigger type, for messages and for limits.
	Kind   string
	Config scaler.Config
	Env    scaler.Env
	// Interval is the polling interval.
	Interval time.Duration
	// Activation is the threshold that a value must exceed to be active.
	Activation float64
}

// Options are the poller's settings. Store is required.
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	// ProbeInterval, when above zero, is how often idle triggers are measured
	// whose server can be asked about many at once but can't tell of arrivals.
	ProbeInterval time.Duration
	// OnDenied is told, outside any lock, of a workload whose credentials
	// were refused, so that they are resolved again.
	OnDenied func(model.Key)
	// Tracer traces round trips; nil for none.
	Tracer trace.Tracer
	// Jitter returns a number from 0 to 1 that spreads polls that can't share
	// a round trip.
	Jitter func() float64
}

// Poller measures triggers. See New.
type Poller struct {
	opts  Options
	clock clock.Clock
	log   *slog.Logger
	wake  chan struct{}

	mu        sync.Mutex // guards everything below
	tasks     map[string]*task
	byTrigger map[model.TriggerKey]*task
	count     map[model.Key]int // triggers per workload
	due       dueHeap
	groups    map[string]*group
	closed    bool
	running   sync.WaitGroup
}

// New returns a poller that does nothing until Run.
func New(o Options) *Poller {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OnDenied == nil {
		o.OnDenied = func(model.Key) {}
	}
	if o.Tracer == nil {
		o.Tracer = noop.Tracer{}
	}
	if o.Jitter == nil {
		o.Jitter = func() float64 { return 0 }
	}
	return &Poller{
		opts: o, clock: o.Clock, log: o.Log, wake: make(chan struct{}, 1),
		tasks: map[string]*task{}, byTrigger: map[model.TriggerKey]*task{},
		count: map[model.Key]int{}, groups: map[string]*group{},
	}
}

// Set makes the poller measure exactly these triggers of a workload; an entry
// whose Config is nil is not measured (the HPA measures it). It is idempotent:
// a trigger that stays as it is keeps its schedule. New ones are due at once.
func (p *Poller) Set(ctx context.Context, key model.Key, triggers []Trigger) {
	opened := p.openNew(ctx, triggers)
	var closing []*task
	p.mu.Lock()
	for i, t := range triggers {
		k := model.TriggerKey{Workload: key, Index: i}
		old := p.byTrigger[k]
		if old != nil && (t.Config == nil || old.identity != t.Identity) {
			closing = p.drop(k, old, closing)
			old = nil
		}
		switch {
		case t.Config == nil || p.closed:
		case old == nil:
			p.join(k, t, opened)
		default:
			old.subscribers[k] = subscription{interval: t.Interval, activation: t.Activation}
		}
	}
	for i := len(triggers); i < p.count[key]; i++ {
		k := model.TriggerKey{Workload: key, Index: i}
		if old := p.byTrigger[k]; old != nil {
			closing = p.drop(k, old, closing)
		}
	}
	p.count[key] = len(triggers)
	p.mu.Unlock()
	p.poke()
	for _, t := range opened { // what somebody else had opened meanwhile
		closing = append(closing, t)
	}
	closeAll(closing)
}

// openNew opens the sources that nobody measures yet, outside the lock.
func (p *Poller) openNew(ctx context.Context, triggers []Trigger) map[string]*task {
	opened := map[string]*task{}
	for _, t := range triggers {
		if t.Config == nil || opened[t.Identity] != nil {
			continue
		}
		p.mu.Lock()
		known := p.tasks[t.Identity] != nil
		p.mu.Unlock()
		if known {
			continue
		}
		tk := newTask(t)
		tk.open(ctx)
		opened[t.Identity] = tk
	}
	return opened
}

// Remove stops measuring a workload.
func (p *Poller) Remove(key model.Key) {
	var closing []*task
	p.mu.Lock()
	for i := range p.count[key] {
		k := model.TriggerKey{Workload: key, Index: i}
		if old := p.byTrigger[k]; old != nil {
			closing = p.drop(k, old, closing)
		}
	}
	delete(p.count, key)
	p.mu.Unlock()
	closeAll(closing)
}

// join adds a subscriber to the task of its identity, taken from opened when
// new. Called with the lock held.
func (p *Poller) join(k model.TriggerKey, t Trigger, opened map[string]*task) {
	now := p.clock.Now()
	tk := p.tasks[t.Identity]
	if tk == nil {
		tk = opened[t.Identity]
		if tk == nil { // it was known a moment ago and went with its last subscriber
			tk = newTask(t)
		}
		delete(opened, t.Identity)
		p.tasks[t.Identity] = tk
		p.schedule(tk, p.joinGroup(tk).newcomer(now))
	} else {
		// The newcomer has no sample yet; share the next measurement soon.
		p.schedule(tk, earlier(tk.nextDue, now.Add(gatherDelay)))
	}
	tk.subscribers[k] = subscription{interval: t.Interval, activation: t.Activation}
	p.byTrigger[k] = tk
}

// drop removes a subscriber, and its task with the last one. Tasks to be
// closed outside the lock are added to closing. Called with the lock held.
func (p *Poller) drop(k model.TriggerKey, t *task, closing []*task) []*task {
	delete(t.subscribers, k)
	delete(p.byTrigger, k)
	if len(t.subscribers) > 0 {
		return closing
	}
	delete(p.tasks, t.identity)
	t.gone = true
	p.unschedule(t)
	p.leave(t)
	t.answerWaiters()
	if !t.measuring {
		closing = append(closing, t)
	}
	return closing
}

// Run schedules until ctx ends, then closes all sources and returns when
// nothing is being measured any more.
func (p *Poller) Run(ctx context.Context) error {
	for {
		wait := p.startDue(ctx)
		var timer <-chan time.Time
		var stop func() bool
		if wait >= 0 {
			t := p.clock.NewTimer(wait)
			timer, stop = t.C(), t.Stop
		}
		select {
		case <-ctx.Done():
			p.shutdown()
			return nil
		case <-p.wake:
		case <-timer:
		}
		if stop != nil {
			stop()
		}
	}
}

func (p *Poller) shutdown() {
	p.mu.Lock()
	p.closed = true
	var closing []*task
	for k, t := range p.byTrigger {
		closing = p.drop(k, t, closing)
	}
	p.count = map[model.Key]int{}
	p.mu.Unlock()
	closeAll(closing)
	p.running.Wait()
}

// poke makes Run look at the heap again.
func (p *Poller) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
