package migrate

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kedago/keda/pkg/scaler/param"
)

func TestUpstreamPart(t *testing.T) {
	for image, want := range map[string]string{
		"ghcr.io/kedacore/keda:2.20.0":                                       "operator",
		"registry.example.com:5000/mirror/kedacore/keda@sha256:abc":          "operator",
		"registry.example.com:5000/kedacore/keda":                            "operator",
		"kedacore/keda:2":                                                    "operator",
		"ghcr.io/kedacore/keda-metrics-apiserver:2.20.0":                     "metrics",
		"ghcr.io/kedacore/keda-admission-webhooks:2.20.0":                    "webhook",
		"ghcr.io/kedago/keda:main":                                           "",
		"ghcr.io/notkedacore/keda:1":                                         "",
		"ghcr.io/kedacore/keda-tools:1":                                      "",
		"docker.io/library/nginx":                                            "",
		"ghcr.io/kedacore/http-add-on-operator:0.10.0":                       "",
		"ghcr.io/kedacore/keda-metrics-apiserver-something-else-entirely:v1": "",
	} {
		if got := upstreamPart(image); got != want {
			t.Errorf("%s: part %q; expected %q", image, got, want)
		}
	}
}

func TestIsOurs(t *testing.T) {
	tests := map[string]struct {
		command, args []string
		want          bool
	}{
		"the manifest's":       {[]string{"/keda"}, []string{"all", "--secure-port=6443"}, true},
		"by arguments only":    {nil, []string{"keda", "operator"}, true},
		"upstream's":           {[]string{"/keda"}, []string{"--leader-elect"}, false},
		"another of our verbs": {[]string{"/keda"}, []string{"validate"}, false},
		"nothing":              {nil, nil, false},
	}
	for name, tt := range tests {
		if got := isOurs(corev1.Container{Command: tt.command, Args: tt.args}); got != tt.want {
			t.Errorf("%s: %v; expected %v", name, got, tt.want)
		}
	}
}

func external(name, value string) autoscalingv2.MetricSpec {
	q := resource.MustParse(value)
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: name, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"scaledobject.keda.sh/name": "so"}}},
		Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &q},
	}}
}

func of[T any](v T) *T { return &v }

func hpa() *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "keda-hpa-so", Labels: map[string]string{"app.kubernetes.io/part-of": "so", labelVersion: "main"}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"},
			MinReplicas:    of[int32](1), MaxReplicas: 10, Metrics: []autoscalingv2.MetricSpec{external("s0-redis-carts", "5")},
		},
	}
}

func TestChanges(t *testing.T) {
	percent := of[int32](60)
	tests := map[string]struct {
		change func(have *autoscalingv2.HorizontalPodAutoscaler)
		want   []Change
	}{
		"none":            {func(*autoscalingv2.HorizontalPodAutoscaler) {}, nil},
		"another version": {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Labels[labelVersion] = "2.20.0" }, nil},
		"more labels":     {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Labels["team"] = "a" }, nil},
		"a quantity, said otherwise": {func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Spec.Metrics[0] = external("s0-redis-carts", "5000m")
		}, nil},
		"what the API server sets": {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Status.CurrentReplicas = 4 }, nil},
		"the least, unset":         {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = nil }, nil},
		"a label": {func(h *autoscalingv2.HorizontalPodAutoscaler) { delete(h.Labels, "app.kubernetes.io/part-of") }, []Change{
			{"metadata.labels.app.kubernetes.io/part-of", "nothing", "so"},
		}},
		"limits": {func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Spec.MinReplicas, h.Spec.MaxReplicas = of[int32](2), 20
		}, []Change{
			{"spec.minReplicas", "2", "1"}, {"spec.maxReplicas", "20", "10"},
		}},
		"a metric's name": {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.Metrics[0] = external("s0-redis", "5") }, []Change{
			{"spec.metrics[0]", "s0-redis scaledobject.keda.sh/name=so AverageValue=5", "s0-redis-carts scaledobject.keda.sh/name=so AverageValue=5"},
		}},
		"a metric more": {func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Spec.Metrics = append(h.Spec.Metrics, autoscalingv2.MetricSpec{Type: "Resource", Resource: &autoscalingv2.ResourceMetricSource{
				Name: "cpu", Target: autoscalingv2.MetricTarget{Type: "Utilization", AverageUtilization: percent},
			}}, autoscalingv2.MetricSpec{Type: "ContainerResource", ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
				Name: "memory", Container: "web", Target: autoscalingv2.MetricTarget{Type: "Value", Value: resource.NewQuantity(3, resource.DecimalSI)},
			}})
		}, []Change{{"spec.metrics[1]", "cpu Utilization=60%", "nothing"}, {"spec.metrics[2]", "memory of web Value=3", "nothing"}}},
		"a metric less": {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.Metrics = nil }, []Change{
			{"spec.metrics[0]", "nothing", "s0-redis-carts scaledobject.keda.sh/name=so AverageValue=5"},
		}},
		"the target": {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.ScaleTargetRef.Name = "other" }, []Change{
			{"spec.scaleTargetRef", "{kind:Deployment,name:other,apiVersion:apps/v1}", "{kind:Deployment,name:app,apiVersion:apps/v1}"},
		}},
		"a behavior": {func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: of[int32](3)}}
		}, []Change{{"spec.behavior", "{scaleDown:{stabilizationWindowSeconds:3}}", "nothing"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			have := hpa()
			tt.change(have)
			if diff := cmp.Diff(tt.want, changes(have, hpa())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func report() Report {
	return Report{
		Installation: Installation{
			Upstream:   []Deployment{{"keda", "keda-operator", "operator", "ghcr.io/kedacore/keda:2.20.0", 1}},
			MetricsAPI: &MetricsAPI{Service: Service{"keda", "keda-operator-metrics-apiserver", 443}, Available: true},
			Webhooks:   []string{"keda-admission"},
		},
		Objects: []Object{
			{Kind: "ScaledObject", Namespace: "shop", Name: "carts", HPA: &HPA{
				Name: "keda-hpa-carts", Managers: []string{"keda"}, Changes: []Change{{"spec.metrics[0]", "a", "b"}},
			}},
			{Kind: "ScaledObject", Namespace: "shop", Name: "web", HPA: &HPA{Name: "keda-hpa-web", Managers: []string{"keda", "kube-controller-manager"}}},
			{Kind: "ScaledObject", Namespace: "shop", Name: "new", HPA: &HPA{Name: "keda-hpa-new", Missing: true}},
			{Kind: "ClusterTriggerAuthentication", Name: "all", Problems: param.Problems{{Path: "spec", Severity: param.Warning, Message: "is odd"}}},
			{Kind: "ScaledJob", Namespace: "shop", Name: "pulsar", Problems: param.Problems{{Path: "spec.triggers[0].type", Severity: param.Error, Message: "found pulsar"}}},
		},
		Steps: []string{"scale it", "take over HPA shop/keda-hpa-carts, with 1 change"},
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := report().Text(&b); err != nil {
		t.Fatal(err)
	}
	const want = `Installation
  upstream  operator Deployment keda/keda-operator, ghcr.io/kedacore/keda:2.20.0, 1 replicas
  external metrics are served by Service keda/keda-operator-metrics-apiserver:443, available
  objects are judged by keda-admission

Objects
  ScaledObject shop/carts: ready
    HPA keda-hpa-carts, written by keda:
      spec.metrics[0]: a -> b
  ScaledObject shop/web: ready
    HPA keda-hpa-web, written by keda, kube-controller-manager: stays as it is
  ScaledObject shop/new: ready
    HPA keda-hpa-new: there is none yet
  ClusterTriggerAuthentication all: ready
    warning: spec: is odd
  ScaledJob shop/pulsar: can't be taken over
    error: spec.triggers[0].type: found pulsar

What --apply would do
  1. scale it
  2. take over HPA shop/keda-hpa-carts, with 1 change

5 objects, of which 1 can't be taken over as they are. Nothing was changed.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.Reset()
	if err := (Report{}).Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"no Deployment of upstream's KEDA", "served by nobody", "  none\n", "  nothing\n"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the report of an empty cluster has no %q:\n%s", part, b.String())
		}
	}
}

// TestJSON: lists are lists, never null, and nothing is lost.
func TestJSON(t *testing.T) {
	for name, r := range map[string]Report{"full": report(), "empty": {}} {
		var b bytes.Buffer
		if err := r.JSON(&b); err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if len(back.Objects) != len(r.Objects) || len(back.Steps) != len(r.Steps) {
			t.Errorf("%s: %s", name, b.String())
		}
		if strings.Contains(strings.Replace(b.String(), `"metricsAPI": null`, "", 1), "null") {
			t.Errorf("%s: a list is null:\n%s", name, b.String())
		}
	}
}

func TestAllowed(t *testing.T) {
	tests := map[string]struct {
		options ApplyOptions
		change  func(*Report)
		want    []string // parts of the error
	}{
		"neither":           {ApplyOptions{}, func(*Report) {}, []string{"keda/keda-operator", "--stop-upstream", "1 objects have errors", "--despite-errors"}},
		"both":              {ApplyOptions{true, true}, func(*Report) {}, nil},
		"a stopped one":     {ApplyOptions{DespiteErrors: true}, func(r *Report) { r.Installation.Upstream[0].Replicas = 0 }, nil},
		"no object amiss":   {ApplyOptions{StopUpstream: true}, func(r *Report) { r.Objects = r.Objects[:4] }, nil},
		"webhooks may stay": {ApplyOptions{DespiteErrors: true}, func(r *Report) { r.Installation.Upstream[0].Part = "webhook" }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := report()
			tt.change(&r)
			err := tt.options.allowed(r)
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("%v; expected %v", err, tt.want)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q has no %q", err, part)
				}
			}
		})
	}
}
