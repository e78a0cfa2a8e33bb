package decide

import (
	"fmt"
	"time"

	"github.com/kedago/keda/internal/model"
)

// rule is one step of the decision; the first that applies decides.
type rule func(*facts) (model.Decision, bool)

// rules lists the rules in the order they are tried. Only paused and lower
// may lower, and lower is reached only when every trigger is known to have
// nothing to do.
func rules() []rule {
	return []rule{
		blocked,
		paused,
		targetUnknown,
		activate,
		followUp,
		unmeasured,
		raiseToMin,
		leaveToHPA,
		hold,
		resourceOnly,
		lower,
	}
}

// Replicas decides the replica count of a workload's target.
//
// Bounds: a raise never exceeds Max, a count is lowered only to Idle, to 0
// (with Min 0) or to what paused-replicas says. A failing, stale or missing
// measurement never lowers.
func Replicas(in Input) model.Decision {
	f := factsOf(in)
	for _, r := range rules() {
		if d, ok := r(f); ok {
			return d
		}
	}
	return f.keep(model.RuleKeep, "%d replicas and nothing to do: nothing to change", f.from)
}

func (f *facts) keep(r model.Rule, why string, args ...any) model.Decision {
	return f.set(r, f.from, why, args...)
}

func (f *facts) set(r model.Rule, to int32, why string, args ...any) model.Decision {
	return model.Decision{
		Rule: r, From: f.from, To: to, Why: fmt.Sprintf(why, args...),
		Active: f.active, LastActive: f.lastActive(),
	}
}

func blocked(f *facts) (model.Decision, bool) {
	if !f.Blocked {
		return model.Decision{}, false
	}
	return f.keep(model.RuleKeep, "the checks of the %s failed: nothing is scaled", f.w.Key.Kind), true
}

func isPaused(w *model.Workload) bool { return w.Pause.Paused || w.Pause.Replicas != nil }

// paused sets the count of paused-replicas once: a count set by hand
// afterwards stays.
func paused(f *facts) (model.Decision, bool) {
	if !isPaused(f.w) {
		return model.Decision{}, false
	}
	want := f.w.Pause.Replicas
	if want == nil || !f.Scale.Known || (f.PausedReplicas != nil && *f.PausedReplicas == *want) {
		return f.keep(model.RulePaused, "paused by annotation: nothing is scaled"), true
	}
	return f.set(model.RulePaused, max(0, *want), "paused by annotation at %d replicas", *want), true
}

func targetUnknown(f *facts) (model.Decision, bool) {
	if f.Scale.Known {
		return model.Decision{}, false
	}
	return f.keep(model.RuleTargetUnknown, "the replica count of %s %s is not known", f.w.Target.Kind, f.w.Target.Name), true
}

// activate raises an idle target. Only fresh evidence or the annotation
// activates: a failing trigger never does.
func activate(f *facts) (model.Decision, bool) {
	idle := f.from == 0 || (f.w.Idle != nil && f.from < f.low)
	if !f.active || !idle {
		return model.Decision{}, false
	}
	if f.w.Pause.Out {
		return f.keep(model.RuleOutPaused, "active, but scaling out is paused by annotation"), true
	}
	rule, start := model.RuleActivate, f.base
	want := f.settle()
	why := f.whyActive(want.lead)
	if f.w.JumpStart && want.replicas > start {
		rule, start, why = model.RuleJumpStart, want.replicas, want.why
	}
	if len(f.triggered) == 0 {
		rule, why = model.RuleForced, "activated by annotation force-activation"
	}
	d := f.set(rule, max(f.from, start), "%s", why)
	if len(f.triggered) > 0 {
		d.Trigger = f.judged[f.leadTrigger(want.lead)].metric.TriggerType
	}
	return d, true
}

// followUp goes on with a jump start for some seconds. It only raises.
func followUp(f *facts) (model.Decision, bool) {
	since := f.Now.Sub(f.ActivatedAt)
	if !f.active || !f.w.JumpStart || f.w.Pause.Out || f.from == 0 || f.ActivatedAt.IsZero() || since < 0 || since > FollowUp {
		return model.Decision{}, false
	}
	want := f.settle()
	if want.lead < 0 || want.replicas <= f.from {
		return model.Decision{}, false
	}
	d := f.set(model.RuleJumpStart, want.replicas, "%s, since more arrived after the activation", want.why)
	d.Trigger = f.judged[want.lead].metric.TriggerType
	return d, true
}

// unmeasured waits, also below min: the first measurement is a moment away
// and may call for a jump start.
func unmeasured(f *facts) (model.Decision, bool) {
	if f.active || f.pending == 0 {
		return model.Decision{}, false
	}
	return f.keep(model.RuleUnknown, "%d of %d triggers not measured yet", f.pending, f.measured), true
}

// raiseToMin needs no evidence: min is what the user wants in any case.
func raiseToMin(f *facts) (model.Decision, bool) {
	if f.w.Idle != nil || f.from >= f.low {
		return model.Decision{}, false
	}
	if f.w.Pause.Out {
		return f.keep(model.RuleOutPaused, "below minReplicaCount %d, but scaling out is paused by annotation", f.low), true
	}
	return f.set(model.RuleMin, f.low, "%d replicas are below minReplicaCount %d", f.from, f.low), true
}

func leaveToHPA(f *facts) (model.Decision, bool) {
	if !f.active {
		return model.Decision{}, false
	}
	if len(f.triggered) == 0 {
		return f.keep(model.RuleForced, "kept active by annotation force-activation: the HPA decides"), true
	}
	d := f.keep(model.RuleHPA, "%s: the HPA decides", f.whyActive(f.triggered[0]))
	d.Trigger = f.judged[f.triggered[0]].metric.TriggerType
	return d, true
}

func hold(f *facts) (model.Decision, bool) {
	if f.failing == 0 {
		return model.Decision{}, false
	}
	return f.keep(model.RuleHold, "%d of %d triggers have no current value: %d replicas are kept", f.failing, f.measured, f.from), true
}

// resourceOnly leaves workloads alone that only cpu and memory scale: those
// never activate nor deactivate.
func resourceOnly(f *facts) (model.Decision, bool) {
	if f.measured > 0 {
		return model.Decision{}, false
	}
	return f.keep(model.RuleKeep, "only resource metrics: the HPA decides"), true
}

// lower is reached when every trigger is known, fresh and not active.
func lower(f *facts) (model.Decision, bool) {
	rule, to := model.RuleZero, int32(0)
	if f.w.Idle != nil {
		rule, to = model.RuleIdle, max(0, *f.w.Idle)
	}
	if f.from <= to || (f.w.Idle == nil && f.w.Min > 0) {
		return model.Decision{}, false
	}
	if f.w.Pause.In {
		return f.keep(model.RuleScaleInPaused, "no trigger is active, but scaling in is paused by annotation"), true
	}
	if f.measuredBefore(f.RaisedAt) {
		return f.keep(model.RuleConsidered, "raised to %d replicas by somebody else, who may know more than the last measurement: the next one decides", f.from), true
	}
	end := f.cooldownEnd()
	if f.Now.Before(end) {
		d := f.keep(model.RuleCooldown, "no trigger is active: to %d replicas when the cool-down of %s ends", to, f.cooldown())
		d.Again = end
		return d, true
	}
	return f.set(rule, to, "no trigger is active and the cool-down of %s is over", f.cooldown()), true
}

// measuredBefore says that something that decides was last measured before a
// moment. A process that stood still while another one led wakes up with old
// measurements and new counts.
func (f *facts) measuredBefore(moment time.Time) bool {
	if moment.IsZero() {
		return false
	}
	for i, s := range f.states {
		if s != stateNative && i < len(f.Samples) && !f.Samples[i].At.After(moment) {
			return true
		}
	}
	return false
}

// cooldown is the period that applies. The first API has no initial
// cool-down; an object that was never active waits the usual one there.
func (f *facts) cooldown() time.Duration {
	if f.lastActive().IsZero() && f.w.Key.Group != model.GroupFirst {
		return f.w.InitialCooldown
	}
	return f.w.Cooldown
}

func (f *facts) cooldownEnd() time.Time {
	start := f.lastActive()
	if start.IsZero() {
		start = f.w.CreatedAt
	}
	return start.Add(f.cooldown())
}
