package decide

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
)

// settled is the count that the HPA would reach on what is known.
type settled struct {
	replicas int32
	why      string
	// lead is the one of judged that calls for most, -1 when none calls for any.
	lead int
}

// settle computes the count that the HPA would settle at, within base, high
// and the scale-up policies. Triggers without a current value do not count;
// quiet ones do, as they do for the HPA.
func (f *facts) settle() settled {
	best, lead := int32(0), -1
	for i, j := range f.judged {
		if !j.state.fresh() {
			continue
		}
		if n := replicasFor(j.metric, j.value); n > best {
			best, lead = n, i
		}
	}
	if lead < 0 {
		return settled{replicas: f.base, lead: -1}
	}
	out := settled{replicas: max(f.base, best), lead: lead}
	m := f.judged[lead].metric
	out.why = fmt.Sprintf("%s is %s (target %s%s): %s", label(m), number(f.judged[lead].value), number(m.Target), perReplica(m), plural(best))
	if limit := scaleUpCeiling(f.w.HPA.Behavior, f.base); out.replicas > limit {
		out.replicas = limit
		out.why += fmt.Sprintf(", limited to %d by the scale-up behavior", limit)
	}
	if out.replicas > f.high {
		out.replicas = f.high
		out.why += fmt.Sprintf(", limited to %d by maxReplicaCount", f.high)
	}
	return out
}

// replicasFor is the HPA's arithmetic for an external metric, in thousandths
// as the HPA has it: ceil(value/target). For AverageValue this is the count
// at which each replica has its target. For Value the HPA multiplies the
// present count with value/target, and takes the bare quotient when there is
// none yet; we are at that point, so the quotient it is.
func replicasFor(m model.Metric, value float64) int32 {
	v, t := milli(value), milli(m.Target)
	if v <= 0 || t <= 0 {
		return 0
	}
	n := math.Ceil(v / t)
	if n >= math.MaxInt32 {
		return math.MaxInt32
	}
	return int32(n)
}

// milli rounds to whole thousandths.
func milli(v float64) float64 { return math.Round(v * 1000) }

// leadTrigger is the active trigger to name: the one that calls for most if
// it is active itself, else the first active one.
func (f *facts) leadTrigger(lead int) int {
	if lead >= 0 && f.judged[lead].state == stateActive {
		return lead
	}
	return f.triggered[0]
}

func (f *facts) whyActive(lead int) string {
	if len(f.triggered) == 0 {
		return ""
	}
	j := f.judged[f.leadTrigger(lead)]
	return fmt.Sprintf("%s is %s (active above %s)", label(j.metric), number(j.value), number(j.metric.Activation))
}

// label names a trigger for people: its own name, else its metric's without
// the index that the HPA needs.
func label(m model.Metric) string {
	if m.TriggerName != "" {
		return m.TriggerName
	}
	prefix := "s" + strconv.Itoa(m.Trigger) + "-"
	if name := strings.TrimPrefix(m.External, prefix); name != "" {
		return name
	}
	return m.TriggerType
}

func perReplica(m model.Metric) string {
	if m.Type == autoscalingv2.ValueMetricType {
		return " in all"
	}
	return " per replica"
}

func plural(n int32) string {
	if n == 1 {
		return "1 replica"
	}
	return strconv.Itoa(int(n)) + " replicas"
}

// number writes a value plainly, with up to three decimals.
func number(v float64) string {
	if math.Abs(v) < math.MaxInt64/1000 {
		v = math.Round(v*1000) / 1000
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
