package plane

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func program(t *testing.T, path string, age time.Duration) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-age)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	named := program(t, filepath.Join(root, "named"), 0)
	beside := program(t, filepath.Join(root, "bin", binaryName), 0)
	program(t, filepath.Join(root, "cache", "localplane-1", binaryName), 2*time.Hour)
	newest := program(t, filepath.Join(root, "cache", "localplane-2", binaryName), time.Hour)
	program(t, filepath.Join(root, "cache", "localplane-3", binaryName+".new"), 0)
	home := program(t, filepath.Join(root, "home", ".cache", "keda", "localplane-4", binaryName), 0)
	cache := filepath.Join(root, "cache")

	for name, c := range map[string]struct {
		env        map[string]string
		executable string
		want       string
	}{
		"named":              {map[string]string{Variable: named, "KEDA_CACHE": cache}, filepath.Join(root, "bin", "keda"), named},
		"beside":             {map[string]string{"KEDA_CACHE": cache}, filepath.Join(root, "bin", "keda"), beside},
		"newest in cache":    {map[string]string{"KEDA_CACHE": cache}, filepath.Join(root, "elsewhere", "keda"), newest},
		"in the home folder": {map[string]string{"HOME": filepath.Join(root, "home")}, "", home},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := find(func(k string) string { return c.env[k] }, c.executable)
			if err != nil || got != c.want {
				t.Errorf("found %q, %v, expected %q", got, err, c.want)
			}
		})
	}
}

func TestFindSaysWhatToDo(t *testing.T) {
	empty := t.TempDir()
	_, err := find(func(k string) string { return map[string]string{"KEDA_CACHE": empty}[k] }, "")
	if !errors.Is(err, ErrNotBuilt) || !strings.Contains(err.Error(), "make localplane") {
		t.Errorf("found %v", err)
	}
	_, err = find(func(k string) string { return map[string]string{Variable: empty}[k] }, "")
	if err == nil || !strings.Contains(err.Error(), Variable) {
		t.Errorf("a folder is no program: found %v", err)
	}
}
