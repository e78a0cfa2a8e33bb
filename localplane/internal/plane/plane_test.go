package plane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/localplane/internal/component"
	"github.com/kedago/keda/localplane/internal/statedir"
)

// TestMain lets this test binary play every component, in the way that the name
// it was started by says: components get no variable of ours to choose by.
func TestMain(m *testing.M) {
	if os.Getenv(ChildVariable) == "" {
		os.Exit(m.Run())
	}
	switch filepath.Base(os.Args[0]) {
	case "lost-port": // the API server's
		if os.Args[1] != component.APIServer {
			time.Sleep(time.Minute)
		}
		fmt.Println("listen tcp 127.0.0.1:1: bind: address already in use")
		os.Exit(1)
	case "broken":
		fmt.Println("cannot read the certificate")
		os.Exit(1)
	case "hangs":
		fmt.Println("still thinking")
		time.Sleep(time.Minute)
	}
}

// run brings a plane of fake components up, which fails, and returns how.
func run(t *testing.T, ctx context.Context, behaviour string, timeout time.Duration) (config Config, err error) {
	t.Helper()
	executable := filepath.Join(t.TempDir(), behaviour)
	if err := os.Symlink(os.Args[0], executable); err != nil {
		t.Fatal(err)
	}
	config = Config{
		StateDir:     filepath.Join(t.TempDir(), "state"),
		LogDir:       t.TempDir(),
		StartTimeout: timeout,
	}
	var stdout, stderr bytes.Buffer
	err = Up(ctx, config, executable, &stdout, &stderr)
	if stdout.Len() > 0 || stderr.Len() > 0 {
		t.Errorf("found output %q %q", &stdout, &stderr)
	}
	if _, statErr := os.Stat(config.StateDir); statErr == nil {
		t.Error("the state folder is still there")
	}
	return config, err
}

func TestABrokenComponentEndsTheStart(t *testing.T) {
	_, err := run(t, t.Context(), "broken", 20*time.Second)
	var failed *ComponentError
	if !errors.As(err, &failed) {
		t.Fatalf("found %v, expected a ComponentError", err)
	}
	if failed.Tail != "cannot read the certificate" {
		t.Errorf("found %v", err)
	}
}

func TestALostPortIsTriedAgain(t *testing.T) {
	config, err := run(t, t.Context(), "lost-port", 20*time.Second)
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("found %v", err)
	}
	log, err := os.ReadFile(filepath.Join(config.LogDir, component.APIServer+".log"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(log), "\n"); got != portAttempts {
		t.Errorf("found %d attempts, expected %d", got, portAttempts)
	}
}

func TestAStartHasAnEnd(t *testing.T) {
	_, err := run(t, t.Context(), "hangs", 300*time.Millisecond)
	var failed *ComponentError
	if !errors.As(err, &failed) {
		t.Fatalf("found %v, expected a ComponentError", err)
	}
	if failed.Component != component.APIServer || failed.Tail != "still thinking" ||
		!strings.Contains(err.Error(), "health missing after 300ms") {
		t.Errorf("found %v", err)
	}
}

func TestAStartThatIsStoppedIsNoError(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := run(t, ctx, "hangs", time.Minute); err != nil {
		t.Errorf("found %v", err)
	}
}

func TestAFolderInUseIsRefused(t *testing.T) {
	path := t.TempDir()
	dir, err := statedir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Release(false)
	err = Up(t.Context(), Config{StateDir: path, StartTimeout: time.Second}, "unused", nil, nil)
	var inUse *statedir.InUseError
	if !errors.As(err, &inUse) {
		t.Errorf("found %v, expected an InUseError", err)
	}
}
