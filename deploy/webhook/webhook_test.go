package webhook

import (
	"slices"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/deploy/crd"
)

// TestEveryKind: each kind that we define is judged, in each of its versions,
// and nothing else is.
func TestEveryKind(t *testing.T) {
	docs, err := crd.Documents()
	if err != nil {
		t.Fatal(err)
	}
	var kinds, judged []string
	for _, d := range docs {
		var c apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(d, &c); err != nil {
			t.Fatal(err)
		}
		for _, v := range c.Spec.Versions {
			kinds = append(kinds, c.Spec.Group+"/"+v.Name+"/"+c.Spec.Names.Plural)
		}
	}
	for _, r := range Configuration(Options{}).Webhooks[0].Rules {
		for _, resource := range r.Resources {
			judged = append(judged, r.APIGroups[0]+"/"+r.APIVersions[0]+"/"+resource)
		}
	}
	slices.Sort(kinds)
	slices.Sort(judged)
	if !slices.Equal(kinds, judged) {
		t.Errorf("judged are %v; expected %v", judged, kinds)
	}
}

// TestReached: a webhook is reached by a Service or by its address.
func TestReached(t *testing.T) {
	service := Configuration(Options{Namespace: "keda", Service: "hooks", CA: []byte("ca")}).Webhooks[0]
	if c := service.ClientConfig; c.URL != nil || c.Service == nil || c.Service.Name != "hooks" || *c.Service.Path != Path || string(c.CABundle) != "ca" {
		t.Errorf("by Service: %+v", c)
	}
	if *service.FailurePolicy != admissionv1.Ignore {
		t.Errorf("the failure policy is %s; expected Ignore unless told otherwise", *service.FailurePolicy)
	}
	local := Configuration(Options{URL: "https://localhost:1/validate", FailurePolicy: admissionv1.Fail}).Webhooks[0]
	if c := local.ClientConfig; c.Service != nil || c.URL == nil || *local.FailurePolicy != admissionv1.Fail {
		t.Errorf("by address: %+v", local)
	}
}
