package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/kedago/keda/internal/migrate"
)

// TestMigrateFlags: what the command line can't mean is said before a cluster
// is looked for.
func TestMigrateFlags(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"nothing to move from":    {nil, "--from-upstream: is missing"},
		"both ways":               {[]string{"--from-upstream", "--apply", "--back"}, "--back: can't be used with --apply"},
		"an output that isn't":    {[]string{"--from-upstream", "-o", "yaml"}, `--output: found "yaml"; expected text or json`},
		"steps as JSON":           {[]string{"--from-upstream", "--apply", "-o", "json"}, "--output: found json; expected text"},
		"stopping, but no apply":  {[]string{"--from-upstream", "--stop-upstream"}, "--apply: is missing"},
		"a service without port":  {[]string{"--from-upstream", "--metrics-service", "keda/x"}, "expected namespace/name:port"},
		"an argument":             {[]string{"--from-upstream", "now"}, `found "now"; expected flags only`},
		"a flag that there isn't": {[]string{"--from-keda"}, "unknown flag"},
		"no such cluster":         {[]string{"--from-upstream", "--kubeconfig", filepath.Join(t.TempDir(), "none")}, "reading the kubeconfig"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, "", append([]string{"migrate"}, tt.args...)...)
			if code != exitNoLook || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d\nstdout: %s\nstderr: %s", code, stdout, stderr)
			}
		})
	}
}

func TestParseService(t *testing.T) {
	got, err := parseService("keda/metrics:6443")
	if err != nil || got != (migrate.Service{Namespace: "keda", Name: "metrics", Port: 6443}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range []string{"", "metrics:1", "/metrics:1", "keda/:1", "keda/metrics:0", "keda/metrics:65536", "keda/metrics:https"} {
		if got, err := parseService(wrong); err == nil {
			t.Errorf("%q is read as %v", wrong, got)
		}
	}
}
