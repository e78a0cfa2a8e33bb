package app

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/pkg/scaler"
)

// clusterView is what scalers may see of the cluster. Pods come from the
// cache, whose informer starts with the first trigger that counts pods.
type clusterView struct {
	cached client.Reader
	live   client.Reader
	eventView
}

var _ scaler.Cluster = clusterView{}

// CountPods implements scaler.Cluster.
func (v clusterView) CountPods(ctx context.Context, namespace, selector string) ([]scaler.Pod, error) {
	match, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("reading the label selector %q: %w", selector, err)
	}
	var pods corev1.PodList
	if err := v.cached.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: match}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing pods of namespace %s: %w", namespace, err)
	}
	out := make([]scaler.Pod, len(pods.Items))
	for i := range pods.Items {
		out[i] = scaler.Pod{Name: pods.Items[i].Name, Node: pods.Items[i].Spec.NodeName}
	}
	return out, nil
}

// ServiceAddresses implements scaler.Cluster.
func (v clusterView) ServiceAddresses(ctx context.Context, namespace, service, port string) ([]string, error) {
	var slices discoveryv1.EndpointSliceList
	err := v.live.List(ctx, &slices, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service})
	if err != nil {
		return nil, fmt.Errorf("listing the endpoints of Service %s/%s: %w", namespace, service, err)
	}
	var out []string
	for _, s := range slices.Items {
		number, ok := portOf(s.Ports, port)
		if !ok {
			continue
		}
		for _, e := range s.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			for _, a := range e.Addresses {
				out = append(out, net.JoinHostPort(a, number))
			}
		}
	}
	return out, nil
}

// portOf finds a port by name or number; an empty wish means the first.
func portOf(ports []discoveryv1.EndpointPort, wish string) (string, bool) {
	for _, p := range ports {
		if p.Port == nil {
			continue
		}
		number := strconv.Itoa(int(*p.Port))
		if wish == "" || wish == number || p.Name != nil && *p.Name == wish {
			return number, true
		}
	}
	return "", false
}
