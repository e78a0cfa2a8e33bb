package crd_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
)

// served is what the API server makes of an object: with defaults, the fields
// that it does not know, and what it refuses.
type served struct {
	object  map[string]any
	unknown []string
	refused []string
}

// serve does to an object what the API server does on create.
func serve(t *testing.T, object map[string]any) served {
	t.Helper()
	group, _, _ := strings.Cut(object["apiVersion"].(string), "/")
	c, ok := load(t)[group+"/"+object["kind"].(string)]
	if !ok {
		t.Fatalf("no CRD for %s %s", group, object["kind"])
	}
	in := internal(t, c)
	props := in.Spec.Validation
	if props == nil {
		props = &apiextensions.CustomResourceValidation{OpenAPIV3Schema: in.Spec.Versions[0].Schema.OpenAPIV3Schema}
	}
	structural, err := structuralschema.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	out := served{object: object}
	out.unknown = pruning.PruneWithOptions(object, structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.PruneNonNullableNullsWithoutDefaults(object, structural)
	defaulting.Default(object, structural)
	for _, err := range validation.ValidateCustomResource(nil, object, validator) {
		out.refused = append(out.refused, err.Error())
	}
	return out
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{kedav1.AddToScheme, firstv1.AddToScheme, eventingv1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// through decodes an object into its Go type, refusing unknown fields, and
// encodes it again.
func through(t *testing.T, object map[string]any) map[string]any {
	t.Helper()
	gv, err := schema.ParseGroupVersion(object["apiVersion"].(string))
	if err != nil {
		t.Fatal(err)
	}
	typed, err := scheme(t).New(gv.WithKind(object["kind"].(string)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(typed); err != nil {
		t.Fatal(err)
	}
	copied := typed.DeepCopyObject()
	if diff := cmp.Diff(typed, copied); diff != "" {
		t.Errorf("the deep copy differs (-original +copy):\n%s", diff)
	}
	if raw, err = json.Marshal(copied); err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// full builds an object of a kind with every field that upstream has.
func full(t *testing.T, id string) map[string]any {
	t.Helper()
	group, kind, _ := strings.Cut(id, "/")
	object := map[string]any{"apiVersion": group + "/v1alpha1", "kind": kind, "metadata": map[string]any{"name": "all", "namespace": "default"}}
	for _, f := range upstreamFields(t) {
		if top, rest, _ := strings.Cut(f.path, "."); f.group == group && top == kind && rest != "" {
			put(object, strings.Split(rest, "."), example(f))
		}
	}
	return object
}

// example is a value of the field that its limits allow and that is not its
// type's zero value.
func example(f upstreamField) any {
	name := f.path[strings.LastIndex(f.path, ".")+1:]
	switch {
	case name == "template":
		return map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"a": "b"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "main", "resources": map[string]any{}}}},
		}
	case name == "behavior" && f.kind == "object":
		return map[string]any{"scaleDown": map[string]any{"selectPolicy": "Disabled"}}
	case name == "selector":
		return map[string]any{"matchLabels": map[string]any{"a": "b"}}
	case name == "podFailurePolicy":
		return map[string]any{"rules": []any{map[string]any{"action": "Ignore"}}}
	case name == "health":
		return map[string]any{"s0-a": map[string]any{"numberOfFailures": 2.0, "status": "Failing"}}
	case name == "triggersActivity":
		return map[string]any{"s0-a": map[string]any{"isActive": true}}
	case name == "lastActiveTime":
		return "2026-03-04T05:06:07Z"
	case len(f.oneOf) > 0:
		return f.oneOf[len(f.oneOf)-1]
	}
	switch f.kind {
	case "integer":
		return 3.0
	case "boolean":
		return true
	case "map of string":
		return map[string]any{"key": "value"}
	case "array":
		return []any{}
	case "object":
		return map[string]any{}
	}
	return "text"
}

// put sets the value at a path; "name[]" is the first item of a list. What is
// there already, because a child came first, stays.
func put(into map[string]any, path []string, value any) {
	name, item := strings.CutSuffix(path[0], "[]")
	switch {
	case len(path) == 1 && item:
		if list, _ := into[name].([]any); len(list) == 0 {
			into[name] = []any{value}
		}
	case len(path) == 1:
		if _, ok := into[name]; !ok {
			into[name] = value
		}
	case item:
		list, _ := into[name].([]any)
		if len(list) == 0 {
			list = []any{map[string]any{}}
			into[name] = list
		}
		put(list[0].(map[string]any), path[1:], value)
	default:
		child, ok := into[name].(map[string]any)
		if !ok {
			child = map[string]any{}
			into[name] = child
		}
		put(child, path[1:], value)
	}
}

// An object with all of upstream's fields passes the API server unchanged and
// is the same after the Go types.
func TestAllFieldsPass(t *testing.T) {
	for id := range shapes {
		t.Run(id, func(t *testing.T) {
			want := full(t, id)
			got := serve(t, full(t, id))
			for _, path := range got.unknown {
				t.Errorf("unknown field %s", path)
			}
			for _, why := range got.refused {
				t.Errorf("refused: %s", why)
			}
			if diff := cmp.Diff(want, got.object); diff != "" {
				t.Errorf("the API server changes it (-sent +kept):\n%s", diff)
			}
			if diff := cmp.Diff(want, through(t, want)); diff != "" {
				t.Errorf("the Go types change it (-before +after):\n%s", diff)
			}
		})
	}
}

// TestOurStatus checks the fields of status that are ours only.
func TestOurStatus(t *testing.T) {
	const conditions = `{conditions: [{type: Ready, status: "True", reason: A, message: b, lastTransitionTime: "2026-03-04T05:06:07Z", observedGeneration: 4}], observedGeneration: 4`
	const decision = `, lastDecision: {time: "2026-03-04T05:06:07Z", rule: JumpStart, from: 0, to: 7, message: lag 70}`
	statuses := map[string]string{
		"keda.sh/ScaledObject": conditions + decision + "}", "keda.sh/ScaledJob": conditions + decision + "}",
		"keda.k8s.io/ScaledObject": conditions + decision + `, hpaName: keda-hpa-a, pausedReplicaCount: 2,
			scaleTargetGVKR: {group: apps, version: v1, kind: Deployment, resource: deployments}, triggersTypes: cron}`,
		"eventing.keda.sh/CloudEventSource": conditions + "}", "eventing.keda.sh/ClusterCloudEventSource": conditions + "}",
	}
	for id, text := range statuses {
		t.Run(id, func(t *testing.T) {
			var status map[string]any
			if err := yaml.Unmarshal([]byte(strings.ReplaceAll(text, "\t", " ")), &status); err != nil {
				t.Fatal(err)
			}
			object := full(t, id)
			object["status"] = status
			want := runtime.DeepCopyJSON(object)
			got := serve(t, object)
			if len(got.unknown)+len(got.refused) > 0 {
				t.Errorf("unknown %q, refused %q", got.unknown, got.refused)
			}
			if diff := cmp.Diff(want, through(t, want)); diff != "" {
				t.Errorf("the Go types change it (-before +after):\n%s", diff)
			}
		})
	}
}
