// Package imports checks who may import whom, as docs/architecture.md says.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kedago/keda/"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

// allowed lists, per package of ours, the packages of ours that it may import;
// "x/..." stands for x and all below it. The longest matching key counts.
var allowed = map[string][]string{
	"pkg/scaler/param":       {},
	"pkg/scaler":             {"pkg/scaler/param"},
	"pkg/scaler/scalertest":  {"pkg/scaler/...", "internal/pool"},
	"pkg/scalers/...":        {"pkg/scaler", "pkg/scaler/param", "internal/conn", "internal/sleep"},
	"pkg/scalers":            {"pkg/scaler", "pkg/scalers/..."},
	"api/...":                {},
	"client/...":             {"api/...", "client/..."},
	"deploy/...":             {},
	"deploy/install":         {"deploy/rbac", "deploy/webhook"},
	"internal/model":         {"pkg/scaler"},
	"internal/conn":          {"pkg/scaler", "pkg/scaler/param"},
	"internal/egress":        {"pkg/scaler"},
	"internal/rbac":          {"api/...", "deploy/rbac", "internal/convert", "internal/model", "internal/secret", "pkg/scaler", "pkg/scaler/param"},
	"internal/pool":          {"internal/model", "pkg/scaler"},
	"internal/store":         {"internal/model"},
	"internal/decide":        {"internal/formula", "internal/model", "pkg/scaler", "pkg/scaler/param"},
	"internal/formula":       {"internal/model"},
	"internal/convert":       {"api/...", "internal/model", "pkg/scaler", "pkg/scaler/param"},
	"internal/cloudevents":   {"internal/conn", "internal/model", "pkg/scaler"},
	"internal/secret":        {"internal/model", "pkg/scaler", "pkg/scaler/param"},
	"internal/secret/...":    {"internal/conn", "internal/model", "internal/secret", "pkg/scaler", "pkg/scaler/param"},
	"internal/poll":          {"internal/model", "internal/store", "internal/pool", "pkg/scaler"},
	"internal/lint":          {"internal/egress", "internal/model", "internal/formula", "pkg/scaler", "pkg/scaler/param"},
	"internal/targets":       {"internal/model"},
	"internal/jobs":          {"internal/model"},
	"internal/act":           {"internal/certs", "internal/model", "internal/convert", "api/..."},
	"internal/scaling":       {"internal/decide", "internal/formula", "internal/model", "internal/queue", "internal/store", "internal/targets", "pkg/scaler/param"},
	"internal/controller":    {"api/...", "internal/conn", "internal/convert", "internal/decide", "internal/lint", "internal/model", "internal/poll", "internal/queue", "internal/scaling", "internal/store", "internal/targets", "pkg/scaler", "pkg/scaler/param"},
	"internal/metrics":       {"internal/model"},
	"internal/metricsapi":    {"pkg/scaler/param"},
	"internal/migrate":       {"api/...", "internal/act", "internal/convert", "internal/decide", "internal/lint", "internal/model", "internal/secret", "pkg/scaler", "pkg/scaler/param"},
	"internal/manifest":      {},
	"internal/translate":     {"api/...", "internal/manifest", "internal/model", "pkg/scaler", "pkg/scaler/param"},
	"internal/queue":         {},
	"internal/relay":         {"internal/certs", "internal/model", "internal/relay/relaypb", "internal/sleep"},
	"internal/relay/relaypb": {},
	"internal/webhook":       {"api/...", "internal/convert", "internal/lint", "internal/model", "internal/secret", "pkg/scaler", "pkg/scaler/param"},
	"internal/othermetrics":  {},
	"internal/validate":      {"api/...", "internal/convert", "internal/lint", "internal/manifest", "internal/model", "internal/secret", "pkg/scaler", "pkg/scaler/param"},
	"internal/docgen":        {"pkg/scaler", "pkg/scaler/param"},
	"internal/certs":         {},
	"internal/version":       {},
	"internal/sleep":         {},
	"internal/plane":         {},
	"internal/up":            {"deploy/...", "internal/certs", "internal/plane", "internal/sleep"},
	"internal/cli":           {"deploy/...", "internal/app", "internal/migrate", "internal/model", "internal/plane", "internal/rbac", "internal/translate", "internal/up", "internal/validate", "internal/version", "pkg/scaler", "pkg/scalers"},
	"cmd/keda":               {"internal/cli"},
	"hack/docgen":            {"internal/docgen", "pkg/scalers"},
	"internal/app":           {"..."},
	"bench/...":              {"..."},
	"test/...":               {"..."},
	"hack/newscaler":         {},
	"hack/crds":              {},
	"hack/manifests":         {"deploy/..."},
	"hack/chart":             {"deploy/..."},
	"internal/conn/conntest": {},
}

// never lists packages that may not be reached, not even through others.
var never = map[string][]string{
	"api/...":             {"sigs.k8s.io/controller-runtime", "k8s.io/client-go"},
	"pkg/scaler/param":    {"k8s.io/"},
	"pkg/scaler":          {"k8s.io/"},
	"pkg/scalers/...":     {"sigs.k8s.io/controller-runtime", "k8s.io/api/autoscaling", module + "api/", module + "internal/app"},
	"internal/model":      {"sigs.k8s.io/controller-runtime", "k8s.io/client-go"},
	"internal/decide":     {"sigs.k8s.io/controller-runtime", "k8s.io/client-go"},
	"internal/metricsapi": {module + "pkg/scalers"},
	"internal/secret":     {module + "internal/conn", "github.com/aws", "github.com/Azure", "github.com/hashicorp", "google.golang.org/api", "k8s.io/client-go"},
	"internal/controller": {module + "pkg/scalers", module + "internal/act"},
	"internal/webhook":    {module + "pkg/scalers", module + "internal/act", module + "internal/controller"},
	"internal/validate":   {module + "pkg/scalers", "k8s.io/client-go/rest", "sigs.k8s.io/controller-runtime"},
	"internal/app":        {module + "pkg/scalers"},
	"internal/lint":       {"k8s.io/client-go/rest", "sigs.k8s.io/controller-runtime"},
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", module+"...")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(out); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("go list: %v", err)
	}
	return all
}

func matches(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	if folder, all := strings.CutSuffix(pattern, "/..."); all {
		return path == folder || strings.HasPrefix(path, folder+"/")
	}
	return path == pattern
}

// rule finds the longest key that matches a package.
func rule[V any](rules map[string]V, path string) (value V, found bool) {
	best := -1
	for k, v := range rules {
		if matches(k, path) && len(strings.TrimSuffix(k, "/...")) > best {
			best, value, found = len(strings.TrimSuffix(k, "/...")), v, true
		}
	}
	return value, found
}

func TestDirectImports(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		may, ok := rule(allowed, name)
		if !ok {
			t.Errorf("%s: no rule says what it may import; add one here and to docs/architecture.md", name)
			continue
		}
		for _, i := range p.Imports {
			ours, mine := strings.CutPrefix(i, module)
			if !mine || strings.HasPrefix(ours, name+"/") {
				continue
			}
			if !slices.ContainsFunc(may, func(pattern string) bool { return matches(pattern, ours) }) {
				t.Errorf("%s imports %s, which it may not; allowed are %s", name, ours, strings.Join(may, ", "))
			}
		}
	}
}

func TestNeverReached(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for pattern, forbidden := range never {
			if !matches(pattern, name) {
				continue
			}
			for _, d := range p.Deps {
				if slices.ContainsFunc(forbidden, func(f string) bool { return strings.HasPrefix(d, f) }) {
					t.Errorf("%s depends on %s, which it may not, not even through others", name, d)
				}
			}
		}
	}
}

func TestOneScalerKnowsNoOther(t *testing.T) {
	for _, p := range list(t) {
		name, is := strings.CutPrefix(p.ImportPath, module+"pkg/scalers/")
		if !is {
			continue
		}
		own, _, _ := strings.Cut(name, "/")
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			other, is := strings.CutPrefix(i, module+"pkg/scalers/")
			if is && other != own && !strings.HasPrefix(other, own+"/") {
				t.Errorf("%s imports the scaler %s; what both need belongs into internal/conn", name, other)
			}
		}
	}
}
