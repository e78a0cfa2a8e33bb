package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	const first = `apiVersion: keda.k8s.io/v1alpha1
kind: ScaledObject
metadata: {name: a}
spec:
  scaleTargetRef: {deploymentName: app}
  triggers: [{type: kafka, metadata: {brokerList: "b:9092", consumerGroup: g, topic: t}}]
`
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("a: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := "apiVersion: keda.sh/v1alpha1\nkind: ClusterTriggerAuthentication\nmetadata: {name: all}\nspec: {}\n"
	tests := map[string]struct {
		stdin          string
		args           []string
		code           int
		stdout, stderr string // parts of them; nothing is said where empty
	}{
		"today's":                 {stdin: first, args: []string{"-f", "-"}, stdout: "bootstrapServers: \"b:9092\""},
		"and back":                {stdin: valid, args: []string{"-f", "-", "--to", "keda.k8s.io"}, stdout: "deploymentName: app"},
		"with a loss":             {stdin: cluster, args: []string{"-f", "-", "--to", "keda.k8s.io"}, stdout: cluster, stderr: "<stdin>:2: warning: ClusterTriggerAuthentication all: kind: found"},
		"with a loss, strictly":   {stdin: cluster, args: []string{"-f", "-", "--to", "keda.k8s.io", "--strict"}, code: 1, stderr: "nothing was written"},
		"without one, strictly":   {stdin: first, args: []string{"-f", "-", "--strict"}, stdout: "keda.sh/v1alpha1"},
		"what can't be read":      {args: []string{"-f", broken}, code: 2, stderr: "broken.yaml:1: warning"},
		"what is not there":       {args: []string{"-f", broken + "x"}, code: 2, stderr: "no such file"},
		"no file":                 {code: 2, stderr: "--filename: is missing"},
		"a file without a flag":   {args: []string{broken}, code: 2, stderr: "did you mean -f"},
		"a group that is none":    {args: []string{"-f", "-", "--to", "keda.io"}, code: 2, stderr: `--to: found "keda.io"; expected keda.sh or keda.k8s.io`},
		"a flag that there isn't": {args: []string{"--from", "x"}, code: 2, stderr: "unknown flag"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, tt.stdin, append([]string{"convert"}, tt.args...)...)
			if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("exit code %d\nstdout: %s\nstderr: %s", code, stdout, stderr)
			}
			if tt.stdout == "" && stdout != "" || tt.stderr == "" && stderr != "" {
				t.Errorf("said too much\nstdout: %s\nstderr: %s", stdout, stderr)
			}
		})
	}
}
