package app

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kedago/keda/pkg/scaler"
)

// TestReadStatus: a status comes from the object itself, whatever its kind, and
// what is in the way of it is told apart, with the Role to add where it is a
// permission.
func TestReadStatus(t *testing.T) {
	route := func(name string, status any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "http.keda.sh/v1beta1", "kind": "InterceptorRoute", "metadata": map[string]any{"namespace": "shop", "name": name},
		}}
		if status != nil {
			u.Object["status"] = status
		}
		return u
	}
	refused := func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
		switch key.Name {
		case "forbidden":
			return apierrors.NewForbidden(schema.GroupResource{Group: "http.keda.sh", Resource: "interceptorroutes"}, key.Name, errors.New("no rule"))
		case "no kind":
			return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "InterceptorRoute"}}
		case "away":
			return errors.New("connection refused")
		}
		return c.Get(ctx, key, obj, opts...)
	}
	v := clusterView{live: fake.NewClientBuilder().WithScheme(scheme.Scheme).WithInterceptorFuncs(interceptor.Funcs{Get: refused}).
		WithObjects(route("checkout", map[string]any{"n": int64(3)}), route("new", nil)).Build()}
	for name, c := range map[string]struct {
		apiVersion, name, want string
		reason                 scaler.Reason
		said                   string
	}{
		"status":      {"http.keda.sh/v1beta1", "checkout", `{"n":3}`, "", ""},
		"no status":   {"http.keda.sh/v1beta1", "new", "", "", ""},
		"no object":   {"http.keda.sh/v1beta1", "none", "", scaler.ReasonMissing, "it does not exist"},
		"no kind":     {"http.keda.sh/v1beta1", "no kind", "", scaler.ReasonMissing, "no kind InterceptorRoute in http.keda.sh/v1beta1"},
		"bad version": {"a/b/c", "checkout", "", scaler.ReasonMisconfigured, "a/b/c"},
		"forbidden":   {"http.keda.sh/v1beta1", "forbidden", "", scaler.ReasonDenied, `a Role in namespace shop, bound to the operator's service account, that lets it get the resource "interceptorroutes" of the API group "http.keda.sh"`},
		"away":        {"http.keda.sh/v1beta1", "away", "", scaler.ReasonUnreachable, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.ReadStatus(t.Context(), c.apiVersion, "InterceptorRoute", "shop", c.name)
			if c.reason == "" {
				if err != nil || string(got) != c.want {
					t.Errorf("read %q, %v; expected %q", got, err, c.want)
				}
				return
			}
			if scaler.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v; expected %s with %q", err, c.reason, c.said)
			}
		})
	}
	if got := resourceOf(errors.New("no"), "InterceptorRoute"); got != "this InterceptorRoute" {
		t.Errorf("a refusal without details is of %s", got)
	}
}
