package metricsapi

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/internal/conn"
)

// finder takes a number out of an answer. Its errors do not repeat the answer.
type finder func(body []byte) (float64, error)

func finderOf(format, location string) (finder, error) {
	switch format {
	case "json":
		return func(body []byte) (float64, error) { return conn.NumberAt(body, location) }, nil
	case "yaml":
		return func(body []byte) (float64, error) { return inYAML(body, location) }, nil
	case "xml":
		return func(body []byte) (float64, error) { return inXML(body, location) }, nil
	case "prometheus":
		s, err := parseSelector(location)
		if err != nil {
			return nil, err
		}
		return s.find, nil
	}
	return nil, fmt.Errorf("the format %q is unknown", format)
}

func inYAML(body []byte, path string) (float64, error) {
	var v any
	if err := yaml.Unmarshal(body, &v, func(d *json.Decoder) *json.Decoder { d.UseNumber(); return d }); err != nil {
		return 0, errors.New("the answer is no YAML")
	}
	return at(v, path)
}

// inXML reads the answer as nested maps: elements by name, attributes as
// "-name", text beside attributes or elements as "#text", and elements that
// come several times as a list.
func inXML(body []byte, path string) (float64, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err != nil {
			return 0, errors.New("the answer is no XML")
		}
		root, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		v, err := element(d, root, 0)
		if err != nil {
			return 0, errors.New("the answer is no XML")
		}
		return at(map[string]any{root.Name.Local: v}, path)
	}
}

func element(d *xml.Decoder, start xml.StartElement, depth int) (any, error) {
	const deepest = 1000
	if depth > deepest {
		return nil, errors.New("nested too deeply")
	}
	children := map[string]any{}
	for _, a := range start.Attr {
		children["-"+a.Name.Local] = a.Value
	}
	var text strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			v, err := element(d, t, depth+1)
			if err != nil {
				return nil, err
			}
			add(children, t.Name.Local, v)
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			said := strings.TrimSpace(text.String())
			if len(children) == 0 {
				return said, nil
			}
			if said != "" {
				children["#text"] = said
			}
			return children, nil
		}
	}
}

// repeated is an element that came several times.
type repeated []any

func add(children map[string]any, name string, v any) {
	switch before := children[name].(type) {
	case nil:
		children[name] = v
	case repeated:
		children[name] = append(before, v)
	default:
		children[name] = repeated{before, v}
	}
}

// at follows a path of names and list positions; "\." is a dot in a name.
func at(v any, path string) (float64, error) {
	for _, step := range steps(path) {
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[step]
			if !ok {
				return 0, fmt.Errorf("there is no %q", step)
			}
			v = next
		case []any:
			next, err := item(in, step)
			if err != nil {
				return 0, err
			}
			v = next
		case repeated:
			next, err := item(in, step)
			if err != nil {
				return 0, err
			}
			v = next
		default:
			return 0, fmt.Errorf("there is nothing below to find %q in", step)
		}
	}
	if m, ok := v.(map[string]any); ok && m["#text"] != nil {
		v = m["#text"]
	}
	switch found := v.(type) {
	case json.Number:
		return conn.Number(found.String())
	case string:
		return conn.Number(found)
	case nil:
		return 0, errors.New("there is null; expected a number")
	case bool:
		return 0, errors.New("there is a boolean; expected a number")
	case map[string]any:
		return 0, errors.New("there is a map; expected a number")
	}
	return 0, errors.New("there is a list; expected a number")
}

func item(list []any, step string) (any, error) {
	i, err := strconv.Atoi(step)
	if err != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("there is no item %q in a list of %d", step, len(list))
	}
	return list[i], nil
}

func steps(path string) []string {
	var out []string
	var step strings.Builder
	escaped := false
	for _, r := range path {
		switch {
		case escaped:
			step.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '.':
			out = append(out, step.String())
			step.Reset()
		default:
			step.WriteRune(r)
		}
	}
	return append(out, step.String())
}
