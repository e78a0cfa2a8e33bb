package metrics

import (
	"os"
	"regexp"
	"testing"
)

// TestDashboard: the dashboard in deploy/grafana asks for metrics that there are.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/keda.json")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	f := newFamilies()
	for _, x := range f.all() {
		known[x.prometheus] = true
	}
	asked := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bkeda_[a-z_]+`).FindAllString(string(text), -1) {
		asked[name] = true
		if !known[name] {
			t.Errorf("the dashboard asks for %s, which there is not", name)
		}
	}
	if len(asked) < 10 {
		t.Errorf("the dashboard asks for %d metrics only", len(asked))
	}
}
