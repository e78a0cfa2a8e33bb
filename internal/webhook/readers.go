package webhook

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
)

// nothing is a secret.Reader that knows of no object: with it only what the
// object says by itself is found wrong.
type nothing struct{}

var _ secret.Reader = nothing{}

// Secret implements secret.Reader.
func (nothing) Secret(context.Context, string, string) (map[string][]byte, error) {
	return nil, secret.ErrUnseen
}

// ConfigMap implements secret.Reader.
func (nothing) ConfigMap(context.Context, string, string) (map[string]string, error) {
	return nil, secret.ErrUnseen
}

// PodSpec implements secret.Reader.
func (nothing) PodSpec(context.Context, string, model.Target) (*corev1.PodSpec, error) {
	return nil, secret.ErrUnseen
}

// Auth implements secret.Reader.
func (nothing) Auth(context.Context, string, string, string, model.Group) (*model.AuthSpec, error) {
	return nil, secret.ErrUnseen
}

// today is a secret.Reader of the objects that say where credentials are.
// Credentials themselves, in Secrets and ConfigMaps, stay unseen: who writes a
// ScaledObject may not be allowed to know what is in them.
type today struct{ cluster Cluster }

var _ secret.Reader = today{}

// Secret implements secret.Reader.
func (today) Secret(context.Context, string, string) (map[string][]byte, error) {
	return nil, secret.ErrUnseen
}

// ConfigMap implements secret.Reader.
func (today) ConfigMap(context.Context, string, string) (map[string]string, error) {
	return nil, secret.ErrUnseen
}

// PodSpec implements secret.Reader. A target that is not there yet, or can't
// be read, is unseen.
func (t today) PodSpec(ctx context.Context, namespace string, target model.Target) (*corev1.PodSpec, error) {
	pod, err := t.cluster.PodSpec(ctx, namespace, target)
	if err != nil && !errors.Is(err, secret.ErrNoPods) {
		return nil, secret.ErrUnseen
	}
	return pod, err
}

// Auth implements secret.Reader. An object that is not there is said to be
// missing; one that can't be read is unseen.
func (t today) Auth(ctx context.Context, kind, namespace, name string, group model.Group) (*model.AuthSpec, error) {
	spec, err := t.cluster.Auth(ctx, kind, namespace, name, group)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, secret.ErrUnseen
	}
	return spec, err
}
