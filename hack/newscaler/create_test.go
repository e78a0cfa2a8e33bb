package main

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func files(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

func TestCreate(t *testing.T) {
	root := t.TempDir()
	told, err := create(root, "acme/queue")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(told, "acme.Kinds()") {
		t.Errorf("told %q", told)
	}
	if told, err = create(root, "acme/stream"); err != nil || !strings.Contains(told, "streamKind()") {
		t.Errorf("a second source: told %q, %v", told, err)
	}
	want := []string{"kinds.go", "queue.go", "queue_test.go", "stream.go", "stream_test.go"}
	if diff := cmp.Diff(want, files(t, filepath.Join(root, "acme"))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for _, f := range want {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "acme", f), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Name.Name != "acme" {
			t.Errorf("%s is of package %s", f, parsed.Name.Name)
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	root := t.TempDir()
	if _, err := create(root, "acme/queue"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "acme", "queue.go")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := create(root, "acme/queue"); err == nil {
		t.Error("no error")
	}
	if got, _ := os.ReadFile(path); string(got) != "mine" {
		t.Error("overwritten")
	}
}

func TestNamesAreChecked(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"", "acme", "acme/", "/queue", "Acme/queue", "acme/my-queue", "../acme/queue", "a/b/c", "acme/queue_test"} {
		if _, err := create(root, name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
	if got := files(t, root); len(got) != 0 {
		t.Errorf("wrote %v", got)
	}
}

// TestWhatIsWrittenWorks runs the generated test within this module, in a
// folder that ./... does not see.
func TestWhatIsWrittenWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a package")
	}
	if err := os.MkdirAll("testdata", 0o750); err != nil {
		t.Fatal(err)
	}
	root, err := os.MkdirTemp("testdata", "new")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root); _ = os.Remove("testdata") })
	if _, err := create(root, "acme/queue"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "./"+filepath.Join(root, "acme")) //nolint:gosec // a path of our own
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, said)
	}
}
