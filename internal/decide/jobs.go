package decide

import (
	"fmt"
	"slices"
	"time"

	"github.com/kedago/keda/internal/model"
)

// JobInput is what a decision about Jobs is made of. Input.Scale is not used.
type JobInput struct {
	Input
	// Jobs means nothing unless JobsKnown.
	Jobs      model.Jobs
	JobsKnown bool
	// Considered is until when measurements have been acted upon: a sample
	// that was begun before does not count again.
	Considered time.Time
}

// JobDecision is what should be done about the Jobs of a workload, and why.
// Its From is the number of Jobs that run, its To that number afterwards.
type JobDecision struct {
	model.Decision
	// Create is the number of new Jobs.
	Create int32
	// Delete are running Jobs of an older generation that are to go.
	Delete []model.JobState
	// Expire are finished Jobs beyond the history's limits, oldest first.
	Expire []model.JobState
	// Considered says that the samples have been acted upon, whatever came of
	// it: they are spent.
	Considered bool
	// Measure asks for all triggers to be measured together.
	Measure bool
	// Rolling says that Jobs that a rollout takes away are, or may be, there.
	Rolling bool
}

// jobFacts is a JobInput with the questions answered that several rules ask.
type jobFacts struct {
	*facts
	in JobInput
	// since is when the oldest of the samples to be acted upon was begun.
	since time.Time
	// older are running Jobs of ours that a rollout takes away; leaving counts
	// those already on their way out.
	older   []model.JobState
	leaving int
}

type jobRule func(*jobFacts) (JobDecision, bool)

// jobRules lists the rules in the order they are tried. Only rollout deletes
// Jobs that run, and only on fresh evidence of every trigger; only the last
// rule creates Jobs by what was measured, and by each measurement once.
func jobRules() []jobRule {
	return []jobRule{
		jobsBlocked,
		jobsUnknown,
		jobsPaused,
		rollout,
		jobsToMin,
		jobsUnmeasured,
		noJobs,
		considered,
		gather,
		jobsOutPaused,
	}
}

// Jobs decides which Jobs to create and which to delete.
//
// Bounds: Jobs created never take the running ones above Max. A sample leads
// to Jobs once. Jobs that ended after a sample was begun count as running
// against it, since it may have seen their work. A failing, stale or missing
// measurement creates no Job and deletes none, but Min holds in any case.
func Jobs(in JobInput) JobDecision {
	f := jobFactsOf(in)
	d := f.decide()
	d.Rolling = !in.JobsKnown || !f.w.Job.Gradual && len(f.older)+f.leaving > 0
	return d
}

func (f *jobFacts) decide() JobDecision {
	for _, r := range jobRules() {
		if d, ok := r(f); ok {
			return d
		}
	}
	return f.create()
}

func jobFactsOf(in JobInput) *jobFacts {
	w := *in.Workload
	w.ForceActivation = false // there is no target to keep up
	in.Workload = &w
	in.Composite, in.Scale = nil, Scale{}
	f := &jobFacts{in: in}
	for _, j := range in.Jobs.States {
		if j.Finish != model.JobUnfinished {
			continue
		}
		in.Scale.Replicas++
		switch old := j.Ours && j.Generation > 0 && j.Generation < w.Generation; {
		case old && j.Deleting:
			f.leaving++
		case old:
			f.older = append(f.older, j)
		}
	}
	in.Scale.Replicas += int32(in.Jobs.Orphans)
	in.Scale.Known = in.JobsKnown
	f.facts = factsOf(in.Input)
	for _, i := range f.triggered {
		if at := f.Samples[i].At; f.since.IsZero() || at.Before(f.since) {
			f.since = at
		}
	}
	return f
}

func (f *jobFacts) keep(r model.Rule, why string, args ...any) JobDecision {
	return JobDecision{Decision: f.facts.keep(r, why, args...), Expire: f.expired()}
}

func jobsBlocked(f *jobFacts) (JobDecision, bool) {
	d, ok := blocked(f.facts)
	return JobDecision{Decision: d}, ok
}

func jobsUnknown(f *jobFacts) (JobDecision, bool) {
	if f.in.JobsKnown {
		return JobDecision{}, false
	}
	return JobDecision{Decision: f.facts.keep(model.RuleJobsUnknown, "the Jobs that there are are not known")}, true
}

func jobsPaused(f *jobFacts) (JobDecision, bool) {
	if !isPaused(f.w) {
		return JobDecision{}, false
	}
	d := f.facts.keep(model.RulePaused, "paused by annotation: no Job is created or deleted")
	return JobDecision{Decision: d, Considered: true}, true
}

// rollout takes Jobs of an older generation away. It waits for the sources to
// be known, as nothing could follow those Jobs before.
func rollout(f *jobFacts) (JobDecision, bool) {
	if f.w.Job.Gradual || len(f.older) == 0 || f.failing > 0 || f.pending > 0 {
		return JobDecision{}, false
	}
	n := int32(len(f.older))
	d := f.keep(model.RuleRollout, "%s of an older generation than %d: deleted, since rollout.strategy is not gradual", jobs(n), f.w.Generation)
	d.To, d.Delete = f.from-n, f.older
	return d, true
}

// jobsToMin needs no evidence: min is what the user wants in any case.
func jobsToMin(f *jobFacts) (JobDecision, bool) {
	if f.from >= f.low || f.w.Pause.Out {
		return JobDecision{}, false
	}
	d := f.keep(model.RuleMin, "%s, below minReplicaCount %d", run(f.from), f.low)
	d.To, d.Create = f.low, f.low-f.from
	return d, true
}

func jobsUnmeasured(f *jobFacts) (JobDecision, bool) {
	if f.facts.pending == 0 {
		return JobDecision{}, false
	}
	return f.keep(model.RuleUnknown, "%d of %d triggers not measured yet", f.facts.pending, f.measured), true
}

func noJobs(f *jobFacts) (JobDecision, bool) {
	switch {
	case len(f.triggered) > 0:
		return JobDecision{}, false
	case f.failing > 0:
		return f.keep(model.RuleHold, "%d of %d triggers have no current value: no Job is created", f.failing, f.measured), true
	}
	return f.keep(model.RuleNotActive, "no trigger is active: no Job is created"), true
}

// fresh says that a sample was begun after the last that was acted upon.
func (f *jobFacts) fresh(trigger int) bool {
	return f.Samples[trigger].At.After(f.in.Considered)
}

// considered waits for measurements that have not been acted upon.
func considered(f *jobFacts) (JobDecision, bool) {
	for _, i := range f.triggered {
		if f.fresh(i) {
			return JobDecision{}, false
		}
	}
	return f.keep(model.RuleConsidered, "the last measurement has been acted upon"), true
}

// gather lets all usable triggers be measured anew before they are added up:
// one of two that is older may count what Jobs have taken over meanwhile. A
// poll brings them one after the other; a source that tells of arrivals brings
// one alone, and then the others are asked for.
func gather(f *jobFacts) (JobDecision, bool) {
	var newest time.Time
	missing := 0
	for i, j := range f.judged {
		switch {
		case !j.state.fresh():
		case f.fresh(i):
			newest = later(newest, f.Samples[i].At)
		default:
			missing++
		}
	}
	if missing == 0 {
		return JobDecision{}, false
	}
	d := f.keep(model.RuleGather, "%d of %d triggers are to be measured anew first", missing, f.measured)
	d.Again = newest.Add(min(max(f.w.PollingInterval/10, gatherLeast), gatherMost))
	if !f.Now.Before(d.Again) {
		d.Again, d.Measure = time.Time{}, true
	}
	return d, true
}

// The bounds of how long triggers that are polled one after the other are
// waited for before they are asked for.
const gatherLeast, gatherMost = time.Second, 3 * time.Second

func jobsOutPaused(f *jobFacts) (JobDecision, bool) {
	if !f.w.Pause.Out {
		return JobDecision{}, false
	}
	d := f.keep(model.RuleOutPaused, "active, but creating Jobs is paused by annotation")
	d.Considered = true
	return d, true
}

// expired lists finished Jobs of ours beyond what is to stay.
func (f *jobFacts) expired() []model.JobState {
	var out []model.JobState
	for kind, keep := range map[model.JobFinish]int32{model.JobSucceeded: f.w.Job.KeepSuccessful, model.JobFailed: f.w.Job.KeepFailed} {
		var done []model.JobState
		for _, j := range f.in.Jobs.States {
			if j.Finish == kind && j.Ours && !j.Deleting {
				done = append(done, j)
			}
		}
		out = append(out, oldestFirst(done)[:max(0, len(done)-int(max(0, keep)))]...)
	}
	return oldestFirst(out)
}

func oldestFirst(jobs []model.JobState) []model.JobState {
	slices.SortFunc(jobs, func(a, b model.JobState) int {
		if n := a.FinishedAt.Compare(b.FinishedAt); n != 0 {
			return n
		}
		if n := a.CreatedAt.Compare(b.CreatedAt); n != 0 {
			return n
		}
		return compareNames(a.Name, b.Name)
	})
	return jobs
}

// compareNames orders names of Jobs by their number, which a longer name has
// the higher of.
func compareNames(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func jobs(n int32) string {
	if n == 1 {
		return "1 Job"
	}
	return fmt.Sprintf("%d Jobs", n)
}

func run(n int32) string {
	if n == 1 {
		return "1 Job runs"
	}
	return fmt.Sprintf("%d Jobs run", n)
}
