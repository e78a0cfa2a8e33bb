package helm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	release "helm.sh/helm/v4/pkg/release/v1"
)

const (
	namespace = "keda"
	workload  = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: main, image: "registry.example/worker:1"}]}
`
	scaledObject = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: worker, namespace: default}
spec:
  scaleTargetRef: {name: worker}
  triggers: [{type: cron, metadata: {timezone: UTC, start: 0 0 * * *, end: 59 23 * * *, desiredReplicas: "3"}}]
`
	arguments = "jsonpath={.spec.template.spec.containers[0].args}"
)

// TestRelease goes through a release's life with one control plane.
func TestRelease(t *testing.T) {
	c := newCluster(t)
	if before := c.leftovers(); len(before) > 0 {
		t.Fatalf("%v exist before anything is installed", before)
	}
	c.kubectl(workload, "apply", "-f", "-")

	c.install(older(t), "")
	c.kubectl("", "rollout", "status", "deployment/keda-operator", "-n", namespace, "--timeout=60s")
	c.kubectl(scaledObject, "apply", "-f", "-")
	if _, err := c.try("", "get", "so", "-A"); err == nil {
		t.Fatal("the older chart's CustomResourceDefinitions have short names")
	}

	c.upgrade("logging: {operator: {level: debug}}\nnetworkPolicy: {enabled: true}")
	if got := c.kubectl("", "get", "deployment/keda-operator", "-n", namespace, "-o", arguments); !strings.Contains(got, "--zap-log-level=debug") {
		t.Errorf("after the upgrade the operator runs with %s", got)
	}
	c.kubectl("", "get", "networkpolicy/keda-operator", "-n", namespace)
	if got := c.kubectl("", "get", "so", "-A", "-o", "name"); got != "scaledobject.keda.sh/worker" {
		t.Errorf("after the upgrade of the CustomResourceDefinitions there is %q", got)
	}

	c.rollback(1)
	if got := c.kubectl("", "get", "deployment/keda-operator", "-n", namespace, "-o", arguments); strings.Contains(got, "--zap-log-level") {
		t.Errorf("after the rollback the operator runs with %s", got)
	}
	if out, err := c.try("", "get", "networkpolicy/keda-operator", "-n", namespace); err == nil {
		t.Errorf("after the rollback there is still the NetworkPolicy: %s", out)
	}

	c.upgrade("roles: {apart: true}\noperator: {replicaCount: 2}\nmetricsServer: {replicaCount: 2}\nwebhooks: {replicaCount: 2}\nnetworkPolicy: {enabled: true}")
	for _, name := range []string{"keda-operator", "keda-operator-metrics-apiserver", "keda-admission-webhooks"} {
		c.kubectl("", "rollout", "status", "deployment/"+name, "-n", namespace, "--timeout=60s")
		c.kubectl("", "get", "pdb/"+name, "networkpolicy/"+name, "-n", namespace)
	}
	c.upgrade("")
	c.helmTest()

	c.uninstall()
	for _, name := range c.leftovers() {
		// An APIService of each of their groups comes with them.
		if !strings.HasPrefix(name, "customresourcedefinition") && !strings.HasPrefix(name, "apiservice.apiregistration.k8s.io/v1alpha1.") {
			t.Errorf("left over beside CustomResourceDefinitions: %s", name)
		}
	}
	c.kubectl("", "get", "so", "worker")

	// The next release takes over what was kept, and this one keeps nothing.
	c.install(load(t), "crds: {keep: false}")
	c.read()
	c.uninstall()
	c.kubectl("", "wait", "--for=delete", "crd/scaledobjects.keda.sh", "--timeout=30s")
	if got := c.leftovers(); len(got) > 0 {
		t.Errorf("left over: %v", got)
	}
	if got := c.kubectl("", "get", "deployment", "worker", "-o", "jsonpath={.spec.replicas}"); got != "2" {
		t.Errorf("the workload has %q replicas after all that", got)
	}
}

// older is the chart with CustomResourceDefinitions that lack short names.
func older(t *testing.T) *chart.Chart {
	t.Helper()
	c := load(t)
	for _, f := range c.Files {
		if f.Name == "files/crds.yaml" {
			text := strings.ReplaceAll(string(f.Data), "    shortNames:\n    - so\n", "")
			if text == string(f.Data) {
				t.Fatal("no CustomResourceDefinition has the short name so")
			}
			f.Data = []byte(text)
		}
	}
	return c
}

func (c *cluster) install(ch *chart.Chart, text string) {
	c.t.Helper()
	i := action.NewInstall(c.helm())
	i.ReleaseName, i.Namespace, i.CreateNamespace = "keda", namespace, true
	i.ServerSideApply, i.WaitStrategy, i.Timeout = true, kube.HookOnlyStrategy, time.Minute
	if _, err := i.RunWithContext(c.t.Context(), ch, values(c.t, text)); err != nil {
		c.t.Fatalf("helm install: %v", err)
	}
}

func (c *cluster) upgrade(text string) {
	c.t.Helper()
	u := action.NewUpgrade(c.helm())
	u.Namespace, u.ServerSideApply, u.WaitStrategy, u.Timeout = namespace, "auto", kube.HookOnlyStrategy, time.Minute
	if _, err := u.RunWithContext(c.t.Context(), "keda", load(c.t), values(c.t, text)); err != nil {
		c.t.Fatalf("helm upgrade: %v", err)
	}
}

func (c *cluster) rollback(revision int) {
	c.t.Helper()
	r := action.NewRollback(c.helm())
	r.Version, r.ServerSideApply, r.WaitStrategy, r.Timeout = revision, "auto", kube.HookOnlyStrategy, time.Minute
	if err := r.Run("keda"); err != nil {
		c.t.Fatalf("helm rollback: %v", err)
	}
}

// read reads all kinds, as an operator does, of which there is none here. The
// API server sets up what serves a kind when it is read first. When that is to
// delete its CustomResourceDefinition, it may find "storage is
// (re)initializing", and come back to it after minutes.
func (c *cluster) read() {
	c.t.Helper()
	for _, name := range c.leftovers() {
		if kind, ok := strings.CutPrefix(name, "customresourcedefinition.apiextensions.k8s.io/"); ok {
			c.kubectl("", "get", kind, "-A")
		}
	}
}

func (c *cluster) uninstall() {
	c.t.Helper()
	u := action.NewUninstall(c.helm())
	u.WaitStrategy, u.Timeout = kube.StatusWatcherStrategy, 5*time.Minute // as Helm's command line has it
	if _, err := u.Run("keda"); err != nil {
		definitions, _ := c.try("", "get", "crd", "-o", "yaml")
		c.t.Fatalf("helm uninstall: %v\n%s", err, definitions)
	}
}

// helmTest runs the chart's test. Containers don't run here, so the test of
// the test's pod ends when we say so.
func (c *cluster) helmTest() {
	c.t.Helper()
	r := action.NewReleaseTesting(c.helm())
	r.Namespace, r.Timeout = namespace, time.Minute
	type result struct {
		phase release.HookPhase
		err   error
	}
	done := make(chan result, 1)
	go func() {
		rel, end, err := r.Run("keda")
		out := result{err: errors.Join(err, end())}
		if rel, ok := rel.(*release.Release); ok && len(rel.Hooks) == 1 {
			out.phase = rel.Hooks[0].LastRun.Phase
		}
		done <- out
	}()
	c.kubectl("", "wait", "--for=create", "pod/keda-operator-test", "-n", namespace, "--timeout=30s")
	c.kubectl("", "patch", "pod/keda-operator-test", "-n", namespace, "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"Succeeded"}}`)
	if got := <-done; got.err != nil || got.phase != release.HookPhaseSucceeded {
		c.t.Errorf("helm test: %q, %v", got.phase, got.err)
	}
}
