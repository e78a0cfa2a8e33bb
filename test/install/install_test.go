// Package install tries deploy/KedaScaleController.yaml on a control plane of
// its own, as an administrator would: applied twice, used, removed.
//
// Pods do not run on the local control plane, so what the Deployment says to
// run is run beside it, with the arguments of the manifest and as its service
// account.
package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kedago/keda/deploy/install"
	"github.com/kedago/keda/deploy/webhook"
	"github.com/kedago/keda/internal/plane"
	"github.com/kedago/keda/internal/up"
)

const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker, namespace: default}
spec:
  replicas: 0
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: main, image: "registry.example/worker:1"}]}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: worker, namespace: default}
spec:
  scaleTargetRef: {name: worker}
  triggers: [{type: cron, metadata: {timezone: UTC, start: 0 0 * * *, end: 59 23 * * *, desiredReplicas: "3"}}]
`

// cluster is a control plane with kubectl.
type cluster struct {
	t      *testing.T
	helper string
	plane  *plane.Plane
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	helper, err := plane.Find()
	if errors.Is(err, plane.ErrNotBuilt) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI needs the local control plane: %v", err)
		}
		t.Skipf("needs the local control plane: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := plane.Start(t.Context(), plane.Options{Binary: helper, StateDir: filepath.Join(t.TempDir(), "plane"), HPASyncPeriod: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Errorf("stopping the control plane: %v", err)
		}
	})
	return &cluster{t: t, helper: helper, plane: p}
}

// try runs kubectl.
func (c *cluster) try(stdin string, args ...string) (string, error) {
	cmd := exec.Command(c.helper, append([]string{"kubectl", "--kubeconfig", c.plane.Kubeconfig()}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
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

// until waits until kubectl prints a text.
func (c *cluster) until(want string, args ...string) {
	c.t.Helper()
	var last string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if last, _ = c.try("", args...); strings.TrimSpace(last) == want {
			return
		}
	}
	c.t.Fatalf("kubectl %s printed %q for a minute; expected %q", strings.Join(args, " "), last, want)
}

// refused waits until a manifest is refused for a reason: until the API server
// trusts the admission webhook, everything passes.
func (c *cluster) refused(manifest, why string) {
	c.t.Helper()
	var last string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if last, _ = c.try(manifest, "apply", "--dry-run=server", "-f", "-"); strings.Contains(last, why) {
			return
		}
	}
	c.t.Fatalf("kubectl apply printed %q for a minute; expected %q in it", last, why)
}

func manifest() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..", "deploy", "KedaScaleController.yaml")
}

// ports are where the operator serves the external metrics API and the
// admission webhook.
type ports struct{ metrics, webhook int }

// operator runs what the Deployment says, with the folder and the ports that
// are free here, and gives back how to end it.
func (c *cluster) operator(ports ports) (stop func()) {
	c.t.Helper()
	dir := c.t.TempDir()
	cfg, err := clientcmd.BuildConfigFromFlags("", c.plane.Kubeconfig())
	if err != nil {
		c.t.Fatal(err)
	}
	admin, err := client.New(cfg, client.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := up.OperatorKubeconfig(c.t.Context(), admin, cfg, kubeconfig); err != nil {
		c.t.Fatal(err)
	}
	build := exec.CommandContext(c.t.Context(), "go", "build", "-o", filepath.Join(dir, "keda"), "./cmd/keda")
	build.Dir = filepath.Dir(filepath.Dir(manifest()))
	if out, err := build.CombinedOutput(); err != nil {
		c.t.Fatalf("building keda: %v\n%s", err, out)
	}
	var args []string
	for _, a := range strings.Fields(strings.Trim(c.kubectl("", "get", "deployment", "-n", "keda", install.Operator, "-o", "jsonpath={.spec.template.spec.containers[0].args[*]}"), "[]")) {
		switch name, _, _ := strings.Cut(a, "="); name {
		case "--cert-dir":
			a = "--cert-dir=" + filepath.Join(dir, "certs")
		case "--secure-port":
			a = "--secure-port=" + strconv.Itoa(ports.metrics)
		case "--webhook-port":
			a = "--webhook-port=" + strconv.Itoa(ports.webhook)
		case "--metrics-bind-address", "--health-probe-bind-address":
			a = name + "=127.0.0.1:0"
		}
		args = append(args, a)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "keda"), append(args, "--kubeconfig="+kubeconfig, "--bind-address=127.0.0.1")...)
	cmd.Env = append(os.Environ(), "POD_NAMESPACE=keda")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			c.t.Errorf("the operator ended with %v", err)
		}
	}
	c.t.Cleanup(func() {
		stop()
		if c.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			c.t.Logf("the operator's log:\n%s", text)
		}
	})
	return stop
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// TestOneYAML: applied twice it is what it was; it scales under the permissions
// that it gives; the API server trusts the operator's certificate, also after
// somebody has spoiled that; removed, together with an object that was in use,
// it leaves the workload and nothing else.
func TestOneYAML(t *testing.T) {
	c := newCluster(t)
	before := c.everything()
	c.kubectl("", "apply", "--server-side", "-f", manifest())
	c.kubectl("", "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
	for _, line := range strings.Split(strings.TrimSpace(c.kubectl("", "apply", "--server-side", "-f", manifest(), "--show-managed-fields", "-o", "name")), "\n") {
		if !strings.Contains(line, "/") {
			t.Errorf("the second time kubectl says %q", line)
		}
	}
	// Nothing leads to pods here, so the Services lead to this machine.
	ports := ports{metrics: freePort(t), webhook: freePort(t)}
	for _, service := range []string{install.Service, install.WebhookService} {
		c.kubectl("", "delete", "service", "-n", "keda", service)
		c.kubectl("", "create", "service", "externalname", "-n", "keda", service, "--external-name=localhost")
	}
	c.kubectl("", "patch", "apiservice", "v1beta1.external.metrics.k8s.io", "--type=merge", "-p", fmt.Sprintf(`{"spec":{"service":{"port":%d}}}`, ports.metrics))
	c.kubectl("", "patch", "validatingwebhookconfiguration", webhook.Name, "--type=json", "-p", fmt.Sprintf(`[{"op":"replace","path":"/webhooks/0/clientConfig/service/port","value":%d}]`, ports.webhook))
	stop := c.operator(ports)
	c.kubectl("", "wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io", "--timeout=60s")

	c.kubectl(workload, "apply", "-f", "-")
	c.until("3", "get", "deployment", "worker", "-o", "jsonpath={.spec.replicas}")
	c.kubectl("", "wait", "--for=condition=Ready", "so/worker", "--timeout=60s")
	c.kubectl("", "wait", "--for=condition=ScalingActive", "hpa/keda-hpa-worker", "--timeout=60s")

	c.secretsByRole()

	trusted := c.kubectl("", "get", "apiservice", "v1beta1.external.metrics.k8s.io", "-o", "jsonpath={.spec.caBundle}")
	c.kubectl("", "patch", "apiservice", "v1beta1.external.metrics.k8s.io", "--type=merge", "-p", `{"spec":{"caBundle":null}}`)
	c.until(trusted, "get", "apiservice", "v1beta1.external.metrics.k8s.io", "-o", "jsonpath={.spec.caBundle}")

	c.refused(strings.Replace(workload, "name: worker, namespace: default}\nspec:\n  scale", "name: second, namespace: default}\nspec:\n  scale", 1), "is already scaled by ScaledObject.keda.sh default/worker")

	// With the operator gone first, and an object still there, nothing hangs.
	stop()
	c.kubectl("", "delete", "-f", manifest(), "--timeout=90s")
	c.until("", "get", "hpa", "-o", "name")
	if got := c.kubectl("", "get", "deployment", "worker", "-o", "jsonpath={.spec.replicas}"); got != "3" {
		t.Errorf("the workload has %q replicas after the removal", got)
	}
	if after := c.everything(); after != before {
		t.Errorf("left over:\n%s\nbefore:\n%s", after, before)
	}
}

const withSecret = `
apiVersion: v1
kind: Secret
metadata: {name: creds, namespace: default}
stringData: {password: "1234"}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: creds, namespace: default}
spec:
  secretTargetRef: [{parameter: password, name: creds, key: password}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reader, namespace: default}
spec:
  replicas: 0
  selector: {matchLabels: {app: reader}}
  template:
    metadata: {labels: {app: reader}}
    spec: {containers: [{name: main, image: "registry.example/reader:1"}]}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: reader, namespace: default}
spec:
  scaleTargetRef: {name: reader}
  triggers:
  - type: redis
    metadata: {address: "redis.example:6379", listName: jobs}
    authenticationRef: {name: creds}
`

// secretsByRole: the operator reads no Secret of others until a Role says so,
// and its condition says which; a Role is noticed without a restart.
func (c *cluster) secretsByRole() {
	c.t.Helper()
	c.kubectl(withSecret, "apply", "-f", "-")
	message := []string{"get", "so", "reader", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].message}`}
	c.contains("the operator may not read the Secret default/creds; expected a Role in namespace default", message...)
	c.kubectl("", "create", "role", "keda-creds", "-n", "default", "--verb=get", "--resource=secrets", "--resource-name=creds")
	c.kubectl("", "create", "rolebinding", "keda-creds", "-n", "default", "--role=keda-creds", "--serviceaccount=keda:keda-operator")
	c.contains("redis.example", message...) // read, and on to the next trouble
	c.kubectl("", "delete", "so/reader", "deployment/reader", "triggerauthentication.keda.sh/creds", "secret/creds", "role/keda-creds", "rolebinding/keda-creds")
}

// contains waits until what kubectl prints contains a text.
func (c *cluster) contains(text string, args ...string) {
	c.t.Helper()
	var last string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if last, _ = c.try("", args...); strings.Contains(last, text) {
			return
		}
	}
	c.t.Fatalf("kubectl %s printed %q for a minute; expected %q in it", strings.Join(args, " "), last, text)
}

// everything lists what an installation could leave behind.
func (c *cluster) everything() string {
	c.t.Helper()
	var out []string
	for _, kind := range []string{"crd", "clusterrole", "clusterrolebinding", "namespace", "apiservice", "validatingwebhookconfiguration"} {
		var list struct {
			Items []struct{ Metadata struct{ Name string } }
		}
		if err := json.Unmarshal([]byte(c.kubectl("", "get", kind, "-o", "json")), &list); err != nil {
			c.t.Fatal(err)
		}
		for _, item := range list.Items {
			if name := item.Metadata.Name; strings.Contains(name, "keda") || strings.Contains(name, "external.metrics") {
				out = append(out, kind+" "+name)
			}
		}
	}
	out = append(out, c.kubectl("", "get", "role,rolebinding", "-n", "kube-system", "-o", "name", "-l", "app.kubernetes.io/part-of=keda"))
	return strings.Join(out, "\n")
}
