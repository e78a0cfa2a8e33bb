package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/up"
)

const account = "metrics-reader"

// whose asks the API server whose token this is.
func whose(s *story, token string) string {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := s.client.Create(s.ctx, review); err != nil {
		s.Errorf("reviewing a token: %v", err)
	}
	return review.Status.User.Username
}

// allowTokens lets the operator issue tokens for the account, as the page about
// authentication says.
func allowTokens(s *story) {
	s.Helper()
	meta := metav1.ObjectMeta{Name: "keda-token"}
	s.create(
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, Verbs: []string{"create"}, ResourceNames: []string{account}}}},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "keda-operator", Namespace: up.Namespace}},
		},
	)
}

// TestIssuedToken: a token for a service account is issued once the operator
// may, and the source sees whose it is.
func TestIssuedToken(t *testing.T) {
	s := newStory(t)
	expected := "system:serviceaccount:" + s.namespace + ":" + account
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := whose(s, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")); who != expected {
			s.Errorf("asked by %q; expected %s", who, expected)
		}
		_, _ = fmt.Fprint(w, `{"value":2}`)
	}))
	t.Cleanup(source.Close)
	s.create(deployment(worker, 0), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}},
		auth("login", kedav1.TriggerAuthenticationSpec{BoundServiceAccountToken: []kedav1.BoundServiceAccountToken{{Parameter: "token", ServiceAccountName: account}}}))
	o := s.apply(scaledObject([]kedav1.ScaleTriggers{{
		Type: "metrics-api", AuthenticationRef: &kedav1.AuthenticationRef{Name: "login"},
		Metadata: map[string]string{"url": source.URL, "valueLocation": "value", "targetValue": "1", "authMode": "bearer"},
	}}))
	o.expect(model.ConditionReady, "False", "AuthenticationUnresolved", "boundServiceAccountToken[0]", "expected a Role in namespace "+s.namespace)
	allowTokens(s)
	o.ready()
	o.decided(model.RuleJumpStart, 0, 2)
}

// vaultServer is as much of Vault as a login by service account and one secret need.
type vaultServer struct {
	*httptest.Server
	mu     sync.Mutex // guards what follows
	value  string
	down   bool
	logins int
}

func startVault(s *story, value string) *vaultServer {
	v := &vaultServer{value: value}
	expected := "system:serviceaccount:" + s.namespace + ":" + account
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch {
		case v.down:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/v1/auth/kubernetes/login":
			var in struct{ JWT, Role string }
			_ = json.NewDecoder(r.Body).Decode(&in)
			if who := whose(s, in.JWT); who != expected || in.Role != "keda" {
				s.Errorf("login of %q as %q", who, in.Role)
			}
			v.logins++
			_, _ = fmt.Fprintf(w, `{"auth":{"client_token":"login-%s","lease_duration":3600}}`, secretMark)
		case r.URL.Path == "/v1/secret/data/meter" && r.Header.Get("X-Vault-Token") == "login-"+secretMark:
			_, _ = fmt.Fprintf(w, `{"data":{"data":{"token":%q},"metadata":{"version":1}}}`, v.value)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	s.Cleanup(v.Close)
	return v
}

func (v *vaultServer) change(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
}

// TestVault: a parameter of Vault; one that is rotated there is used as soon
// as the source refuses the old one, and the last good one stays in use while
// Vault does not answer.
func TestVault(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	one, two := secretToken(s, "one"), secretToken(s, "two")
	m.demand("Authorization", "Bearer "+one)
	v := startVault(s, one)
	s.create(deployment(worker, 0), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}})
	allowTokens(s)
	s.create(auth("login", kedav1.TriggerAuthenticationSpec{HashiCorpVault: &kedav1.HashiCorpVault{
		Address: v.URL, Authentication: "kubernetes", Role: "keda", Mount: "kubernetes", Credential: &kedav1.Credential{ServiceAccountName: account},
		Secrets: []kedav1.VaultSecret{{Parameter: "token", Path: "secret/data/meter", Key: "token"}},
	}}))
	o := s.apply(scaledObject(bearer(m, "", "login")))
	o.ready()
	o.decided(model.RuleJumpStart, 0, 2)

	v.change(func() { v.value = two })
	m.demand("Authorization", "Bearer "+two)
	m.set(3)
	s.settled(3) // a refusal in between may be over before anybody looks
	o.ready()

	v.change(func() { v.down = true })
	m.demand("Authorization", "Bearer "+secretToken(s, "three"))
	o.expect(model.ConditionReady, "False", "TriggerError", "still uses the last good value", "hashiCorpVault.secrets[0]", "it is sealed or not ready")
	m.demand("Authorization", "Bearer "+two)
	o.expect(model.ConditionReady, "True", "ScaledObjectReady", "still uses the last good value")
	v.change(func() { v.down = false })
	m.set(5)
	s.settled(5)
	unseen(s)
	v.change(func() {
		if v.logins != 1 {
			s.Errorf("%d logins; expected one", v.logins)
		}
	})
}
