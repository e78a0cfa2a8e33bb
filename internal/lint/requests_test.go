package lint

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

func TestRequests(t *testing.T) {
	some := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	container := func(name string, requests, limits corev1.ResourceList) corev1.Container {
		return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
	}
	ranges := func(kind corev1.LimitType, item corev1.LimitRangeItem) []corev1.LimitRange {
		item.Type = kind
		return []corev1.LimitRange{{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}}}
	}
	bare := corev1.PodSpec{Containers: []corev1.Container{container("main", nil, nil)}}
	stays := container("proxy", nil, nil)
	stays.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	missing := func(name string) string {
		return `error: spec.triggers[0]: measures a share of the cpu that containers request, while the container "` + name + `" of the Deployment app requests none and no LimitRange gives it one; expected a request (set resources.requests.cpu of the container, or metricType: AverageValue)`
	}
	tests := map[string]struct {
		pod       corev1.PodSpec
		ranges    []corev1.LimitRange
		container string
		kind      autoscalingv2.MetricTargetType
		want      []string
	}{
		"a request": {pod: corev1.PodSpec{Containers: []corev1.Container{container("main", some, nil)}}},
		"a limit":   {pod: corev1.PodSpec{Containers: []corev1.Container{container("main", nil, some)}}},
		"none":      {pod: bare, want: []string{missing("main")}},
		"of another resource": {
			pod:  corev1.PodSpec{Containers: []corev1.Container{container("main", corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}, nil)}},
			want: []string{missing("main")},
		},
		"not a share": {pod: bare, kind: autoscalingv2.AverageValueMetricType},
		"one of two":  {pod: corev1.PodSpec{Containers: []corev1.Container{container("main", some, nil), container("side", nil, nil)}}, want: []string{missing("side")}},
		"the container measured": {
			pod: corev1.PodSpec{Containers: []corev1.Container{container("main", some, nil), container("side", nil, nil)}}, container: "main",
		},
		"a container mistyped": {
			pod: corev1.PodSpec{Containers: []corev1.Container{container("main", some, nil)}}, container: "mian",
			want: []string{`warning: spec.triggers[0].metadata.containerName: found "mian"; the Deployment app has main (did you mean main?)`},
		},
		"an init container that stays": {
			pod: corev1.PodSpec{Containers: []corev1.Container{container("main", some, nil)}, InitContainers: []corev1.Container{stays}}, want: []string{missing("proxy")},
		},
		"an init container that ends": {
			pod: corev1.PodSpec{Containers: []corev1.Container{container("main", some, nil)}, InitContainers: []corev1.Container{container("prepare", nil, nil)}},
		},
		"of the whole pod":         {pod: corev1.PodSpec{Containers: bare.Containers, Resources: &corev1.ResourceRequirements{Requests: some}}},
		"a range gives a request":  {pod: bare, ranges: ranges(corev1.LimitTypeContainer, corev1.LimitRangeItem{DefaultRequest: some})},
		"a range gives a limit":    {pod: bare, ranges: ranges(corev1.LimitTypeContainer, corev1.LimitRangeItem{Default: some})},
		"a range without defaults": {pod: bare, ranges: ranges(corev1.LimitTypeContainer, corev1.LimitRangeItem{Max: some}), want: []string{missing("main")}},
		"a range for pods":         {pod: bare, ranges: ranges(corev1.LimitTypePod, corev1.LimitRangeItem{Default: some}), want: []string{missing("main")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := model.Metric{Resource: &scaler.ResourceMetric{Resource: "cpu", Container: tt.container}, Type: autoscalingv2.UtilizationMetricType}
			if tt.kind != "" {
				m.Type = tt.kind
			}
			p := Prepared{Metrics: []model.Metric{m}}
			if diff := cmp.Diff(tt.want, lines(Requests(workload(), p, &tt.pod, tt.ranges))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if got, want := MeasuresRequests(p), tt.kind == ""; got != want {
				t.Errorf("MeasuresRequests: %v; expected %v", got, want)
			}
		})
	}
}
