package v1alpha1

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

func TestAddToScheme(t *testing.T) {
	s := runtime.NewScheme()
	if err := AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"ScaledObject", "ScaledJob", "TriggerAuthentication", "ClusterTriggerAuthentication"} {
		for _, name := range []string{kind, kind + "List"} {
			if gvk := SchemeGroupVersion.WithKind(name); !s.Recognizes(gvk) {
				t.Errorf("does not know %s", gvk)
			}
		}
	}
	if got, want := SchemeGroupVersion.String(), "keda.sh/v1alpha1"; got != want {
		t.Errorf("group and version: got %s, want %s", got, want)
	}
}
