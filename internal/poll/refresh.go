package poll

import (
	"context"
	"time"

	"github.com/kedago/keda/internal/model"
)

const (
	// freshFor is how old a sample may be, at most, to answer an HPA from
	// memory; also limited to the polling interval.
	freshFor = 10 * time.Second
	// readLately is how long after an HPA's read a trigger counts as one that
	// will be read again soon. With thousands of HPAs their controller, by
	// default limited to 20 requests a second, takes minutes for a round.
	readLately = 5 * time.Minute
)

// Read returns a trigger's sample for an HPA. A sample older than the polling
// interval and than 10 s is measured anew first, once for all readers, which
// also counts as the next poll; with cached set it never is. When ctx ends
// first, or the measurement fails, the last sample is returned as it is.
func (p *Poller) Read(ctx context.Context, k model.TriggerKey, cached bool) (model.Sample, bool) {
	if wait := p.refresh(k, cached); wait != nil {
		p.poke()
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
	return p.opts.Store.Sample(k)
}

// refresh makes a task due now if its sample is too old, and returns what to
// wait for, or nil.
func (p *Poller) refresh(k model.TriggerKey, cached bool) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.byTrigger[k]
	if t == nil {
		return nil
	}
	now := p.clock.Now()
	t.readAt = now
	if cached || now.Sub(t.measuredAt) <= min(freshFor, t.interval()) {
		return nil
	}
	done := make(chan struct{})
	t.waiters = append(t.waiters, done)
	if !t.measuring {
		p.schedule(t, now)
	}
	return done
}

// Hurry measures a workload's triggers a few extra times during the next
// seconds: it has just been activated, and what it is scaled for is likely
// still arriving.
func (p *Poller) Hurry(key model.Key) {
	p.mu.Lock()
	now := p.clock.Now()
	for i := range p.count[key] {
		t := p.byTrigger[model.TriggerKey{Workload: key, Index: i}]
		if t == nil {
			continue
		}
		t.hurry = t.hurry[:0]
		for _, after := range hurrySteps {
			t.hurry = append(t.hurry, now.Add(after))
		}
		if !t.measuring {
			p.schedule(t, earlier(t.nextDue, t.hurry[0]))
		}
	}
	p.mu.Unlock()
	p.poke()
}

// hurrySteps end before the HPA's first own reading after an activation, 15 s
// by default.
var hurrySteps = [...]time.Duration{
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2 * time.Second, 4 * time.Second, 8 * time.Second, 14 * time.Second,
}

// MeasureNow makes all triggers of a workload due at once.
func (p *Poller) MeasureNow(key model.Key) {
	p.mu.Lock()
	now := p.clock.Now()
	for i := range p.count[key] {
		if t := p.byTrigger[model.TriggerKey{Workload: key, Index: i}]; t != nil {
			if t.measuring {
				t.again = true
			} else {
				p.schedule(t, now)
			}
		}
	}
	p.mu.Unlock()
	p.poke()
}
