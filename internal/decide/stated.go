package decide

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
)

// StatedTargets gives the metrics of an HPA the targets that their sources
// state: the one that is known, by trigger, else the one that the HPA has
// already, since a restart must not take a metric from it. A metric with
// neither is left out.
func StatedTargets(metrics, known []model.Metric, have *autoscalingv2.HorizontalPodAutoscaler) []model.Metric {
	out := make([]model.Metric, 0, len(metrics))
	for _, m := range metrics {
		if m.Stated {
			m.Target = statedTarget(m, known, have)
		}
		if !m.Stated || m.Target > 0 {
			out = append(out, m)
		}
	}
	return out
}

func statedTarget(m model.Metric, known []model.Metric, have *autoscalingv2.HorizontalPodAutoscaler) float64 {
	for _, k := range known {
		if k.External == m.External && k.Target > 0 {
			return k.Target
		}
	}
	for _, spec := range have.Spec.Metrics {
		if spec.External == nil || spec.External.Metric.Name != m.External {
			continue
		}
		t := spec.External.Target
		switch {
		case t.Type != m.Type:
		case t.AverageValue != nil:
			return t.AverageValue.AsApproximateFloat64()
		case t.Value != nil:
			return t.Value.AsApproximateFloat64()
		}
	}
	return 0
}
