package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"
)

// mapping is an object of a document, with its fields in order and with its
// comments. The nil mapping has no fields.
type mapping struct{ node *yaml.Node }

// asMapping returns nil for what is no object.
func asMapping(n *yaml.Node) *mapping {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	return &mapping{n}
}

func (m *mapping) index(name string) int {
	if m == nil {
		return -1
	}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		if m.node.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// value returns a field's value, nil when it is not there or null.
func (m *mapping) value(name string) *yaml.Node {
	i := m.index(name)
	if i < 0 || m.node.Content[i+1].Tag == "!!null" {
		return nil
	}
	return m.node.Content[i+1]
}

func (m *mapping) object(name string) *mapping { return asMapping(m.value(name)) }

// text returns a field's scalar, "" when it is something else.
func (m *mapping) text(name string) string {
	if v := m.value(name); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// objects returns the items of a field that is a list of objects.
func (m *mapping) objects(name string) []*mapping {
	v := m.value(name)
	if v == nil || v.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]*mapping, len(v.Content))
	for i, item := range v.Content {
		out[i] = asMapping(item)
	}
	return out
}

// names lists the fields in order.
func (m *mapping) names() []string {
	if m == nil {
		return nil
	}
	var out []string
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		out = append(out, m.node.Content[i].Value)
	}
	return out
}

func (m *mapping) remove(name string) {
	if i := m.index(name); i >= 0 {
		m.node.Content = slices.Delete(m.node.Content, i, i+2)
	}
}

func (m *mapping) rename(old, next string) {
	if i := m.index(old); i >= 0 {
		m.node.Content[i].Value = next
	}
}

// set gives a field a text; a new field comes last.
func (m *mapping) set(name, text string) {
	if i := m.index(name); i >= 0 {
		v := m.node.Content[i+1]
		v.Kind, v.Tag, v.Value, v.Content = yaml.ScalarNode, "!!str", text, nil
		return
	}
	m.add(name, scalar(text))
}

func (m *mapping) add(name string, value *yaml.Node) {
	m.node.Content = append(m.node.Content, scalar(name), value)
}

// addFirst puts a field before all others.
func (m *mapping) addFirst(name string, value *yaml.Node) {
	m.node.Content = slices.Insert(m.node.Content, 0, scalar(name), value)
}

func (m *mapping) empty() bool { return len(m.node.Content) == 0 }

// line is where a field is, or the object when it does not have it.
func (m *mapping) line(name string) int {
	if i := m.index(name); i >= 0 {
		return m.node.Content[i].Line
	}
	return m.node.Line
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

// mostNodes bounds what aliases may expand a document to.
const mostNodes = 200_000

var errTooLarge = errors.New("its aliases expand to more than 200000 values; expected a document of a size that a cluster takes")

// plain returns a copy of a tree without aliases, anchors and merged keys, so
// that a change in one place is one in no other.
func plain(n *yaml.Node, left *int) (*yaml.Node, error) {
	if *left--; *left < 0 {
		return nil, errTooLarge
	}
	if n.Kind == yaml.AliasNode {
		return plain(n.Alias, left)
	}
	out := *n
	out.Anchor, out.Alias, out.Content = "", nil, nil
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && isMerge(c) || n.Kind == yaml.MappingNode && i%2 == 1 && isMerge(n.Content[i-1]) {
			continue
		}
		copied, err := plain(c, left)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, copied)
	}
	if n.Kind == yaml.MappingNode {
		if err := merge(&out, n, left); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

func isMerge(key *yaml.Node) bool { return key.Tag == "!!merge" }

// merge adds the fields that "<<" brings in and out does not have.
func merge(out, n *yaml.Node, left *int) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from, err := plain(n.Content[i+1], left)
		if err != nil {
			return err
		}
		sources := []*yaml.Node{from}
		if from.Kind == yaml.SequenceNode {
			sources = from.Content
		}
		for _, source := range sources {
			for j := 0; source.Kind == yaml.MappingNode && j+1 < len(source.Content); j += 2 {
				if (&mapping{out}).index(source.Content[j].Value) < 0 {
					out.Content = append(out.Content, source.Content[j], source.Content[j+1])
				}
			}
		}
	}
	return nil
}

// encodeYAML writes a document, with its lists indented as they were.
func encodeYAML(n *yaml.Node) ([]byte, error) {
	return yaml.Dump(n, yaml.WithIndent(2), yaml.WithLineWidth(-1), yaml.WithCompactSeqIndent(!indentsLists(n)))
}

// indentsLists says whether the first list of a tree stands further right than
// its field.
func indentsLists(n *yaml.Node) bool {
	indented, _ := firstList(n)
	return indented
}

func firstList(n *yaml.Node) (indented, found bool) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.SequenceNode && c.Style&yaml.FlowStyle == 0 && c.Column > 0 {
			return c.Column > n.Content[i-1].Column, true
		}
		if indented, found = firstList(c); found {
			return indented, true
		}
	}
	return false, false
}

// encodeJSON writes a value with its fields in order.
func encodeJSON(n *yaml.Node) ([]byte, error) {
	var b, out bytes.Buffer
	if err := writeJSON(&b, n); err != nil {
		return nil, err
	}
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}

func writeJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeJSON(b, n.Content[0])
	case yaml.MappingNode, yaml.SequenceNode:
		open, end := byte('['), byte(']')
		if n.Kind == yaml.MappingNode {
			open, end = '{', '}'
		}
		b.WriteByte(open)
		for i, c := range n.Content {
			isValue := n.Kind == yaml.MappingNode && i%2 == 1
			switch {
			case isValue:
				b.WriteByte(':')
			case i > 0:
				b.WriteByte(',')
			}
			if err := writeJSON(b, c); err != nil {
				return err
			}
		}
		b.WriteByte(end)
		return nil
	}
	if n.Tag != "!!str" && json.Valid([]byte(n.Value)) {
		b.WriteString(n.Value)
		return nil
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(n.Value); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	b.Write(bytes.TrimRight(text.Bytes(), "\n"))
	return nil
}
