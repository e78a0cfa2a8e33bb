package validate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/pkg/scaler/param"
)

// Schemas are the schemas of our CRDs, by apiVersion and kind.
type Schemas struct {
	byKind map[gvk]*kind
}

type gvk struct{ apiVersion, kind string }

// kind is one of our kinds with its schema and what reads its objects.
type kind struct {
	schema *apiextensionsv1.JSONSchemaProps
	// auth says that objects may hold credentials.
	auth bool
	// decode is nil for kinds to which only their schema applies.
	decode decoder
}

// LoadSchemas reads CRDs, one per document.
func LoadSchemas(crds [][]byte) (Schemas, error) {
	out := Schemas{byKind: map[gvk]*kind{}}
	decoders := decoders()
	for _, raw := range crds {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(raw, &crd); err != nil {
			return Schemas{}, fmt.Errorf("reading a CRD: %w", err)
		}
		for _, v := range crd.Spec.Versions {
			if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
				return Schemas{}, fmt.Errorf("the CRD %s has no schema for %s", crd.Name, v.Name)
			}
			id := gvk{crd.Spec.Group + "/" + v.Name, crd.Spec.Names.Kind}
			out.byKind[id] = &kind{
				schema: v.Schema.OpenAPIV3Schema, decode: decoders[id],
				auth: strings.HasSuffix(id.kind, "TriggerAuthentication"),
			}
		}
	}
	for id := range decoders {
		if out.byKind[id] == nil {
			return Schemas{}, fmt.Errorf("there is no CRD for %s %s", id.apiVersion, id.kind)
		}
	}
	return out, nil
}

// find returns the kind of an object. ours is false for kinds of others; ours
// without a kind has a problem that says what is likely meant.
func (s Schemas) find(h head, ps *param.Problems) (k *kind, ours bool) {
	if k := s.byKind[gvk{h.apiVersion, h.kind}]; k != nil {
		return k, true
	}
	versions, kinds, ofKind := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for id := range s.byKind {
		versions[id.apiVersion] = true
		if id.apiVersion == h.apiVersion {
			kinds[id.kind] = true
		}
		if id.kind == h.kind {
			ofKind[id.apiVersion] = true
		}
	}
	all := slices.Sorted(maps.Keys(versions))
	sameGroup := slices.ContainsFunc(all, func(v string) bool { return groupOf(v) == groupOf(h.apiVersion) })
	near, isNear := param.Nearest(h.apiVersion, all)
	switch {
	case versions[h.apiVersion]:
		names := slices.Sorted(maps.Keys(kinds))
		ps.Errorf("kind", "found %s; expected one of %s", found(h.kind), strings.Join(names, ", "))
		if n, ok := param.Nearest(h.kind, names); ok {
			ps.Hint("did you mean %s?", n)
		}
	case sameGroup && len(ofKind) == 0, h.apiVersion == "" && len(ofKind) > 0, len(ofKind) > 0 && (sameGroup || isNear):
		expected := all
		if len(ofKind) > 0 {
			expected = slices.Sorted(maps.Keys(ofKind))
		}
		ps.Errorf("apiVersion", "found %s; expected %s", found(h.apiVersion), strings.Join(expected, " or "))
		if i := slices.IndexFunc(expected, func(v string) bool { return groupOf(v) == groupOf(h.apiVersion) }); i >= 0 {
			near, isNear = expected[i], true
		}
		if isNear {
			ps.Hint("did you mean %s?", near)
		}
	case h.apiVersion == "":
		ps.Errorf("apiVersion", "is missing; expected one such as keda.sh/v1alpha1")
	case h.kind == "":
		ps.Errorf("kind", "is missing; expected one such as ScaledObject")
	default:
		return nil, false
	}
	return nil, true
}

func found(text string) string {
	const most = 80
	switch {
	case text == "":
		return "nothing"
	case len(text) > most:
		return "a long text"
	}
	return fmt.Sprintf("%q", text)
}

// root checks a whole object, its metadata included.
func (c *checker) root(s *apiextensionsv1.JSONSchemaProps, content map[string]any) map[string]any {
	meta := metadataSchema()
	var right map[string]any
	if m, ok := content["metadata"].(map[string]any); ok {
		right = c.object(meta, "metadata", m)
	} else {
		c.errorf("metadata", "is missing or no object; expected an object with the field name")
	}
	c.names(right)
	out := c.object(s, "", content)
	out["metadata"] = right
	return out
}

// metadataSchema is what of metadata users write; the rest is taken as it is.
func metadataSchema() *apiextensionsv1.JSONSchemaProps {
	text := apiextensionsv1.JSONSchemaProps{Type: "string"}
	texts := apiextensionsv1.JSONSchemaProps{Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Schema: &text}}
	properties := map[string]apiextensionsv1.JSONSchemaProps{
		"name": text, "generateName": text, "namespace": text, "labels": texts, "annotations": texts,
		"finalizers": {Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &text}},
	}
	for _, other := range []string{
		"selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "ownerReferences", "managedFields",
	} {
		properties[other] = apiextensionsv1.JSONSchemaProps{}
	}
	return &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: properties}
}

// objectNames is what the API server takes as an object's name.
var objectNames = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func (c *checker) names(meta map[string]any) {
	if meta == nil {
		return
	}
	name, _ := meta["name"].(string)
	generate, _ := meta["generateName"].(string)
	switch {
	case name == "" && generate == "":
		c.errorf("metadata.name", "is missing; expected a name")
	case name != "" && (len(name) > 253 || !objectNames.MatchString(name)):
		c.errorf("metadata.name", "found %s; expected at most 253 small letters, digits, hyphens and dots", found(name))
	}
}
