package model

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
)

// The labels and annotations by which a workload's Jobs are known.
const (
	// LabelScaledJob is on every Job and on its pods, with the workload's name.
	LabelScaledJob = "scaledjob.keda.sh/name"
	// LabelFirstJob is on those of the first API besides.
	LabelFirstJob = "scaledobject"
	// AnnotationJobGeneration is the generation of the object that a Job was
	// made from.
	AnnotationJobGeneration = "scaledjob.keda.sh/generation"
)

// Job is the target of a job workload, and how many Jobs it runs.
type Job struct {
	Spec batchv1.JobSpec
	// Container is the one whose environment resolves names; empty means the first.
	Container string
	// Labels and Annotations are what Jobs take over from the object.
	Labels, Annotations map[string]string

	Strategy JobStrategy
	// PendingConditions are the conditions that a pod of a Job must have for
	// the Job not to be pending; with none, a pod that runs will do.
	PendingConditions []string
	// Gradual lets running Jobs of an older generation go on.
	Gradual bool
	// Foreground deletes running Jobs after their pods have gone.
	Foreground bool
	// KeepSuccessful and KeepFailed are how many finished Jobs stay.
	KeepSuccessful, KeepFailed int32
}

// The values of scalingStrategy.strategy.
const (
	StrategyDefault  = "default"
	StrategyCustom   = "custom"
	StrategyAccurate = "accurate"
	StrategyEager    = "eager"
)

// The values of scalingStrategy.multipleScalersCalculation.
const (
	CalculateMax = "max"
	CalculateMin = "min"
	CalculateAvg = "avg"
	CalculateSum = "sum"
)

// JobStrategy is spec.scalingStrategy.
type JobStrategy struct {
	// Name is default, custom, accurate or eager.
	Name string
	// Deduction and RunningShare belong to custom: what is taken off the
	// queue's length, and the share of running Jobs that is, 1 for all.
	Deduction    int32
	RunningShare float64
	// Calculation is max, min, avg or sum.
	Calculation string
}

// JobFinish says how a Job ended.
type JobFinish string

// The ways to end.
const (
	JobUnfinished JobFinish = ""
	JobSucceeded  JobFinish = "Complete"
	JobFailed     JobFinish = "Failed"
)

// JobState is what is known of one Job of a workload.
type JobState struct {
	Name, UID string
	CreatedAt time.Time
	// Generation is the object's that the Job was made from; 0 when not known.
	Generation int64
	Finish     JobFinish
	FinishedAt time.Time
	// Started says that a pod of the Job does its work, as far as the
	// workload's pending conditions say; StartedAt is when that was seen, zero
	// for longer ago than anybody looks.
	Started   bool
	StartedAt time.Time
	// Deleting says that the Job is on its way out.
	Deleting bool
	// Ours says that the object controls the Job, so that it may be deleted.
	// Others count as running only.
	Ours bool
}

// Jobs is what is known of all Jobs of a workload.
type Jobs struct {
	States []JobState
	// Orphans counts pods at work whose Job has gone already.
	Orphans int
	// Left is when Jobs were seen to end, in order. Earlier ones are dropped
	// after a while.
	Left []time.Time
}
