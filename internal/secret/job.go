package secret

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// job is the state of one Resolve. Each object is read at most once in it.
type job struct {
	reader   Reader
	external *External
	workload *model.Workload
	trigger  *model.Trigger
	path     string

	auth          model.AuthSpec
	authNamespace string

	values   map[string]string
	env      map[string]string
	problems param.Problems
	used     []model.Reference
	unseen   model.Unseen
	unread   bool

	secrets    map[string]read[map[string][]byte]
	configMaps map[string]read[map[string]string]
	pod        *read[*corev1.PodSpec]
}

// read is what reading an object gave.
type read[T any] struct {
	value T
	err   error
}

// absentError says that an object, or a key of it, does not exist.
type absentError struct{ what, near string }

func (e *absentError) Error() string { return e.what }

func (j *job) use(r model.Reference) {
	if !slices.Contains(j.used, r) {
		j.used = append(j.used, r)
	}
}

// secretKey returns a value of a Secret; *absentError when it has none.
func (j *job) secretKey(ctx context.Context, namespace, name, key string) (string, error) {
	data, err := j.secret(ctx, namespace, name)
	if err != nil {
		return "", err
	}
	value, ok := data[key]
	if !ok {
		return "", noKey("Secret", namespace, name, key, slices.Sorted(maps.Keys(data)))
	}
	return string(value), nil
}

func (j *job) secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	id := namespace + "/" + name
	got, ok := j.secrets[id]
	if !ok {
		j.use(model.Reference{Kind: "Secret", Namespace: namespace, Name: name})
		got.value, got.err = j.reader.Secret(ctx, namespace, name)
		got.err = j.explain(got.err, "Secret", namespace, name)
		j.secrets[id] = got
	}
	return got.value, got.err
}

// configMapKey returns a value of a ConfigMap; *absentError when it has none.
func (j *job) configMapKey(ctx context.Context, namespace, name, key string) (string, error) {
	data, err := j.configMap(ctx, namespace, name)
	if err != nil {
		return "", err
	}
	value, ok := data[key]
	if !ok {
		return "", noKey("ConfigMap", namespace, name, key, slices.Sorted(maps.Keys(data)))
	}
	return value, nil
}

func (j *job) configMap(ctx context.Context, namespace, name string) (map[string]string, error) {
	id := namespace + "/" + name
	got, ok := j.configMaps[id]
	if !ok {
		j.use(model.Reference{Kind: "ConfigMap", Namespace: namespace, Name: name})
		got.value, got.err = j.reader.ConfigMap(ctx, namespace, name)
		got.err = j.explain(got.err, "ConfigMap", namespace, name)
		j.configMaps[id] = got
	}
	return got.value, got.err
}

// podSpec returns the pods that the workload makes.
func (j *job) podSpec(ctx context.Context) (*corev1.PodSpec, error) {
	if j.workload.Job != nil {
		return &j.workload.Job.Spec.Template.Spec, nil
	}
	if j.pod == nil {
		ns, target := j.workload.Key.Namespace, j.workload.Target
		j.use(model.Reference{Kind: target.Kind, Namespace: ns, Name: target.Name})
		spec, err := j.reader.PodSpec(ctx, ns, target)
		j.pod = &read[*corev1.PodSpec]{spec, j.explain(err, target.Kind, ns, target.Name)}
	}
	return j.pod.value, j.pod.err
}

func (j *job) explain(err error, kind, namespace, name string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return &absentError{what: fmt.Sprintf("the %s %s/%s does not exist", kind, namespace, name)}
	}
	j.unread = !errors.Is(err, ErrUnseen) && !errors.Is(err, ErrNoPods)
	if apierrors.IsForbidden(err) && kind == "Secret" {
		return fmt.Errorf("the operator may not read the Secret %s/%s; expected a Role in namespace %s that lets it get this Secret, such as `keda rbac` prints, or the ClusterRoleBinding keda-operator-secrets for all namespaces",
			namespace, name, namespace)
	}
	return fmt.Errorf("the %s %s/%s can't be read: %w", kind, namespace, name, err)
}

func noKey(kind, namespace, name, key string, keys []string) error {
	e := &absentError{what: fmt.Sprintf("the %s %s/%s has no key %q", kind, namespace, name, key)}
	e.near, _ = param.Nearest(key, keys)
	return e
}
