package up

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	demoNamespace  = "default"
	demoDeployment = "azure-functions-deployment"
	demoObject     = "kafka-scaledobject"
)

// observe reads what the cluster says now into a frame.
func observe(ctx context.Context, c client.Client, l *load, since time.Time) (frame, error) {
	f := frame{at: time.Since(since), target: "50", active: "?", decision: "none yet", waves: int(l.waves.Load())}
	var d appsv1.Deployment
	if err := c.Get(ctx, client.ObjectKey{Namespace: demoNamespace, Name: demoDeployment}, &d); err != nil {
		return f, fmt.Errorf("reading Deployment %s: %w", demoDeployment, err)
	}
	if d.Spec.Replicas != nil {
		f.replicas = *d.Spec.Replicas
	}
	f.ready = d.Status.ReadyReplicas
	l.ready.Store(f.ready)
	var h autoscalingv2.HorizontalPodAutoscaler
	err := c.Get(ctx, client.ObjectKey{Namespace: demoNamespace, Name: "keda-hpa-" + demoDeployment}, &h)
	if client.IgnoreNotFound(err) != nil {
		return f, fmt.Errorf("reading the HPA: %w", err)
	}
	f.desired = max(h.Status.DesiredReplicas, f.replicas)
	if f.replicas == 0 {
		f.desired = 0
	}
	so := &unstructured.Unstructured{}
	so.SetGroupVersionKind(schema.GroupVersionKind{Group: "keda.k8s.io", Version: "v1alpha1", Kind: "ScaledObject"})
	if err := c.Get(ctx, client.ObjectKey{Namespace: demoNamespace, Name: demoObject}, so); err != nil {
		return f, fmt.Errorf("reading ScaledObject %s: %w", demoObject, err)
	}
	f.active, f.decision = activity(so), lastDecision(so, h)
	if f.lag, err = l.lag(ctx); err != nil {
		return f, fmt.Errorf("reading the lag: %w", err)
	}
	return f, nil
}

func activity(so *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(so.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Active" {
			return fmt.Sprint(m["status"])
		}
	}
	return "?"
}

// lastDecision is ours or, when it acted later, the HPA's.
func lastDecision(so *unstructured.Unstructured, h autoscalingv2.HorizontalPodAutoscaler) string {
	d, found, _ := unstructured.NestedMap(so.Object, "status", "lastDecision")
	text, at := "none yet", time.Time{}
	if found {
		text = fmt.Sprintf("%v: %v", d["rule"], d["message"])
		if s, ok := d["time"].(string); ok {
			at, _ = time.Parse(time.RFC3339, s)
		}
	}
	if t := h.Status.LastScaleTime; t != nil && t.After(at) {
		return fmt.Sprintf("HPA: wants %d replicas by the external metric", h.Status.DesiredReplicas)
	}
	return text
}
