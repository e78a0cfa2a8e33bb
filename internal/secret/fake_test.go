package secret

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kedago/keda/internal/model"
)

var errForbidden = errors.New("secrets is forbidden for this account")

// cluster is a Reader over maps, by "namespace/name", that records its reads.
// What is named "denied" can't be read, "no-role" for want of a permission.
type cluster struct {
	secrets    map[string]map[string][]byte
	configMaps map[string]map[string]string
	pods       map[string]*corev1.PodSpec
	auth       map[string]*model.AuthSpec // by "kind namespace/name group"
	reads      []string
}

func find[T any](c *cluster, from map[string]T, kind, id, name string) (T, error) {
	c.reads = append(c.reads, kind+" "+id)
	var zero T
	switch name {
	case "denied":
		return zero, errForbidden
	case "no-role":
		return zero, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, name, errForbidden)
	}
	got, ok := from[id]
	if !ok {
		return zero, fmt.Errorf("reading: %w", apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name))
	}
	return got, nil
}

func (c *cluster) Secret(_ context.Context, namespace, name string) (map[string][]byte, error) {
	return find(c, c.secrets, "Secret", namespace+"/"+name, name)
}

func (c *cluster) ConfigMap(_ context.Context, namespace, name string) (map[string]string, error) {
	return find(c, c.configMaps, "ConfigMap", namespace+"/"+name, name)
}

func (c *cluster) PodSpec(_ context.Context, namespace string, target model.Target) (*corev1.PodSpec, error) {
	if target.Kind == "Unusual" {
		return nil, ErrNoPods
	}
	return find(c, c.pods, target.Kind, namespace+"/"+target.Name, target.Name)
}

func (c *cluster) Auth(_ context.Context, kind, namespace, name string, group model.Group) (*model.AuthSpec, error) {
	return find(c, c.auth, kind, fmt.Sprintf("%s/%s %s", namespace, name, group), name)
}

// workload is a ScaledObject of keda.sh on Deployment default/app.
func workload(t model.Trigger) *model.Workload {
	return &model.Workload{
		Key:      model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "default", Name: "so"},
		Target:   model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"},
		Triggers: []model.Trigger{{Type: "other"}, t},
	}
}

// withAuth is a trigger that refers to TriggerAuthentication "creds".
func withAuth(metadata map[string]string) model.Trigger {
	return model.Trigger{Type: "redis", Metadata: metadata, Auth: &model.AuthRef{Kind: model.KindTriggerAuthentication, Name: "creds"}}
}

func credsAuth(spec model.AuthSpec) map[string]*model.AuthSpec {
	return map[string]*model.AuthSpec{"default/creds keda.sh": &spec}
}

func ref(kind, namespace, name string) model.Reference {
	return model.Reference{Kind: kind, Namespace: namespace, Name: name}
}

// pod is Deployment default/app with these containers.
func pod(containers ...corev1.Container) map[string]*corev1.PodSpec {
	return map[string]*corev1.PodSpec{"default/app": {Containers: containers}}
}

func fromSecret(name, secret, key string, optional bool) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key, Optional: &optional,
	}}}
}

func fromConfigMap(name, configMap, key string, optional bool) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: configMap}, Key: key, Optional: &optional,
	}}}
}

func allOfSecret(prefix, name string, optional bool) corev1.EnvFromSource {
	return corev1.EnvFromSource{Prefix: prefix, SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Optional: &optional}}
}

func allOfConfigMap(prefix, name string, optional bool) corev1.EnvFromSource {
	return corev1.EnvFromSource{Prefix: prefix, ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Optional: &optional}}
}
