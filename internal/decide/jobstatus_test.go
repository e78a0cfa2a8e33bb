package decide

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
)

func jobStatusOf(previous model.Status, in JobInput, change ...func(*JobStatusInput)) model.Status {
	si := JobStatusInput{Previous: previous, Input: in, Decision: Jobs(in)}
	for _, c := range change {
		c(&si)
	}
	return JobStatus(si)
}

func TestJobStatusWhole(t *testing.T) {
	c := func(kind, status, reason, message string) model.Condition {
		return model.Condition{Type: kind, Status: status, Reason: reason, Message: message, Since: t0, Generation: 3}
	}
	want := model.Status{
		Generation: 3, LastActive: t0, ExternalMetrics: []string{"s0-redis-jobs"}, TriggerTypes: "redis", JobSequence: 5,
		TriggerActivity: map[string]bool{"s0-redis-jobs": true}, Health: map[string]model.Health{"s0-redis-jobs": {Status: "Happy"}},
		Conditions: []model.Condition{
			c("Ready", "True", "ScaledJobReady", "ScaledJob is defined correctly and is ready for scaling"),
			c("Active", "True", "ScalerActive", "scaling is performed because triggers are active"),
			c("Paused", "False", "ScaledJobUnpaused", "ScaledJob is not paused"),
		},
		LastDecision: &model.DecisionRecord{
			Time: t0, Rule: model.RuleCreateJobs, From: 0, To: 5,
			Message: "redis-jobs is 5 (target 1 per Job): 5 Jobs wanted, 0 Jobs run: 5 Jobs created by strategy default",
		},
	}
	before := model.Status{HPAName: "keda-hpa-x", TargetKind: "apps/v1.Deployment", OriginalReplicas: ptr[int32](2)} // it had scaled a target
	got := jobStatusOf(before, jobInput(scaledJob(), nil, good(5)), func(si *JobStatusInput) { si.Sequence = 5 })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestJobsReady(t *testing.T) {
	failed := errors.New("jobs is forbidden: exceeded quota")
	unknown := func(si *JobStatusInput) {
		si.JobsErr, si.Input.JobsKnown = failed, false
		si.Decision = Jobs(si.Input)
	}
	for name, c := range map[string]struct {
		in             JobInput
		change         func(*JobStatusInput)
		status, reason string
		says           string
	}{
		"ready":           {jobInput(scaledJob(), nil, good(5)), nil, "True", "ScaledJobReady", ""},
		"not created":     {jobInput(scaledJob(), nil, good(5)), func(si *JobStatusInput) { si.CreateErr = failed }, "False", "KEDAJobCreateFailed", "exceeded quota"},
		"not deleted":     {jobInput(scaledJob(), nil, good(5)), func(si *JobStatusInput) { si.DeleteErr = failed }, "False", "ScaledJobRolloutCleanupFailed", "exceeded quota"},
		"not known":       {jobInput(scaledJob(), nil, good(5)), unknown, "False", "ErrorGettingJobs", "exceeded quota"},
		"failing":         {jobInput(scaledJob(), nil, failing(good(5))), nil, "False", "TriggerError", "connection refused"},
		"partly":          {jobInput(scaledJob(), nil, good(5), failing(good(5))), nil, "Unknown", "PartialTriggerError", "connection refused"},
		"paused":          {jobInput(scaledJob(func(w *model.Workload) { w.Pause.Paused = true }), nil, good(5)), func(si *JobStatusInput) { si.CreateErr = failed }, "True", "ScaledJobReady", "paused"},
		"problems first":  {JobInput{Input: Input{Workload: scaledJob(), Now: t0, Blocked: true}}, func(si *JobStatusInput) { si.JobsErr = failed; si.Problems.Errorf("spec.x", "is bad") }, "False", "ScaledJobCheckFailed", "spec.x: is bad"},
		"not measured":    {jobInput(scaledJob(), nil, model.Sample{}), nil, "Unknown", "WaitingForFirstMeasurement", ""},
		"an idle failure": {jobInput(scaledJob(), nil, good(0)), func(si *JobStatusInput) { si.CreateErr = failed }, "False", "KEDAJobCreateFailed", "next measurement"},
	} {
		t.Run(name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*JobStatusInput) {}
			}
			s := jobStatusOf(model.Status{}, c.in, change)
			got := condition(t, s, model.ConditionReady)
			if got.Status != c.status || got.Reason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("Ready is %s, %s (%s); want %s, %s, saying %q", got.Status, got.Reason, got.Message, c.status, c.reason, c.says)
			}
			if c.status != "True" && strings.HasPrefix(name, "not ") && s.LastDecision != nil {
				t.Error("a decision that was not carried out was recorded")
			}
		})
	}
}

// TestNoJobStatusAtRest polls for a day: a state that lasts is one status.
func TestNoJobStatusAtRest(t *testing.T) {
	for name, c := range map[string]struct {
		jobs   []model.JobState
		sample func(i int, now time.Time) model.Sample
		change func(i int, si *JobStatusInput)
		most   int
	}{
		"idle": {nil, func(_ int, now time.Time) model.Sample { return model.Sample{At: now} }, nil, 1},
		"busy": {running(10, 0), func(i int, now time.Time) model.Sample {
			return model.Sample{Value: float64(10 + i%90), Active: true, At: now}
		}, nil, 1},
		"refused": {running(5, 5), func(_ int, now time.Time) model.Sample { return model.Sample{Value: 9, Active: true, At: now} }, func(i int, si *JobStatusInput) {
			si.CreateErr = fmt.Errorf("number %d: creating Job shop/jobs-%d: forbidden", i, i)
		}, 1},
		"a source that is down": {running(5, 0), func(i int, now time.Time) model.Sample {
			return model.Sample{Failures: i + 1, FailedAt: now, Reason: "Unreachable", Message: fmt.Sprintf("read tcp 10.1.0.9:%d: timeout", 40000+i)}
		}, nil, 8},
	} {
		t.Run(name, func(t *testing.T) {
			var s model.Status
			var events []Event
			writes := 0
			for i := range 24 * 120 {
				in := jobInput(scaledJob(), c.jobs, model.Sample{})
				in.Now = t0.Add(time.Duration(i) * 30 * time.Second)
				in.Samples[0] = c.sample(i, in.Now)
				si := JobStatusInput{Previous: s, Input: in, Decision: Jobs(in), Sequence: 5}
				if c.change != nil {
					c.change(i, &si)
				}
				next := JobStatus(si)
				events = append(events, JobEvents(JobEventInput{Before: s, After: next, Workload: in.Workload, CreateErr: si.CreateErr})...)
				if !Equal(s, next) {
					writes++
				}
				s = next
			}
			if writes > c.most || len(events) > 3 {
				t.Errorf("%d writes and %d events in a day, want at most %d and 3: %v", writes, len(events), c.most, events)
			}
		})
	}
}

func TestJobEvents(t *testing.T) {
	failed := errors.New("exceeded quota")
	quiet := jobStatusOf(model.Status{}, jobInput(scaledJob(), nil, good(0)))
	active := jobStatusOf(quiet, jobInput(scaledJob(), running(5, 0), good(5)))
	paused := jobStatusOf(active, jobInput(scaledJob(func(w *model.Workload) { w.Pause.Paused = true }), nil, good(5)))
	refused := jobStatusOf(quiet, jobInput(scaledJob(), nil, good(5)), func(si *JobStatusInput) { si.CreateErr = failed })
	stuck := jobStatusOf(quiet, jobInput(scaledJob(), nil, good(0)), func(si *JobStatusInput) { si.DeleteErr = failed })
	for name, c := range map[string]struct {
		in   JobEventInput
		want []string
	}{
		"new and idle":      {JobEventInput{After: quiet}, []string{"Normal KEDAScalersStarted: Started to watch the triggers", "Normal ScaledJobReady: ScaledJob is ready for scaling"}},
		"nothing happened":  {JobEventInput{Before: quiet, After: quiet}, nil},
		"Jobs were created": {JobEventInput{Before: quiet, After: active, Created: 5}, []string{"Normal KEDAJobsCreated: Created 5 jobs", "Normal ScaledJobActive: ScaledJob is active"}},
		"no longer active":  {JobEventInput{Before: active, After: quiet}, []string{"Normal ScaledJobInactive: ScaledJob is no longer active"}},
		"paused":            {JobEventInput{Before: active, After: paused}, []string{"Normal KEDAScalersStopped: Stopped to watch the triggers", "Normal ScaledJobPaused: ScaledJob is paused"}},
		"no longer paused":  {JobEventInput{Before: paused, After: quiet}, []string{"Normal KEDAScalersStarted: Started to watch the triggers", "Normal ScaledJobUnpaused: ScaledJob is no longer paused"}},
		"refused": {JobEventInput{Before: quiet, After: refused, Created: 1, CreateErr: failed}, []string{
			"Normal KEDAJobsCreated: Created 1 jobs", "Warning KEDAJobCreateFailed: Failed to create jobs: exceeded quota", "Normal ScaledJobActive: ScaledJob is active",
		}},
		"refused again": {JobEventInput{Before: refused, After: refused, CreateErr: failed}, nil},
		"a rollout":     {JobEventInput{Before: quiet, After: quiet, RolloutBegun: 2}, []string{"Normal ScaledJobRolloutCleanupStarted: Deleting 2 Jobs of an older generation"}},
		"it is over":    {JobEventInput{Before: quiet, After: quiet, RolloutDone: true}, []string{"Normal ScaledJobRolloutCleanupCompleted: Every Job of an older generation has gone"}},
		"it failed":     {JobEventInput{Before: quiet, After: stuck, DeleteErr: failed}, []string{"Warning ScaledJobRolloutCleanupFailed: Failed to delete jobs: exceeded quota"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Workload = scaledJob()
			var got []string
			for _, e := range JobEvents(c.in) {
				got = append(got, e.Type+" "+e.Reason+": "+e.Message)
			}
			if !slices.Equal(got, c.want) {
				t.Error(cmp.Diff(c.want, got))
			}
		})
	}
}
