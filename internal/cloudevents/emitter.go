package cloudevents

import (
	"cmp"
	"context"
	"log/slog"
	"sync"

	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// Sender sends events to one destination.
type Sender interface {
	// Send returns when the destination has taken the event, or an error of
	// package scaler that says why not, without credentials in it.
	Send(ctx context.Context, e Event) error
	Close()
}

// Options are what the emitter works with; all are required but those that
// say so.
type Options struct {
	// Namespace is the operator's, which events have in their source.
	Namespace string
	// ClusterName is the cluster's; DefaultClusterName when empty.
	ClusterName string
	Clock       clock.Clock
	// Open makes the sender of a source, without network I/O; see [Open].
	Open func(src *model.EventSource, creds model.Credentials) (Sender, error)
	// Changed is told of each source whose State may be another one now. It is
	// called outside all locks. May be nil.
	Changed func(model.Key)
	// Jitter is between 0 and 1; nil for none.
	Jitter func() float64
	// Log may be nil.
	Log *slog.Logger
}

// Emitter sends events for all sources. See New.
type Emitter struct {
	opts Options
	ctx  context.Context //nolint:containedctx // that of the goroutines, which begin and end with their queues
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.RWMutex // guards lines and ended; never held over I/O
	lines map[model.Key]*line
	ended bool
}

// New returns an emitter without sources.
func New(o Options) *Emitter {
	o.ClusterName = cmp.Or(o.ClusterName, DefaultClusterName)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func(model.Key) {}
	}
	if o.Jitter == nil {
		o.Jitter = func() float64 { return 0 }
	}
	e := &Emitter{opts: o, lines: map[model.Key]*line{}}
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

// Run waits for ctx to end and then ends what is being sent. Events that are
// still waiting are lost.
func (e *Emitter) Run(ctx context.Context) error {
	<-ctx.Done()
	e.mu.Lock()
	e.ended = true
	left := 0
	for _, l := range e.lines {
		left += l.waiting()
	}
	e.mu.Unlock()
	e.stop()
	e.work.Wait()
	if left > 0 {
		e.opts.Log.Warn("CloudEvents were still waiting to be sent", "count", left)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, l := range e.lines {
		l.close()
		delete(e.lines, k)
	}
	return nil
}

// Set adds a source or changes it; what waits to be sent goes to its new
// destination. With an error the source is held.
func (e *Emitter) Set(src *model.EventSource, creds model.Credentials) error {
	var sender Sender
	l, same := e.line(src, creds.Digest)
	if l == nil || same {
		return nil
	}
	sender, err := e.opts.Open(src, creds)
	if err != nil {
		l.replace(src, creds.Digest, nil, err.Error())
		return err
	}
	if !l.replace(src, creds.Digest, sender, "") {
		sender.Close() // removed meanwhile
		return nil
	}
	e.start(l)
	return nil
}

// Hold adds a source or changes it to one that can't send now, and says why.
// Its events wait.
func (e *Emitter) Hold(src *model.EventSource, why string) {
	if l, _ := e.line(src, ""); l != nil {
		l.replace(src, "", nil, why)
	}
}

// line finds or makes the line of a source, and says whether it sends for
// this very source already. It is nil after the end.
func (e *Emitter) line(src *model.EventSource, digest string) (l *line, same bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return nil, false
	}
	l = e.lines[src.Key]
	if l == nil {
		l = &line{emitter: e, wake: make(chan struct{}, 1), source: src}
		e.lines[src.Key] = l
	}
	return l, l.sends(src, digest)
}

// Remove forgets a source with all that it has not sent.
func (e *Emitter) Remove(key model.Key) {
	e.mu.Lock()
	l := e.lines[key]
	delete(e.lines, key)
	e.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// Tell queues what happened at all sources that send it on. It never waits.
func (e *Emitter) Tell(h Happening) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.ended || len(e.lines) == 0 {
		return
	}
	at := e.opts.Clock.Now()
	for _, l := range e.lines {
		if ev, ok := e.event(l.current(), h, at); ok {
			l.push(ev)
			e.startLocked(l)
		}
	}
}

func (e *Emitter) start(l *line) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	e.startLocked(l)
}

// startLocked lets a line work unless it does, has nothing to do or is held.
// Called with the lock held, which keeps Run from waiting for what starts later.
func (e *Emitter) startLocked(l *line) {
	if !e.ended && l.begin() {
		e.work.Go(func() { l.run(e.ctx) })
	}
}

// State says whether a source works, and otherwise why it does not; false for
// an unknown source.
func (e *Emitter) State(key model.Key) (working bool, why string, known bool) {
	e.mu.RLock()
	l := e.lines[key]
	e.mu.RUnlock()
	if l == nil {
		return false, "", false
	}
	working, why = l.state()
	return working, why, true
}

// Count is what one source did since it was made.
type Count struct {
	Source *model.EventSource
	// Emitted events have been taken by the destination, Failed attempts have
	// not, Dropped events were given up.
	Emitted, Failed, Dropped uint64
	// Queued events wait.
	Queued int
}

// Each calls f for every source.
func (e *Emitter) Each(f func(Count)) {
	e.mu.RLock()
	all := make([]*line, 0, len(e.lines))
	for _, l := range e.lines {
		all = append(all, l)
	}
	e.mu.RUnlock()
	for _, l := range all {
		f(l.count())
	}
}

// refusedForGood says that a destination will never take an event.
func refusedForGood(err error) bool { return scaler.ReasonOf(err) == scaler.ReasonBadAnswer }
