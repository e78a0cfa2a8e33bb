package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/kedago/keda/internal/plane"
)

var (
	// shared is the control plane and the operator of this run.
	shared *cluster
	// errNoPlane says why there is none.
	errNoPlane error
)

// atOnce is how many tests run at once: they wait more than they work.
const atOnce = 32

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if !isSet("test.parallel") {
		_ = flag.Set("test.parallel", strconv.Itoa(atOnce))
	}
	// Apache Kafka is left out of unit tests unless asked for; here it belongs.
	_ = os.Setenv("KEDA_TEST_REAL", "1")
	helper, err := plane.Find()
	if errors.Is(err, plane.ErrNotBuilt) {
		errNoPlane = err
		return m.Run() // each test skips itself, by name
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		shared, err = startCluster(ctx, helper)
		cancel()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "preparing the cluster:", err)
		return 1
	}
	defer shared.stop()
	code := m.Run()
	// With a part of the tests, a part of the permissions is used.
	whole := !isSet("test.run") && !isSet("test.skip") && !testing.Short()
	if err := errors.Join(shared.audit(), shared.recorder.judge(whole)); err != nil {
		fmt.Fprintln(os.Stderr, "--- FAIL: what the operator did during the run:\n"+err.Error())
		code = 1
	}
	return code
}

func isSet(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// kedaBinary is what KEDA_BINARY names, or is built now.
func kedaBinary(ctx context.Context, dir string) (string, error) {
	if named := os.Getenv("KEDA_BINARY"); named != "" {
		return filepath.Abs(named)
	}
	args := []string{"build", "-o", filepath.Join(dir, "keda")}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/keda")...)
	cmd.Dir = repository()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building keda: %w: %s", err, out)
	}
	return filepath.Join(dir, "keda"), nil
}

// repository is the folder of the module.
func repository() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..")
}
