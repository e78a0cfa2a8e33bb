package decide

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

var owner = metav1.OwnerReference{APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: "jobs", UID: "u-1", Controller: ptr(true)}

func mustHPA(t *testing.T, w *model.Workload, metrics ...model.Metric) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	h, err := HPA(w, metrics, "1.2.3", owner, 5)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHPAWhole(t *testing.T) {
	w := workload(func(w *model.Workload) {
		w.HPA.Labels = map[string]string{"team": "a", "app.kubernetes.io/managed-by": "Helm"}
		w.HPA.Annotations = map[string]string{"note": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
		w.HPA.Behavior = scaleUp("", 0, pods(4))
	})
	want := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "keda-hpa-jobs",
			Labels: map[string]string{
				"team": "a", "app.kubernetes.io/name": "keda-hpa-jobs", "app.kubernetes.io/part-of": "jobs",
				"app.kubernetes.io/managed-by": "keda-operator", "app.kubernetes.io/version": "1.2.3",
			},
			Annotations:     map[string]string{"note": "x"},
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "worker"},
			MinReplicas:    ptr[int32](1), MaxReplicas: 100,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ExternalMetricSourceType,
				External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{
						Name:     "s0-redis-jobs",
						Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"scaledobject.keda.sh/name": "jobs"}},
					},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr(resource.MustParse("5"))},
				},
			}},
			Behavior: scaleUp("", 0, pods(4)),
		},
	}
	if diff := cmp.Diff(want, mustHPA(t, w, external(0, "redis", 5))); diff != "" {
		t.Error(diff)
	}
	if w.HPA.Labels["app.kubernetes.io/managed-by"] != "Helm" || len(w.HPA.Annotations) != 2 {
		t.Error("the workload was changed")
	}
}

func TestHPAMetrics(t *testing.T) {
	value := func(m model.Metric) model.Metric { m.Type = autoscalingv2.ValueMetricType; return m }
	native := func(kind, value, container string) model.Metric {
		return model.Metric{TriggerType: "cpu", Resource: &scaler.ResourceMetric{Resource: "cpu", Container: container, MetricType: kind, Value: value}}
	}
	target := func(s autoscalingv2.MetricSpec) autoscalingv2.MetricTarget {
		switch {
		case s.External != nil:
			return s.External.Target
		case s.Resource != nil:
			return s.Resource.Target
		default:
			return s.ContainerResource.Target
		}
	}
	for name, c := range map[string]struct {
		metric model.Metric
		kind   autoscalingv2.MetricSourceType
		want   autoscalingv2.MetricTarget
	}{
		"half":        {external(0, "redis", 0.5), autoscalingv2.ExternalMetricSourceType, autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr(resource.MustParse("500m"))}},
		"value":       {value(external(0, "redis", 20)), autoscalingv2.ExternalMetricSourceType, autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: ptr(resource.MustParse("20"))}},
		"utilization": {native("Utilization", "60", ""), autoscalingv2.ResourceMetricSourceType, autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr[int32](60)}},
		"average":     {native("AverageValue", "250m", ""), autoscalingv2.ResourceMetricSourceType, autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr(resource.MustParse("250m"))}},
		"container":   {native("Utilization", "60", "app"), autoscalingv2.ContainerResourceMetricSourceType, autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr[int32](60)}},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustHPA(t, workload(), c.metric).Spec.Metrics[0]
			if got.Type != c.kind {
				t.Errorf("type = %s, want %s", got.Type, c.kind)
			}
			if diff := cmp.Diff(c.want, target(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHPARefusesWhatItCantExpress(t *testing.T) {
	utilization := external(0, "redis", 5)
	utilization.Type = autoscalingv2.UtilizationMetricType
	cpu := func(kind, value string) model.Metric {
		return model.Metric{Trigger: 2, TriggerType: "cpu", Resource: &scaler.ResourceMetric{Resource: "cpu", MetricType: kind, Value: value}}
	}
	for name, c := range map[string]struct {
		metric model.Metric
		says   string
	}{
		"a target below a thousandth": {external(0, "redis", 0.0001), "spec.triggers[0] (redis): the target value is 0; expected 0.001 or more"},
		"utilization of a queue":      {utilization, `metricType is "Utilization"; expected AverageValue or Value`},
		"a percentage in words":       {cpu("Utilization", "lots"), `spec.triggers[2] (cpu): value is "lots"; expected a whole percentage`},
		"no percent":                  {cpu("Utilization", "0"), "expected a whole percentage above 0"},
		"a bad quantity":              {cpu("AverageValue", "5 cores"), "expected a quantity above 0"},
		"cpu by Value":                {cpu("Value", "5"), `metricType is "Value"; expected Utilization or AverageValue`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := HPA(workload(), []model.Metric{c.metric}, "1", owner, 5)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error = %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestHPACountsAndBehavior(t *testing.T) {
	disabled := ptr(autoscalingv2.DisabledPolicySelect)
	behavior := scaleUp("", 0, pods(4))
	w := workload(func(w *model.Workload) {
		w.Min, w.Idle, w.HPA.Behavior, w.Pause = 3, ptr[int32](0), behavior, model.Pause{In: true, Out: true}
	})
	h := mustHPA(t, w, external(0, "redis", 5))
	if *h.Spec.MinReplicas != 3 {
		t.Errorf("minReplicas = %d, want 3", *h.Spec.MinReplicas)
	}
	want := &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleUp:   &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr[int32](0), SelectPolicy: disabled, Policies: []autoscalingv2.HPAScalingPolicy{pods(4)}},
		ScaleDown: &autoscalingv2.HPAScalingRules{SelectPolicy: disabled},
	}
	if diff := cmp.Diff(want, h.Spec.Behavior); diff != "" {
		t.Error(diff)
	}
	if behavior.ScaleUp.SelectPolicy != nil || behavior.ScaleDown != nil {
		t.Error("the workload's behavior was changed")
	}
	if plain := mustHPA(t, workload(), external(0, "redis", 5)); plain.Spec.Behavior != nil {
		t.Errorf("behavior = %v, want none", plain.Spec.Behavior)
	}
}

func TestLabelValues(t *testing.T) {
	for in, want := range map[string]string{
		"keda-hpa-jobs":                  "keda-hpa-jobs",
		strings.Repeat("a", 62) + "-bcd": strings.Repeat("a", 62),
		"1.2.3+dirty":                    "1.2.3_dirty",
		"(devel)":                        "devel",
	} {
		if got := labelValue(in); got != want {
			t.Errorf("labelValue(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNeedsHPA(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*model.Workload)
		want   bool
	}{
		"usual":           {func(*model.Workload) {}, true},
		"paused in":       {func(w *model.Workload) { w.Pause.In = true }, true},
		"paused":          {func(w *model.Workload) { w.Pause.Paused = true }, false},
		"paused-replicas": {func(w *model.Workload) { w.Pause.Replicas = ptr[int32](1) }, false},
		"job":             {func(w *model.Workload) { w.Job = &model.Job{} }, false},
		"no triggers":     {func(w *model.Workload) { w.Triggers = nil }, false},
	} {
		if got := NeedsHPA(workload(c.change)); got != c.want {
			t.Errorf("%s: NeedsHPA = %v, want %v", name, got, c.want)
		}
	}
}

func TestViewHPA(t *testing.T) {
	hpa := func(cs ...autoscalingv2.HorizontalPodAutoscalerCondition) *autoscalingv2.HorizontalPodAutoscaler {
		return &autoscalingv2.HorizontalPodAutoscaler{Status: autoscalingv2.HorizontalPodAutoscalerStatus{Conditions: cs}}
	}
	able := autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.AbleToScale, Status: "True", Reason: "ReadyForNewScale"}
	unable := autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.AbleToScale, Status: "False", Reason: "FailedGetScale", Message: "gone"}
	active := autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.ScalingActive, Status: "True", Reason: "ValidMetricFound"}
	for name, c := range map[string]struct {
		hpa    *autoscalingv2.HorizontalPodAutoscaler
		want   HPAView
		broken bool
	}{
		"new":         {hpa(), HPAView{}, false},
		"not looked":  {hpa(able), HPAView{}, false},
		"active":      {hpa(able, active), HPAView{Known: true, Status: "True", Reason: "ValidMetricFound"}, false},
		"can't scale": {hpa(active, unable), HPAView{Known: true, Status: "False", Reason: "FailedGetScale", Message: "gone"}, true},
	} {
		got := ViewHPA(c.hpa)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got.broken() != c.broken {
			t.Errorf("%s: broken = %v, want %v", name, got.broken(), c.broken)
		}
	}
}

// TestHPARestsAtIdle: the HPA does not raise a target that rests at an idle
// count, and keeps to minReplicaCount otherwise.
func TestHPARestsAtIdle(t *testing.T) {
	for name, c := range map[string]struct {
		idle     *int32
		replicas int32
		want     int32
	}{
		"no idle count":         {nil, 2, 4},
		"resting":               {ptr[int32](2), 2, 2},
		"below the idle count":  {ptr[int32](2), 0, 2},
		"at work":               {ptr[int32](2), 4, 4},
		"on the way to be idle": {ptr[int32](2), 3, 4},
		"resting at zero":       {ptr[int32](0), 0, 4},
	} {
		h, err := HPA(workload(func(w *model.Workload) { w.Min, w.Idle = 4, c.idle }), []model.Metric{external(0, "redis", 5)}, "1", owner, c.replicas)
		if err != nil {
			t.Fatal(err)
		}
		if *h.Spec.MinReplicas != c.want {
			t.Errorf("%s: minReplicas %d; expected %d", name, *h.Spec.MinReplicas, c.want)
		}
	}
}
