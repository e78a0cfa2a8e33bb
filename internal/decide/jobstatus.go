package decide

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Reasons of conditions and events that speak of Jobs.
const (
	eventJobsCreated    = "KEDAJobsCreated"
	reasonCreateFailed  = "KEDAJobCreateFailed"
	reasonGettingJobs   = "ErrorGettingJobs"
	suffixActive        = "Active"
	suffixInactive      = "Inactive"
	suffixRolloutBegun  = "RolloutCleanupStarted"
	suffixRolloutFailed = "RolloutCleanupFailed"
	suffixRolloutDone   = "RolloutCleanupCompleted"
)

// JobStatusInput is what the status of a job workload is made of.
type JobStatusInput struct {
	// Previous is the status as it was last written.
	Previous model.Status
	// Input and Decision are what was decided on, and what.
	Input    JobInput
	Decision JobDecision
	// Problems are the findings of the checks.
	Problems param.Problems
	// JobsErr says why the Jobs are not known.
	JobsErr error
	// CreateErr says why Jobs could not be created, DeleteErr the same of
	// deleting them. They last until it is tried again.
	CreateErr, DeleteErr error
	// Sequence is the number of the last Job made.
	Sequence int64
}

// JobStatus returns the whole new status of a job workload. It is as steady as
// Status is.
func JobStatus(in JobStatusInput) model.Status {
	j := jobFactsOf(in.Input)
	s := &statusFacts{facts: j.facts, in: StatusInput{
		Previous: in.Previous, Input: j.Input, Decision: in.Decision.Decision, Problems: in.Problems,
	}}
	old := in.Previous
	out := old
	out.Generation = s.w.Generation
	out.TriggerTypes, out.AuthTypes = triggerTypes(s.w.Triggers)
	if !s.unmanaged() { // what it had as long as it scaled a target
		out.TargetKind, out.TargetGVKR, out.OriginalReplicas, out.PausedReplicas, out.HPAName = "", nil, nil, nil, ""
	}
	s.metrics(&out)

	s.news = !slices.Equal(failingNames(old.Health), failingNames(out.Health))
	s.conds = newConditions(old, s.Now, s.w.Generation)
	s.jobsReady(in)
	s.activity()
	s.paused()
	out.Conditions = s.conds.out

	s.lastActiveTime(&out)
	out.JobSequence = in.Sequence
	if d := in.Decision; d.Writes() && in.CreateErr == nil && in.DeleteErr == nil {
		out.LastDecision = &model.DecisionRecord{Time: stamp(s.Now), Rule: d.Rule, From: d.From, To: d.To, Message: d.Why}
	}
	return out
}

// jobsReady is ready, with what may be in the way of Jobs.
func (s *statusFacts) jobsReady(in JobStatusInput) {
	quote := func(reason, text string, err error) {
		s.conds.steady(model.ConditionReady, statusFalse, reason, fmt.Sprintf(text, cut(err.Error(), maxCause)))
	}
	switch {
	case s.unmanaged():
		s.ready()
	case in.JobsErr != nil:
		quote(reasonGettingJobs, "the Jobs can't be read: %s; none is created", in.JobsErr)
	case isPaused(s.w):
		s.ready()
	case in.CreateErr != nil:
		quote(reasonCreateFailed, "Jobs can't be created: %s; it is tried again with the next measurement", in.CreateErr)
	case in.DeleteErr != nil:
		quote(s.w.Key.Kind+suffixRolloutFailed, "Jobs can't be deleted: %s; it is tried again", in.DeleteErr)
	default:
		s.ready()
	}
}

// JobEventInput is what happened to a job workload.
type JobEventInput struct {
	Before, After model.Status
	Workload      *model.Workload
	// Created is the number of Jobs created now.
	Created int
	// CreateErr and DeleteErr are those of now.
	CreateErr, DeleteErr error
	// RolloutBegun is the number of Jobs of an older generation that were
	// deleted now, RolloutDone says that the last of them has gone.
	RolloutBegun int
	RolloutDone  bool
}

// JobEvents tells what has changed and what was done. A failure that goes on
// is told once.
func JobEvents(in JobEventInput) []Event {
	var out []Event
	add := func(kind, reason, message string) { out = append(out, Event{kind, reason, message}) }
	kind := in.Workload.Key.Kind
	news := changed(in.Before, in.After, model.ConditionReady)
	if in.Created > 0 {
		add(corev1.EventTypeNormal, eventJobsCreated, fmt.Sprintf("Created %d jobs", in.Created))
	}
	if in.CreateErr != nil && news {
		add(corev1.EventTypeWarning, reasonCreateFailed, cut("Failed to create jobs: "+in.CreateErr.Error(), maxMessage))
	}
	if n := in.RolloutBegun; n > 0 {
		add(corev1.EventTypeNormal, kind+suffixRolloutBegun, "Deleting "+jobs(int32(n))+" of an older generation")
	}
	if in.DeleteErr != nil && news {
		add(corev1.EventTypeWarning, kind+suffixRolloutFailed, cut("Failed to delete jobs: "+in.DeleteErr.Error(), maxMessage))
	}
	if in.RolloutDone {
		add(corev1.EventTypeNormal, kind+suffixRolloutDone, "Every Job of an older generation has gone")
	}
	scalersEvent(add, in.Before, in.After, kind)
	if c, _ := in.After.Condition(model.ConditionReady); c.Reason != reasonCreateFailed && c.Reason != kind+suffixRolloutFailed {
		readyEvent(add, in.Before, in.After, kind)
	}
	activeEvent(add, in.Before, in.After, kind)
	pausedEvent(add, in.Before, in.After, kind)
	return out
}

func activeEvent(add adder, before, after model.Status, kind string) {
	was, _ := before.Condition(model.ConditionActive)
	is, _ := after.Condition(model.ConditionActive)
	switch {
	case is.Status == statusTrue && was.Status != statusTrue:
		add(corev1.EventTypeNormal, kind+suffixActive, kind+" is active")
	case is.Status == statusFalse && was.Status == statusTrue:
		add(corev1.EventTypeNormal, kind+suffixInactive, kind+" is no longer active")
	}
}
