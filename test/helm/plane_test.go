package helm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/cli"
)

// cluster is a local control plane of its own.
type cluster struct {
	t                  *testing.T
	binary, kubeconfig string
}

// newCluster starts the helper binary, which KEDA_LOCALPLANE names as for all
// tests, and ends it with the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, binary: os.Getenv("KEDA_LOCALPLANE")}
	if _, err := os.Stat(c.binary); c.binary == "" || errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI needs the local control plane: KEDA_LOCALPLANE is %q", c.binary)
		}
		t.Skipf("needs the local control plane, make localplane: KEDA_LOCALPLANE is %q", c.binary)
	}
	cmd := exec.Command(c.binary, "up", "--state-dir="+filepath.Join(t.TempDir(), "plane"))
	log := &strings.Builder{}
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe() // its end tells the plane that we are gone
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		killed := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer killed.Stop()
		_, _ = io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the control plane ended: %v\n%s", err, log)
		}
	})
	var report struct{ Kubeconfig string }
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || json.Unmarshal([]byte(line), &report) != nil || report.Kubeconfig == "" {
		_ = cmd.Process.Kill()
		t.Fatalf("the control plane reports %q, %v; expected JSON with a kubeconfig", line, err)
	}
	c.kubeconfig = report.Kubeconfig
	return c
}

// try runs kubectl.
func (c *cluster) try(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.binary, append([]string{"kubectl", "--kubeconfig", c.kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// kubectl runs kubectl, which must succeed.
func (c *cluster) kubectl(stdin string, args ...string) string {
	c.t.Helper()
	out, err := c.try(stdin, args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// helm is what Helm's command line is given: the kubeconfig and a namespace.
func (c *cluster) helm() *action.Configuration {
	c.t.Helper()
	settings := cli.New()
	settings.KubeConfig = c.kubeconfig
	settings.SetNamespace(namespace)
	cfg := action.NewConfiguration()
	if err := cfg.Init(settings.RESTClientGetter(), namespace, "secret"); err != nil {
		c.t.Fatal(err)
	}
	return cfg
}

// leftovers lists what a release could leave behind, but for the namespace.
func (c *cluster) leftovers() []string {
	c.t.Helper()
	all := c.kubectl("", "get", "crd,clusterrole,clusterrolebinding,apiservice", "-o", "name")
	all += "\n" + c.kubectl("", "get", "all,secret,serviceaccount,role,rolebinding,pdb,networkpolicy,lease", "-n", namespace, "-o", "name")
	all += "\n" + c.kubectl("", "get", "role,rolebinding", "-n", "kube-system", "-o", "name")
	var out []string
	for name := range strings.FieldsSeq(all) {
		if strings.Contains(name, "keda") || strings.Contains(name, "external.metrics") {
			out = append(out, name)
		}
	}
	return out
}
