package scalers_test

import (
	"regexp"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scalers"
)

// TestKindsAreComplete checks what the catalog promises of each kind without
// opening it.
func TestKindsAreComplete(t *testing.T) {
	version := regexp.MustCompile(`^\d+\.\d+$`)
	for _, k := range scalers.Catalog().Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			for field, text := range map[string]string{"Title": k.Title, "About": k.About, "Permissions": k.Permissions, "Cost": k.Cost, "ByHand": k.ByHand} {
				if text == "" {
					t.Errorf("%s is empty", field)
				}
			}
			if !version.MatchString(k.Since) {
				t.Errorf("Since is %q", k.Since)
			}
			if len(k.Examples) == 0 {
				t.Error("no example")
			}
			for _, e := range k.Examples {
				c := k.New()
				for _, p := range scaler.Decode(c, param.Values{Metadata: e.Metadata, Auth: e.Auth, Env: e.Env}) {
					t.Errorf("example %q: %s", e.Title, p)
				}
				if c.Metric() == "" {
					t.Errorf("example %q: no metric name", e.Title)
				}
				_, native := c.(scaler.Native)
				_, stated := c.(scaler.Stated)
				if target, _ := scaler.TargetOf(c); target <= 0 && !native && !stated {
					t.Errorf("example %q: the target is %v", e.Title, target)
				}
			}
			names := map[string]bool{}
			for _, i := range k.New().Params().Describe() {
				for _, n := range append([]string{i.Name}, i.Aliases...) {
					if names[n] {
						t.Errorf("parameter %s is declared twice", n)
					}
					names[n] = true
				}
			}
			if k.New() == k.New() {
				t.Error("New returns the same configuration twice")
			}
		})
	}
}
