package crd_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// upstreamField is a line of testdata/upstream-fields.tsv.
type upstreamField struct {
	group, path string
	kind        string // "map of string" and "map of object" beside the JSON schema types
	required    bool
	oneOf       []string
	def         string // JSON, empty for none
	min         *float64
}

// sameFields names the kinds that are listed under another one.
var sameFields = map[string]string{
	"TriggerAuthentication": "ClusterTriggerAuthentication",
	"CloudEventSource":      "ClusterCloudEventSource",
}

// upstreamFields reads the list, and adds the kinds that it leaves out.
func upstreamFields(t *testing.T) []upstreamField {
	t.Helper()
	raw, err := os.ReadFile("testdata/upstream-fields.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []upstreamField
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "group\t") {
			continue
		}
		f := parseField(t, line)
		out = append(out, f)
		kind, rest, _ := strings.Cut(f.path, ".")
		if other, ok := sameFields[kind]; ok && f.group != "keda.k8s.io" {
			f.path = strings.TrimSuffix(other+"."+rest, ".")
			out = append(out, f)
		}
	}
	if len(out) < 400 {
		t.Fatalf("read %d fields only", len(out))
	}
	return out
}

func parseField(t *testing.T, line string) upstreamField {
	t.Helper()
	columns := make([]string, 7)
	copy(columns, strings.Split(line, "\t"))
	f := upstreamField{
		group: columns[0], path: columns[1], kind: columns[2],
		required: columns[3] == "true", def: columns[5],
	}
	if columns[4] != "" {
		f.oneOf = strings.Split(columns[4], "|")
	}
	if least, ok := strings.CutPrefix(columns[6], "min "); ok {
		n, err := strconv.ParseFloat(least, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		f.min = &n
	}
	return f
}

// schemaAt finds the schema of a path such as "ScaledObject.spec.triggers[].type",
// and says whether the object that holds it requires it.
func schemaAt(root *apiextensionsv1.JSONSchemaProps, path string) (s *apiextensionsv1.JSONSchemaProps, required bool, err error) {
	s, required = root, true
	for _, name := range strings.Split(path, ".")[1:] {
		field, item := strings.CutSuffix(name, "[]")
		child, ok := s.Properties[field]
		if !ok {
			return nil, false, fmt.Errorf("there is no field %s", field)
		}
		required = slices.Contains(s.Required, field)
		if s = &child; !item {
			continue
		}
		if s.Items == nil || s.Items.Schema == nil {
			return nil, false, fmt.Errorf("%s has no items", field)
		}
		s, required = s.Items.Schema, false
	}
	return s, required, nil
}

func kindOf(s *apiextensionsv1.JSONSchemaProps) string {
	if more := s.AdditionalProperties; more != nil && more.Schema != nil {
		return "map of " + more.Schema.Type
	}
	return s.Type
}

func enumOf(s *apiextensionsv1.JSONSchemaProps) []string {
	var out []string
	for _, v := range s.Enum {
		text, err := strconv.Unquote(string(v.Raw))
		if err != nil {
			text = string(v.Raw)
		}
		out = append(out, text)
	}
	return out
}

func TestUpstreamFields(t *testing.T) {
	crds := load(t)
	for _, f := range upstreamFields(t) {
		kind, _, _ := strings.Cut(f.path, ".")
		t.Run(f.group+"/"+f.path, func(t *testing.T) {
			c, ok := crds[f.group+"/"+kind]
			if !ok {
				t.Fatalf("there is no CRD of %s for %s", f.group, kind)
			}
			s, required, err := schemaAt(c.Spec.Versions[0].Schema.OpenAPIV3Schema, f.path)
			if err != nil {
				t.Fatal(err)
			}
			if got := kindOf(s); got != f.kind {
				t.Errorf("type: got %s, want %s", got, f.kind)
			}
			if required != f.required {
				t.Errorf("required: got %t, want %t", required, f.required)
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(f.oneOf)), slices.Sorted(slices.Values(enumOf(s)))); diff != "" {
				t.Errorf("one of (-want +got):\n%s", diff)
			}
			def := ""
			if s.Default != nil {
				def = string(s.Default.Raw)
			}
			if def != f.def {
				t.Errorf("default: got %s, want %s", def, f.def)
			}
			if diff := cmp.Diff(f.min, s.Minimum); diff != "" {
				t.Errorf("least value (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever else we require would refuse a manifest that upstream accepts.
func TestNothingElseIsRequired(t *testing.T) {
	known := map[string]upstreamField{}
	for _, f := range upstreamFields(t) {
		known[f.group+"/"+f.path] = f
	}
	crds := load(t)
	for id, f := range known {
		kind, _, _ := strings.Cut(f.path, ".")
		if f.kind != "object" || kubernetesType(f.path) {
			continue
		}
		s, _, err := schemaAt(crds[f.group+"/"+kind].Spec.Versions[0].Schema.OpenAPIV3Schema, f.path)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		for _, name := range s.Required {
			if !known[id+"."+name].required {
				t.Errorf("%s requires %s, which upstream does not", id, name)
			}
		}
	}
}

// kubernetesType says whether a field's own fields are those of Kubernetes.
func kubernetesType(path string) bool {
	name := path[strings.LastIndex(path, ".")+1:]
	return slices.Contains([]string{"template", "selector", "behavior", "podFailurePolicy"}, name)
}
