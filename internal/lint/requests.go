package lint

import (
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// MeasuresRequests says whether a trigger measures a share of what pods
// request, so that Requests has something to say.
func MeasuresRequests(p Prepared) bool {
	return slices.ContainsFunc(p.Metrics, ofRequests)
}

func ofRequests(m model.Metric) bool {
	return m.Resource != nil && m.Type == autoscalingv2.UtilizationMetricType
}

// Requests checks that the pods of a target request what cpu and memory
// triggers measure a share of: without a request of every container in
// question an HPA measures nothing. ranges are the LimitRanges of the
// namespace, which may give containers a request.
func Requests(w *model.Workload, p Prepared, pod *corev1.PodSpec, ranges []corev1.LimitRange) param.Problems {
	var ps param.Problems
	for i, m := range p.Metrics {
		if !ofRequests(m) {
			continue
		}
		resource := corev1.ResourceName(m.Resource.Resource)
		if given(ranges, resource) || (m.Resource.Container == "" && pod.Resources != nil && requests(*pod.Resources, resource)) {
			continue
		}
		lasting := longRunning(pod)
		if c := m.Resource.Container; c != "" {
			lasting = slices.DeleteFunc(lasting, func(have corev1.Container) bool { return have.Name != c })
			if len(lasting) == 0 {
				ps.Warnf(triggerPath(i)+".metadata.containerName", "found %s; the %s %s has %s", quote(c), w.Target.Kind, w.Target.Name, strings.Join(containerNames(pod), ", "))
				near(c, containerNames(pod), &ps)
			}
		}
		for _, c := range lasting {
			if !requests(c.Resources, resource) {
				ps.Errorf(triggerPath(i), "measures a share of the %s that containers request, while the container %q of the %s %s requests none and no LimitRange gives it one; expected a request",
					resource, c.Name, w.Target.Kind, w.Target.Name)
				ps.Hint("set resources.requests.%s of the container, or metricType: AverageValue", resource)
			}
		}
	}
	return ps
}

// requests says whether a container requests a resource: a limit alone is
// taken as the request.
func requests(r corev1.ResourceRequirements, name corev1.ResourceName) bool {
	_, requested := r.Requests[name]
	_, limited := r.Limits[name]
	return requested || limited
}

// given says whether LimitRanges give containers a request that have none.
func given(ranges []corev1.LimitRange, name corev1.ResourceName) bool {
	for _, r := range ranges {
		for _, item := range r.Spec.Limits {
			_, request := item.DefaultRequest[name]
			_, limit := item.Default[name]
			if item.Type == corev1.LimitTypeContainer && (request || limit) {
				return true
			}
		}
	}
	return false
}

// longRunning are the containers that an HPA looks at: the pod's own, and
// init containers that stay.
func longRunning(pod *corev1.PodSpec) []corev1.Container {
	out := slices.Clone(pod.Containers)
	for _, c := range pod.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			out = append(out, c)
		}
	}
	return out
}

func containerNames(pod *corev1.PodSpec) []string {
	var out []string
	for _, c := range longRunning(pod) {
		out = append(out, c.Name)
	}
	return out
}
