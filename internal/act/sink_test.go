package act

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestSink: a sink is told what the events tell, with the kind of the object
// whether or not the object itself knows it.
func TestSink(t *testing.T) {
	foreign := &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject"}, ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "shop"},
	}
	tests := map[string]struct {
		about runtime.Object
		want  string
	}{
		"an object without its kind":  {owner("so"), "ConfigMap ns/so SomeReason: text"},
		"an object with its kind":     {foreign, "ScaledObject ns/shop SomeReason: text"},
		"something without a name":    {&metav1.Status{}, ""},
		"a kind that is not known of": {&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			got := ""
			a := c.WithSink(func(kind, namespace, name, reason, message string) {
				got += kind + " " + namespace + "/" + name + " " + reason + ": " + message
			})
			a.Event(tt.about, corev1.EventTypeNormal, "SomeReason", "text")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if n := len(c.events.Events); n != 1 {
				t.Errorf("%d Kubernetes events, want 1", n)
			}
			c.Event(tt.about, corev1.EventTypeNormal, "SomeReason", "text")
			if got != tt.want {
				t.Errorf("the actor without a sink told it: %q", got)
			}
		})
	}
}
