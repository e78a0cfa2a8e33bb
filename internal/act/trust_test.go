package act

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestTrustAPIService: whom an APIService trusts is written when it differs,
// and nothing else of it is touched.
func TestTrustAPIService(t *testing.T) {
	api := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"group": "external.metrics.k8s.io"}}}
	api.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	api.SetName("v1beta1.external.metrics.k8s.io")
	c := newCluster(t, api)
	for _, step := range []struct {
		ca    string
		wrote bool
	}{{"authority one", true}, {"authority one", false}, {"authority two", true}} {
		wrote, err := TrustAPIService(t.Context(), c.client, c.client, api.GetName(), []byte(step.ca))
		if err != nil || wrote != step.wrote {
			t.Errorf("%s: wrote %v, %v; expected %v", step.ca, wrote, err, step.wrote)
		}
	}
	if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(api), api); err != nil {
		t.Fatal(err)
	}
	ca, _, _ := unstructured.NestedFieldNoCopy(api.Object, "spec", "caBundle")
	group, _, _ := unstructured.NestedString(api.Object, "spec", "group")
	if text, ok := ca.(string); !ok || text != "YXV0aG9yaXR5IHR3bw==" || group != "external.metrics.k8s.io" {
		t.Errorf("the APIService is %v", api.Object)
	}
	if _, err := TrustAPIService(t.Context(), c.client, c.client, "another", []byte("x")); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("an APIService that is not there: %v", err)
	}
}
