// Package helm tries the chart in deploy/helm/keda with Helm itself: what it
// renders, and a release on the local control plane. It is a module of its own,
// so that the product's has no need of Helm.
package helm

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const deploy = "../../deploy"

// object is one rendered object.
type object = map[string]any

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(filepath.Join(deploy, "helm", "keda"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// values decodes YAML.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return out
}

// render gives the chart's objects, by kind and name.
func render(t *testing.T, text string) map[string]object {
	t.Helper()
	out, err := tryRender(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryRender(t *testing.T, text string) (map[string]object, error) {
	t.Helper()
	c := load(t)
	release := common.ReleaseOptions{Name: "keda", Namespace: "keda", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values(t, text), release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{Strict: true}.RenderWithContext(t.Context(), c, all)
	if err != nil {
		return nil, err
	}
	out := map[string]object{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") {
			for key, o := range split(t, files[name]) {
				if _, twice := out[key]; twice {
					t.Errorf("%s is rendered twice", key)
				}
				out[key] = o
			}
		}
	}
	return out, nil
}

// split decodes the documents of a file.
func split(t *testing.T, text string) map[string]object {
	t.Helper()
	out := map[string]object{}
	for doc := range strings.SplitSeq("\n"+text, "\n---\n") {
		o := object{}
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if len(o) > 0 {
			out[at(o, "kind").(string)+"/"+at(o, "metadata", "name").(string)] = o
		}
	}
	return out
}

// at follows a path of names and indices into an object; nil where there is
// nothing.
func at(o any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := o.(map[string]any)
			o = m[step]
		case int:
			l, _ := o.([]any)
			if step >= len(l) {
				return nil
			}
			o = l[step]
		}
	}
	return o
}

// TestDefaultsAreTheManifest: without values, the chart is the manifest, but
// for the namespace, which Helm makes, and the CustomResourceDefinitions'
// annotation that lets them stay.
func TestDefaultsAreTheManifest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "KedaScaleController.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := split(t, string(text))
	delete(want, "Namespace/keda")
	got := render(t, "")
	for key, o := range got {
		if strings.HasPrefix(key, "CustomResourceDefinition/") {
			annotations := at(o, "metadata", "annotations").(map[string]any)
			if annotations["helm.sh/resource-policy"] != "keep" {
				t.Errorf("%s would be removed with the release", key)
			}
			delete(annotations, "helm.sh/resource-policy")
		}
		if at(o, "metadata", "annotations", "helm.sh/hook") != nil {
			delete(got, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if g := got[key]; g == nil {
			t.Errorf("%s is missing", key)
		} else if diff := cmp.Diff(want[key], g); diff != "" {
			t.Errorf("%s differs from the manifest (-):\n%s", key, diff)
		}
	}
	for key := range got {
		if want[key] == nil {
			t.Errorf("%s is not in the manifest", key)
		}
	}
}

// TestSchema: what is wrong in values is said before anything is installed.
func TestSchema(t *testing.T) {
	for _, c := range []struct{ name, values, want string }{
		{"misspelt", "operator: {replicas: 2}", "replicas"},
		{"of another kind", "operator: {replicaCount: many}", "replicaCount"},
		{"not among the choices", "webhooks: {failurePolicy: Perhaps}", "failurePolicy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := tryRender(t, c.values); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected an error that names %s", err, c.want)
			}
		})
	}
	if _, err := tryRender(t, "global: {image: {registry: mirror.example}, someOther: 1}"); err != nil {
		t.Errorf("the values of a chart around ours are no error, but: %v", err)
	}
}
