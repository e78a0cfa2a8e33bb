package app

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kedago/keda/pkg/scaler"
)

// TestReadData: a value comes from the object itself, and what is in the way of
// it is told apart, with the Role to add where it is a permission.
func TestReadData(t *testing.T) {
	at := metav1.ObjectMeta{Namespace: "shop", Name: "settings"}
	refused := func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
		switch key.Name {
		case "forbidden":
			return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, key.Name, errors.New("no rule"))
		case "away":
			return errors.New("connection refused")
		}
		return c.Get(ctx, key, obj, opts...)
	}
	v := clusterView{live: fake.NewClientBuilder().WithScheme(scheme.Scheme).WithInterceptorFuncs(interceptor.Funcs{Get: refused}).
		WithObjects(&corev1.ConfigMap{ObjectMeta: at, Data: map[string]string{"n": "3"}}, &corev1.Secret{ObjectMeta: at, Data: map[string][]byte{"n": []byte("4")}}).Build()}
	for name, c := range map[string]struct {
		kind, name, key, value string
		reason                 scaler.Reason
		said                   string
	}{
		"ConfigMap": {"ConfigMap", "settings", "n", "3", "", ""},
		"Secret":    {"Secret", "settings", "n", "4", "", ""},
		"no key":    {"Secret", "settings", "m", "", scaler.ReasonMissing, `it has no key "m"`},
		"no object": {"ConfigMap", "none", "n", "", scaler.ReasonMissing, "it does not exist"},
		"forbidden": {"Secret", "forbidden", "n", "", scaler.ReasonDenied, "a Role in namespace shop that lets it get this Secret"},
		"away":      {"Secret", "away", "n", "", scaler.ReasonUnreachable, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.ReadData(t.Context(), c.kind, "shop", c.name, c.key)
			if c.reason == "" {
				if err != nil || string(got) != c.value {
					t.Errorf("read %q, %v; expected %q", got, err, c.value)
				}
				return
			}
			if scaler.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v; expected %s with %q", err, c.reason, c.said)
			}
		})
	}
}
