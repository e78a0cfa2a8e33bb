package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// apiServiceName is the APIService that leads HPAs to external metrics.
const apiServiceName = "v1beta1.external.metrics.k8s.io"

// Installation is what of KEDA runs in the cluster.
type Installation struct {
	// Upstream are the Deployments of upstream's images, Ours those of this build.
	Upstream []Deployment `json:"upstream"`
	Ours     []Deployment `json:"ours"`
	// MetricsAPI is where external metrics come from; nil when nobody serves them.
	MetricsAPI *MetricsAPI `json:"metricsAPI"`
	// Webhooks are the admission webhooks that judge KEDA's objects.
	Webhooks []string `json:"webhooks"`
	// ServiceThere says that our Service for metrics exists.
	ServiceThere bool `json:"serviceThere"`
}

// Deployment is one part of an installation.
type Deployment struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Part is operator, metrics or webhook; ours is all of them.
	Part     string `json:"part"`
	Image    string `json:"image"`
	Replicas int32  `json:"replicas"`
}

// MetricsAPI is the APIService of external metrics.
type MetricsAPI struct {
	Service   Service `json:"service"`
	Available bool    `json:"available"`
}

// installation finds what runs.
func (m *migration) installation(ctx context.Context) (Installation, error) {
	var out Installation
	var deployments appsv1.DeploymentList
	if err := m.Client.List(ctx, &deployments); err != nil {
		return out, fmt.Errorf("listing Deployments: %w", err)
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		for _, c := range d.Spec.Template.Spec.Containers {
			one := Deployment{Namespace: d.Namespace, Name: d.Name, Image: c.Image, Replicas: 1}
			if d.Spec.Replicas != nil {
				one.Replicas = *d.Spec.Replicas
			}
			if one.Part = upstreamPart(c.Image); one.Part != "" {
				out.Upstream = append(out.Upstream, one)
			} else if isOurs(c) {
				one.Part = "all"
				out.Ours = append(out.Ours, one)
			}
		}
	}
	var err error
	if out.MetricsAPI, err = m.metricsAPI(ctx); err != nil {
		return out, err
	}
	if out.Webhooks, err = m.webhooks(ctx); err != nil {
		return out, err
	}
	err = m.Client.Get(ctx, client.ObjectKey{Namespace: m.Service.Namespace, Name: m.Service.Name}, &corev1.Service{})
	if client.IgnoreNotFound(err) != nil {
		return out, fmt.Errorf("reading Service %s: %w", m.Service, err)
	}
	out.ServiceThere = err == nil
	return out, nil
}

// upstreamPart says which of upstream's programs an image is, whichever
// registry it was mirrored to; "" for all others.
func upstreamPart(image string) string {
	path, _, _ := strings.Cut(image, "@")
	if at := strings.LastIndex(path, ":"); at > strings.LastIndex(path, "/") {
		path = path[:at]
	}
	for suffix, part := range map[string]string{
		"kedacore/keda": "operator", "kedacore/keda-metrics-apiserver": "metrics", "kedacore/keda-admission-webhooks": "webhook",
	} {
		if path == suffix || strings.HasSuffix(path, "/"+suffix) {
			return part
		}
	}
	return ""
}

// isOurs says whether a container runs this build as an operator.
func isOurs(c corev1.Container) bool {
	words := slices.Concat(c.Command, c.Args)
	return len(words) > 1 && (words[0] == "/keda" || words[0] == "keda") && slices.Contains([]string{"all", "operator"}, words[1])
}

func apiService() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	return u
}

// apiServiceNamed is the one that we write to.
func apiServiceNamed() *unstructured.Unstructured {
	u := apiService()
	u.SetName(apiServiceName)
	return u
}

// metricsAPI reads the APIService; nil when there is none.
func (m *migration) metricsAPI(ctx context.Context) (*MetricsAPI, error) {
	u := apiService()
	err := m.Client.Get(ctx, client.ObjectKey{Name: apiServiceName}, u)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading APIService %s: %w", apiServiceName, err)
	}
	return metricsAPIOf(u), nil
}

func metricsAPIOf(u *unstructured.Unstructured) *MetricsAPI {
	out := &MetricsAPI{}
	out.Service.Namespace, _, _ = unstructured.NestedString(u.Object, "spec", "service", "namespace")
	out.Service.Name, _, _ = unstructured.NestedString(u.Object, "spec", "service", "name")
	out.Service.Port = 443
	if port, found, _ := unstructured.NestedInt64(u.Object, "spec", "service", "port"); found && port > 0 && port < 65536 {
		out.Service.Port = int32(port)
	}
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Available" {
			out.Available = c["status"] == "True"
		}
	}
	return out
}

// webhooks lists the validating webhooks for keda.sh.
func (m *migration) webhooks(ctx context.Context) ([]string, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfigurationList"})
	if err := m.Client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing ValidatingWebhookConfigurations: %w", err)
	}
	var out []string
	for _, item := range list.Items {
		hooks, _, _ := unstructured.NestedSlice(item.Object, "webhooks")
		for _, h := range hooks {
			rules, _, _ := unstructured.NestedSlice(map[string]any{"h": h}, "h", "rules")
			if slices.ContainsFunc(rules, isForKeda) && !slices.Contains(out, item.GetName()) {
				out = append(out, item.GetName())
			}
		}
	}
	return out, nil
}

func isForKeda(rule any) bool {
	groups, _, _ := unstructured.NestedStringSlice(map[string]any{"r": rule}, "r", "apiGroups")
	return slices.Contains(groups, "keda.sh")
}
