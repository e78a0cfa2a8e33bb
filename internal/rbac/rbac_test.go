package rbac_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	wide "github.com/kedago/keda/deploy/rbac"
	"github.com/kedago/keda/internal/rbac"
)

var update = flag.Bool("update", false, "write the golden files anew")

func options() rbac.Options {
	return rbac.Options{Namespace: "keda", ServiceAccount: "keda-operator"}
}

func load(t *testing.T, name string) rbac.Objects {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var o rbac.Objects
	if err := o.Load(name, data); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"shop", "plain"} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := rbac.Derive(load(t, name), options()).Write(&out, options()); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// rulesOf reads the rules of all roles in YAML documents.
func rulesOf(t *testing.T, docs [][]byte) []rbacv1.PolicyRule {
	t.Helper()
	var out []rbacv1.PolicyRule
	for _, doc := range docs {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(doc, &role); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		out = append(out, role.Rules...)
	}
	return out
}

// TestNarrowerThanTheInstallation: the command grants nothing that the
// operator of an ordinary installation has not, but for tokens of service
// accounts and objects of add-ons by name, and targets of kinds of others.
func TestNarrowerThanTheInstallation(t *testing.T) {
	docs, err := wide.Documents()
	if err != nil {
		t.Fatal(err)
	}
	all := rulesOf(t, docs)
	var out bytes.Buffer
	if err := rbac.Derive(load(t, "shop"), options()).Write(&out, options()); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, r := range rulesOf(t, bytes.Split(out.Bytes(), []byte("\n---\n"))) {
		for _, resource := range r.Resources {
			for _, verb := range r.Verbs {
				checked++
				switch {
				case covered(all, r.APIGroups[0], resource, verb):
				case resource == "serviceaccounts/token" && len(r.ResourceNames) > 0:
				case resource == "interceptorroutes" && verb == "get" && len(r.ResourceNames) > 0:
				case resource == "rollouts" && r.APIGroups[0] == "argoproj.io" && verb != "patch":
				default:
					t.Errorf("%s %s.%s is nothing that the operator does", verb, resource, r.APIGroups[0])
				}
				if needsNames(resource) && len(r.ResourceNames) == 0 {
					t.Errorf("%s %s is for all names", verb, resource)
				}
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d permissions were looked at", checked)
	}
}

func needsNames(resource string) bool {
	return slices.Contains([]string{"secrets", "configmaps", "serviceaccounts", "serviceaccounts/token", "apiservices"}, resource) || strings.HasSuffix(resource, "/scale")
}

func covered(rules []rbacv1.PolicyRule, group, resource, verb string) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		_, sub, _ := strings.Cut(resource, "/")
		inResource := slices.Contains(r.Resources, resource) || sub != "" && slices.Contains(r.Resources, "*/"+sub)
		return (slices.Contains(r.APIGroups, group) || slices.Contains(r.APIGroups, "*")) && inResource && slices.Contains(r.Verbs, verb)
	})
}

func TestNamesCantChangeTheOutput(t *testing.T) {
	var o rbac.Objects
	manifest := `{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","metadata":{"name":"a","namespace":"x\n---\nkind: ClusterRole"},
"spec":{"scaleTargetRef":{"apiVersion":"v1","kind":"Foo\", \"pods","name":"b\"]\nverbs: [\"*\"]"},"triggers":[{"type":"redis","metadata":{},"authenticationRef":{"name":"c\n- x"}}]}}`
	if err := o.Load("odd", []byte(manifest)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := rbac.Derive(o, options()).Write(&out, options()); err != nil {
		t.Fatal(err)
	}
	for _, r := range rulesOf(t, bytes.Split(out.Bytes(), []byte("\n---\n"))) {
		if slices.Contains(r.Verbs, "*") || slices.Contains(r.Resources, "pods") {
			t.Errorf("a name has become a rule: %+v", r)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for name, text := range map[string]string{
		"no object": "[1, 2]",
		"no YAML":   "a: [",
		"bad kind":  "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {triggers: 5}",
	} {
		var o rbac.Objects
		if err := o.Load("file.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "file.yaml: document 1") {
			t.Errorf("%s: got %v; want an error that names file and document", name, err)
		}
	}
}
