package scaling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/targets"
)

// sync decides once about a workload and applies the decision. It returns how
// long until time alone would change the decision, or 0.
func (l *Loop) sync(ctx context.Context, key model.Key) (time.Duration, error) {
	l.mu.Lock()
	st := l.state[key]
	if st == nil {
		l.mu.Unlock()
		return 0, nil
	}
	now := *st // only this worker changes more than the view
	l.mu.Unlock()
	ctx, span := l.opts.Tracer.Start(ctx, "decide")
	defer span.End()

	syncOne := l.syncReplicas
	if now.subject.Workload.Job != nil {
		syncOne = l.syncJobs
	}
	decision, again, err := syncOne(ctx, key, &now)
	if span.IsRecording() {
		span.SetAttributes(attribute.String("keda.workload", key.String()), attribute.String("keda.rule", string(decision.Rule)),
			attribute.Int("keda.from", int(decision.From)), attribute.Int("keda.to", int(decision.To)))
	}

	l.mu.Lock()
	now.view = st.view
	*st = now
	l.decisions[decision.Rule]++
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return again, nil
}

// syncReplicas is sync for a workload whose target has replicas.
func (l *Loop) syncReplicas(ctx context.Context, key model.Key, now *state) (model.Decision, time.Duration, error) {
	scale, scaleErr := l.scale(ctx, now.view)
	if scaleErr == nil {
		if now.count >= 0 && scale.Replicas > now.count {
			now.raisedAt = l.opts.Clock.Now()
		}
		now.count = scale.Replicas
	}
	in := l.input(key, now, scale, scaleErr)
	if now.settled == now.view {
		if decision, ok := decide.Repeat(now.last, now.decided, in); ok {
			now.last, now.lastActive = decision, decision.LastActive
			return decision, 0, nil
		}
	}
	decision := decide.Replicas(in)
	var writeErr error
	if decision.Writes() {
		if writeErr = l.write(ctx, now, scale, decision, in.Now); writeErr == nil {
			now.count = decision.To
		}
	}
	now.last, now.lastActive = decision, decision.LastActive
	before := now.status
	if wait := firstWord(now, in); wait > 0 && decision.Rule == model.RuleUnknown {
		return decision, wait, nil
	}
	now.status = decide.Status(decide.StatusInput{
		Previous: before, Input: in, Decision: decision, Problems: now.subject.Problems,
		Target: scale.GVKR, TargetErr: scaleErr, WriteErr: writeErr, HPA: now.subject.HPA,
	})
	statusErr := l.writeStatus(ctx, key, now, before, writeErr)
	if statusErr != nil {
		now.status = before // tried again
	}
	err := errors.Join(writeErr, statusErr)
	now.decided, now.settled = in, now.view
	if scaleErr != nil || err != nil {
		now.settled = nil
	}
	again := time.Duration(0)
	if !decision.Again.IsZero() {
		again = max(decision.Again.Sub(in.Now), 10*time.Millisecond)
	}
	return decision, again, err
}

// firstWordAfter is how long the first status of a new or edited object waits
// for its triggers to be measured, so that most often one is written, not two.
const firstWordAfter = 2 * time.Second

// firstWord returns how much longer the first status of an object may wait.
func firstWord(st *state, in decide.Input) time.Duration {
	if st.status.Generation == in.Workload.Generation {
		return 0
	}
	return st.heard.Add(firstWordAfter).Sub(in.Now)
}

func (l *Loop) writeStatus(ctx context.Context, key model.Key, st *state, before model.Status, writeErr error) error {
	events := decide.Events(before, st.status, st.subject.Workload, st.last, writeErr)
	if len(events) == 0 && decide.Equal(before, st.status) {
		return nil
	}
	return l.opts.Writer.WriteStatus(ctx, key, before, st.status, events)
}

// input gathers what a decision is made of.
func (l *Loop) input(key model.Key, st *state, scale targets.Scale, scaleErr error) decide.Input {
	entry, samples, _ := l.opts.Store.Get(key)
	in := decide.Input{
		Workload: st.subject.Workload, Now: l.opts.Clock.Now(),
		Metrics: entry.Metrics, Samples: samples, Composite: st.subject.Composite,
		LastActive: st.lastActive, ActivatedAt: st.activatedAt, RaisedAt: st.raisedAt, PausedReplicas: st.status.PausedReplicas,
		Blocked: st.subject.Problems.Err() != nil,
	}
	if scaleErr == nil {
		in.Scale = decide.Scale{Known: true, Replicas: scale.Replicas, Ready: scale.Ready}
	}
	return in
}

// Input gathers what is known of a workload, for whoever else decides on it.
// The second result is false for one that the loop does not know.
func (l *Loop) Input(ctx context.Context, key model.Key) (decide.Input, bool) {
	l.mu.Lock()
	st := l.state[key]
	if st == nil {
		l.mu.Unlock()
		return decide.Input{}, false
	}
	now := *st
	l.mu.Unlock()
	scale, err := l.scale(ctx, now.view)
	return l.input(key, &now, scale, err), true
}

func (l *Loop) scale(ctx context.Context, st *view) (targets.Scale, error) {
	if st.subject.Workload.Job != nil {
		return targets.Scale{}, errNoReplicas
	}
	if st.idErr != nil {
		return targets.Scale{}, st.idErr
	}
	return l.opts.Targets.Get(ctx, st.id)
}

// write sets the target's count. After an activation the poller measures more
// often for some seconds, since what activated is likely still arriving.
func (l *Loop) write(ctx context.Context, st *state, scale targets.Scale, d model.Decision, now time.Time) error {
	gvr := schema.GroupVersionResource{Group: scale.GVKR.Group, Version: scale.GVKR.Version, Resource: scale.GVKR.Resource}
	version, err := l.opts.Writer.Scale(ctx, gvr, st.id.Namespace, st.id.Name, d.To)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: it was deleted meanwhile", targets.ErrNotFound)
	}
	if err != nil {
		return err
	}
	l.opts.Targets.Wrote(st.id, d.To, version)
	l.opts.Log.Info("scaled", "workload", st.subject.Workload.Key.String(), "from", d.From, "to", d.To, "rule", string(d.Rule), "why", d.Why)
	if d.Active && d.Rule != model.RuleMin && st.activatedAt.Add(decide.FollowUp).Before(now) {
		st.activatedAt = now
		l.opts.Poller.Hurry(st.subject.Workload.Key)
	}
	return nil
}
