package lint

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kedago/keda/internal/formula"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Prepared is what a workload's triggers decode to, one entry per trigger.
type Prepared struct {
	// Configs is nil where the trigger's type is unknown.
	Configs []scaler.Config
	// Metrics is complete where the trigger has no errors; elsewhere it only
	// says which trigger it is.
	Metrics []model.Metric
	// Composite is set when a formula makes one metric of all triggers.
	Composite *formula.Composite
}

// HPAMetrics lists the metrics that the HPA has.
func (p Prepared) HPAMetrics() []model.Metric {
	if p.Composite == nil {
		return p.Metrics
	}
	out := []model.Metric{p.Composite.Metric}
	for _, m := range p.Metrics {
		if m.Resource != nil {
			out = append(out, m)
		}
	}
	return out
}

// Prepare decodes and checks every trigger of a workload. values holds where
// each trigger's parameters are looked up; a trigger beyond its end has its
// metadata only. Paths are those of the object, e.g.
// "spec.triggers[0].metadata.lagThreshold".
func Prepare(c scaler.Catalog, w *model.Workload, values []param.Values) (Prepared, param.Problems) {
	out := Prepared{Configs: make([]scaler.Config, len(w.Triggers)), Metrics: make([]model.Metric, len(w.Triggers))}
	var ps param.Problems
	for i, t := range w.Triggers {
		v := param.Values{Metadata: t.Metadata, EnvNames: w.Key.Group == model.GroupFirst}
		if i < len(values) {
			v = values[i]
		}
		path := triggerPath(i)
		out.Metrics[i] = model.Metric{Trigger: i, TriggerName: t.Name, TriggerType: t.Type, UseCached: t.UseCached}
		kind, ok := lookup(c, t.Type, path, &ps)
		if !ok {
			continue
		}
		out.Configs[i] = kind.New()
		found := scaler.Decode(out.Configs[i], v).Under(path)
		found = append(found, complete(&out.Metrics[i], out.Configs[i], t, path, pending(v), len(found.Errors()) > 0)...)
		ps = append(ps, found...)
	}
	var found param.Problems
	out.Composite, found = composite(w, out.Metrics)
	ps = append(ps, found...)
	return out, append(ps, together(w, out)...)
}

// usualPollingInterval is what a workload has that names none.
const usualPollingInterval = 30 * time.Second

func triggerPath(i int) string { return fmt.Sprintf("spec.triggers[%d]", i) }

// pending says that some parameters were not known when decoding.
func pending(v param.Values) bool {
	return v.AllAuthPending || v.EnvPending || len(v.AuthPending) > 0
}

// complete fills in what the HPA needs to know of a decoded trigger, and
// checks how the trigger's own fields fit its type. With broken parameters
// only the latter is done.
func complete(m *model.Metric, cfg scaler.Config, t model.Trigger, path string, pending, broken bool) param.Problems {
	var ps param.Problems
	if _, uncached := cfg.(scaler.Uncached); uncached && t.UseCached {
		ps.Errorf(path+".useCachedMetrics", "found true; expected false or nothing, since %s triggers have nothing to keep", t.Type)
	}
	if n, native := cfg.(scaler.Native); native {
		r := n.Resource()
		m.Resource = &r
		m.Type = resourceType(r, t, path, broken, &ps)
		return ps
	}
	m.Type = externalType(cfg, t, path, &ps)
	if broken {
		return ps
	}
	m.Target, m.Activation = scaler.TargetOf(cfg)
	m.External = model.MetricName(m.Trigger, cfg.Metric())
	_, m.Stated = cfg.(scaler.Stated)
	if !(m.Target > 0) && !pending && !m.Stated {
		ps.Errorf(path, "the target value per replica is %v; expected a number above 0", m.Target)
	}
	return ps
}

// externalType reads the metricType of a trigger that KEDA measures.
func externalType(cfg scaler.Config, t model.Trigger, path string, ps *param.Problems) autoscalingv2.MetricTargetType {
	switch t.MetricType {
	case "":
		if _, is := cfg.(scaler.Totalled); is {
			return autoscalingv2.ValueMetricType
		}
		return autoscalingv2.AverageValueMetricType
	case autoscalingv2.AverageValueMetricType, autoscalingv2.ValueMetricType:
		return t.MetricType
	case autoscalingv2.UtilizationMetricType:
		ps.Errorf(path+".metricType", "found Utilization, which only cpu and memory have; expected AverageValue or Value")
	default:
		wrongType(t.MetricType, []string{"AverageValue", "Value"}, path, ps)
	}
	return autoscalingv2.AverageValueMetricType
}

// resourceType reads the metricType of a trigger that the HPA measures, which
// older manifests have in the metadata as type.
func resourceType(r scaler.ResourceMetric, t model.Trigger, path string, broken bool, ps *param.Problems) autoscalingv2.MetricTargetType {
	if t.MetricType != "" && r.MetricType != "" {
		ps.Errorf(path+".metadata.type", "can't be used with metricType; expected metricType only")
		return t.MetricType
	}
	got := t.MetricType
	if r.MetricType != "" {
		got = autoscalingv2.MetricTargetType(r.MetricType)
	}
	switch got {
	case autoscalingv2.UtilizationMetricType, autoscalingv2.AverageValueMetricType:
	case "":
		if !broken || t.Metadata["type"] == "" {
			ps.Errorf(path+".metricType", "is missing; expected Utilization or AverageValue for a %s trigger", t.Type)
		}
		return ""
	default:
		wrongType(got, []string{"Utilization", "AverageValue"}, path, ps)
		return ""
	}
	if broken || r.Value == "" {
		return got
	}
	if got == autoscalingv2.UtilizationMetricType {
		if n, err := strconv.ParseInt(r.Value, 10, 32); err != nil || n < 1 {
			ps.Errorf(path+".metadata.value", "found %q; expected a percentage of the request as a whole number above 0, such as 80, for metricType Utilization", r.Value)
		}
	} else if q, err := resource.ParseQuantity(r.Value); err != nil || q.Sign() <= 0 {
		ps.Errorf(path+".metadata.value", "found %q; expected a quantity above 0 such as 500m or 1Gi for metricType AverageValue", r.Value)
	}
	return got
}

func wrongType(got autoscalingv2.MetricTargetType, allowed []string, path string, ps *param.Problems) {
	ps.Errorf(path+".metricType", "found %s; expected %s", quote(string(got)), strings.Join(allowed, " or "))
	if near, ok := param.Nearest(string(got), allowed); ok {
		ps.Hint("did you mean %s?", near)
	}
}

// together checks what only all triggers together show.
func together(w *model.Workload, p Prepared) param.Problems {
	var ps param.Problems
	if w.Job != nil {
		jobNatives(w, p, &ps)
		return ps
	}
	seen := map[string]int{}
	natives, unknown := 0, 0
	for i, cfg := range p.Configs {
		if cfg == nil {
			unknown++
			continue
		}
		r := p.Metrics[i].Resource
		if r == nil {
			continue
		}
		natives++
		id := r.Resource + "/" + r.Container
		if first, twice := seen[id]; twice {
			ps.Warnf(triggerPath(i), "measures the same resource as %s; the HPA follows whichever asks for more replicas", triggerPath(first))
			continue
		}
		seen[id] = i
	}
	if natives == 0 || natives+unknown < len(w.Triggers) || unknown > 0 {
		return ps
	}
	if w.PollingInterval != usualPollingInterval && w.PollingInterval >= time.Second {
		ps.Warnf("spec.pollingInterval", "has no effect with cpu and memory triggers only, which the HPA measures by itself")
	}
	if w.Min == 0 {
		ps.Errorf("spec.minReplicaCount", "found 0, or nothing, with cpu and memory triggers only; they measure running pods, so they can't scale from zero")
		ps.Hint("set minReplicaCount to 1 or more, or add a trigger of another type")
	}
	if w.Fallback != nil {
		ps.Errorf("spec.fallback", "has no effect with cpu and memory triggers only; expected a trigger that KEDA measures")
	}
	return ps
}
