package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/deploy/webhook"
	"github.com/kedago/keda/internal/up"
)

// judge is `keda webhook` in a process of its own, with a registration of its
// own for the story's namespace.
type judge struct {
	*story
	config string
	port   int
	cmd    *exec.Cmd
	log    string
}

// newJudge registers and starts one, which makes its certificate itself.
func newJudge(s *story, policy admissionv1.FailurePolicyType) *judge {
	s.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	j := &judge{story: s, config: "judge-" + s.namespace, port: l.Addr().(*net.TCPAddr).Port, log: filepath.Join(s.T.TempDir(), "log")}
	s.must(l.Close())
	labels := map[string]string{"kubernetes.io/metadata.name": s.namespace}
	config := webhook.Configuration(webhook.Options{
		URL: fmt.Sprintf("https://localhost:%d%s", j.port, webhook.Path), FailurePolicy: policy, Namespaces: &metav1.LabelSelector{MatchLabels: labels},
	})
	config.Name = j.config
	for i := range config.Webhooks[0].Rules { // what is in no namespace is everybody's
		config.Webhooks[0].Rules[i].Scope = new(admissionv1.NamespacedScope)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: j.config}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"validatingwebhookconfigurations"}, ResourceNames: []string{j.config}, Verbs: []string{"get", "patch"},
	}}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: j.config}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: j.config},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: up.Namespace, Name: up.ServiceAccount}},
	}
	for _, o := range []client.Object{role, binding, config} {
		s.must(s.client.Create(s.ctx, o))
	}
	s.Cleanup(func() { j.stop() })
	j.start()
	return j
}

func (j *judge) start() {
	j.Helper()
	log, err := os.OpenFile(j.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	j.must(err)
	j.cmd = exec.Command(j.options.Binary, "webhook", "--kubeconfig", j.options.Kubeconfig,
		"--cert-dir", filepath.Join(filepath.Dir(j.log), "certs"), "--enable-cert-rotation", "--cert-secret-name=", "--webhooks-service-name=localhost",
		"--validating-webhook-name", j.config, "--port", strconv.Itoa(j.port), "--bind-address=127.0.0.1", "--metrics-bind-address=0", "--health-probe-bind-address=0")
	j.cmd.Stdout, j.cmd.Stderr = log, log
	j.must(j.cmd.Start())
}

// stop ends it as a crash would.
func (j *judge) stop() {
	if j.cmd.ProcessState == nil {
		_ = j.cmd.Process.Kill()
		_ = j.cmd.Wait()
	}
	if j.Failed() {
		text, _ := os.ReadFile(j.log)
		j.Logf("the log of the webhook:\n%s", text)
	}
}

// registered is the registration as it is now.
func (j *judge) registered() *admissionv1.ValidatingWebhookConfiguration {
	j.Helper()
	var c admissionv1.ValidatingWebhookConfiguration
	j.must(j.client.Get(j.ctx, client.ObjectKey{Name: j.config}, &c))
	return &c
}

// TestWebhookAlone: a webhook that runs apart from the operator has the API
// server trust it, also after somebody has spoiled that; while it is away,
// objects pass, and it goes on when it is back.
func TestWebhookAlone(t *testing.T) {
	s := newStory(t)
	j := newJudge(s, admissionv1.Ignore)
	bad := scaledObject(daily(), limits(5, 2))
	const why = "spec.minReplicaCount: found 5, above maxReplicaCount"
	s.refused(bad, why)

	spoilt := j.registered()
	trusted := spoilt.Webhooks[0].ClientConfig.CABundle
	before := spoilt.DeepCopy()
	spoilt.Webhooks[0].ClientConfig.CABundle = nil
	s.must(s.client.Patch(s.ctx, spoilt, client.MergeFrom(before)))
	s.eventually("the API server trusts the webhook again", func() error {
		if got := j.registered().Webhooks[0].ClientConfig.CABundle; string(got) != string(trusted) {
			return fmt.Errorf("caBundle has %d bytes; expected %d", len(got), len(trusted))
		}
		return nil
	})
	s.refused(bad, why)

	s.create(scaledObject(daily()))
	s.refused(scaledObject(daily(), called("second")), "is already scaled by ScaledObject.keda.sh "+s.namespace+"/"+worker)

	j.stop()
	s.eventually("objects pass while nobody judges", func() error { return s.trial(scaledObject(daily(), limits(5, 2), called("passes"))) })
	j.start()
	s.refused(scaledObject(daily(), limits(5, 2), called("passes")), why)
	s.refused(scaledObject(daily(), called("second")), "is already scaled by ScaledObject.keda.sh "+s.namespace+"/"+worker)
}

// TestWebhookFailsClosed: with the failure policy Fail nothing passes while the
// webhook is away.
func TestWebhookFailsClosed(t *testing.T) {
	s := newStory(t)
	j := newJudge(s, admissionv1.Fail)
	s.eventually("an object that is right passes", func() error { return s.trial(scaledObject(daily())) })
	j.stop()
	begin := time.Now()
	err := s.trial(scaledObject(daily()))
	if err == nil || !strings.Contains(err.Error(), `failed calling webhook "`+webhook.HookName+`"`) {
		t.Errorf("without the webhook: %v after %s; expected a failure to ask it", err, time.Since(begin))
	}
}

func called(name string) func(*kedav1.ScaledObject) {
	return func(o *kedav1.ScaledObject) { o.Name = name }
}
