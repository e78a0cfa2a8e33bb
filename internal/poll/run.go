package poll

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// run measures a batch in its own goroutine and puts the tasks back on the heap.
func (p *Poller) run(ctx context.Context, g *group, batch []*task) {
	defer p.running.Done()
	started := p.clock.Now()
	results := p.traced(ctx, batch)
	took := p.clock.Since(started)

	if ctx.Err() == nil {
		for i, t := range batch {
			p.record(t, results[i], started, took)
		}
	}

	var closing []*task
	p.mu.Lock()
	g.running--
	for _, t := range batch {
		t.measuring = false
		t.answerWaiters()
		if t.gone {
			closing = append(closing, t)
			continue
		}
		p.schedule(t, p.nextDue(t, started))
	}
	closing = p.calm(g, started, took, closing)
	p.advance(ctx, g)
	p.forgetEmpty(g)
	p.mu.Unlock()
	p.poke()
	closeAll(closing)
}

// traced measures a batch within a span.
func (p *Poller) traced(ctx context.Context, batch []*task) []scaler.Result {
	ctx, span := p.opts.Tracer.Start(ctx, "measure")
	defer span.End()
	results := p.measure(ctx, batch)
	if !span.IsRecording() {
		return results
	}
	failed := 0
	for _, r := range results {
		if r.Err != nil {
			failed++
			span.SetStatus(codes.Error, string(scaler.ReasonOf(r.Err)))
		}
	}
	span.SetAttributes(attribute.String("keda.trigger.type", batch[0].kind), attribute.Int("keda.triggers", len(batch)), attribute.Int("keda.failed", failed))
	return results
}

// measure asks the source or sources of a batch, one result each, in order.
func (p *Poller) measure(ctx context.Context, batch []*task) []scaler.Result {
	p.mu.Lock()
	limit := maxDeadline
	for _, t := range batch {
		limit = min(limit, t.deadline())
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	results := make([]scaler.Result, len(batch))
	sources := make([]scaler.Source, 0, len(batch))
	index := make([]int, 0, len(batch))
	for i, t := range batch {
		if t.source == nil {
			t.open(ctx)
		}
		if t.source == nil {
			results[i].Err = scaler.Misconfigured(t.openErr, "preparing the trigger")
			continue
		}
		sources = append(sources, t.source)
		index = append(index, i)
	}
	if len(sources) == 0 {
		return results
	}
	for j, r := range p.ask(ctx, sources) {
		results[index[j]] = checked(batch[index[j]].config, r)
	}
	return results
}

// ask calls the sources. A panic of a scaler fails its own measurement only.
func (p *Poller) ask(ctx context.Context, sources []scaler.Source) (results []scaler.Result) {
	defer func() {
		if r := recover(); r != nil {
			p.log.Error("a scaler panicked", "panic", r, "stack", string(debug.Stack()))
			results = make([]scaler.Result, len(sources))
			for i := range results {
				results[i].Err = scaler.BadAnswer(fmt.Errorf("%v", r), "the scaler failed unexpectedly; this is a bug, please report it")
			}
		}
	}()
	if b, ok := sources[0].(scaler.Batcher); ok {
		results = b.MeasureAll(ctx, sources)
		for len(results) < len(sources) {
			results = append(results, scaler.Result{Err: scaler.BadAnswer(errors.New("no answer for this trigger"), "measuring a batch")})
		}
		return results
	}
	results = make([]scaler.Result, len(sources))
	for i, s := range sources {
		results[i].Reading, results[i].Err = s.Measure(ctx)
	}
	return results
}

// The targets that an HPA can express: it counts in thousandths.
const (
	leastTarget = 0.001
	mostTarget  = math.MaxInt64 / 2000
)

// checked turns numbers that nobody can scale on into errors.
func checked(cfg scaler.Config, r scaler.Result) scaler.Result {
	if r.Err != nil {
		return r
	}
	if math.IsNaN(r.Reading.Value) || math.IsInf(r.Reading.Value, 0) {
		r.Err = scaler.BadAnswer(nil, "the source answered %v, which is no usable number", r.Reading.Value)
		return r
	}
	if _, stated := cfg.(scaler.Stated); stated && !(r.Reading.Target >= leastTarget && r.Reading.Target <= mostTarget) {
		r.Err = scaler.BadAnswer(nil, "the source stated the target %v; expected a number of %v or more", r.Reading.Target, leastTarget)
	}
	return r
}

// record puts a result into the store for every subscriber and keeps the
// watch in step with whether the trigger is idle.
func (p *Poller) record(t *task, r scaler.Result, started time.Time, took time.Duration) {
	now := p.clock.Now()
	p.mu.Lock()
	if t.gone {
		p.mu.Unlock()
		return
	}
	late := max(0, started.Sub(t.nextDue))
	t.measuredAt = now
	t.failures++
	t.lastReason, t.retryAfter = scaler.ReasonOf(r.Err), scaler.RetryAfterOf(r.Err)
	if r.Err == nil {
		t.failures = 0
	}
	failures, watch := t.failures, t.watch
	subs := make(map[model.TriggerKey]subscription, len(t.subscribers))
	for k, s := range t.subscribers {
		subs[k] = s
	}
	p.mu.Unlock()

	idle := true
	for k, sub := range subs {
		active := r.Err == nil && isActive(r.Reading, sub.activation)
		idle = idle && !active
		p.opts.Store.Update(k, func(s *model.Sample) {
			if r.Reading.Empty {
				s.Empty++
			}
			s.Took, s.Watch, s.Late = took, watch, late
			if r.Err != nil {
				s.Errors++
				s.Failures, s.FailedAt = failures, now
				s.Reason, s.Message = scaler.ReasonOf(r.Err), r.Err.Error()
				return
			}
			*s = model.Sample{
				Value: r.Reading.Value, Target: r.Reading.Target, Active: active, At: started, Took: took, Late: late, Note: r.Reading.Note, Watch: watch,
				Errors: s.Errors, Empty: s.Empty,
			}
		})
		if r.Err != nil && scaler.ReasonOf(r.Err) == scaler.ReasonDenied {
			p.opts.OnDenied(k.Workload)
		}
	}
	if r.Err == nil {
		p.keepWatch(t, idle)
	}
}

func isActive(r scaler.Reading, activation float64) bool {
	switch {
	case r.Active != nil:
		return *r.Active
	case r.ActivationValue != nil:
		return *r.ActivationValue > activation
	default:
		return r.Value > activation
	}
}

// nextDue says when a task is measured next. Called with the lock held.
func (p *Poller) nextDue(t *task, started time.Time) time.Time {
	now := p.clock.Now()
	if t.again {
		t.again = false
		return now.Add(arrivalPause)
	}
	every := t.interval()
	if p.probes(t) {
		every = min(every, p.opts.ProbeInterval)
	}
	if t.failures > 0 {
		every = backOff(t, every)
	}
	if !t.batched {
		every += time.Duration(float64(every) * 0.05 * p.opts.Jitter())
	}
	next := started.Add(every)
	if timed, ok := t.source.(scaler.Timed); ok && t.failures == 0 {
		if at := timed.NextChange(now); at.After(now) {
			next = earlier(next, at)
		}
	}
	for len(t.hurry) > 0 {
		if t.hurry[0].After(now) {
			next = earlier(next, t.hurry[0])
			break
		}
		t.hurry = t.hurry[1:]
	}
	if next.Before(now) {
		return now
	}
	return next
}

// backOff lengthens the interval of a failing task where trying again soon is
// no use: what only a person can mend is asked for up to four times less
// often. A source that can't be reached is tried at every interval, so that
// scaling goes on as soon as it is back.
func backOff(t *task, every time.Duration) time.Duration {
	const most = 4
	if t.retryAfter > every {
		return min(t.retryAfter, most*every)
	}
	if t.lastReason == scaler.ReasonUnreachable || t.lastReason == scaler.ReasonBadAnswer {
		return every
	}
	return every * time.Duration(min(t.failures, most))
}
