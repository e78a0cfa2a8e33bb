package docgen

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// object is a JSON object; encoding/json writes its keys sorted.
type object = map[string]any

// Schema is a JSON Schema (draft 2020-12) of one trigger of any type: its
// metadata are checked by the definition of its type. Unknown metadata are
// allowed, as they are only a warning.
func Schema(c scaler.Catalog) ([]byte, error) {
	defs, rules := object{}, []any{}
	for _, k := range c.Kinds() {
		defs[k.Name] = metadataSchema(k)
		rules = append(rules, object{
			"if":   object{"properties": object{"type": object{"enum": append([]string{k.Name}, k.Aliases...)}}, "required": []string{"type"}},
			"then": object{"properties": object{"metadata": object{"$ref": "#/$defs/" + k.Name}}},
		})
	}
	root := object{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "KEDA trigger",
		"description": "An item of spec.triggers of a ScaledObject or ScaledJob.",
		"type":        "object",
		"required":    []string{"type", "metadata"},
		"properties": object{
			"type":              object{"type": "string", "enum": c.Types(), "description": "What is measured."},
			"name":              object{"type": "string", "description": "Name of the trigger, unique within the object."},
			"metricType":        object{"type": "string", "enum": []string{"AverageValue", "Value", "Utilization"}},
			"useCachedMetrics":  object{"type": "boolean"},
			"metadata":          object{"type": "object", "additionalProperties": object{"type": "string"}},
			"authenticationRef": authenticationRef(),
		},
		"allOf": rules,
		"$defs": defs,
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(root)
	return b.Bytes(), err
}

func authenticationRef() object {
	return object{"type": "object", "required": []string{"name"}, "properties": object{
		"name": object{"type": "string"},
		"kind": object{"type": "string", "enum": []string{"TriggerAuthentication", "ClusterTriggerAuthentication"}},
	}}
}

func metadataSchema(k scaler.Kind) object {
	properties, patterns, needed := object{}, object{}, []any{}
	for _, i := range k.New().Params().Describe() {
		if i.Prefix {
			patterns["^"+regexp.QuoteMeta(i.Name)+".+"] = object{"type": "string", "description": i.Doc}
			continue
		}
		var ways []any
		for _, name := range append([]string{i.Name}, i.Aliases...) {
			if slices.Contains(i.Origins, param.Metadata) {
				properties[name] = valueSchema(i)
				ways = append(ways, object{"required": []string{name}})
			}
			if slices.Contains(i.Origins, param.Env) {
				properties[name+"FromEnv"] = object{"type": "string", "description": "Environment variable of the target's container that holds " + i.Name + "."}
				ways = append(ways, object{"required": []string{name + "FromEnv"}})
			}
		}
		if i.Required && !slices.Contains(i.Origins, param.Auth) && len(ways) > 0 {
			needed = append(needed, object{"anyOf": ways})
		}
	}
	out := object{
		"title": k.Title, "description": k.About, "type": "object",
		"properties": properties, "additionalProperties": object{"type": "string"},
	}
	if len(patterns) > 0 {
		out["patternProperties"] = patterns
	}
	if len(needed) > 0 {
		out["allOf"] = needed
	}
	return out
}

// valueSchema describes one value; metadata are texts, whatever they hold.
func valueSchema(i param.Info) object {
	out := object{"type": "string", "description": i.Doc}
	if i.HasDefault && i.Default != "" {
		out["default"] = i.Default
	}
	if i.Example != "" {
		out["examples"] = []string{i.Example}
	}
	if i.Deprecated != "" {
		out["deprecated"] = true
	}
	if i.Secret {
		out["writeOnly"] = true
	}
	switch {
	case i.NamesEnv: // in keda.k8s.io any text may be the name of a variable
	case len(i.OneOf) > 0:
		out["pattern"] = "^\\s*(" + strings.Join(anyCase(i.OneOf), "|") + ")\\s*$"
		out["examples"] = i.OneOf
	case i.Kind == "integer":
		out["pattern"] = `^\s*[-+]?[0-9]+\s*$`
	case i.Kind == "boolean":
		out["pattern"] = `^\s*(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)\s*$`
	case i.Kind == "url":
		out["pattern"] = `^\s*[hH][tT][tT][pP][sS]?://`
	}
	return out
}

// anyCase writes texts as patterns that do not mind letter case, for which
// JSON Schema's regular expressions have no flag.
func anyCase(texts []string) []string {
	out := make([]string, len(texts))
	for n, t := range texts {
		var b strings.Builder
		for _, r := range t {
			low, up := strings.ToLower(string(r)), strings.ToUpper(string(r))
			if low == up {
				b.WriteString(regexp.QuoteMeta(string(r)))
				continue
			}
			b.WriteString("[" + low + up + "]")
		}
		out[n] = b.String()
	}
	return out
}
