package decide

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

var t0 = time.Date(2030, 5, 17, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// workload is one Redis list with a target of 5, all else by default.
func workload(change ...func(*model.Workload)) *model.Workload {
	w := &model.Workload{
		Key:        model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "shop", Name: "jobs"},
		Generation: 1, CreatedAt: t0.Add(-time.Hour),
		Target:          model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "worker"},
		PollingInterval: 30 * time.Second, Cooldown: 5 * time.Minute, Max: 100, JumpStart: true,
		Triggers: []model.Trigger{{Type: "redis", MetricType: autoscalingv2.AverageValueMetricType}},
		HPA:      model.HPA{Name: "keda-hpa-jobs", SelectorKey: "scaledobject.keda.sh/name", SelectorValue: "jobs"},
	}
	for _, c := range change {
		c(w)
	}
	return w
}

func external(i int, kind string, target float64) model.Metric {
	return model.Metric{
		Trigger: i, TriggerType: kind, External: model.MetricName(i, kind+"-jobs"),
		Type: autoscalingv2.AverageValueMetricType, Target: target,
	}
}

func good(v float64) model.Sample { return model.Sample{Value: v, Active: v > 0, At: t0} }

func failing(s model.Sample) model.Sample {
	s.Failures, s.FailedAt, s.Reason, s.Message = 1, t0, scaler.ReasonUnreachable, "reading the list: connection refused"
	return s
}

// input is a decision at t0 about one trigger.
func input(w *model.Workload, replicas int32, samples ...model.Sample) Input {
	in := Input{Workload: w, Now: t0, Scale: Scale{Known: true, Replicas: replicas}, Samples: samples}
	for i := range samples {
		in.Metrics = append(in.Metrics, external(i, "redis", 5))
	}
	return in
}

func with(in Input, change func(*Input)) Input {
	change(&in)
	return in
}

func TestReplicas(t *testing.T) {
	long := t0.Add(-time.Hour)
	idle := func(n int32) func(*model.Workload) { return func(w *model.Workload) { w.Idle = &n } }
	minimum := func(n int32) func(*model.Workload) { return func(w *model.Workload) { w.Min = n } }
	pause := func(p model.Pause) func(*model.Workload) { return func(w *model.Workload) { w.Pause = p } }
	noJump := func(w *model.Workload) { w.JumpStart = false }
	force := func(w *model.Workload) { w.ForceActivation = true }
	since := func(at time.Time) func(*Input) { return func(in *Input) { in.LastActive = at } }

	for _, c := range []struct {
		name string
		in   Input
		rule model.Rule
		to   int32
	}{
		{"a blocked object is left alone, even paused", with(input(workload(pause(model.Pause{Paused: true, Replicas: ptr[int32](3)})), 7, good(500)), func(in *Input) { in.Blocked = true }), model.RuleKeep, 7},

		{"paused keeps", input(workload(pause(model.Pause{Paused: true})), 7, good(0)), model.RulePaused, 7},
		{"paused is not activated", input(workload(pause(model.Pause{Paused: true})), 0, good(500)), model.RulePaused, 0},
		{"paused-replicas sets", input(workload(pause(model.Pause{Paused: true, Replicas: ptr[int32](3)})), 7, good(500)), model.RulePaused, 3},
		{"paused-replicas alone pauses", input(workload(pause(model.Pause{Replicas: ptr[int32](0)})), 7, good(500)), model.RulePaused, 0},
		{"paused-replicas sets once", with(input(workload(pause(model.Pause{Replicas: ptr[int32](3)})), 7, good(500)), func(in *Input) { in.PausedReplicas = ptr[int32](3) }), model.RulePaused, 7},
		{"a changed paused-replicas sets again", with(input(workload(pause(model.Pause{Replicas: ptr[int32](4)})), 3, good(500)), func(in *Input) { in.PausedReplicas = ptr[int32](3) }), model.RulePaused, 4},
		{"unknown target", with(input(workload(), 0, good(500)), func(in *Input) { in.Scale = Scale{} }), model.RuleTargetUnknown, 0},
		{"paused with an unknown target", with(input(workload(pause(model.Pause{Replicas: ptr[int32](3)})), 0, good(5)), func(in *Input) { in.Scale = Scale{} }), model.RulePaused, 0},

		{"one item activates", input(workload(), 0, good(1)), model.RuleActivate, 1},
		{"a backlog jumps", input(workload(), 0, good(250)), model.RuleJumpStart, 50},
		{"a part of a replica counts", input(workload(), 0, good(251)), model.RuleJumpStart, 51},
		{"a backlog jumps to max at most", input(workload(), 0, good(1e12)), model.RuleJumpStart, 100},
		{"no jump when switched off", input(workload(noJump), 0, good(250)), model.RuleActivate, 1},
		{"activation goes to min", input(workload(minimum(4)), 0, good(1)), model.RuleActivate, 4},
		{"activation without jump goes to min", input(workload(minimum(4), noJump), 0, good(250)), model.RuleActivate, 4},
		{"the jump is from idle too", input(workload(minimum(4), idle(2)), 2, good(250)), model.RuleJumpStart, 50},
		{"below min with idle counts as idle", input(workload(minimum(4), idle(0)), 3, good(1)), model.RuleActivate, 4},
		{"paused-scale-out does not activate", input(workload(pause(model.Pause{Out: true})), 0, good(500)), model.RuleOutPaused, 0},
		{"active, but quiet triggers call for more", input(workload(), 0, good(5), model.Sample{Value: 100, At: t0}), model.RuleJumpStart, 20},
		{"known triggers jump while others fail", input(workload(), 0, good(50), failing(good(5000))), model.RuleJumpStart, 10},
		{"known triggers jump while others wait", input(workload(), 0, good(50), model.Sample{}), model.RuleJumpStart, 10},
		{"a failing trigger never activates", input(workload(), 0, failing(good(500))), model.RuleHold, 0},
		{"a stale trigger never activates", with(input(workload(), 0, good(500)), func(in *Input) { in.Now = t0.Add(91 * time.Second) }), model.RuleHold, 0},
		{"nonsense never activates", input(workload(), 0, model.Sample{Value: math.Inf(1), Active: true, At: t0}), model.RuleHold, 0},

		{"forced from zero", input(workload(force), 0, good(0)), model.RuleForced, 1},
		{"forced from zero jumps too", input(workload(force), 0, model.Sample{Value: 50, At: t0}), model.RuleForced, 10},
		{"forced while the source fails", input(workload(force), 0, failing(model.Sample{})), model.RuleForced, 1},
		{"forced stays up", with(input(workload(force), 3, good(0)), since(long)), model.RuleForced, 3},
		{"forced and active is just active", input(workload(force), 3, good(1)), model.RuleHPA, 3},

		{"active with replicas is the HPA's", input(workload(), 3, good(500)), model.RuleHPA, 3},
		{"above max is the HPA's", input(workload(), 300, good(500)), model.RuleHPA, 300},
		{"active below min is raised", input(workload(minimum(4)), 2, good(1)), model.RuleMin, 4},
		{"quiet below min is raised", input(workload(minimum(4)), 2, good(0)), model.RuleMin, 4},
		{"failing below min is raised", input(workload(minimum(4)), 0, failing(good(0))), model.RuleMin, 4},
		{"below min is not raised with paused-scale-out", input(workload(minimum(4), pause(model.Pause{Out: true})), 2, good(0)), model.RuleOutPaused, 2},
		{"below min waits for the first measurement", input(workload(minimum(4)), 0, model.Sample{}), model.RuleUnknown, 0},
		{"below min with idle rests", with(input(workload(minimum(4), idle(2)), 2, good(0)), since(long)), model.RuleKeep, 2},

		{"never measured holds", input(workload(), 3, model.Sample{}), model.RuleUnknown, 3},
		{"a missing sample holds", with(input(workload(), 3, good(0)), func(in *Input) { in.Samples = nil }), model.RuleUnknown, 3},
		{"partly measured holds", with(input(workload(), 3, good(0), model.Sample{}), since(long)), model.RuleUnknown, 3},
		{"failing holds", with(input(workload(), 3, failing(good(0))), since(long)), model.RuleHold, 3},
		{"partly failing holds", with(input(workload(), 3, good(0), failing(good(0))), since(long)), model.RuleHold, 3},
		{"stale holds", with(input(workload(), 3, good(0)), func(in *Input) { in.Now = t0.Add(91 * time.Second); in.LastActive = long }), model.RuleHold, 3},
		{"not a number holds", with(input(workload(), 3, model.Sample{Value: math.NaN(), At: t0}), since(long)), model.RuleHold, 3},
		{"a short interval is not stale within a minute", with(input(workload(func(w *model.Workload) { w.PollingInterval = time.Second }), 3, good(0)), func(in *Input) { in.Now = t0.Add(time.Minute); in.LastActive = long }), model.RuleZero, 0},

		{"to zero", with(input(workload(), 3, good(0)), since(long)), model.RuleZero, 0},
		{"not to zero during the cool-down", with(input(workload(), 3, good(0)), since(t0.Add(-time.Minute))), model.RuleCooldown, 3},
		{"min above zero stays", with(input(workload(minimum(2)), 3, good(0)), since(long)), model.RuleKeep, 3},
		{"to idle", with(input(workload(minimum(4), idle(2)), 9, good(0)), since(long)), model.RuleIdle, 2},
		{"paused-scale-in stays", with(input(workload(pause(model.Pause{In: true})), 3, good(0)), since(long)), model.RuleScaleInPaused, 3},
		{"paused-scale-out still lowers", with(input(workload(pause(model.Pause{Out: true})), 3, good(0)), since(long)), model.RuleZero, 0},
		{"paused-scale-in still activates", input(workload(pause(model.Pause{In: true})), 0, good(50)), model.RuleJumpStart, 10},
		{"at rest", input(workload(), 0, good(0)), model.RuleKeep, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Replicas(c.in)
			if d.Rule != c.rule || d.To != c.to || d.From != c.in.Scale.Replicas {
				t.Errorf("Replicas = %s %d -> %d (%s), want %s %d -> %d", d.Rule, d.From, d.To, d.Why, c.rule, c.in.Scale.Replicas, c.to)
			}
			if d.Why == "" {
				t.Error("the decision does not say why")
			}
		})
	}
}

func TestResourceTriggersNeitherActivateNorDeactivate(t *testing.T) {
	cpu := model.Metric{TriggerType: "cpu", Resource: &scaler.ResourceMetric{Resource: "cpu"}}
	in := Input{
		Workload: workload(), Now: t0, Metrics: []model.Metric{cpu}, Samples: make([]model.Sample, 1),
		LastActive: t0.Add(-time.Hour),
	}
	for _, replicas := range []int32{0, 3} {
		in.Scale = Scale{Known: true, Replicas: replicas}
		if d := Replicas(in); d.Rule != model.RuleKeep || d.Writes() || d.Active {
			t.Errorf("cpu alone at %d replicas: %+v, want nothing done", replicas, d)
		}
	}
	in.Workload = workload(func(w *model.Workload) { w.Min = 2 })
	in.Scale.Replicas = 1
	if d := Replicas(in); d.To != 2 {
		t.Errorf("cpu alone below min: to %d, want 2", d.To)
	}
	in.Workload = workload()
	in.Metrics, in.Samples = append(in.Metrics, external(1, "redis", 5)), append(in.Samples, good(0))
	if d := Replicas(in); d.Rule != model.RuleZero {
		t.Errorf("cpu beside a quiet list: %s, want %s", d.Rule, model.RuleZero)
	}
}

// TestRaisedBySomebodyElse: what was measured before somebody else raised the
// count is no reason to lower it.
func TestRaisedBySomebodyElse(t *testing.T) {
	in := input(workload(), 3, good(0), good(0))
	for name, c := range map[string]struct {
		raised time.Time
		rule   model.Rule
	}{
		"never":                      {time.Time{}, model.RuleZero},
		"before the measurement":     {t0.Add(-time.Second), model.RuleZero},
		"at the same moment":         {t0, model.RuleConsidered},
		"since the measurement":      {t0.Add(time.Second), model.RuleConsidered},
		"since one of the two only":  {t0.Add(-30 * time.Second), model.RuleConsidered},
		"long before either of them": {t0.Add(-time.Hour), model.RuleZero},
	} {
		in.RaisedAt = c.raised
		in.Samples[1].At = t0
		if name == "since one of the two only" {
			in.Samples[1].At = t0.Add(-40 * time.Second)
		}
		if d := Replicas(in); d.Rule != c.rule {
			t.Errorf("raised %s: %s to %d, want %s", name, d.Rule, d.To, c.rule)
		}
	}
}

func TestDecisionSaysTheNumbers(t *testing.T) {
	tests := map[string]struct {
		in      Input
		why     string
		trigger string
	}{
		"jump":     {input(workload(), 0, good(250)), "redis-jobs is 250 (target 5 per replica): 50 replicas", "redis"},
		"activate": {input(workload(), 0, good(1)), "redis-jobs is 1 (active above 0)", "redis"},
		"max":      {input(workload(), 0, good(1000)), "redis-jobs is 1000 (target 5 per replica): 200 replicas, limited to 100 by maxReplicaCount", "redis"},
		"policy": {
			input(workload(func(w *model.Workload) {
				w.HPA.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: &autoscalingv2.HPAScalingRules{
					Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 9, PeriodSeconds: 60}},
				}}
			}), 0, good(1000)),
			"redis-jobs is 1000 (target 5 per replica): 200 replicas, limited to 10 by the scale-up behavior", "redis",
		},
		"own name": {
			with(input(workload(), 0, good(12.5)), func(in *Input) { in.Metrics[0].TriggerName = "orders" }),
			"orders is 12.5 (target 5 per replica): 3 replicas", "redis",
		},
		"cool-down": {
			with(input(workload(), 2, good(0)), func(in *Input) { in.LastActive = t0 }),
			"no trigger is active: to 0 replicas when the cool-down of 5m0s ends", "",
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			d := Replicas(c.in)
			if diff := cmp.Diff([]string{c.why, c.trigger}, []string{d.Why, d.Trigger}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The event names a trigger that was active, not one that merely calls for more.
func TestTriggerOfAnActivationIsActive(t *testing.T) {
	in := input(workload(), 0, good(5), model.Sample{Value: 100, At: t0})
	in.Metrics[1].TriggerType = "prometheus"
	if d := Replicas(in); d.Trigger != "redis" || d.To != 20 {
		t.Errorf("activated by %q to %d, want redis and 20", d.Trigger, d.To)
	}
}
