package rbac

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

func TestDocuments(t *testing.T) {
	docs, err := Documents()
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, doc := range docs {
		var o struct {
			APIVersion, Kind string
			Metadata         struct{ Name, Namespace string }
		}
		if err := yaml.Unmarshal(doc, &o); err != nil || o.APIVersion == "" || o.Metadata.Name == "" {
			t.Fatalf("%v in\n%s", err, doc)
		}
		kinds = append(kinds, o.Kind)
	}
	want := []string{
		"ServiceAccount", "ClusterRole", "ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding", "ClusterRoleBinding",
		"RoleBinding", "Role", "RoleBinding", "ClusterRole", "RoleBinding",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("kinds %v, expected %v", kinds, want)
	}
}

// TestLeastPrivilege: no verb is a wildcard, nothing but scale subresources is
// granted across all kinds, and every rule has a comment that says who needs it.
func TestLeastPrivilege(t *testing.T) {
	docs, err := Documents()
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range docs {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(doc, &role); err != nil || !strings.HasSuffix(role.Kind, "Role") {
			continue
		}
		for _, r := range role.Rules {
			if slices.Contains(r.Verbs, "*") || slices.Contains(r.Resources, "*") {
				t.Errorf("%s: a wildcard in %v", role.Name, r)
			}
			if wide := slices.Contains(r.APIGroups, "*"); wide && (!slices.Equal(r.Resources, []string{"*/scale"}) || !slices.Equal(r.Verbs, []string{"get", "patch"})) {
				t.Errorf("%s: all groups in %v", role.Name, r)
			}
			if slices.Contains(r.Resources, "secrets") && !slices.Equal(r.Verbs, []string{"get", "list", "watch"}) && !ownCertificates(role, r) {
				t.Errorf("%s: Secrets are only read, but %v", role.Name, r)
			}
			if slices.Contains(r.Resources, "serviceaccounts/token") {
				t.Errorf("%s: tokens of any service account in %v; that is for users to allow, account by account", role.Name, r)
			}
			if slices.Contains(r.Resources, "serviceaccounts") && !slices.Equal(r.Verbs, []string{"get"}) {
				t.Errorf("%s: service accounts are only looked up, but %v", role.Name, r)
			}
			if slices.Contains(r.Resources, "jobs") && !slices.Equal(r.Verbs, []string{"get", "list", "watch", "create", "delete"}) {
				t.Errorf("%s: Jobs are made and deleted, never changed, but %v", role.Name, r)
			}
		}
		lines := bytes.Split(doc, []byte("\n"))
		for i, line := range lines {
			if bytes.HasPrefix(line, []byte("  - apiGroups:")) && !bytes.HasPrefix(lines[i-1], []byte("  # ")) {
				t.Errorf("%s: no comment above %s", role.Name, line)
			}
		}
	}
}

// TestSecretsCanBeTakenAway: the right to read all Secrets is one binding of
// its own, so that taking it away takes nothing else.
func TestSecretsCanBeTakenAway(t *testing.T) {
	docs, err := Documents()
	if err != nil {
		t.Fatal(err)
	}
	granted := 0
	for _, doc := range docs {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(doc, &role); err != nil || role.Kind != "ClusterRole" {
			if role.Kind == "ClusterRoleBinding" && role.Name == "keda-operator-secrets" {
				t.Error("an installation may read all Secrets without the user's say")
			}
			continue
		}
		for _, r := range role.Rules {
			if !slices.Contains(r.Resources, "secrets") {
				continue
			}
			granted++
			if role.Name != "keda-operator-secrets" || len(role.Rules) != 1 || !slices.Equal(r.Resources, []string{"secrets"}) {
				t.Errorf("the ClusterRole %s reads Secrets along with something else: %v", role.Name, role.Rules)
			}
		}
	}
	if granted != 1 {
		t.Errorf("%d rules read Secrets everywhere, want 1", granted)
	}
}

func TestAPIService(t *testing.T) {
	got := APIService([]byte("ca"), "keda", "svc", 6443)
	if got.Name != got.Spec.Version+"."+got.Spec.Group || *got.Spec.Service.Port != 6443 || got.Spec.InsecureSkipTLSVerify {
		t.Errorf("%+v", got)
	}
}

// ownCertificates: in its own namespace the operator keeps one Secret.
func ownCertificates(role rbacv1.ClusterRole, r rbacv1.PolicyRule) bool {
	if role.Kind != "Role" || role.Namespace != "keda" {
		return false
	}
	return slices.Equal(r.Verbs, []string{"create"}) ||
		slices.Equal(r.Verbs, []string{"get", "update"}) && slices.Equal(r.ResourceNames, []string{"kedaorg-certs"})
}
