package docgen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/internal/docgen"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scalers"
)

func pages(t *testing.T, c scaler.Catalog) map[string][]byte {
	t.Helper()
	p, err := docgen.Pages(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryKindHasAllSections(t *testing.T) {
	all := pages(t, scalers.Catalog())
	for _, k := range scalers.Catalog().Kinds() {
		page := string(all["scalers/"+k.Name+".md"])
		for _, s := range []string{"# " + k.Title, "## Examples", "## Parameters", "## Permissions", "## Cost", "## By hand"} {
			_, after, ok := strings.Cut(page, "\n"+s+"\n\n")
			if !ok || strings.TrimSpace(after) == "" || strings.HasPrefix(after, "## ") {
				t.Errorf("%s: section %q is missing or empty", k.Name, s)
			}
		}
		if strings.Contains(page, "```sh\n\n```") {
			t.Errorf("%s: nothing to do by hand", k.Name)
		}
		for _, i := range k.New().Params().Describe() {
			if i.Doc == "" {
				t.Errorf("%s: parameter %s has no description", k.Name, i.Name)
			}
			if !strings.Contains(page, "| `"+i.Name+"` |") && !i.Prefix {
				t.Errorf("%s: parameter %s is not in the table", k.Name, i.Name)
			}
		}
		if !strings.Contains(string(all["scalers/README.md"]), "("+k.Name+".md)") {
			t.Errorf("%s: not in the index", k.Name)
		}
	}
}

func TestPagesAreTheSameEachTime(t *testing.T) {
	if diff := cmp.Diff(pages(t, scalers.Catalog()), pages(t, scalers.Catalog())); diff != "" {
		t.Error(diff)
	}
}

// manifest is what the test reads of the documents in an example.
type manifest struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]any    `json:"metadata"`
	StringData map[string]string `json:"stringData"`
	Spec       struct {
		ScaleTargetRef  map[string]string `json:"scaleTargetRef"`
		MinReplicaCount int               `json:"minReplicaCount"`
		PodIdentity     struct{ Provider string }
		SecretTargetRef []struct {
			Parameter, Name, Key string
		} `json:"secretTargetRef"`
		Triggers []trigger `json:"triggers"`
	} `json:"spec"`
}

type trigger struct {
	Type              string            `json:"type"`
	MetricType        string            `json:"metricType,omitempty"`
	Metadata          map[string]string `json:"metadata"`
	AuthenticationRef *struct {
		Name string `json:"name"`
	} `json:"authenticationRef,omitempty"`
}

var block = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestExamplesDecode reads the examples back out of the pages, as a user
// would copy them.
func TestExamplesDecode(t *testing.T) {
	c := scalers.Catalog()
	written := pages(t, c)
	schema := schemaOf(t, written)
	for _, k := range c.Kinds() {
		found := block.FindAllStringSubmatch(string(written["scalers/"+k.Name+".md"]), -1)
		var want []scaler.Example
		for _, e := range k.Examples {
			if want = append(want, e); e.Identity != "azure-workload" { // which the first API has not
				want = append(want, e)
			}
		}
		if len(found) != len(want) || len(want) == 0 {
			t.Fatalf("%s: %d examples in the page, want %d", k.Name, len(found), len(want))
		}
		for n, f := range found {
			t.Run(fmt.Sprint(k.Name, " ", n), func(t *testing.T) { checkExample(t, c, schema, want[n], f[1]) })
		}
	}
}

func checkExample(t *testing.T, c scaler.Catalog, schema map[string]any, e scaler.Example, text string) {
	t.Helper()
	auth, identity := map[string]string{}, ""
	secrets := map[string]map[string]string{}
	for _, doc := range strings.Split(text, "---\n") {
		var m manifest
		if err := yaml.UnmarshalStrict([]byte(doc), &m); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		switch m.Kind {
		case "Secret":
			secrets[m.Metadata["name"].(string)] = m.StringData
		case "TriggerAuthentication":
			identity = m.Spec.PodIdentity.Provider
			if m.APIVersion == "keda.k8s.io/v1alpha1" && identity == "aws-eks" {
				identity = "aws" // by its name there
			}
			for _, r := range m.Spec.SecretTargetRef {
				auth[r.Parameter] = secrets[r.Name][r.Key]
			}
		case "ScaledObject":
			checkTrigger(t, c, schema, e, m, auth)
		default:
			t.Errorf("a document of kind %q", m.Kind)
		}
	}
	if identity != e.Identity {
		t.Errorf("the identity is %q, want %q", identity, e.Identity)
	}
	if diff := cmp.Diff(e.Auth, auth); diff != "" && len(e.Auth)+len(auth) > 0 {
		t.Errorf("authentication (-want +got):\n%s", diff)
	}
}

func checkTrigger(t *testing.T, c scaler.Catalog, schema map[string]any, e scaler.Example, m manifest, auth map[string]string) {
	t.Helper()
	if len(m.Spec.Triggers) != 1 || len(m.Spec.ScaleTargetRef) != 1 {
		t.Fatalf("got %+v", m.Spec)
	}
	tr := m.Spec.Triggers[0]
	if (tr.AuthenticationRef != nil) != (len(e.Auth) > 0 || e.Identity != "") {
		t.Error("authenticationRef does not fit the example")
	}
	k, ok := c.Lookup(tr.Type)
	if !ok {
		t.Fatalf("no trigger type %q", tr.Type)
	}
	first := m.APIVersion == "keda.k8s.io/v1alpha1"
	v := param.Values{Metadata: tr.Metadata, Auth: auth, Env: e.Env, EnvNames: first, EnvPending: true}
	for _, p := range scaler.Decode(k.New(), v) {
		if !first || p.Severity == param.Error {
			t.Errorf("%s: %s", m.APIVersion, p)
		}
	}
	raw, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	checkSchema(t, schema, raw, "")
}

// fakeConfig has one parameter of every sort.
type fakeConfig struct {
	text, one string
	n         int64
	yes       bool
	list      []string
	rest      map[string]string
	password  param.Hidden
}

func (f *fakeConfig) Params() param.Set {
	return param.Set{
		param.Text("queueName", &f.text).Alias("queue").Required().NamesEnv("QUEUE").From(param.Metadata, param.Env).Doc("A | in a text"),
		param.Int("length", &f.n).Required().Target().Max(9).Doc("Length."),
		param.Text("mode", &f.one).OneOf("some", "all").Default("some").Doc("Mode."),
		param.Bool("quick", &f.yes).Deprecated("use mode").Doc("Quick."),
		param.List("hosts", &f.list).Since("1.2").Doc("Hosts."),
		param.Prefixed("header.", &f.rest).Doc("Headers."),
	}.With(param.Group("Login", param.Secret("password", &f.password).From(param.Auth, param.Metadata).Doc("Password.")))
}
func (f *fakeConfig) Metric() string { return "fake" }
func (f *fakeConfig) Open(context.Context, scaler.Env) (scaler.Source, error) {
	return nil, errors.New("not opened")
}

func fakeCatalog(t *testing.T) scaler.Catalog {
	t.Helper()
	c, err := scaler.NewCatalog(scaler.Kind{
		Name: "fake", Aliases: []string{"fake-old"}, Title: "Fake", About: "Nothing. At all.", Since: "3.0", Permissions: "None.", Cost: "None.", ByHand: "true",
		Examples: []scaler.Example{{
			Title:    "An example",
			Metadata: map[string]string{"queueName": "jobs", "length": "3", "header.X": `say "it's"`},
			Auth:     map[string]string{"password": "the-password"},
		}},
		New: func() scaler.Config { return &fakeConfig{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPage(t *testing.T) {
	all := pages(t, fakeCatalog(t))
	page := string(all["scalers/fake.md"])
	for _, want := range []string{
		"Trigger type `fake`, also `fake-old`; since 3.0.",
		"| `queueName` | `queue` | metadata, environment |  | yes | A \\| in a text. In `keda.k8s.io` the value names an environment variable of the target's container, `QUEUE` when unset. |",
		"| `length` |  | metadata |  | yes | Length. This is the target per replica. A whole number. At most 9. |",
		"| `mode` |  | metadata | `some` | no | Mode. One of `some`, `all`. |",
		"| `quick` |  | metadata |  | no | Quick. `true` or `false`. **Deprecated:** use mode. |",
		"| `hosts` |  | metadata |  | no | Hosts. A comma-separated list. Since 1.2. |",
		"| `header.*` |  |",
		"### Login\n\n| Name |",
		"        queueName: jobs\n        length: \"3\"\n        header.X: 'say \"it''s\"'\n",
		"# The container of the Deployment worker has in its environment: QUEUE_NAME\n",
		"        queueName: QUEUE_NAME\n",
		"    - parameter: password\n      name: worker-auth\n      key: password\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks\n%s", want)
		}
	}
	if want := "| [`fake`](fake.md), `fake-old` | Fake | Nothing. |"; !strings.Contains(string(all["scalers/README.md"]), want) {
		t.Errorf("the index lacks\n%s", want)
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestSchema(t *testing.T) {
	tests := map[string]struct{ trigger, failure string }{
		"right":              {`{"type":"fake","metadata":{"queueName":"a","length":"3","mode":"ALL","quick":"true","header.X":"y"}}`, ""},
		"by another name":    {`{"type":"fake-old","metadata":{"queueFromEnv":"Q","length":" +3 "}}`, ""},
		"unknown metadata":   {`{"type":"fake","metadata":{"queue":"a","length":"3","other":"x"}}`, ""},
		"unknown type":       {`{"type":"fak","metadata":{}}`, "enum"},
		"no type":            {`{"metadata":{}}`, "required"},
		"no queue":           {`{"type":"fake","metadata":{"length":"3"}}`, "anyOf"},
		"no whole number":    {`{"type":"fake","metadata":{"queue":"a","length":"3.5"}}`, "pattern"},
		"a number, no text":  {`{"type":"fake","metadata":{"queue":"a","length":3}}`, "type"},
		"no boolean":         {`{"type":"fake","metadata":{"queue":"a","length":"3","quick":"maybe"}}`, "pattern"},
		"none of the values": {`{"type":"fake","metadata":{"queue":"a","length":"3","mode":"none"}}`, "pattern"},
		"a rest, no text":    {`{"type":"fake","metadata":{"queue":"a","length":"3","header.X":true}}`, "type"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			checkSchema(t, schemaOf(t, pages(t, fakeCatalog(t))), []byte(tc.trigger), tc.failure)
		})
	}
}

// schemaOf is the schema among pages.
func schemaOf(t *testing.T, pages map[string][]byte) (schema map[string]any) {
	t.Helper()
	if err := json.Unmarshal(pages["schema/triggers.json"], &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func checkSchema(t *testing.T, schema map[string]any, doc []byte, failure string) {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	if got := violated(schema, schema, v); got != failure {
		t.Errorf("the schema's %q refuses %s, want %q", got, doc, failure)
	}
}

// violated names the first keyword of the schema that v violates. It knows
// the keywords that the generator uses.
func violated(root, schema map[string]any, v any) string {
	list := func(key string) []any { l, _ := schema[key].([]any); return l }
	if ref, ok := schema["$ref"].(string); ok {
		def, found := root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if !found {
			return "$ref"
		}
		if f := violated(root, def, v); f != "" {
			return f
		}
	}
	text, isText := v.(string)
	object, isObject := v.(map[string]any)
	if kind := schema["type"]; kind == "string" && !isText || kind == "object" && !isObject {
		return "type"
	}
	if enum := list("enum"); enum != nil {
		found := false
		for _, e := range enum {
			found = found || e == v
		}
		if !found {
			return "enum"
		}
	}
	if p, ok := schema["pattern"].(string); ok && isText && !regexp.MustCompile(p).MatchString(text) {
		return "pattern"
	}
	if isObject {
		if f := violatedObject(root, schema, object); f != "" {
			return f
		}
	}
	return violatedRules(root, schema, v, list)
}

func violatedRules(root, schema map[string]any, v any, list func(string) []any) string {
	for _, s := range list("allOf") {
		if f := violated(root, s.(map[string]any), v); f != "" {
			return f
		}
	}
	if ways := list("anyOf"); ways != nil {
		met := false
		for _, s := range ways {
			met = met || violated(root, s.(map[string]any), v) == ""
		}
		if !met {
			return "anyOf"
		}
	}
	if cond, ok := schema["if"].(map[string]any); ok && violated(root, cond, v) == "" {
		return violated(root, schema["then"].(map[string]any), v)
	}
	return ""
}

func violatedObject(root, schema, v map[string]any) string {
	required, _ := schema["required"].([]any)
	for _, r := range required {
		if _, ok := v[r.(string)]; !ok {
			return "required"
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	patterns, _ := schema["patternProperties"].(map[string]any)
	for name, value := range v {
		known := false
		if p, ok := properties[name].(map[string]any); ok {
			known = true
			if f := violated(root, p, value); f != "" {
				return f
			}
		}
		for pattern, p := range patterns {
			if regexp.MustCompile(pattern).MatchString(name) {
				known = true
				if f := violated(root, p.(map[string]any), value); f != "" {
					return f
				}
			}
		}
		if rest, ok := schema["additionalProperties"].(map[string]any); ok && !known {
			if f := violated(root, rest, value); f != "" {
				return f
			}
		}
	}
	return ""
}
