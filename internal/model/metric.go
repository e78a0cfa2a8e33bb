package model

import (
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/pkg/scaler"
)

// Metric is one trigger as the HPA sees it, after its parameters have been
// decoded: exactly one of External and Resource is used.
type Metric struct {
	Trigger int
	// TriggerName is spec.triggers[].name, TriggerType its type.
	TriggerName, TriggerType string
	// External is the external metric's name, e.g. "s0-redis-mylist".
	External string
	// Type is AverageValue or Value for external metrics.
	Type autoscalingv2.MetricTargetType
	// Target is the value per replica (AverageValue) or in all (Value).
	Target float64
	// Stated says that the source states the target; it is 0 until it has.
	Stated bool
	// Activation is the threshold above which the trigger is active.
	Activation float64
	// UseCached answers the HPA from the last poll, whatever its age.
	UseCached bool
	// Resource is set for metrics that the HPA measures by itself.
	Resource *scaler.ResourceMetric
}

// MetricName makes the external metric's name of trigger index from what the
// scaler calls it: letters, digits, "-" and "_" stay, all else becomes "-".
func MetricName(index int, source string) string {
	return "s" + strconv.Itoa(index) + "-" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		default:
			return '-'
		}
	}, source)
}
