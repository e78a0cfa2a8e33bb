package validate

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	yamlnode "go.yaml.in/yaml/v4"

	"github.com/kedago/keda/internal/manifest"
)

// Input is one file, or standard input.
type Input struct {
	// Name is how the input is called in the report.
	Name string
	Data []byte
	// Found says that the user named a folder rather than this file, so what
	// is no Kubernetes object in it is passed over.
	Found bool
}

// document is one YAML or JSON document of an input.
type document struct {
	file string
	// line is where the document begins, counted from 1.
	line int
	// content is what the API server would be sent; nil with err.
	content map[string]any
	// node knows the lines; nil when only content could be read.
	node *yamlnode.Node
	// prefix is the path of the object within the document, for items of a List.
	prefix string
	// err says why there is no content; doubled, which key is there twice.
	err, doubled error
	doubledLine  int
	found        bool
}

// documents splits an input and parses every document in it. Empty ones are
// left out.
func documents(in Input) []document {
	data := bytes.TrimPrefix(in.Data, []byte("\ufeff"))
	var out []document
	for _, c := range manifest.Split(data) {
		if d, ok := parse(c); ok {
			d.file, d.found = in.Name, in.Found
			out = append(out, d.items()...)
		}
	}
	return out
}

// errNoObject is a document that is a list or a scalar.
var errNoObject = errors.New("it is no object; expected fields such as apiVersion, kind and metadata")

func parse(c manifest.Document) (document, bool) {
	d := document{line: c.Line}
	if !manifest.Meaningful(c.Text) {
		return d, false
	}
	if c.JSON {
		// Tabs mean nothing between JSON tokens, but YAML, which finds the
		// lines, does not take them as indentation.
		c.Text = bytes.ReplaceAll(c.Text, []byte("\t"), []byte(" "))
	}
	for _, line := range bytes.SplitAfter(c.Text, []byte("\n")) {
		if manifest.Meaningful(line) {
			break
		}
		d.line++
	}
	var root yamlnode.Node
	if err := yamlnode.Unmarshal(c.Text, &root); err != nil {
		d.line, d.err = syntaxError(err, c.Line)
		return d, true
	}
	raw, err := yaml.YAMLToJSONStrict(c.Text)
	if err != nil {
		d.doubledLine, d.doubled = syntaxError(err, c.Line)
		raw, err = yaml.YAMLToJSON(c.Text)
	}
	if err != nil {
		d.line, d.err = syntaxError(err, c.Line)
		return d, true
	}
	if string(raw) == "null" {
		return d, false
	}
	if err := utiljson.Unmarshal(raw, &d.content); err != nil || d.content == nil {
		d.content, d.err = nil, errNoObject
		return d, true
	}
	if len(root.Content) == 1 {
		d.node = root.Content[0]
		shift(d.node, c.Line-1, map[*yamlnode.Node]bool{})
	}
	return d, true
}

// shift turns lines within the document into lines of the file.
func shift(n *yamlnode.Node, by int, done map[*yamlnode.Node]bool) {
	if done[n] {
		return // an alias leads here twice
	}
	done[n] = true
	n.Line += by
	for _, c := range n.Content {
		shift(c, by, done)
	}
}

var lineInError = regexp.MustCompile(`line (\d+)`)

// syntaxError words a parser's error and finds its line in the file.
func syntaxError(err error, firstLine int) (line int, worded error) {
	line = firstLine
	text := err.Error()
	if m := lineInError.FindStringSubmatch(text); m != nil {
		if n, convErr := strconv.Atoi(m[1]); convErr == nil {
			line = firstLine + n - 1
		}
		text = strings.Replace(text, m[0], fmt.Sprintf("line %d", line), 1)
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "error converting YAML to JSON: "), "yaml: ")
	text = strings.TrimPrefix(strings.Join(strings.Fields(text), " "), "unmarshal errors: ")
	return line, errors.New(text)
}

// items returns the objects of a List, or the document itself.
func (d document) items() []document {
	list, isList := d.content["items"].([]any)
	if kind, _ := d.content["kind"].(string); !isList || !strings.HasSuffix(kind, "List") {
		return []document{d}
	}
	var out []document
	for i, item := range list {
		one := d
		one.prefix = fmt.Sprintf("items[%d]", i)
		one.node, one.line = find(d.node, one.prefix, d.line)
		if one.content, isList = item.(map[string]any); !isList {
			one.err = fmt.Errorf("%s is no object", one.prefix)
		}
		out = append(out, one)
	}
	return out
}

// lineOf returns the line of a field of the object, or of the nearest thing
// around it.
func (d document) lineOf(path string) int {
	_, line := find(d.node, path, d.line)
	return line
}

// find walks a path such as spec.triggers[0].metadata.topic, in which names
// may hold dots, as far as the nodes go.
func find(n *yamlnode.Node, path string, line int) (*yamlnode.Node, int) {
	for n != nil {
		if n.Kind == yamlnode.AliasNode {
			n = n.Alias
			continue
		}
		if path = strings.TrimPrefix(path, "."); path == "" {
			return n, line
		}
		var key, value *yamlnode.Node
		switch n.Kind {
		case yamlnode.MappingNode:
			key, value, path = step(n, path)
		case yamlnode.SequenceNode:
			index, rest, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
			if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(n.Content) {
				key, value, path = n.Content[i], n.Content[i], rest
			}
		}
		if value == nil {
			return nil, line
		}
		n, line = value, key.Line
	}
	return nil, line
}

// step takes the longest key of a mapping that path begins with.
func step(n *yamlnode.Node, path string) (key, value *yamlnode.Node, rest string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		after, ok := strings.CutPrefix(path, k.Value)
		if !ok || after != "" && after[0] != '.' && after[0] != '[' {
			continue
		}
		if key == nil || len(k.Value) > len(key.Value) {
			key, value, rest = k, n.Content[i+1], after
		}
	}
	if base, ok := strings.CutSuffix(path, "FromEnv"); key == nil && ok {
		return step(n, base) // the first API's values that name a variable
	}
	return key, value, rest
}
