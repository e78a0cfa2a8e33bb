package helm

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const misspelt = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: misspelt, namespace: default}
spec:
  scaleTargetRef: {name: worker}
  triggers: [{type: crom, metadata: {}}]
`

// TestRolesApart runs what the chart's Deployments say to run, each as its
// service account: together they judge an object, scale its target and answer
// the API server, and nobody asks for what its role doesn't allow.
func TestRolesApart(t *testing.T) {
	c := newCluster(t)
	keda := buildKeda(t)
	c.install(load(t), "roles: {apart: true}")
	c.kubectl(workload, "apply", "-f", "-")

	certs, logs := t.TempDir(), t.TempDir()
	relay, api, hooks := freePort(t), freePort(t), freePort(t)
	roles := []struct{ deployment, account, readyz string }{
		{"keda-operator", "keda-operator", freePort(t)},
		{"keda-operator-metrics-apiserver", "keda-metrics-server", freePort(t)},
		{"keda-admission-webhooks", "keda-webhook", freePort(t)},
	}
	for _, r := range roles {
		here := map[string]string{
			"--cert-dir": certs, "--metrics-bind-address": "0", "--health-probe-bind-address": "127.0.0.1:" + r.readyz,
			"--metrics-service-bind-address": "127.0.0.1:" + relay, "--metrics-service-address": "127.0.0.1:" + relay,
			"--secure-port": api, "--port": hooks,
		}
		args := c.arguments(r.deployment, here)
		if r.account == "keda-metrics-server" {
			args = append(args, "--metrics-service-grpc-authority=keda-operator."+namespace+".svc")
		}
		run(t, keda, filepath.Join(logs, r.account), append(args, "--kubeconfig="+c.kubeconfigOf(r.account)))
	}
	for _, r := range roles {
		ready(t, r.deployment, "http://127.0.0.1:"+r.readyz+"/readyz")
	}

	// Nothing leads to pods here, so the API server is led to this machine.
	c.leadTo(api, hooks)
	c.until("refused", func() (string, bool) {
		out, err := c.try(misspelt, "apply", "--dry-run=server", "-f", "-")
		return out, err != nil && strings.Contains(out, "crom")
	})
	c.kubectl(scaledObject, "apply", "-f", "-")
	c.until("scaled", func() (string, bool) {
		out, _ := c.try("", "get", "deployment", "worker", "-o", "jsonpath={.spec.replicas}")
		return out, out == "3"
	})
	c.kubectl("", "wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io", "--timeout=60s")
	c.until("answered", func() (string, bool) {
		metric, err := c.try("", "get", "hpa", "keda-hpa-worker", "-o", "jsonpath={.spec.metrics[0].external.metric.name}")
		if err != nil {
			return metric, false
		}
		out, err := c.try("", "get", "--raw", "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/"+metric+"?labelSelector=scaledobject.keda.sh%2Fname%3Dworker")
		return out, err == nil && strings.Contains(out, `"value":"3"`)
	})

	for _, r := range roles {
		text, err := os.ReadFile(filepath.Join(logs, r.account))
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(text), "forbidden"); i >= 0 {
			t.Errorf("%s asks for what it may not: %s", r.account, text[max(0, i-300):min(len(text), i+100)])
		}
	}
}

func buildKeda(t *testing.T) string {
	t.Helper()
	keda := filepath.Join(t.TempDir(), "keda")
	build := exec.Command("go", "build", "-o", keda, "./cmd/keda")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building keda: %v\n%s", err, out)
	}
	return keda
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// arguments are a Deployment's, with what is elsewhere here.
func (c *cluster) arguments(deployment string, here map[string]string) []string {
	c.t.Helper()
	var out []string
	text := c.kubectl("", "get", "deployment", "-n", namespace, deployment, "-o", "jsonpath={.spec.template.spec.containers[0].args}")
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		c.t.Fatalf("%v in %q", err, text)
	}
	for i, a := range out {
		name, _, _ := strings.Cut(a, "=")
		if value, ok := here[name]; ok {
			out[i] = name + "=" + value
		}
	}
	return out
}

// kubeconfigOf lets a process be a service account.
func (c *cluster) kubeconfigOf(account string) string {
	c.t.Helper()
	text, err := os.ReadFile(c.kubeconfig)
	if err != nil {
		c.t.Fatal(err)
	}
	path := filepath.Join(c.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
	token := c.kubectl("", "create", "token", "-n", namespace, account)
	own := cluster{t: c.t, binary: c.binary, kubeconfig: path}
	own.kubectl("", "config", "set-credentials", account, "--token="+token)
	own.kubectl("", "config", "set-context", "--current", "--user="+account)
	if got := own.kubectl("", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"); got != "system:serviceaccount:"+namespace+":"+account {
		c.t.Fatalf("the kubeconfig of %s is that of %s", account, got)
	}
	return path
}

// run starts a role, which ends with the test.
func run(t *testing.T, keda, log string, args []string) {
	t.Helper()
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(keda, append(args, "--zap-encoder=console")...)
	cmd.Env = append(os.Environ(), "POD_NAMESPACE="+namespace)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		killed := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer killed.Stop()
		err := cmd.Wait()
		_ = out.Close()
		if text, _ := os.ReadFile(log); err != nil || t.Failed() {
			t.Logf("%s ended: %v\n%s", args[0], err, text[max(0, len(text)-4000):])
		}
	})
}

// ready waits until a role says that it is.
func ready(t *testing.T, name, url string) {
	t.Helper()
	last := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(req)
		cancel()
		if err != nil {
			last = err.Error()
			continue
		}
		_ = answer.Body.Close()
		if last = answer.Status; answer.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("%s was not ready for a minute: %s", name, last)
}

// until waits for something that comes by itself, and otherwise says what was
// there last.
func (c *cluster) until(what string, done func() (last string, ok bool)) {
	c.t.Helper()
	last, ok := "", false
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if last, ok = done(); ok {
			return
		}
	}
	c.t.Fatalf("not %s within a minute: %s", what, last)
}

// leadTo makes the API server find the metrics server and the webhooks here.
// Whom to trust is up to the operator.
func (c *cluster) leadTo(api, hooks string) {
	c.t.Helper()
	for _, service := range []string{"keda-metrics-apiserver", "keda-admission-webhooks"} {
		c.kubectl("", "delete", "service", "-n", namespace, service)
		c.kubectl("", "create", "service", "externalname", "-n", namespace, service, "--external-name=localhost")
	}
	c.kubectl("", "patch", "apiservice", "v1beta1.external.metrics.k8s.io", "--type=merge", "-p", fmt.Sprintf(`{"spec":{"service":{"port":%s}}}`, api))
	c.kubectl("", "patch", "validatingwebhookconfiguration", "keda-admission", "--type=json", "-p",
		fmt.Sprintf(`[{"op":"replace","path":"/webhooks/0/clientConfig/service/port","value":%s}]`, hooks))
}
