package poll

import (
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// arrivalPause is the least time between a measurement and the next one that
// an arrival causes, so that a stream of arrivals costs a bounded number.
const arrivalPause = 50 * time.Millisecond

// activeBeforeUnwatch is how many measurements in a row must find a trigger
// active before watching it stops; a list that keeps emptying stays watched.
const activeBeforeUnwatch = 2

// keepWatch starts watching a trigger that is idle and stops watching one that
// stays active. It runs in the goroutine that measures the task.
func (p *Poller) keepWatch(t *task, idle bool) {
	w, can := t.source.(scaler.Watcher)
	p.mu.Lock()
	t.idle = idle
	if idle {
		t.activeRuns = 0
	} else {
		t.activeRuns++
	}
	start := can && idle && t.stopWatch == nil && !t.gone
	var stop func()
	if t.stopWatch != nil && t.activeRuns >= activeBeforeUnwatch {
		stop, t.stopWatch = t.stopWatch, nil
	}
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
	if !start {
		return
	}
	stopNew := w.Watch(func(s scaler.Signal) { p.onSignal(t, s) })
	p.mu.Lock()
	t.stopWatch = stopNew
	p.mu.Unlock()
}

// onSignal is called by watchers, from any goroutine.
func (p *Poller) onSignal(t *task, s scaler.Signal) {
	p.mu.Lock()
	if t.gone {
		p.mu.Unlock()
		return
	}
	if s.Kind == scaler.Arrived {
		p.arrived(t)
		p.mu.Unlock()
		p.poke()
		return
	}
	next := watchState(s)
	changed := t.watch != next
	t.watch = next
	var keys []model.TriggerKey
	if changed {
		for k := range t.subscribers {
			keys = append(keys, k)
		}
		if p.probes(t) {
			p.schedule(t, earlier(t.nextDue, p.clock.Now().Add(p.opts.ProbeInterval)))
		}
	}
	p.mu.Unlock()
	p.poke()
	for _, k := range keys {
		p.opts.Store.Update(k, func(sm *model.Sample) { sm.Watch = next })
	}
}

// arrived makes a task due now. Called with the lock held.
func (p *Poller) arrived(t *task) {
	if t.measuring {
		t.again = true // what arrived may have come after the source was asked
		return
	}
	now := p.clock.Now()
	at := now
	if pause := t.measuredAt.Add(arrivalPause); pause.After(now) {
		at = pause
	}
	p.schedule(t, earlier(t.nextDue, at))
}

func watchState(s scaler.Signal) model.Watch {
	w := model.Watch{}
	switch s.Kind {
	case scaler.Refused:
		w.State = model.WatchRefused
	case scaler.Broken:
		w.State = model.WatchBroken
	default:
		w.State = model.WatchOn
		return w
	}
	if s.Err != nil {
		w.Message = s.Err.Error()
	}
	return w
}

// probes says whether an idle task is measured at the probe interval: its
// server answers about many triggers in one round trip but does not tell of
// arrivals. Called with the lock held.
func (p *Poller) probes(t *task) bool {
	return p.opts.ProbeInterval > 0 && t.batched && t.idle && t.watch.State != model.WatchOn
}
