package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/pkg/scaler"
)

var _ scaler.Statuses = clusterView{}

// ReadStatus implements scaler.Statuses. Nothing of it is cached.
func (v clusterView) ReadStatus(ctx context.Context, apiVersion, kind, namespace, name string) ([]byte, error) {
	doing := fmt.Sprintf("reading the status of %s %s/%s", kind, namespace, name)
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, scaler.Misconfigured(err, "%s", doing)
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gv.WithKind(kind))
	err = v.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, u)
	switch {
	case meta.IsNoMatchError(err):
		return nil, scaler.Missing(fmt.Errorf("the cluster has no kind %s in %s", kind, apiVersion), "%s", doing)
	case err != nil:
		return nil, unread(err, fmt.Sprintf("a Role in namespace %s, bound to the operator's service account, that lets it get %s", namespace, resourceOf(err, kind)), doing)
	}
	status, found := u.Object["status"]
	if !found {
		return nil, nil
	}
	return json.Marshal(status)
}

// resourceOf is what a refusal says was asked for, as rules have it
// ("interceptorroutes" of "http.keda.sh"), or else the kind.
func resourceOf(refusal error, kind string) string {
	var s apierrors.APIStatus
	if errors.As(refusal, &s) {
		if d := s.Status().Details; d != nil && d.Kind != "" {
			return fmt.Sprintf("the resource %q of the API group %q", d.Kind, d.Group)
		}
	}
	return "this " + kind
}
