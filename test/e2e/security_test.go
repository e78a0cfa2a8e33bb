package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/up"
)

// TestRefusedServer: a trigger can't point at the metadata service of a cloud,
// and the object says why.
func TestRefusedServer(t *testing.T) {
	s := newStory(t)
	s.create(deployment(worker, 1))
	o := s.apply(scaledObject([]kedav1.ScaleTriggers{{
		Type:     "metrics-api",
		Metadata: map[string]string{"url": "http://169.254.169.254/latest/meta-data/", "valueLocation": "value", "targetValue": "1"},
	}}))
	o.expect(model.ConditionReady, "False", "TriggerError", "Misconfigured", "the address 169.254.169.254:80 is refused", "--egress-allow")
	s.replicas(1)
}

// TestClusterAuthAllowedHosts: credentials of the whole cluster go to the
// hosts that they are meant for only, and a change of these counts at once.
func TestClusterAuthAllowedHosts(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	token := secretToken(s, "limited")
	m.demand("Authorization", "Bearer "+token)
	name := "limited-" + s.namespace
	secret := tokenSecret(name, "token", token)
	secret.Namespace = up.Namespace
	s.must(s.client.Create(s.ctx, secret))
	auth := &kedav1.ClusterTriggerAuthentication{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{model.AllowedHostsAnnotation: "*.example.org"}}, Spec: fromSecret(name, "token"),
	}
	s.must(s.client.Create(s.ctx, auth))
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(bearer(m, "ClusterTriggerAuthentication", name)))
	o.expect(model.ConditionReady, "False", "TriggerError", name, "may be used for *.example.org only", model.AllowedHostsAnnotation)
	if n := m.requests(); n != 0 {
		s.failf("%d requests had the credentials", n)
	}
	host, _, err := net.SplitHostPort(m.address)
	s.must(err)
	s.must(s.client.Patch(s.ctx, auth, merge(`{"metadata":{"annotations":{%q:%q}}}`, model.AllowedHostsAnnotation, host)))
	o.decided(model.RuleJumpStart, 0, 2)
	o.ready()
	unseen(s)
}

// TestSmallestRoles: what keda rbac prints for an object lets an operator do
// what the object needs in its namespace, and nothing else.
func TestSmallestRoles(t *testing.T) {
	s := newStory(t)
	const operator = "narrow"
	manifests := fmt.Sprintf(`
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: orders, namespace: %[1]s}
spec:
  scaleTargetRef: {name: worker}
  triggers:
    - type: redis
      metadata: {address: "redis:6379", listName: orders, listLength: "5"}
      authenticationRef: {name: redis}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: redis, namespace: %[1]s}
spec: {secretTargetRef: [{parameter: password, name: redis, key: password}]}
`, s.namespace)
	cmd := exec.CommandContext(s.ctx, s.options.Binary, "rbac", "-f", "-", "--operator-namespace", s.namespace, "--service-account", operator)
	cmd.Stdin = strings.NewReader(manifests)
	out, err := cmd.Output()
	s.must(err)
	s.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: operator}})
	// The ClusterRole has the name of the one that the operator of this run has.
	for doc := range bytes.SplitSeq(out, []byte("\n---\n")) {
		var kind metav1.TypeMeta
		s.must(yaml.Unmarshal(doc, &kind))
		switch kind.Kind {
		case "Role":
			s.must(s.client.Create(s.ctx, decoded[rbacv1.Role](s, doc)))
		case "RoleBinding":
			s.must(s.client.Create(s.ctx, decoded[rbacv1.RoleBinding](s, doc)))
		}
	}
	for _, tt := range []struct {
		verb, group, resource, name, namespace string
		want                                   bool
	}{
		{"watch", "keda.sh", "scaledobjects", "", s.namespace, true},
		{"patch", "keda.sh", "scaledobjects/status", "orders", s.namespace, true},
		{"patch", "autoscaling", "horizontalpodautoscalers", "x", s.namespace, true},
		{"patch", "apps", "deployments/scale", "worker", s.namespace, true},
		{"get", "", "secrets", "redis", s.namespace, true},
		{"patch", "apps", "deployments/scale", "other", s.namespace, false},
		{"patch", "apps", "deployments", "worker", s.namespace, false},
		{"get", "", "secrets", "other", s.namespace, false},
		{"list", "", "secrets", "", s.namespace, false},
		{"create", "", "serviceaccounts/token", "default", s.namespace, false},
		{"create", "batch", "jobs", "", s.namespace, false},
		{"get", "", "secrets", "redis", up.Namespace, false},
		{"watch", "keda.sh", "scaledobjects", "", up.Namespace, false},
	} {
		resource, sub, _ := strings.Cut(tt.resource, "/")
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + s.namespace + ":" + operator,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: tt.namespace, Verb: tt.verb, Group: tt.group, Resource: resource, Subresource: sub, Name: tt.name,
			},
		}}
		s.eventually(fmt.Sprintf("%s %s %s in %s is allowed: %t", tt.verb, tt.resource, tt.name, tt.namespace, tt.want), func() error {
			if err := s.client.Create(s.ctx, review); err != nil {
				return err
			}
			if review.Status.Allowed != tt.want {
				return fmt.Errorf("it is %t (%s)", review.Status.Allowed, review.Status.Reason)
			}
			return nil
		})
	}
}

func decoded[T any](s *story, doc []byte) *T {
	var o T
	s.must(yaml.Unmarshal(doc, &o))
	return &o
}
