package translate

import (
	"bytes"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scalers"
)

// FuzzTranslate reads any text: nothing panics, what is not translated keeps
// every byte, and what is translated can be read, is of the other group, and
// has nothing left to translate.
func FuzzTranslate(f *testing.F) {
	for _, seed := range []string{
		"", "---\n", "a: [", "# c\n---\n...\nb: 1", firstJob, statefulSet, user + "---\n" + shared, "--- " + shared,
		`{"apiVersion":"keda.k8s.io/v1alpha1","kind":"ScaledObject","spec":{"scaleTargetRef":{"deploymentName":"a"},"triggers":[{"type":"kafka","metadata":{"brokerList":"a"}}]}}`,
		"apiVersion: keda.k8s.io/v1alpha1\nkind: ScaledObject\nmetadata: &m {name: a}\nspec: {<<: *m, scaleTargetRef: *m, triggers: [null, 1, {type: external, metadata: {a: B}}]}\n",
	} {
		f.Add([]byte(seed))
	}
	catalog := scalers.Catalog()
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, to := range []Group{model.GroupToday, model.GroupFirst} {
			r := Translate([]Input{{Name: "in", Data: data}}, Options{Catalog: catalog, To: to})
			if r.Translated == 0 && !bytes.Equal(r.Text, data) {
				t.Fatalf("nothing was translated, but\n%q\nbecame\n%q", data, r.Text)
			}
			for _, finding := range r.Findings {
				if finding.Message == "" || finding.Line < 1 || finding.File != "in" {
					t.Fatalf("a finding says %+v", finding)
				}
			}
			if r.Translated == 0 || r.Unreadable {
				continue
			}
			again := Translate([]Input{{Name: "in", Data: r.Text}}, Options{Catalog: catalog, To: to})
			if again.Unreadable || again.Translated > 0 {
				t.Fatalf("the output can't be read, or has something to translate (%d):\n%s\n%v", again.Translated, r.Text, again.Findings)
			}
			if again := string(again.Text); again != string(r.Text) {
				t.Fatalf("a second run changed\n%s\nto\n%s", r.Text, again)
			}
		}
	})
}

// TestLargeAliases: a document whose aliases expand without end is refused.
func TestLargeAliases(t *testing.T) {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		name := string(rune('0' + i + 1))
		text += "a" + name + ": &a" + name + " [" + strings.Repeat("*a"+string(rune('0'+i))+", ", 9) + "x]\n"
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	r := translated(model.GroupToday, text)
	if !r.Unreadable || string(r.Text) != text || !strings.Contains(strings.Join(findings(r), ""), "aliases expand") {
		t.Errorf("findings: %v", findings(r))
	}
}
