package migrate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
)

// labelVersion changes with every build, and with it nothing else.
const labelVersion = "app.kubernetes.io/version"

// changes lists what of an HPA would get another value. What the API server
// fills in and we leave unset is no change.
func changes(have, want *autoscalingv2.HorizontalPodAutoscaler) []Change {
	var out []Change
	add := func(field string, from, to any) {
		out = append(out, Change{Field: field, From: show(from), To: show(to)})
	}
	for _, name := range slices.Sorted(maps.Keys(want.Labels)) {
		if from := have.Labels[name]; from != want.Labels[name] && name != labelVersion {
			add("metadata.labels."+name, from, want.Labels[name])
		}
	}
	if !apiequality.Semantic.DeepEqual(have.Spec.ScaleTargetRef, want.Spec.ScaleTargetRef) {
		add("spec.scaleTargetRef", have.Spec.ScaleTargetRef, want.Spec.ScaleTargetRef)
	}
	if from, to := count(have.Spec.MinReplicas), count(want.Spec.MinReplicas); from != to {
		add("spec.minReplicas", from, to)
	}
	if have.Spec.MaxReplicas != want.Spec.MaxReplicas {
		add("spec.maxReplicas", have.Spec.MaxReplicas, want.Spec.MaxReplicas)
	}
	for i := range max(len(have.Spec.Metrics), len(want.Spec.Metrics)) {
		field := fmt.Sprintf("spec.metrics[%d]", i)
		switch {
		case i >= len(have.Spec.Metrics):
			add(field, nil, metric(want.Spec.Metrics[i]))
		case i >= len(want.Spec.Metrics):
			add(field, metric(have.Spec.Metrics[i]), nil)
		case !apiequality.Semantic.DeepDerivative(want.Spec.Metrics[i], have.Spec.Metrics[i]):
			add(field, metric(have.Spec.Metrics[i]), metric(want.Spec.Metrics[i]))
		}
	}
	from, to := have.Spec.Behavior, want.Spec.Behavior
	if (from == nil) != (to == nil) || !apiequality.Semantic.DeepDerivative(to, from) {
		add("spec.behavior", from, to)
	}
	return out
}

// count is 1 for none, as the API server has it.
func count(p *int32) int32 {
	if p == nil {
		return 1
	}
	return *p
}

// metric says a metric on one line: its name, selector and target.
func metric(m autoscalingv2.MetricSpec) string {
	switch {
	case m.External != nil:
		s := m.External.Metric.Name
		if sel := m.External.Metric.Selector; sel != nil {
			for _, k := range slices.Sorted(maps.Keys(sel.MatchLabels)) {
				s += fmt.Sprintf(" %s=%s", k, sel.MatchLabels[k])
			}
		}
		return s + " " + target(m.External.Target)
	case m.Resource != nil:
		return string(m.Resource.Name) + " " + target(m.Resource.Target)
	case m.ContainerResource != nil:
		return fmt.Sprintf("%s of %s %s", m.ContainerResource.Name, m.ContainerResource.Container, target(m.ContainerResource.Target))
	}
	return string(m.Type)
}

func target(t autoscalingv2.MetricTarget) string {
	switch {
	case t.AverageValue != nil:
		return fmt.Sprintf("%s=%s", t.Type, t.AverageValue)
	case t.Value != nil:
		return fmt.Sprintf("%s=%s", t.Type, t.Value)
	case t.AverageUtilization != nil:
		return fmt.Sprintf("%s=%d%%", t.Type, *t.AverageUtilization)
	}
	return string(t.Type)
}

// show says a value on one line.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		if v == "" {
			return "nothing"
		}
		return v
	}
	raw, err := json.Marshal(v)
	if err != nil || string(raw) == "null" {
		return "nothing"
	}
	return strings.ReplaceAll(string(raw), `"`, "")
}
