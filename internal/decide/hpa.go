package decide

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// NeedsHPA says whether a workload has an HPA: pausing removes it, job
// workloads have none.
func NeedsHPA(w *model.Workload) bool {
	return w.Job == nil && !isPaused(w) && len(w.Triggers) > 0
}

// HPA returns the HorizontalPodAutoscaler of a workload whose triggers have
// been decoded to metrics. version goes into the label
// app.kubernetes.io/version, replicas is the target's count. The error names the trigger of which the HPA
// can't express the target.
func HPA(w *model.Workload, metrics []model.Metric, version string, owner metav1.OwnerReference, replicas int32) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	specs := make([]autoscalingv2.MetricSpec, 0, len(metrics))
	for _, m := range metrics {
		spec, err := metricSpec(w, m)
		if err != nil {
			return nil, fmt.Errorf("spec.triggers[%d] (%s): %w", m.Trigger, m.TriggerType, err)
		}
		specs = append(specs, spec)
	}
	least := hpaMin(w, replicas)
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.Key.Namespace, Name: w.HPA.Name,
			Labels: hpaLabels(w, version), Annotations: hpaAnnotations(w),
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: w.Target.APIVersion, Kind: w.Target.Kind, Name: w.Target.Name,
			},
			MinReplicas: &least, MaxReplicas: max(w.Max, least),
			Metrics: specs, Behavior: hpaBehavior(w),
		},
	}, nil
}

// hpaMin is the least count that the HPA sets: minReplicaCount, or 1. While the
// target rests at an idle count above 0 it is that, or the HPA, which looks at
// any target that has replicas, would raise it at once.
func hpaMin(w *model.Workload, replicas int32) int32 {
	if w.Idle != nil && *w.Idle > 0 && replicas <= *w.Idle {
		return *w.Idle
	}
	return max(1, w.Min)
}

// hpaLabels are the object's labels and ours. Ours win: our watch on HPAs
// selects by managed-by, and an object that Helm manages says Helm there.
func hpaLabels(w *model.Workload, version string) map[string]string {
	out := maps.Clone(w.HPA.Labels)
	if out == nil {
		out = map[string]string{}
	}
	out["app.kubernetes.io/name"] = labelValue(w.HPA.Name)
	out["app.kubernetes.io/part-of"] = labelValue(w.Key.Name)
	out["app.kubernetes.io/managed-by"] = "keda-operator"
	out["app.kubernetes.io/version"] = labelValue(version)
	return out
}

// hpaAnnotations are the object's, less what kubectl apply notes about the
// object itself.
func hpaAnnotations(w *model.Workload) map[string]string {
	out := maps.Clone(w.HPA.Annotations)
	delete(out, corev1.LastAppliedConfigAnnotation)
	return out
}

// labelValue makes a valid label value: at most 63 letters, digits, "-", "_"
// and ".", beginning and ending with a letter or digit.
func labelValue(s string) string {
	alnum := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	s = strings.Map(func(r rune) rune {
		if alnum(r) || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, s)
	if len(s) > 63 {
		s = s[:63]
	}
	return strings.TrimFunc(s, func(r rune) bool { return !alnum(r) })
}

// hpaBehavior is the user's, with what the annotations stop switched off.
func hpaBehavior(w *model.Workload) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	out := w.HPA.Behavior.DeepCopy()
	if !w.Pause.In && !w.Pause.Out {
		return out
	}
	if out == nil {
		out = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	}
	disabled := func(r *autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
		if r == nil {
			r = &autoscalingv2.HPAScalingRules{}
		}
		p := autoscalingv2.DisabledPolicySelect
		r.SelectPolicy = &p
		return r
	}
	if w.Pause.In {
		out.ScaleDown = disabled(out.ScaleDown)
	}
	if w.Pause.Out {
		out.ScaleUp = disabled(out.ScaleUp)
	}
	return out
}

func metricSpec(w *model.Workload, m model.Metric) (autoscalingv2.MetricSpec, error) {
	if m.Resource != nil {
		return resourceSpec(*m.Resource, m.Type)
	}
	thousandths := milli(m.Target)
	if !(thousandths >= 1 && thousandths < math.MaxInt64) {
		return autoscalingv2.MetricSpec{}, fmt.Errorf("the target value is %s; expected 0.001 or more", number(m.Target))
	}
	quantity := resource.NewMilliQuantity(int64(thousandths), resource.DecimalSI)
	target := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: quantity}
	switch m.Type {
	case autoscalingv2.AverageValueMetricType, "":
	case autoscalingv2.ValueMetricType:
		target = autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: quantity}
	default:
		return autoscalingv2.MetricSpec{}, fmt.Errorf("metricType is %q; expected AverageValue or Value", m.Type)
	}
	return autoscalingv2.MetricSpec{
		Type: autoscalingv2.ExternalMetricSourceType,
		External: &autoscalingv2.ExternalMetricSource{
			Metric: autoscalingv2.MetricIdentifier{
				Name:     m.External,
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{w.HPA.SelectorKey: w.HPA.SelectorValue}},
			},
			Target: target,
		},
	}, nil
}

func resourceSpec(r scaler.ResourceMetric, kind autoscalingv2.MetricTargetType) (autoscalingv2.MetricSpec, error) {
	if r.MetricType != "" {
		kind = autoscalingv2.MetricTargetType(r.MetricType)
	}
	target, err := resourceTarget(kind, r.Value)
	if err != nil {
		return autoscalingv2.MetricSpec{}, err
	}
	name := corev1.ResourceName(r.Resource)
	if r.Container == "" {
		return autoscalingv2.MetricSpec{
			Type:     autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: name, Target: target},
		}, nil
	}
	return autoscalingv2.MetricSpec{
		Type:              autoscalingv2.ContainerResourceMetricSourceType,
		ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: name, Container: r.Container, Target: target},
	}, nil
}

func resourceTarget(kind autoscalingv2.MetricTargetType, value string) (autoscalingv2.MetricTarget, error) {
	switch kind {
	case autoscalingv2.UtilizationMetricType:
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
		if err != nil || n < 1 {
			return autoscalingv2.MetricTarget{}, fmt.Errorf("value is %q; expected a whole percentage above 0 for metricType Utilization", value)
		}
		percent := int32(n)
		return autoscalingv2.MetricTarget{Type: kind, AverageUtilization: &percent}, nil
	case autoscalingv2.AverageValueMetricType:
		q, err := resource.ParseQuantity(strings.TrimSpace(value))
		if err != nil || q.Sign() <= 0 {
			return autoscalingv2.MetricTarget{}, fmt.Errorf("value is %q; expected a quantity above 0 such as 500m or 1Gi for metricType AverageValue", value)
		}
		return autoscalingv2.MetricTarget{Type: kind, AverageValue: &q}, nil
	default:
		return autoscalingv2.MetricTarget{}, fmt.Errorf("metricType is %q; expected Utilization or AverageValue", kind)
	}
}
