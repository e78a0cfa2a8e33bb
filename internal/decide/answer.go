package decide

import (
	"errors"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
)

// Answer is what an HPA that asks for an external metric is told.
type Answer struct {
	Value float64
	// At is when the value was measured, or the fallback computed.
	At time.Time
	// Fallback says that the value stands for spec.fallback, not for the source.
	Fallback bool
	// Idle says that by this value there is nothing to do. Who can't ask again
	// does not tell it when it has grown old: the workload may have been
	// activated since, and the HPA would take replicas away from it.
	Idle bool
}

// GoodUntil is until when an answer may be told by who can't ask again.
func (a Answer) GoodUntil(w *model.Workload) time.Time { return a.At.Add(staleLimit(w)) }

// The behaviors of spec.fallback.
const (
	fallbackStatic    = "static"
	fallbackCurrent   = "currentReplicas"
	fallbackIfHigher  = "currentReplicasIfHigher"
	fallbackIfLower   = "currentReplicasIfLower"
	fallbackModifiers = "scalingModifiers"
)

// AnswerTrigger says what the HPA is told of one trigger: its last good value
// until that is too old; the fallback once the trigger has failed more often
// in a row than spec.fallback.failureThreshold; else why there is no value, on
// which the HPA keeps its count.
func AnswerTrigger(in Input, trigger int) (Answer, error) {
	if trigger < 0 || trigger >= len(in.Metrics) || trigger >= len(in.Samples) {
		return Answer{}, errors.New("the trigger is not known")
	}
	if fallsBack(in, trigger) && in.Workload.Fallback.Behavior != fallbackModifiers {
		return fallback(in, in.Metrics[trigger])
	}
	value, err := lastGood(in, trigger)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Value: value, At: in.Samples[trigger].At, Idle: !in.Samples[trigger].Active}, nil
}

// AnswerComposite is AnswerTrigger for the metric of scaling modifiers. A
// trigger without a value is nil in the formula. Where the formula gives no
// number, the fallback does, once a trigger that it uses has failed too often.
func AnswerComposite(in Input) (Answer, error) {
	f := &facts{Input: in, w: in.Workload}
	values := map[string]float64{}
	at, due := time.Time{}, false
	var first error
	for i, m := range in.Metrics {
		if !f.uses(m) || i >= len(in.Samples) {
			continue
		}
		if fallsBack(in, i) {
			due = true
			continue
		}
		v, err := lastGood(in, i)
		if err != nil {
			first = errors.Join(first, fmt.Errorf("trigger %s: %w", m.TriggerName, err))
			continue
		}
		values[m.TriggerName] = v
		at = oldest(at, in.Samples[i].At)
	}
	value, err := in.Composite.Formula.Eval(values)
	switch {
	case err == nil && at.IsZero():
		return Answer{Value: value, At: in.Now, Fallback: due, Idle: !(value > in.Composite.Metric.Activation)}, nil
	case err == nil:
		return Answer{Value: value, At: at, Fallback: due, Idle: !(value > in.Composite.Metric.Activation)}, nil
	case due && in.Workload.Fallback.Behavior != fallbackModifiers:
		return fallback(in, in.Composite.Metric)
	case first != nil:
		return Answer{}, first
	}
	return Answer{}, fmt.Errorf("the formula %w", err)
}

// lastGood is a trigger's last good value, or why there is none to go by.
func lastGood(in Input, trigger int) (float64, error) {
	s := in.Samples[trigger]
	switch {
	case !s.Known() && s.Failing():
		return 0, fmt.Errorf("the source fails: %s", s.Message)
	case !s.Known():
		return 0, errors.New("the source has not been measured yet")
	}
	age := in.Now.Sub(s.At)
	if age > staleLimit(in.Workload) {
		if s.Failing() {
			return 0, fmt.Errorf("the source fails, and its last value is %s old: %s", age.Round(time.Second), s.Message)
		}
		return 0, fmt.Errorf("the last value is %s old", age.Round(time.Second))
	}
	return s.Value, nil
}

// staleLimit is the age from which a sample is no evidence any more.
func staleLimit(w *model.Workload) time.Duration {
	return max(staleIntervals*w.PollingInterval, staleAtLeast)
}

// fallsBack says that a trigger has failed more often in a row than the
// fallback allows.
func fallsBack(in Input, trigger int) bool {
	b := in.Workload.Fallback
	return b != nil && trigger < len(in.Samples) && in.Metrics[trigger].Resource == nil &&
		in.Samples[trigger].Failing() && in.Samples[trigger].Failures > int(b.FailureThreshold)
}

// fallback is the value that makes the HPA settle at the fallback's count: for
// AverageValue that many targets; for Value, which the HPA multiplies with the
// count of ready pods, as much less.
func fallback(in Input, m model.Metric) (Answer, error) {
	n, err := fallbackReplicas(in)
	if err != nil {
		return Answer{}, err
	}
	if !(m.Target > 0) {
		return Answer{}, errors.New("the source fails, and has not stated yet what the target is that the fallback needs")
	}
	value := m.Target * float64(n)
	if m.Type == autoscalingv2.ValueMetricType && in.Scale.Ready > 0 {
		value /= float64(in.Scale.Ready)
	}
	return Answer{Value: value, At: in.Now, Fallback: true}, nil
}

func fallbackReplicas(in Input) (int32, error) {
	b := in.Workload.Fallback
	if b.Behavior == fallbackStatic || b.Behavior == fallbackModifiers || b.Behavior == "" {
		return b.Replicas, nil
	}
	if !in.Scale.Known {
		return 0, fmt.Errorf("the source fails, and the fallback %s needs the replica count of the target, which is not known", b.Behavior)
	}
	switch now := in.Scale.Replicas; b.Behavior {
	case fallbackCurrent:
		return now, nil
	case fallbackIfHigher:
		return max(now, b.Replicas), nil
	case fallbackIfLower:
		return min(now, b.Replicas), nil
	default:
		return 0, fmt.Errorf("the source fails, and the fallback's behavior %q is unknown", b.Behavior)
	}
}

// fallbackNow lists the triggers for which HPAs are told the fallback.
func (f *facts) fallbackNow() []int {
	if f.w.Fallback == nil || f.w.Job != nil {
		return nil
	}
	var out []int
	for i, m := range f.Metrics {
		if fallsBack(f.Input, i) && (f.Composite == nil || f.uses(m)) {
			out = append(out, i)
		}
	}
	if f.Composite == nil || len(out) == 0 {
		return out
	}
	if a, err := AnswerComposite(f.Input); err != nil || !a.Fallback {
		return nil
	}
	return out
}
