package decide

import (
	"fmt"
	"math"

	"github.com/kedago/keda/internal/model"
)

// demand is what the active triggers call for, together.
type demand struct {
	// queue is the length of the queue, jobs that length by the target, at
	// most Max.
	queue, jobs float64
	// lead is the one of judged to name.
	lead int
}

// demand combines the active triggers as multipleScalersCalculation says: max
// and min take the trigger with the longest or shortest queue, avg and sum
// combine them all.
func (f *jobFacts) demand() demand {
	out := demand{lead: f.triggered[0]}
	for n, i := range f.triggered {
		d := f.demandOf(i)
		switch f.w.Job.Strategy.Calculation {
		case model.CalculateSum, model.CalculateAvg:
			out.queue += d.queue
			out.jobs += d.jobs
		case model.CalculateMin:
			if n == 0 || d.queue < out.queue {
				out = d
			}
		default:
			if n == 0 || d.queue > out.queue {
				out = d
			}
		}
	}
	if f.w.Job.Strategy.Calculation == model.CalculateAvg {
		out.queue /= float64(len(f.triggered))
		out.jobs /= float64(len(f.triggered))
	}
	out.jobs = min(out.jobs, float64(f.high))
	return out
}

func (f *jobFacts) demandOf(i int) demand {
	j := f.judged[i]
	out := demand{queue: max(0, j.value), lead: i}
	if t := j.metric.Target; t > 0 {
		out.jobs = min(out.queue/t, float64(f.high))
	}
	return out
}

// create decides how many Jobs the measurements call for.
func (f *jobFacts) create() JobDecision {
	want := f.demand()
	left := f.left()
	running := int64(f.from) + left
	n := f.byStrategy(ceil(want.jobs), running)
	if f.w.Job.Strategy.Name != model.StrategyEager {
		n = min(n, ceil(want.queue))
	}
	n = max(0, min(n, int64(f.high)-int64(f.from)))

	m := f.judged[want.lead].metric
	why := fmt.Sprintf("%s is %s (target %s per Job%s): %s wanted, %s", label(m), number(f.judged[want.lead].value), number(m.Target),
		f.others(), jobs(clamp(ceil(want.jobs))), run(f.from))
	if pending := f.notStarted(); pending > 0 {
		why += fmt.Sprintf(", %d of them without work yet", pending)
	}
	if left > 0 {
		why += fmt.Sprintf(", %d ended since it was measured", left)
	}
	rule := model.RuleCreateJobs
	if n == 0 {
		rule = model.RuleEnoughJobs
	}
	d := f.keep(rule, "%s: %s created by strategy %s", why, jobs(int32(n)), f.w.Job.Strategy.Name)
	d.To, d.Create, d.Considered = f.from+int32(n), int32(n), true
	d.Trigger = m.TriggerType
	return d
}

// others says how several triggers were combined.
func (f *jobFacts) others() string {
	if len(f.triggered) < 2 {
		return ""
	}
	return fmt.Sprintf("; %s of %d active triggers", f.w.Job.Strategy.Calculation, len(f.triggered))
}

// byStrategy is how many Jobs a strategy adds to those running. Jobs up to
// minReplicaCount stand by and are not taken to be at the queue's work.
//
// default and custom subtract Jobs that run from what the queue holds, as
// sources do that show what is being worked on; accurate and eager take work
// to leave the queue when a Job starts. A Job whose pod has not started has
// surely taken nothing yet, so it counts against the queue in any strategy:
// slow starts never double Jobs.
func (f *jobFacts) byStrategy(wanted, running int64) int64 {
	most, pending := int64(f.high), f.notStarted()
	running = max(0, running-int64(f.low))
	unserved := wanted - max(0, pending-int64(f.low))
	switch s := f.w.Job.Strategy; s.Name {
	case model.StrategyCustom:
		return min(wanted-int64(s.Deduction)-int64(math.Floor(float64(running)*s.RunningShare)), unserved, most)
	case model.StrategyAccurate:
		if wanted+running-pending > most {
			return min(most-running, unserved)
		}
		return wanted - pending
	case model.StrategyEager:
		return min(most-running-pending, wanted, unserved)
	default:
		return wanted - running
	}
}

// left counts the Jobs that ended after the oldest of the samples was begun.
func (f *jobFacts) left() int64 {
	n := int64(0)
	for i := len(f.in.Jobs.Left) - 1; i >= 0 && !f.in.Jobs.Left[i].Before(f.since); i-- {
		n++
	}
	return n
}

// notStarted counts the running Jobs that had taken no work yet when the
// oldest of the samples was begun.
func (f *jobFacts) notStarted() int64 {
	n := int64(0)
	for _, j := range f.in.Jobs.States {
		if j.Finish == model.JobUnfinished && (!j.Started || !j.StartedAt.Before(f.since)) {
			n++
		}
	}
	return n
}

// ceil rounds up to what fits a count.
func ceil(v float64) int64 {
	if v >= math.MaxInt32 {
		return math.MaxInt32
	}
	return int64(math.Ceil(v))
}

func clamp(n int64) int32 { return int32(min(n, math.MaxInt32)) }
