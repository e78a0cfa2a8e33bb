package plane

import (
	"errors"
	"flag"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseFlagsDefaults(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	c, err := ParseFlags(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(c.StateDir) || filepath.Base(c.StateDir) != "localplane" {
		t.Errorf("found state folder %q", c.StateDir)
	}
	if c.LogDir != filepath.Join(c.StateDir, "logs") {
		t.Errorf("found log folder %q", c.LogDir)
	}
	c.StateDir, c.LogDir = "", ""
	want := Config{HPASyncPeriod: 15 * time.Second, Nodes: 4, ExitWithParent: true, StartTimeout: time.Minute}
	if c != want {
		t.Errorf("found %+v, expected %+v", c, want)
	}
}

func TestParseFlagsMakesFoldersAbsolute(t *testing.T) {
	c, err := ParseFlags([]string{"--state-dir", "a", "--component-log-dir", "b"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(c.StateDir) || !filepath.IsAbs(c.LogDir) || filepath.Base(c.LogDir) != "b" {
		t.Errorf("found %q and %q", c.StateDir, c.LogDir)
	}
}

func TestParseFlagsRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"--hpa-sync-period 1ms":            "--hpa-sync-period is 1ms, expected 100ms or more",
		"--hpa-client-qps -1":              "--hpa-client-qps is -1, expected 0 or more",
		"--nodes 251":                      "--nodes is 251, expected 0 to 250",
		"--apiserver-port 70000":           "--apiserver-port is 70000, expected 0 to 65535",
		"--start-timeout 10ms":             "--start-timeout is 10ms, expected 1s or more",
		"--nodes -1 --apiserver-port -1":   "--apiserver-port is -1, expected 0 to 65535",
		"more":                             `unexpected argument "more"`,
		"--no-such-flag":                   "not defined",
		"--exit-with-parent=false another": `unexpected argument "another"`,
	} {
		_, err := ParseFlags(append([]string{"--state-dir", "x"}, strings.Fields(args)...), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: found %v, expected %q", args, err, want)
		}
	}
	if _, err := ParseFlags([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: found %v", err)
	}
}
