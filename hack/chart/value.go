package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// value is one of the chart's values or, with children, a group of them. All
// that a user reads or that Helm checks is derived from it: values.yaml, its
// JSON schema and the README's table.
type value struct {
	name, about string
	// fallback is the default of a value without children; never nil.
	fallback any
	// choices are all that is allowed, where that is a list.
	choices []any
	// kinds are the JSON types that are allowed beside the default's own.
	kinds    []string
	children []value
	// open says that a group may hold values that are not ours.
	open bool
}

func group(name, about string, children ...value) value {
	return value{name: name, about: about, children: children}
}

// text, flag, number, object and list are values with a default of that kind.
func text(name, fallback, about string) value {
	return value{name: name, about: about, fallback: fallback}
}

func flag(name string, fallback bool, about string) value {
	return value{name: name, about: about, fallback: fallback}
}

func number(name string, fallback int, about string) value {
	return value{name: name, about: about, fallback: fallback}
}

func object(name, about string) value {
	return value{name: name, about: about, fallback: map[string]any{}}
}

func list(name, about string) value {
	return value{name: name, about: about, fallback: []any{}}
}

// or gives an object or list another default.
func (v value) or(fallback any) value {
	v.fallback = fallback
	return v
}

// of restricts a value to choices.
func (v value) of(choices ...any) value {
	v.choices = choices
	return v
}

// also allows further JSON types.
func (v value) also(kinds ...string) value {
	v.kinds = kinds
	return v
}

// writeYAML writes values with their comments.
func writeYAML(out *bytes.Buffer, values []value, depth int) error {
	indent := strings.Repeat("  ", depth)
	for _, v := range values {
		if depth == 0 {
			out.WriteByte('\n')
		}
		for _, line := range wrap(v.about, 100-len(indent)) {
			fmt.Fprintf(out, "%s# %s\n", indent, line)
		}
		if v.children != nil {
			fmt.Fprintf(out, "%s%s:\n", indent, v.name)
			if err := writeYAML(out, v.children, depth+1); err != nil {
				return err
			}
			continue
		}
		encoded, err := yaml.Marshal(v.fallback)
		if err != nil {
			return fmt.Errorf("default of %s: %w", v.name, err)
		}
		body := strings.TrimRight(string(encoded), "\n")
		if !nested(v.fallback) {
			fmt.Fprintf(out, "%s%s: %s\n", indent, v.name, body)
			continue
		}
		fmt.Fprintf(out, "%s%s:\n", indent, v.name)
		for line := range strings.Lines(body) {
			fmt.Fprintf(out, "%s  %s", indent, line)
		}
		out.WriteByte('\n')
	}
	return nil
}

// nested says whether a default takes lines of its own.
func nested(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	return false
}

// wrap breaks text into lines of at most width characters where words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// schema describes values as a JSON schema that knows no others, so that a
// misspelt name is an error and not a setting without effect.
func schema(values []value, about string) map[string]any {
	properties := map[string]any{}
	for _, v := range values {
		if v.children != nil {
			child := schema(v.children, v.about)
			child["additionalProperties"] = v.open
			properties[v.name] = child
			continue
		}
		p := map[string]any{"description": v.about, "default": v.fallback}
		if types := append([]string{kindOf(v.fallback)}, v.kinds...); len(types) == 1 {
			p["type"] = types[0]
		} else {
			p["type"] = types
		}
		if v.choices != nil {
			p["enum"] = v.choices
		}
		properties[v.name] = p
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if about != "" {
		out["description"] = about
	}
	return out
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int:
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

// table writes one row for each value.
func table(out *bytes.Buffer, values []value, prefix string) error {
	for _, v := range values {
		path := prefix + v.name
		if v.children != nil {
			if err := table(out, v.children, path+"."); err != nil {
				return err
			}
			continue
		}
		fallback, err := json.Marshal(v.fallback)
		if err != nil {
			return fmt.Errorf("default of %s: %w", path, err)
		}
		about := v.about
		if v.choices != nil {
			about += "; one of " + choices(v.choices)
		}
		fmt.Fprintf(out, "| `%s` | %s | `%s` | %s |\n", path, kindOf(v.fallback), fallback, strings.ReplaceAll(about, "|", `\|`))
	}
	return nil
}

func choices(all []any) string {
	var out []string
	for _, c := range all {
		encoded, err := json.Marshal(c)
		if err != nil {
			encoded = fmt.Append(nil, c)
		}
		out = append(out, "`"+string(encoded)+"`")
	}
	return strings.Join(out, ", ")
}
