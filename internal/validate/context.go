package validate

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
)

// surroundings are the objects beside ours: where credentials and environments
// come from. It is a secret.Reader of what was given; all else is unseen.
type surroundings struct {
	secrets    map[lint.Name]map[string][]byte
	configMaps map[lint.Name]map[string]string
	pods       map[lint.TargetName]*corev1.PodSpec
	auths      map[authKey]*model.AuthSpec
	hpas       []lint.HPA
}

type authKey struct {
	group                 model.Group
	kind, namespace, name string
}

func newSurroundings() *surroundings {
	return &surroundings{
		secrets: map[lint.Name]map[string][]byte{}, configMaps: map[lint.Name]map[string]string{},
		pods: map[lint.TargetName]*corev1.PodSpec{}, auths: map[authKey]*model.AuthSpec{},
	}
}

var _ secret.Reader = (*surroundings)(nil)

// Secret implements secret.Reader.
func (s *surroundings) Secret(_ context.Context, namespace, name string) (map[string][]byte, error) {
	return seen(s.secrets, lint.Name{Namespace: namespace, Name: name})
}

// ConfigMap implements secret.Reader.
func (s *surroundings) ConfigMap(_ context.Context, namespace, name string) (map[string]string, error) {
	return seen(s.configMaps, lint.Name{Namespace: namespace, Name: name})
}

// PodSpec implements secret.Reader.
func (s *surroundings) PodSpec(_ context.Context, namespace string, t model.Target) (*corev1.PodSpec, error) {
	return seen(s.pods, lint.TargetName{Group: groupOf(t.APIVersion), Kind: t.Kind, Namespace: namespace, Name: t.Name})
}

// Auth implements secret.Reader.
func (s *surroundings) Auth(_ context.Context, kind, namespace, name string, group model.Group) (*model.AuthSpec, error) {
	return seen(s.auths, authKey{group, kind, namespace, name})
}

func seen[K comparable, V any](from map[K]V, key K) (V, error) {
	v, ok := from[key]
	if !ok {
		return v, secret.ErrUnseen
	}
	return v, nil
}

// add takes an object that is not ours. One that does not parse is as good as
// not given: it is not ours to check.
func (s *surroundings) add(content map[string]any) {
	raw, err := json.Marshal(content)
	if err != nil {
		return
	}
	h := headOf(content)
	name := lint.Name{Namespace: orDefault(h.namespace), Name: h.name}
	switch {
	case h.apiVersion == "v1" && h.kind == "Secret":
		var o corev1.Secret
		if json.Unmarshal(raw, &o) == nil {
			s.secrets[name] = secretData(&o)
		}
	case h.apiVersion == "v1" && h.kind == "ConfigMap":
		var o corev1.ConfigMap
		if json.Unmarshal(raw, &o) == nil {
			s.configMaps[name] = o.Data
		}
	case groupOf(h.apiVersion) == "autoscaling" && h.kind == "HorizontalPodAutoscaler":
		var o autoscalingv2.HorizontalPodAutoscaler // the part used is the same in all versions
		if json.Unmarshal(raw, &o) == nil {
			ref := o.Spec.ScaleTargetRef
			s.hpas = append(s.hpas, lint.HPA{Name: name, Target: lint.TargetName{
				Group: groupOf(ref.APIVersion), Kind: ref.Kind, Namespace: name.Namespace, Name: ref.Name,
			}})
		}
	default:
		var o struct {
			Spec struct {
				Template *corev1.PodTemplateSpec `json:"template"`
			} `json:"spec"`
		}
		if json.Unmarshal(raw, &o) == nil && o.Spec.Template != nil && len(o.Spec.Template.Spec.Containers) > 0 {
			t := lint.TargetName{Group: groupOf(h.apiVersion), Kind: h.kind, Namespace: name.Namespace, Name: name.Name}
			s.pods[t] = &o.Spec.Template.Spec
		}
	}
}

// secretData is what the API server makes of data and stringData.
func secretData(o *corev1.Secret) map[string][]byte {
	data := map[string][]byte{}
	maps.Copy(data, o.Data)
	for k, v := range o.StringData {
		data[k] = []byte(v)
	}
	return data
}

// context is what the rules across objects need to know.
func (s *surroundings) context(clusterNamespace string) lint.Context {
	c := lint.Context{
		Secrets: map[lint.Name][]string{}, ConfigMaps: map[lint.Name][]string{},
		Targets: map[lint.TargetName][]string{}, HPAs: s.hpas, ClusterNamespace: clusterNamespace,
	}
	for n, data := range s.secrets {
		c.Secrets[n] = slices.Sorted(maps.Keys(data))
	}
	for n, data := range s.configMaps {
		c.ConfigMaps[n] = slices.Sorted(maps.Keys(data))
	}
	for t, pod := range s.pods {
		names := []string{}
		for _, p := range pod.Containers {
			names = append(names, p.Name)
		}
		c.Targets[t] = names
	}
	return c
}

func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// head is what every object has.
type head struct{ apiVersion, kind, namespace, name string }

func headOf(content map[string]any) head {
	text := func(m map[string]any, k string) string {
		s, _ := m[k].(string)
		return s
	}
	meta, _ := content["metadata"].(map[string]any)
	return head{text(content, "apiVersion"), text(content, "kind"), text(meta, "namespace"), text(meta, "name")}
}

// orDefault is the namespace that kubectl would take unless told otherwise.
func orDefault(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}
