//go:build unix

package statedir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestASecondPlaneIsToldWhoHoldsTheFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d := open(t, path)
	write(t, d.File("etcd", "member"))
	_, err := Open(path)
	var inUse *InUseError
	if !errors.As(err, &inUse) {
		t.Fatalf("found %v, expected an InUseError", err)
	}
	if inUse.PID != os.Getpid() {
		t.Errorf("found process id %d, expected %d", inUse.PID, os.Getpid())
	}
	if !exists(d.File("etcd", "member")) {
		t.Error("the second plane wiped the first one's state")
	}
	if err := d.Release(false); err != nil {
		t.Fatal(err)
	}
	if exists(path) {
		t.Error("the folder is still there after its release")
	}
	if err := open(t, path).Release(false); err != nil {
		t.Error(err)
	}
}

func TestAStaleFolderIsWiped(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	write(t, d.File("etcd", "member"))
	if err := d.Release(true); err != nil {
		t.Fatal(err)
	}
	if !exists(d.File("etcd", "member")) {
		t.Fatal("kept state is gone")
	}
	d = open(t, path)
	defer d.Release(false)
	if exists(d.File("etcd")) {
		t.Error("stale state was not wiped")
	}
}

func TestAForeignFolderIsRefused(t *testing.T) {
	for name, marker := range map[string]string{
		"no marker": "", "another marker": "someone else's lock",
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			write(t, filepath.Join(path, "thesis.txt"))
			if marker != "" {
				if err := os.WriteFile(filepath.Join(path, markerName), []byte(marker), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Open(path)
			var foreign *ForeignError
			if !errors.As(err, &foreign) {
				t.Fatalf("found %v, expected a ForeignError", err)
			}
			if !strings.Contains(err.Error(), "thesis.txt") {
				t.Errorf("does not say what it found: %v", err)
			}
			if !exists(filepath.Join(path, "thesis.txt")) {
				t.Error("the file is gone")
			}
		})
	}
}

func TestAMarkerWithoutContentIsTaken(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, markerName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Release(false); err != nil {
		t.Error(err)
	}
}
