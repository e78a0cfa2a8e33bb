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
	switch {
	case apierrors.IsNotFound(err):
		return nil, scaler.Missing(errors.New("it does not exist"), "%s", doing)
	case apierrors.IsForbidden(err):
		return nil, scaler.Denied(fmt.Errorf("the operator may not; expected a Role in namespace %s that lets it get this %s, such as `keda rbac` prints", namespace, kind), "%s", doing)
	case err != nil:
		return nil, scaler.Unreachable(err, "%s", doing)
	case !found:
		return nil, scaler.Missing(fmt.Errorf("it has no key %q", key), "%s", doing)
	}
	return value, nil
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
