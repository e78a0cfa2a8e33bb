package decide

import (
	"slices"

	"github.com/kedago/keda/internal/model"
)

// Repeat saves deciding anew at each measurement of a workload at rest. It
// returns the decision for now, without asking the rules, where the last one
// changed nothing and all that it was made of is the same; false otherwise,
// and whenever time alone may change something. The status is the same then,
// too, as far as it follows from the inputs.
//
// Last is what Replicas said of before, which was no later than now.
func Repeat(last model.Decision, before, now Input) (model.Decision, bool) {
	switch {
	case last.Writes(), !last.Again.IsZero(), last.Rule == model.RuleConsidered,
		before.Workload != now.Workload, before.Composite != now.Composite, before.Blocked != now.Blocked,
		before.Scale != now.Scale, !before.RaisedAt.Equal(now.RaisedAt), !before.ActivatedAt.Equal(now.ActivatedAt),
		!same(before.PausedReplicas, now.PausedReplicas), !slices.Equal(before.Metrics, now.Metrics),
		!current(before), !current(now), !slices.EqualFunc(before.Samples, now.Samples, sameSample):
		return model.Decision{}, false
	}
	last.LastActive = (&facts{Input: now, active: last.Active}).lastActive()
	return last, true
}

// current says that there is a number for every trigger, measured lately.
func current(in Input) bool {
	return !slices.ContainsFunc(statesOf(in), func(s state) bool { return s != stateNative && !s.fresh() })
}

func sameSample(a, b model.Sample) bool {
	return a.Value == b.Value && a.Active == b.Active && a.Target == b.Target && a.Note == b.Note && a.Watch == b.Watch
}
