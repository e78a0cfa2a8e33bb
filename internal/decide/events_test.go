package decide

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

func TestEvents(t *testing.T) {
	ready := statusOf(model.Status{}, input(workload(), 0, good(0)))
	pausedWorkload := workload(func(w *model.Workload) { w.Pause = model.Pause{Paused: true, Replicas: ptr[int32](4)} })
	wasPaused := statusOf(ready, input(pausedWorkload, 4, good(0)))
	failedWrite := func(si *StatusInput) { si.WriteErr = errors.New("forbidden") }
	couldNot := statusOf(ready, input(workload(), 0, good(1)), failedWrite)
	down := statusOf(ready, input(workload(), 0, failing(good(0))))
	noMetric := func(si *StatusInput) {
		si.HPA = HPAView{Known: true, Status: "False", Reason: "FailedGetExternalMetric", Message: "no metric"}
	}

	started := Event{"Normal", "KEDAScalersStarted", "Started to watch the triggers"}
	stopped := Event{"Normal", "KEDAScalersStopped", "Stopped to watch the triggers"}
	unchecked := statusOf(model.Status{}, with(input(workload(), 0), func(in *Input) { in.Blocked = true }))
	unresolved := statusOf(model.Status{}, with(input(workload(), 0), func(in *Input) { in.Blocked = true }), func(si *StatusInput) {
		si.Problems = param.Problems{{Path: "spec.triggers[0].authenticationRef", Severity: param.Error, Message: "gone"}}
	})

	for name, c := range map[string]struct {
		before model.Status
		in     Input
		change func(*StatusInput)
		want   []Event
	}{
		"a new object": {model.Status{}, input(workload(), 0, good(0)), nil, []Event{started, {"Normal", "ScaledObjectReady", "ScaledObject is ready for scaling"}}},
		"at rest":      {ready, input(workload(), 0, good(0)), nil, nil},
		"activated":    {ready, input(workload(), 0, good(1)), nil, []Event{{"Normal", "KEDAScaleTargetActivated", "Scaled apps/v1.Deployment shop/worker from 0 to 1, triggered by redis"}}},
		"jumped":       {ready, input(workload(), 0, good(500)), nil, []Event{{"Normal", "KEDAScaleTargetActivated", "Scaled apps/v1.Deployment shop/worker from 0 to 100, triggered by redis"}}},
		"forced": {ready, input(workload(func(w *model.Workload) { w.ForceActivation = true }), 0, good(0)), nil, []Event{
			{"Normal", "KEDAScaleTargetActivated", "Scaled apps/v1.Deployment shop/worker from 0 to 1, triggered by annotation force-activation"},
		}},
		"deactivated": {ready, with(input(workload(), 3, good(0)), func(in *Input) { in.LastActive = t0.Add(-time.Hour) }), nil, []Event{
			{"Normal", "KEDAScaleTargetDeactivated", "Deactivated apps/v1.Deployment shop/worker from 3 to 0"},
		}},
		"could not activate": {ready, input(workload(), 0, good(1)), failedWrite, []Event{
			{"Warning", "KEDAScaleTargetActivationFailed", "Failed to scale apps/v1.Deployment shop/worker from 0 to 1: forbidden"},
		}},
		"still can't": {couldNot, input(workload(), 0, good(1)), failedWrite, nil},
		"could not deactivate": {ready, with(input(workload(), 3, good(0)), func(in *Input) { in.LastActive = t0.Add(-time.Hour) }), failedWrite, []Event{
			{"Warning", "KEDAScaleTargetDeactivationFailed", "Failed to scale apps/v1.Deployment shop/worker from 3 to 0: forbidden"},
		}},
		"the source failed": {ready, input(workload(), 0, failing(good(0))), nil, []Event{
			{"Warning", "KEDAScalerFailed", `trigger 0 "redis-jobs" (redis), Unreachable: reading the list: connection refused; check that the source runs and can be reached from the cluster`},
		}},
		"it fails on": {down, input(workload(), 0, failing(good(0))), nil, nil},
		"it is back":  {down, input(workload(), 0, good(0)), nil, []Event{{"Normal", "ScaledObjectReady", "ScaledObject is ready for scaling"}}},
		"the check failed": {ready, with(input(workload(), 0), func(in *Input) { in.Blocked = true }), func(si *StatusInput) {
			si.Problems = param.Problems{{Path: "spec.triggers", Severity: param.Error, Message: "found none; expected one or more"}}
		}, []Event{stopped, {"Warning", "ScaledObjectCheckFailed", "spec.triggers: found none; expected one or more"}}},
		"paused":                        {ready, input(pausedWorkload, 1, good(0)), nil, []Event{stopped, {"Normal", "ScaledObjectPaused", "ScaledObject is paused"}}},
		"unpaused":                      {wasPaused, input(workload(), 0, good(0)), nil, []Event{started, {"Normal", "ScaledObjectUnpaused", "ScaledObject is no longer paused"}}},
		"the check passes now":          {unchecked, input(workload(), 0, good(0)), nil, []Event{started, {"Normal", "ScaledObjectReady", "ScaledObject is ready for scaling"}}},
		"the credentials are there now": {unresolved, input(workload(), 0, good(0)), nil, []Event{started, {"Normal", "ScaledObjectReady", "ScaledObject is ready for scaling"}}},
		"the HPA gets no metric": {ready, input(workload(), 2, good(1)), noMetric, []Event{
			{"Warning", "KEDAMetricSourceFailed", "HorizontalPodAutoscaler keda-hpa-jobs: no metric"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			si := StatusInput{Previous: c.before, Input: c.in, Decision: Replicas(c.in), Target: deployments}
			if c.change != nil {
				c.change(&si)
			}
			got := Events(c.before, Status(si), c.in.Workload, si.Decision, si.WriteErr)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
