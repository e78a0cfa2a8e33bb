package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestUpToDate: the chart's generated files are what the table and deploy say.
func TestUpToDate(t *testing.T) {
	files, err := content()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", "deploy", "helm", "keda", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not up to date, run hack/generate.sh", name)
		}
	}
}

// TestValuesAreTheTable: values.yaml reads back as the table's defaults.
func TestValuesAreTheTable(t *testing.T) {
	var text bytes.Buffer
	if err := writeYAML(&text, settings(), 0); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := yaml.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if want := roundTrip(t, defaults(settings())); !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nexpected %v", got, want)
	}
}

func defaults(values []value) map[string]any {
	out := map[string]any{}
	for _, v := range values {
		if v.children != nil {
			out[v.name] = defaults(v.children)
		} else {
			out[v.name] = v.fallback
		}
	}
	return out
}

func roundTrip(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTable: each value has a default of a known kind, says what it is for in
// one line, and is there once.
func TestTable(t *testing.T) {
	var check func(prefix string, values []value)
	check = func(prefix string, values []value) {
		seen := map[string]bool{}
		for _, v := range values {
			path := prefix + v.name
			if seen[v.name] {
				t.Errorf("%s is there twice", path)
			}
			seen[v.name] = true
			if v.children != nil {
				check(path+".", v.children)
				continue
			}
			if v.fallback == nil || v.about == "" || strings.Contains(v.about, "\n") {
				t.Errorf("%s has the default %v and says %q", path, v.fallback, v.about)
			}
		}
	}
	check("", settings())
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, nil},
		{"one two three", 7, []string{"one two", "three"}},
		{"unbreakable", 3, []string{"unbreakable"}},
	} {
		if got := wrap(c.text, c.width); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q at %d: %q, expected %q", c.text, c.width, got, c.want)
		}
	}
}
