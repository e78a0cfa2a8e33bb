package crd_test

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/deploy/crd"
)

// decoded holds all CRDs, decoded strictly, by group and kind. Tests only read
// them.
var decoded = sync.OnceValues(func() (map[string]*apiextensionsv1.CustomResourceDefinition, error) {
	docs, err := crd.Documents()
	if err != nil {
		return nil, err
	}
	out := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, doc := range docs {
		c := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(doc, c); err != nil {
			return nil, err
		}
		out[c.Spec.Group+"/"+c.Spec.Names.Kind] = c
	}
	return out, nil
})

func load(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	out, err := decoded()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// internal is a CRD as the API server keeps it.
func internal(t *testing.T, c *apiextensionsv1.CustomResourceDefinition) *apiextensions.CustomResourceDefinition {
	t.Helper()
	c = c.DeepCopy()
	apiextensionsv1.SetDefaults_CustomResourceDefinition(c)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&c.Spec)
	c.Status.StoredVersions = []string{c.Spec.Versions[0].Name}
	out := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(c, out, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

type shape struct {
	Scope      apiextensionsv1.ResourceScope
	Plural     string
	ShortNames []string
	Columns    []string
}

var shapes = map[string]shape{
	"keda.k8s.io/ScaledObject": {"Namespaced", "scaledobjects", []string{"sco"}, []string{"Deployment", "Triggers", "Age"}},
	"keda.k8s.io/TriggerAuthentication": {"Namespaced", "triggerauthentications", []string{"ta", "triggerauth"},
		[]string{"PodIdentity", "Secret", "Env", "VaultAddress"}},
	"keda.sh/ScaledObject": {"Namespaced", "scaledobjects", []string{"so"}, []string{
		"ScaleTargetKind", "ScaleTargetName", "Min", "Max", "Ready", "Active", "Fallback", "Paused", "Triggers", "Authentications", "Age",
	}},
	"keda.sh/ScaledJob": {"Namespaced", "scaledjobs", []string{"sj"}, []string{
		"Min", "Max", "Ready", "Active", "Paused", "Triggers", "Authentications", "Age",
	}},
	"keda.sh/TriggerAuthentication": {"Namespaced", "triggerauthentications", []string{"ta", "triggerauth"},
		[]string{"PodIdentity", "Secret", "Env", "VaultAddress", "ScaledObjects (wide)", "ScaledJobs (wide)"}},
	"keda.sh/ClusterTriggerAuthentication": {"Cluster", "clustertriggerauthentications", []string{"cta", "clustertriggerauth"},
		[]string{"PodIdentity", "Secret", "Env", "FilePath", "VaultAddress", "ScaledObjects (wide)", "ScaledJobs (wide)"}},
	"eventing.keda.sh/CloudEventSource":        {"Namespaced", "cloudeventsources", nil, []string{"Active"}},
	"eventing.keda.sh/ClusterCloudEventSource": {"Cluster", "clustercloudeventsources", nil, []string{"Active"}},
}

func TestShapes(t *testing.T) {
	crds := load(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(shapes)), slices.Sorted(maps.Keys(crds))); diff != "" {
		t.Fatalf("CRDs (-want +got):\n%s", diff)
	}
	for id, want := range shapes {
		t.Run(id, func(t *testing.T) {
			c := crds[id]
			got := shape{Scope: c.Spec.Scope, Plural: c.Spec.Names.Plural, ShortNames: c.Spec.Names.ShortNames}
			if len(c.Spec.Versions) != 1 {
				t.Fatalf("got %d versions, want 1", len(c.Spec.Versions))
			}
			v := c.Spec.Versions[0]
			for _, column := range v.AdditionalPrinterColumns {
				name := column.Name
				if column.Priority > 0 {
					name += " (wide)"
				}
				got.Columns = append(got.Columns, name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if v.Name != "v1alpha1" || !v.Served || !v.Storage {
				t.Errorf("version %s: served %t, stored %t", v.Name, v.Served, v.Storage)
			}
			if v.Subresources == nil || v.Subresources.Status == nil {
				t.Error("has no status subresource")
			}
			if diff := cmp.Diff([]string{"keda"}, c.Spec.Names.Categories); diff != "" {
				t.Errorf("categories (-want +got):\n%s", diff)
			}
		})
	}
}

// The API server's own checks: structural schemas, defaults that fit, keys of
// lists, columns, and the approval that groups below k8s.io need.
func TestAPIServerAccepts(t *testing.T) {
	for id, c := range load(t) {
		t.Run(id, func(t *testing.T) {
			if errs := validation.ValidateCustomResourceDefinition(t.Context(), internal(t, c)); len(errs) > 0 {
				t.Error(errs.ToAggregate())
			}
			if !apihelpers.IsProtectedCommunityGroup(c.Spec.Group) {
				return
			}
			if state, why := apihelpers.GetAPIApprovalState(c.Annotations); state != apihelpers.APIApprovalBypassed {
				t.Errorf("approval: %s", why)
			}
		})
	}
}

// kubectl apply keeps what it applied in an annotation of this size at most.
func TestSmallEnoughToApply(t *testing.T) {
	const most = 256 << 10
	for id, c := range load(t) {
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > most/2 {
			t.Errorf("%s has %d bytes, and half of %d is left for it to grow", id, len(raw), most)
		}
	}
}

func TestDocumentsAreTheCallers(t *testing.T) {
	first, err := crd.Documents()
	if err != nil {
		t.Fatal(err)
	}
	first[0][0] = 'X'
	second, err := crd.Documents()
	if err != nil {
		t.Fatal(err)
	}
	if second[0][0] == 'X' {
		t.Error("a caller's change shows in the next one's documents")
	}
}
