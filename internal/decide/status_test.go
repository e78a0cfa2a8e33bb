package decide

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

var deployments = model.GVKR{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}

// statusOf decides and makes the status, as the scaling loop does.
func statusOf(previous model.Status, in Input, change ...func(*StatusInput)) model.Status {
	si := StatusInput{Previous: previous, Input: in, Decision: Replicas(in), Target: deployments}
	for _, c := range change {
		c(&si)
	}
	return Status(si)
}

func condition(t *testing.T, s model.Status, kind string) model.Condition {
	t.Helper()
	c, ok := s.Condition(kind)
	if !ok {
		t.Fatalf("there is no condition %s", kind)
	}
	return c
}

func TestStatusWhole(t *testing.T) {
	in := input(workload(func(w *model.Workload) {
		w.Triggers = []model.Trigger{{Type: "redis", Auth: &model.AuthRef{Name: "creds"}}, {Type: "redis", Auth: &model.AuthRef{Name: "creds"}}, {Type: "cpu"}}
	}), 0, good(250), good(0))
	in.Metrics = append(in.Metrics, model.Metric{Trigger: 2, TriggerType: "cpu", Resource: &scaler.ResourceMetric{Resource: "cpu"}})
	in.Now = t0.Add(500 * time.Millisecond)
	c := func(kind, status, reason, message string) model.Condition {
		return model.Condition{Type: kind, Status: status, Reason: reason, Message: message, Since: t0, Generation: 1}
	}
	want := model.Status{
		Generation: 1, TargetKind: "apps/v1.Deployment", TargetGVKR: &deployments,
		OriginalReplicas: ptr[int32](0), LastActive: t0,
		ExternalMetrics: []string{"s0-redis-jobs", "s1-redis-jobs"}, ResourceMetrics: []string{"cpu"},
		HPAName: "keda-hpa-jobs", TriggerTypes: "redis,cpu", AuthTypes: "creds",
		TriggerActivity: map[string]bool{"s0-redis-jobs": true, "s1-redis-jobs": false},
		Health:          map[string]model.Health{"s0-redis-jobs": {Status: "Happy"}, "s1-redis-jobs": {Status: "Happy"}},
		Conditions: []model.Condition{
			c("Ready", "True", "ScaledObjectReady", "ScaledObject is defined correctly and is ready for scaling"),
			c("Active", "True", "ScalerActive", "scaling is performed because triggers are active"),
			c("Fallback", "False", "NoFallbackFound", "no fallback is active"),
			c("Paused", "False", "ScaledObjectUnpaused", "ScaledObject is not paused"),
			c("HPAActive", "Unknown", "WaitingForHPA", "the HPA controller has not looked at HorizontalPodAutoscaler keda-hpa-jobs yet"),
		},
		LastDecision: &model.DecisionRecord{Time: t0, Rule: model.RuleJumpStart, From: 0, To: 50, Message: "redis-jobs is 250 (target 5 per replica): 50 replicas"},
	}
	got := statusOf(model.Status{}, in)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !Equal(want, got) {
		t.Error("Equal sees a difference where there is none")
	}
}

func TestReady(t *testing.T) {
	problems := func(paths ...string) func(*StatusInput) {
		return func(si *StatusInput) {
			si.Input.Blocked = true
			for _, p := range paths {
				si.Problems.Errorf(p, "found nothing; expected something")
			}
			si.Problems.Hint("write it")
			si.Decision = Replicas(si.Input)
		}
	}
	targetErr := func(err error) func(*StatusInput) {
		return func(si *StatusInput) { si.TargetErr = err; si.Input.Scale = Scale{}; si.Decision = Replicas(si.Input) }
	}
	stale := func(si *StatusInput) {
		si.Problems.Warnf("spec.triggers[0].authenticationRef", "still uses the last good value")
		si.Problems.Warnf("spec.triggers[0].metadata.x", "is unusual")
	}
	hpa := func(v HPAView) func(*StatusInput) { return func(si *StatusInput) { si.HPA = v } }
	denied := failing(good(1))
	denied.Reason, denied.Message = scaler.ReasonDenied, "reading the list: WRONGPASS"
	noMetric := HPAView{Known: true, Status: "False", Reason: "FailedGetExternalMetric", Message: "no metric"}
	for name, c := range map[string]struct {
		in             Input
		change         func(*StatusInput)
		status, reason string
		says           []string
	}{
		"a problem":        {input(workload(), 1), problems("spec.triggers[0].metadata.listName"), "False", "ScaledObjectCheckFailed", []string{"spec.triggers[0].metadata.listName: found nothing", "write it"}},
		"many problems":    {input(workload(), 1), problems("a", "b", "c", "d", "e"), "False", "ScaledObjectCheckFailed", []string{"and 2 more"}},
		"no credentials":   {input(workload(), 1), problems("spec.triggers[0].authenticationRef"), "False", "AuthenticationUnresolved", nil},
		"both":             {input(workload(), 1), problems("spec.triggers[0].authenticationRef", "spec.maxReplicaCount"), "False", "ScaledObjectCheckFailed", nil},
		"no target":        {input(workload(), 1, good(1)), targetErr(fmt.Errorf("reading: %w", model.ErrTargetNotFound)), "False", "ScaleTargetNotFound", []string{"apps/v1.Deployment shop/worker does not exist"}},
		"no scale":         {input(workload(), 1, good(1)), targetErr(model.ErrTargetNotScalable), "False", "ScaleTargetNotScalable", []string{"scale subresource"}},
		"unreadable":       {input(workload(), 1, good(1)), targetErr(errors.New("forbidden")), "False", "ErrorGettingCurrentReplicas", []string{"forbidden"}},
		"unwritable":       {input(workload(), 0, good(1)), func(si *StatusInput) { si.WriteErr = errors.New("forbidden") }, "False", "ScaleTargetUpdateFailed", []string{"forbidden"}},
		"paused":           {input(workload(func(w *model.Workload) { w.Pause.Paused = true }), 1, failing(good(1))), nil, "True", "ScaledObjectReady", []string{"paused"}},
		"failing":          {input(workload(), 1, denied), nil, "False", "TriggerError", []string{`trigger 0 "redis-jobs" (redis), Denied: reading the list: WRONGPASS`, "check the credentials"}},
		"failing and idle": {input(workload(), 1, good(0), denied), nil, "False", "TriggerError", []string{`trigger 1 "redis-jobs"`}},
		"partly":           {input(workload(), 1, good(1), denied), nil, "Unknown", "PartialTriggerError", []string{`trigger 1 "redis-jobs"`}},
		"stale":            {with(input(workload(), 1, good(1)), func(in *Input) { in.Now = t0.Add(time.Hour) }), nil, "False", "TriggerError", []string{"not been measured"}},
		"not measured":     {input(workload(), 1, model.Sample{}), nil, "Unknown", "WaitingForFirstMeasurement", nil},
		"HPA without data": {input(workload(), 1, good(1)), hpa(noMetric), "False", "FailedGetExternalMetric", []string{"the triggers work", "no metric"}},
		"and at zero":      {input(workload(), 0, good(0)), hpa(noMetric), "True", "ScaledObjectReady", nil},
		"HPA at rest":      {input(workload(), 1, good(1)), hpa(HPAView{Known: true, Status: "False", Reason: "ScalingDisabled"}), "True", "ScaledObjectReady", nil},
		"old credentials":  {input(workload(), 1, good(1)), stale, "True", "ScaledObjectReady", []string{"is ready for scaling; spec.triggers[0].authenticationRef: still uses the last good value"}},
		"old and denied":   {input(workload(), 1, denied), stale, "False", "TriggerError", []string{"WRONGPASS", "still uses the last good value"}},
		"pods starting":    {input(workload(), 1, good(1)), hpa(HPAView{Known: true, Status: "False", Reason: "FailedGetResourceMetric"}), "True", "ScaledObjectReady", nil},
	} {
		t.Run(name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*StatusInput) {}
			}
			got := condition(t, statusOf(model.Status{}, c.in, change), model.ConditionReady)
			if got.Status != c.status || got.Reason != c.reason {
				t.Errorf("Ready is %s, %s (%s); want %s, %s", got.Status, got.Reason, got.Message, c.status, c.reason)
			}
			for _, s := range c.says {
				if !strings.Contains(got.Message, s) {
					t.Errorf("message %q does not say %q", got.Message, s)
				}
			}
		})
	}
}

func TestActive(t *testing.T) {
	pause := func(p model.Pause) func(*model.Workload) { return func(w *model.Workload) { w.Pause = p } }
	refused := good(0)
	refused.Watch = model.Watch{State: model.WatchRefused, Message: "keyspace events are off"}
	long := func(in *Input) { in.LastActive = t0.Add(-time.Hour) }
	for name, c := range map[string]struct {
		in             Input
		status, reason string
		says           string
	}{
		"active":          {input(workload(), 1, good(1)), "True", "ScalerActive", "triggers are active"},
		"forced":          {input(workload(func(w *model.Workload) { w.ForceActivation = true }), 1, good(0)), "True", "ScalerActive", "force-activation"},
		"out paused":      {input(workload(pause(model.Pause{Out: true})), 0, good(1)), "True", "ScalerActive", "scaling out is paused"},
		"cooling down":    {with(input(workload(), 1, good(0)), func(in *Input) { in.LastActive = t0 }), "False", "ScalerCooldown", "5m0s"},
		"in paused":       {with(input(workload(pause(model.Pause{In: true})), 1, good(0)), long), "False", "ScalerNotActive", "scaling in is paused"},
		"idle":            {with(input(workload(), 1, good(0)), long), "False", "ScalerNotActive", "not active"},
		"not measured":    {input(workload(), 1, model.Sample{}), "Unknown", "WaitingForFirstMeasurement", "known"},
		"failing, first":  {input(workload(), 1, failing(model.Sample{})), "Unknown", "WaitingForFirstMeasurement", "known"},
		"paused":          {input(workload(pause(model.Pause{Paused: true})), 1, good(1)), "Unknown", "ScaledObjectPaused", "paused"},
		"blocked":         {with(input(workload(), 1, good(1)), func(in *Input) { in.Blocked = true }), "Unknown", "ScaledObjectCheckFailed", "Ready"},
		"a refused watch": {input(workload(), 0, refused), "False", "ScalerNotActive", `; arrivals at "redis-jobs" are noticed by polling every 30s: keyspace events are off`},
	} {
		t.Run(name, func(t *testing.T) {
			got := condition(t, statusOf(model.Status{}, c.in), model.ConditionActive)
			if got.Status != c.status || got.Reason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("Active is %s, %s (%s); want %s, %s, saying %q", got.Status, got.Reason, got.Message, c.status, c.reason, c.says)
			}
		})
	}
}

func TestActiveStandsWhileTheSourceFails(t *testing.T) {
	before := statusOf(model.Status{}, input(workload(), 3, good(1)))
	after := statusOf(before, input(workload(), 3, failing(good(1))))
	if got := condition(t, after, model.ConditionActive); got.Status != "True" {
		t.Errorf("Active is %s (%s), want it as it was", got.Status, got.Message)
	}
	if !after.TriggerActivity["s0-redis-jobs"] {
		t.Error("the trigger's activity was forgotten")
	}
}

func TestPausedAndHPAActive(t *testing.T) {
	paused := input(workload(func(w *model.Workload) { w.Pause = model.Pause{Paused: true, Replicas: ptr[int32](2)} }), 5, good(1))
	s := statusOf(model.Status{HPAName: "keda-hpa-jobs"}, paused)
	if c := condition(t, s, model.ConditionPaused); c.Status != "True" || c.Reason != "ScaledObjectPaused" {
		t.Errorf("Paused = %+v", c)
	}
	if s.PausedReplicas == nil || *s.PausedReplicas != 2 || s.HPAName != "" {
		t.Errorf("pausedReplicaCount %v, hpaName %q; want 2 and none", s.PausedReplicas, s.HPAName)
	}
	failed := statusOf(model.Status{}, paused, func(si *StatusInput) { si.WriteErr = errors.New("no") })
	if failed.PausedReplicas != nil || failed.LastDecision != nil {
		t.Error("a count that could not be set was recorded as set")
	}
	on := statusOf(s, input(workload(), 2, good(1)))
	if on.PausedReplicas != nil || condition(t, on, model.ConditionPaused).Reason != "ScaledObjectUnpaused" {
		t.Errorf("after the pause: %v, %+v", on.PausedReplicas, condition(t, on, model.ConditionPaused))
	}
	for name, c := range map[string]struct {
		view           HPAView
		status, reason string
	}{
		"active":  {HPAView{Known: true, Status: "True", Reason: "ValidMetricFound"}, "True", "HPAActive"},
		"at zero": {HPAView{Known: true, Status: "False", Reason: "ScalingDisabled"}, "False", "ScalingDisabled"},
		"failing": {HPAView{Known: true, Status: "False", Reason: "FailedGetResourceMetric"}, "False", "FailedGetResourceMetric"},
	} {
		got := condition(t, statusOf(model.Status{}, input(workload(), 2, good(1)), func(si *StatusInput) { si.HPA = c.view }), model.ConditionHPAActive)
		if got.Status != c.status || got.Reason != c.reason {
			t.Errorf("%s: HPAActive is %s, %s; want %s, %s", name, got.Status, got.Reason, c.status, c.reason)
		}
	}
}

func TestBlockedKeepsWhatTheCleanUpNeeds(t *testing.T) {
	before := statusOf(model.Status{}, input(workload(), 3, good(1)))
	after := statusOf(before, Input{Workload: workload(func(w *model.Workload) { w.Generation = 2 }), Now: t0, Blocked: true}, func(si *StatusInput) {
		si.Problems = param.Problems{{Path: "spec", Severity: param.Error, Message: "bad"}}
	})
	if after.HPAName != before.HPAName || after.OriginalReplicas == nil || *after.OriginalReplicas != 3 || len(after.ExternalMetrics) != 1 {
		t.Errorf("hpaName %q, originalReplicaCount %v, metrics %v were not kept", after.HPAName, after.OriginalReplicas, after.ExternalMetrics)
	}
	if c := condition(t, after, model.ConditionReady); c.Generation != 2 || !c.Since.Equal(t0) {
		t.Errorf("Ready = %+v, want generation 2 since now", c)
	}
}

func TestOriginalCountIsRecordedOncePerTargetKind(t *testing.T) {
	s := statusOf(model.Status{}, input(workload(), 3, good(1)))
	s = statusOf(s, input(workload(), 9, good(1)))
	if *s.OriginalReplicas != 3 {
		t.Errorf("originalReplicaCount = %d, want the first, 3", *s.OriginalReplicas)
	}
	s = statusOf(s, input(workload(), 9, good(1)), func(si *StatusInput) { si.Target.Kind = "StatefulSet" })
	if *s.OriginalReplicas != 9 || s.TargetKind != "apps/v1.StatefulSet" {
		t.Errorf("originalReplicaCount %d of %s, want that of the new target, 9", *s.OriginalReplicas, s.TargetKind)
	}
}
