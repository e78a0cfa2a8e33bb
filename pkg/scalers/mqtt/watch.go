package mqtt

import (
	"context"
	"sync"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 30 * time.Second
)

// watch is one caller of Watch.
type watch struct {
	source *source
	on     func(scaler.Signal)

	mu      sync.Mutex // guards what follows; held while on is called, so that nothing comes after stop
	stopped bool
	state   scaler.SignalKind
	known   bool // state has been told
}

// Watch implements scaler.Watcher.
func (s *source) Watch(on func(scaler.Signal)) (stop func()) {
	w := &watch{source: s, on: on}
	s.mu.Lock()
	if s.watches == nil {
		s.watches = map[*watch]struct{}{}
	}
	s.watches[w] = struct{}{}
	s.mu.Unlock()
	s.broker.watchTopics()
	return func() {
		w.mu.Lock()
		w.stopped = true
		w.mu.Unlock()
		s.mu.Lock()
		delete(s.watches, w)
		s.mu.Unlock()
		s.broker.poke()
	}
}

// tell passes a signal on unless the watch is over.
func (w *watch) tell(sig scaler.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.on(sig)
	}
}

// become tells a new state once. After an interruption something may have
// arrived, as it may have since the last measurement.
func (w *watch) become(kind scaler.SignalKind, err error) {
	w.source.mu.Lock()
	waiting := w.source.arrivals > 0
	w.source.mu.Unlock()
	w.mu.Lock()
	again := w.known && w.state != scaler.Watching
	same := w.known && w.state == kind
	w.known, w.state = true, kind
	w.mu.Unlock()
	if same {
		return
	}
	w.tell(scaler.Signal{Kind: kind, Err: err})
	if kind == scaler.Watching && (again || waiting) {
		w.tell(scaler.Signal{Kind: scaler.Arrived})
	}
}

// watched lists the topics that somebody watches.
func (b *broker) watched() map[*topic][]*watch {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[*topic][]*watch{}
	for _, t := range b.topics {
		for _, s := range t.sources {
			s.mu.Lock()
			for w := range s.watches {
				out[t] = append(out[t], w)
			}
			s.mu.Unlock()
		}
	}
	return out
}

// watchTopics makes sure that one goroutine keeps the subscriptions.
func (b *broker) watchTopics() {
	b.mu.Lock()
	start := !b.keeping && b.ctx.Err() == nil
	b.keeping = b.keeping || start
	b.mu.Unlock()
	if start {
		go b.keep()
	}
	b.poke()
}

func (b *broker) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// keep keeps a session with all watched topics for as long as there are any.
func (b *broker) keep() {
	pause := firstPause
	for {
		watched := b.watched()
		if len(watched) == 0 && b.rest() {
			return
		}
		s, err := b.subscribeWatched(watched)
		wait := (<-chan time.Time)(nil)
		var over <-chan struct{}
		var timer *time.Timer
		if err != nil {
			timer = time.NewTimer(pause)
			wait, pause = timer.C, min(2*pause, maxPause)
		} else {
			pause = firstPause
		}
		if s != nil {
			over = s.done
		}
		select {
		case <-b.ctx.Done():
		case <-over:
			b.broken(watched, s.over())
		case <-wait:
		case <-b.wake:
		}
		if timer != nil {
			timer.Stop()
		}
		if b.ctx.Err() != nil {
			b.rest()
			return
		}
	}
}

// rest ends keeping unless somebody watches again.
func (b *broker) rest() bool {
	if b.ctx.Err() == nil && len(b.watched()) > 0 {
		return false
	}
	b.mu.Lock()
	b.keeping = false
	b.mu.Unlock()
	if b.ctx.Err() == nil && len(b.watched()) > 0 {
		b.watchTopics() // it came between the look and the lock
	}
	return true
}

// subscribeWatched returns the session, and a failure of it or of a topic.
func (b *broker) subscribeWatched(watched map[*topic][]*watch) (*session, error) {
	ctx, cancel := context.WithTimeout(b.ctx, dialTimeout)
	defer cancel()
	topics := make([]*topic, 0, len(watched))
	for t := range watched {
		topics = append(topics, t)
	}
	s, _, err := b.get(ctx)
	if err != nil {
		b.broken(watched, err)
		return nil, err
	}
	refused, err := b.refreshOn(ctx, s, topics)
	if err != nil {
		b.broken(watched, err)
		if s.over() == nil {
			s.end(err) // no answer in time
		}
		return nil, err
	}
	var failure error
	for t, ws := range watched {
		why := refused[t]
		for _, w := range ws {
			if why == nil {
				w.become(scaler.Watching, nil)
				continue
			}
			failure = why
			w.fail(why)
		}
	}
	return s, failure
}

func (b *broker) broken(watched map[*topic][]*watch, err error) {
	if b.ctx.Err() != nil {
		return
	}
	for _, ws := range watched {
		for _, w := range ws {
			w.fail(err)
		}
	}
}

// fail tells whether trying again may help.
func (w *watch) fail(err error) {
	err = w.source.broker.failed(err, w.source.doing())
	switch scaler.ReasonOf(err) {
	case scaler.ReasonDenied, scaler.ReasonMisconfigured:
		w.become(scaler.Refused, err)
	default:
		w.become(scaler.Broken, err)
	}
}
