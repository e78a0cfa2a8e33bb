package validate

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/deploy/crd"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

var update = flag.Bool("update", false, "write the golden files anew")

// queue is a trigger type with every kind of parameter.
type queue struct {
	name              string
	length, threshold float64
	password          param.Hidden
}

func (c *queue) Params() param.Set {
	return param.Set{
		param.Text("queueName", &c.name).Required(),
		param.Float("queueLength", &c.length).Default(5).Target(),
		param.Float("activationQueueLength", &c.threshold).Activation(),
		param.Secret("password", &c.password).From(param.Auth, param.Env).NamesEnv(""),
	}
}
func (c *queue) Metric() string { return "queue/" + c.name }
func (c *queue) Open(context.Context, scaler.Env) (scaler.Source, error) {
	return nil, nil
}

// native is a trigger type that the HPA measures.
type native struct{ value string }

func (c *native) Params() param.Set {
	return param.Set{param.Text("value", &c.value).Required()}
}
func (c *native) Metric() string                                          { return "cpu" }
func (c *native) Open(context.Context, scaler.Env) (scaler.Source, error) { return nil, nil }
func (c *native) Resource() scaler.ResourceMetric {
	return scaler.ResourceMetric{Resource: "cpu", Value: c.value}
}

func options(t testing.TB) Options {
	t.Helper()
	catalog, err := scaler.NewCatalog(
		scaler.Kind{Name: "queue", New: func() scaler.Config { return &queue{} }},
		scaler.Kind{Name: "cpu", New: func() scaler.Config { return &native{} }},
	)
	if err != nil {
		t.Fatal(err)
	}
	crds, err := crd.Documents()
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := LoadSchemas(crds)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Catalog: catalog, Schemas: schemas, ClusterNamespace: "keda"}
}

// TestGolden: testdata/golden/x.yaml gives x.txt.
func TestGolden(t *testing.T) {
	o := options(t)
	files, err := filepath.Glob("testdata/golden/*.[yj]*")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d inputs, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			report := Check([]Input{{Name: filepath.Base(file), Data: data}}, o)
			var text bytes.Buffer
			if err := report.Text(&text); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text.String(), "hunter2") {
				t.Errorf("a credential is in the report:\n%s", text.String())
			}
			golden := strings.TrimSuffix(file, filepath.Ext(file)) + ".txt"
			if *update {
				if err := os.WriteFile(golden, text.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text.String()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	const manifest = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: a, namespace: ns}
spec: {scaleTargetRef: {name: app}, triggers: [{type: queu, metadata: {}}]}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: b}
spec: {}
`
	var out bytes.Buffer
	if err := Check([]Input{{Name: "f.yaml", Data: []byte(manifest)}}, options(t)).JSON(&out); err != nil {
		t.Fatal(err)
	}
	want := `[
  {
    "file": "f.yaml",
    "kind": "ScaledObject",
    "apiVersion": "keda.sh/v1alpha1",
    "namespace": "ns",
    "name": "a",
    "valid": false,
    "problems": [
      {
        "path": "spec.triggers[0].type",
        "severity": "error",
        "message": "found \"queu\", which is no trigger type; expected one of cpu, queue",
        "hint": "did you mean queue?"
      }
    ]
  },
  {
    "file": "f.yaml",
    "kind": "TriggerAuthentication",
    "apiVersion": "keda.sh/v1alpha1",
    "namespace": "",
    "name": "b",
    "valid": true,
    "problems": []
  }
]
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	out.Reset()
	if err := (Report{}).JSON(&out); err != nil || out.String() != "[]\n" {
		t.Errorf("an empty report: %q, %v", out.String(), err)
	}
}

// FuzzCheck checks any input: nothing panics, every problem says what it is
// about, an object is invalid exactly when it has an error, and the report can
// be written.
func FuzzCheck(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*.[yj]*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	o := options(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		report := Check([]Input{{Name: "f", Data: data}}, o)
		for _, r := range report.Results {
			failed := false
			for _, p := range r.Problems {
				failed = failed || p.Severity == param.Error
				if p.Message == "" || p.Line < 1 {
					t.Fatalf("%s %s: %+v", r.Kind, r.Name, p)
				}
			}
			if failed == r.Valid {
				t.Fatalf("%s %s: valid %v with %+v", r.Kind, r.Name, r.Valid, r.Problems)
			}
		}
		var text, out bytes.Buffer
		if err := report.Text(&text); err != nil {
			t.Fatal(err)
		}
		if err := report.JSON(&out); err != nil || !json.Valid(out.Bytes()) {
			t.Fatalf("JSON: %v\n%s", err, out.String())
		}
	})
}
