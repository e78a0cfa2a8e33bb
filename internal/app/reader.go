package app

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
)

// clusterReader reads where credentials are. Secrets, ConfigMaps and pod
// templates are asked of the API server each time: no cache holds other
// people's secrets, and the cache of Deployments holds replica counts only.
// Auth objects, which are ours, come from the cache.
type clusterReader struct {
	cached client.Reader
	live   client.Reader
}

var _ secret.Reader = clusterReader{}

func newClusterReader(mgr ctrl.Manager) clusterReader {
	return clusterReader{cached: mgr.GetClient(), live: mgr.GetAPIReader()}
}

// Secret implements secret.Reader.
func (r clusterReader) Secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	var s corev1.Secret
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &s); err != nil {
		return nil, err
	}
	return s.Data, nil
}

// ConfigMap implements secret.Reader.
func (r clusterReader) ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error) {
	var c corev1.ConfigMap
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &c); err != nil {
		return nil, err
	}
	return c.Data, nil
}

// PodSpec implements secret.Reader.
func (r clusterReader) PodSpec(ctx context.Context, namespace string, t model.Target) (*corev1.PodSpec, error) {
	gv, err := schema.ParseGroupVersion(t.APIVersion)
	if err != nil {
		return nil, fmt.Errorf("the target's apiVersion is %q; expected group/version", t.APIVersion)
	}
	key := client.ObjectKey{Namespace: namespace, Name: t.Name}
	switch gv.WithKind(t.Kind) {
	case appsv1.SchemeGroupVersion.WithKind("Deployment"):
		var d appsv1.Deployment
		if err := r.live.Get(ctx, key, &d); err != nil {
			return nil, err
		}
		return &d.Spec.Template.Spec, nil
	case appsv1.SchemeGroupVersion.WithKind("StatefulSet"):
		var s appsv1.StatefulSet
		if err := r.live.Get(ctx, key, &s); err != nil {
			return nil, err
		}
		return &s.Spec.Template.Spec, nil
	}
	return r.otherPodSpec(ctx, key, gv.WithKind(t.Kind))
}

// otherPodSpec finds spec.template, where kinds such as Argo's Rollout have
// their pods as Deployments have.
func (r clusterReader) otherPodSpec(ctx context.Context, key client.ObjectKey, gvk schema.GroupVersionKind) (*corev1.PodSpec, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	if err := r.live.Get(ctx, key, u); err != nil {
		return nil, err
	}
	template, found, err := unstructured.NestedMap(u.Object, "spec", "template", "spec")
	if err != nil || !found {
		return nil, secret.ErrNoPods
	}
	var pod corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
		// What does not fit may be a value, so the cause is not shown.
		return nil, errors.New("spec.template.spec is no pod's spec")
	}
	if len(pod.Containers) == 0 {
		return nil, secret.ErrNoPods
	}
	return &pod, nil
}

// Auth implements secret.Reader.
func (r clusterReader) Auth(ctx context.Context, kind, namespace, name string, group model.Group) (*model.AuthSpec, error) {
	key := client.ObjectKey{Namespace: namespace, Name: name}
	switch {
	case group == model.GroupFirst && kind == model.KindTriggerAuthentication:
		var o firstv1.TriggerAuthentication
		if err := r.cached.Get(ctx, key, &o); err != nil {
			return nil, err
		}
		return convert.FirstAuth(&o), nil
	case group == model.GroupToday && kind == model.KindTriggerAuthentication:
		var o kedav1.TriggerAuthentication
		if err := r.cached.Get(ctx, key, &o); err != nil {
			return nil, err
		}
		return convert.Auth(&o), nil
	case group == model.GroupToday && kind == model.KindClusterTriggerAuthentication:
		var o kedav1.ClusterTriggerAuthentication
		if err := r.cached.Get(ctx, key, &o); err != nil {
			return nil, err
		}
		return convert.ClusterAuth(&o), nil
	}
	return nil, fmt.Errorf("the group %s has no kind %q that holds credentials", group, kind)
}
