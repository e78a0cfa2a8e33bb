package validate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocuments(t *testing.T) {
	type doc struct {
		Name  string
		Line  int // of metadata.name
		Error string
	}
	tests := map[string]struct {
		text string
		want []doc
	}{
		"nothing":                 {"", nil},
		"comments only":           {"# a\n---\n# b\n", nil},
		"one":                     {"kind: A\nmetadata:\n  name: a\n", []doc{{Name: "a", Line: 3}}},
		"two":                     {"metadata: {name: a}\n---\n# b\nmetadata:\n  name: b\n", []doc{{Name: "a", Line: 1}, {Name: "b", Line: 5}}},
		"a comment at the marker": {"--- # one\nmetadata: {name: a}\n--- {metadata: {name: b}}\n", []doc{{Name: "a", Line: 2}, {Name: "b", Line: 3}}},
		"end markers":             {"metadata: {name: a}\n...\n---\nmetadata: {name: b}\n...\n", []doc{{Name: "a", Line: 1}, {Name: "b", Line: 4}}},
		"a directive":             {"%YAML 1.1\n---\nmetadata: {name: a}\n", []doc{{Name: "a", Line: 3}}},
		"line ends of Windows":    {"metadata:\r\n  name: a\r\n---\r\nmetadata:\r\n  name: b\r\n", []doc{{Name: "a", Line: 2}, {Name: "b", Line: 5}}},
		"a byte order mark":       {"\ufeffmetadata: {name: a}\n", []doc{{Name: "a", Line: 1}}},
		"dashes within a text":    {"metadata:\n  name: a\ntext: |\n  ---\n  x\n", []doc{{Name: "a", Line: 2}}},
		"JSON":                    {"{\n\t\"metadata\": {\n\t\t\"name\": \"a\"\n\t}\n}\n", []doc{{Name: "a", Line: 3}}},
		"JSON, several":           {"{\"metadata\":{\"name\":\"a\"}}\n{\n\"metadata\":{\"name\":\"b\"}}", []doc{{Name: "a", Line: 1}, {Name: "b", Line: 3}}},
		"a List":                  {"kind: List\nitems:\n- metadata:\n    name: a\n- metadata: {name: b}\n", []doc{{Name: "a", Line: 4}, {Name: "b", Line: 5}}},
		"a List of a scalar":      {"kind: List\nitems:\n- 3\n", []doc{{Error: "items[0] is no object", Line: 3}}},
		"an anchor":               {"x: &m {name: a}\nmetadata: *m\n", []doc{{Name: "a", Line: 1}}},
		"a list":                  {"- a\n", []doc{{Error: errNoObject.Error(), Line: 1}}},
		"a broken one among others": {"metadata: {name: a}\n---\nmetadata:\n  name: b\n bad\n---\nmetadata: {name: c}\n",
			[]doc{{Name: "a", Line: 1}, {Error: "line 5: did not find expected key", Line: 5}, {Name: "c", Line: 7}}},
		"broken JSON is tried as YAML": {"{\"metadata\": {name: a}}\n", []doc{{Name: "a", Line: 1}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []doc
			for _, d := range documents(Input{Name: "x", Data: []byte(tt.text)}) {
				one := doc{Name: headOf(d.content).name, Line: d.lineOf("metadata.name")}
				if d.err != nil {
					one.Error = d.err.Error()
				}
				got = append(got, one)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("documents (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDoubledKey(t *testing.T) {
	ds := documents(Input{Data: []byte("# x\na: 1\nb: 2\na: 3\n")})
	if len(ds) != 1 || ds[0].doubled == nil || ds[0].doubledLine != 4 || ds[0].content == nil {
		t.Fatalf("documents: %+v", ds)
	}
	if !strings.Contains(ds[0].doubled.Error(), `"a"`) {
		t.Errorf("doubled: %v", ds[0].doubled)
	}
}

func TestLineOf(t *testing.T) {
	const text = `kind: A
metadata:
  annotations:
    autoscaling.keda.sh/paused: "x"
spec:
  triggers:
  - type: a
    metadata:
      host: HOST
      a.b[0]: x
      a: y
    authenticationRef:
      name: x
`
	d := documents(Input{Data: []byte(text)})[0]
	tests := map[string]int{
		"":          1,
		"kind":      1,
		"spec":      5,
		"not.there": 1,
		"metadata.annotations.autoscaling.keda.sh/paused": 4,
		"spec.triggers":                               6,
		"spec.triggers[0]":                            7,
		"spec.triggers[1].type":                       6,
		"spec.triggers[0].metadata.topic":             8,
		"spec.triggers[0].metadata.host":              9,
		"spec.triggers[0].metadata.hostFromEnv":       9,
		"spec.triggers[0].metadata.a.b[0]":            10,
		"spec.triggers[0].metadata.a":                 11,
		"spec.triggers[0].authenticationRef.password": 12,
		"spec.triggers[x].type":                       6,
		"spec.triggers[99999999999999999999].type":    6,
	}
	for path, want := range tests {
		t.Run(path, func(t *testing.T) {
			if got := d.lineOf(path); got != want {
				t.Errorf("got line %d, want %d", got, want)
			}
		})
	}
}
