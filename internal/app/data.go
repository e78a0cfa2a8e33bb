package app

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kedago/keda/pkg/scaler"
)

var _ scaler.Data = clusterView{}

// ReadData implements scaler.Data. Nothing of it is cached.
func (v clusterView) ReadData(ctx context.Context, kind, namespace, name, key string) ([]byte, error) {
	doing := fmt.Sprintf("reading %s %s/%s", kind, namespace, name)
	value, found, err := v.data(ctx, kind, namespace, name, key)
	if err != nil {
		return nil, unread(err, fmt.Sprintf("a Role in namespace %s that lets it get this %s, such as `keda rbac` prints", namespace, kind), doing)
	}
	if !found {
		return nil, scaler.Missing(fmt.Errorf("it has no key %q", key), "%s", doing)
	}
	return value, nil
}

// unread is why an object could not be read for a trigger. expected is what
// would let the operator where that is forbidden.
func unread(err error, expected, doing string) error {
	switch {
	case apierrors.IsNotFound(err):
		return scaler.Missing(errors.New("it does not exist"), "%s", doing)
	case apierrors.IsForbidden(err):
		return scaler.Denied(fmt.Errorf("the operator may not; expected %s", expected), "%s", doing)
	}
	return scaler.Unreachable(err, "%s", doing)
}

func (v clusterView) data(ctx context.Context, kind, namespace, name, key string) (value []byte, found bool, err error) {
	reader := clusterReader{live: v.live}
	if kind == "Secret" {
		all, err := reader.Secret(ctx, namespace, name)
		value, found = all[key]
		return value, found, err
	}
	all, err := reader.ConfigMap(ctx, namespace, name)
	text, found := all[key]
	return []byte(text), found, err
}
