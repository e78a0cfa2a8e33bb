package decide

import (
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/formula"
	"github.com/kedago/keda/internal/model"
)

// modified is an input whose triggers are named a, b, … and decide through a
// formula with a target of 4 that activates above 2.
func modified(t *testing.T, text string, replicas int32, samples ...model.Sample) Input {
	t.Helper()
	in := input(workload(), replicas, samples...)
	var names []string
	for i := range in.Metrics {
		in.Metrics[i].TriggerName = string(rune('a' + i))
		names = append(names, in.Metrics[i].TriggerName)
	}
	f, err := formula.Compile(text, names)
	if err != nil {
		t.Fatal(err)
	}
	in.Composite = &formula.Composite{Formula: f, Metric: model.Metric{
		TriggerType: formula.CompositeType, External: formula.CompositeName,
		Type: autoscalingv2.AverageValueMetricType, Target: 4, Activation: 2,
	}}
	in.LastActive = t0.Add(-time.Hour)
	return in
}

func TestReplicasByFormula(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Input
		rule model.Rule
		to   int32
		why  string
	}{
		{"from zero to what the formula calls for", modified(t, "a + b", 0, good(10), good(3)), model.RuleJumpStart, 4, "composite-metric is 13 (target 4 per replica): 4 replicas"},
		{"at the activation target it stays idle", modified(t, "a + b", 0, good(1), good(1)), model.RuleKeep, 0, "nothing to do"},
		{"an active trigger alone does not activate", modified(t, "min(a, b)", 0, good(100), good(0)), model.RuleKeep, 0, "nothing to do"},
		{"the HPA decides while the formula is active", modified(t, "a + b", 3, good(10), good(3)), model.RuleHPA, 3, "composite-metric is 13 (active above 2)"},
		{"to zero when the formula says so", modified(t, "a + b", 3, good(1), good(0)), model.RuleZero, 0, "no trigger is active"},
		{"a failing trigger keeps the count", modified(t, "a + b", 3, failing(good(0)), good(0)), model.RuleHold, 3, "kept"},
		{"a failing trigger is no zero, even with ??", modified(t, "(a ?? 0) + b", 3, failing(good(0)), good(0)), model.RuleHold, 3, "kept"},
		{"with ?? the others activate", modified(t, "(a ?? 0) + b", 0, failing(good(0)), good(8)), model.RuleJumpStart, 2, "composite-metric is 8"},
		{"a trigger not measured yet is no zero, even with ??", modified(t, "(a ?? 0) + b", 3, model.Sample{}, good(0)), model.RuleUnknown, 3, "not measured yet"},
		{"a trigger that the formula does not use does not matter", modified(t, "b", 3, failing(good(0)), good(0)), model.RuleZero, 0, "no trigger is active"},
		{"a formula that gives no number keeps the count", modified(t, "b / a", 3, good(0), good(1)), model.RuleHold, 3, "kept"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Replicas(c.in)
			if d.Rule != c.rule || d.To != c.to || !strings.Contains(d.Why, c.why) {
				t.Errorf("got %s to %d: %s; expected %s to %d: %s", d.Rule, d.To, d.Why, c.rule, c.to, c.why)
			}
		})
	}
}

// TestStatusByFormula: the status tells both kinds of trouble that a formula
// can have, and which trigger fails although the formula copes.
func TestStatusByFormula(t *testing.T) {
	for _, c := range []struct {
		name                   string
		in                     Input
		status, reason, within string
	}{
		{"well", modified(t, "a", 0, good(1)), statusTrue, "ScaledObjectReady", "ready for scaling"},
		{"no number", modified(t, "b / a", 3, good(0), good(1)), statusFalse, "TriggerError", "scalingModifiers.formula gives no finite number"},
		{"a trigger fails", modified(t, "a", 3, failing(good(1))), statusFalse, "TriggerError", `trigger 0 "a"`},
		{"a trigger fails and the formula copes", modified(t, "(a ?? 0) + b", 3, failing(good(1)), good(9)), statusUnknown, "PartialTriggerError", `trigger 0 "a"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Status(StatusInput{Input: c.in, Decision: Replicas(c.in)})
			ready, _ := s.Condition(model.ConditionReady)
			if ready.Status != c.status || ready.Reason != c.reason || !strings.Contains(ready.Message, c.within) {
				t.Errorf("got %+v; expected %s, %s, %q", ready, c.status, c.reason, c.within)
			}
			if s.CompositeScaler != formula.CompositeName {
				t.Errorf("compositeScalerName is %q", s.CompositeScaler)
			}
		})
	}
}

func TestAnswerComposite(t *testing.T) {
	lost := failing(model.Sample{Value: 7, At: t0.Add(-time.Hour)})
	lost.Failures = 9
	for _, c := range []struct {
		name     string
		in       Input
		behavior string
		want     float64
		fallback bool
		err      string
	}{
		{name: "all known", in: modified(t, "a + b", 1, good(3), good(4)), want: 7},
		{name: "a failing one with a last good value", in: modified(t, "a + b", 1, failing(good(3)), good(4)), want: 7},
		{name: "a lost one", in: modified(t, "a + b", 1, lost, good(4)), err: "trigger a: the source fails, and its last value is 1h0m0s old"},
		{name: "a lost one that the formula copes with", in: modified(t, "(a ?? 5) + b", 1, lost, good(4)), want: 9},
		{name: "a lost one with a fallback", in: modified(t, "a + b", 1, lost, good(4)), behavior: "static", want: 24, fallback: true},
		{name: "the formula goes before the fallback", in: modified(t, "(a ?? 5) + b", 1, lost, good(4)), behavior: "static", want: 9, fallback: true},
		{name: "the fallback scalingModifiers is the formula alone", in: modified(t, "a + b", 1, lost, good(4)), behavior: "scalingModifiers", err: "the formula fails"},
		{name: "no number", in: modified(t, "a / b", 1, good(4), good(0)), err: "the formula gives no finite number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.behavior != "" {
				c.in.Workload.Fallback = &model.Fallback{FailureThreshold: 3, Replicas: 6, Behavior: c.behavior}
			}
			got, err := AnswerComposite(c.in)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, %v; expected an error with %q", got, err, c.err)
				}
				return
			}
			if err != nil || got.Value != c.want || got.Fallback != c.fallback {
				t.Errorf("got %+v, %v; expected %v, fallback %v", got, err, c.want, c.fallback)
			}
		})
	}
}
