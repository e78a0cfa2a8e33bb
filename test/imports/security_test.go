package imports

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// cited are tests as docs/security.md names them: `folder.TestName`, and
// `folder: name` for one of the conformance suite.
var (
	citedTest        = regexp.MustCompile("`([a-z][a-zA-Z0-9/]*)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")
	citedConformance = regexp.MustCompile("`(pkg/scaler/scalertest): ([a-z ]+)`")
)

// TestSecurityNamesTests: what the threat model names as proof is there.
func TestSecurityNamesTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	cited := 0
	for _, m := range citedTest.FindAllStringSubmatch(string(text), -1) {
		cited++
		if !declared(t, m[1], "_test.go", "func "+m[2]+"(") {
			t.Errorf("docs/security.md names %s of %s, which is not there", m[2], m[1])
		}
	}
	for _, m := range citedConformance.FindAllStringSubmatch(string(text), -1) {
		cited++
		if !declared(t, m[1], ".go", `"`+m[2]+`"`) {
			t.Errorf("docs/security.md names the conformance test %q, which is not there", m[2])
		}
	}
	if cited < 50 {
		t.Errorf("only %d tests were found in docs/security.md", cited)
	}
}

// declared says whether a folder's files have a text.
func declared(t *testing.T, folder, suffix, part string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", folder, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), part) {
			return true
		}
	}
	return false
}
