package decide

import (
	"time"

	"github.com/kedago/keda/internal/model"
)

// judgeComposite evaluates the formula on what is fresh. A result above the
// activation target activates even if some trigger fails, since the formula
// then says how to do without it. Any other result is evidence only when every
// trigger that the formula uses is known: "??" never makes a failed source one
// that has nothing to do.
func (f *facts) judgeComposite() judged {
	out := judged{metric: f.Composite.Metric}
	fresh, known := map[string]float64{}, map[string]float64{}
	pending, failing := false, false
	for i, m := range f.Metrics {
		if !f.uses(m) {
			continue
		}
		switch st := f.states[i]; {
		case st.fresh():
			fresh[m.TriggerName] = f.Samples[i].Value
		case st == statePending:
			pending = true
		default:
			failing = true
		}
		if i < len(f.Samples) && f.Samples[i].Known() {
			known[m.TriggerName] = f.Samples[i].Value
		}
	}
	value, err := f.Composite.Formula.Eval(fresh)
	active := err == nil && value > out.metric.Activation
	switch {
	case active:
		out.state, out.value = stateActive, value
	case pending:
		out.state = statePending
	case err != nil:
		out.state, out.trouble = stateFailing, err.Error()
	case failing:
		out.state = stateFailing
	default:
		out.state, out.value = stateQuiet, value
	}
	if out.state == stateFailing {
		last, err := f.Composite.Formula.Eval(known)
		out.held = err == nil && last > out.metric.Activation
	}
	return out
}

// uses says whether the formula refers to a trigger.
func (f *facts) uses(m model.Metric) bool {
	if m.TriggerName == "" || m.Resource != nil {
		return false
	}
	for _, n := range f.Composite.Formula.Names() {
		if n == m.TriggerName {
			return true
		}
	}
	return false
}

// oldest returns the earlier of two times, of which the first may be zero.
func oldest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
