package secret

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// hidden is in every Secret and must be in no problem.
const hidden = "s3cr3t-value"

func resolve(t *testing.T, c *cluster, w *model.Workload) (model.Credentials, []string) {
	t.Helper()
	r := &Resolver{Reader: c, ClusterNamespace: "keda"}
	creds, problems := r.Resolve(t.Context(), w, 1)
	var lines []string
	for _, p := range problems {
		lines = append(lines, string(p.Severity)+": "+p.String())
	}
	if text := strings.Join(lines, "\n"); strings.Contains(text, hidden) {
		t.Errorf("a problem contains a secret value: %s", text)
	}
	return creds, lines
}

func TestAuth(t *testing.T) {
	secrets := map[string]map[string][]byte{
		"default/redis": {"password": []byte(hidden), "empty": nil},
		"keda/redis":    {"password": []byte(hidden + "-of-keda")},
	}
	configMaps := map[string]map[string]string{"default/settings": {"user": "worker"}}
	from := func(parameter, name, key string) []model.AuthKey {
		return []model.AuthKey{{Parameter: parameter, Name: name, Key: key}}
	}
	const at = "spec.triggers[1].authenticationRef: "
	creds, redis := ref("TriggerAuthentication", "default", "creds"), ref("Secret", "default", "redis")
	container := corev1.Container{Name: "main", Env: []corev1.EnvVar{{Name: "REDIS_USER", Value: "worker"}}}
	sidecar := corev1.Container{Name: "sidecar", Env: []corev1.EnvVar{{Name: "REDIS_USER", Value: "helper"}}}

	tests := map[string]struct {
		auth     model.AuthSpec
		ref      *model.AuthRef
		cluster  cluster
		change   func(*model.Workload)
		values   map[string]string
		identity scaler.Identity
		problems []string
		used     []model.Reference
	}{
		"no authenticationRef": {ref: &model.AuthRef{}, values: map[string]string{}},
		"Secret and ConfigMap": {
			auth:   model.AuthSpec{Secrets: from("password", "redis", "password"), ConfigMaps: from("username", "settings", "user")},
			values: map[string]string{"password": hidden, "username": "worker"},
			used:   []model.Reference{creds, redis, ref("ConfigMap", "default", "settings")},
		},
		"pod identity": {
			auth:   model.AuthSpec{Identity: scaler.Identity{Provider: "aws", RoleARN: "arn:aws:iam::1:role/r"}},
			values: map[string]string{}, identity: scaler.Identity{Provider: "aws", RoleARN: "arn:aws:iam::1:role/r"},
			used: []model.Reference{creds},
		},
		"ClusterTriggerAuthentication takes the operator's Secrets": {
			ref:     &model.AuthRef{Kind: model.KindClusterTriggerAuthentication, Name: "shared"},
			cluster: cluster{auth: map[string]*model.AuthSpec{"/shared keda.sh": {Secrets: from("password", "redis", "password")}}},
			values:  map[string]string{"password": hidden + "-of-keda"},
			used:    []model.Reference{ref("ClusterTriggerAuthentication", "", "shared"), ref("Secret", "keda", "redis")},
		},
		"the auth object does not exist": {
			ref: &model.AuthRef{Kind: model.KindTriggerAuthentication, Name: "gone"}, values: map[string]string{},
			problems: []string{"error: " + at + `names the TriggerAuthentication "gone", which does not exist in namespace default`},
			used:     []model.Reference{ref("TriggerAuthentication", "default", "gone")},
		},
		"the cluster-wide auth object does not exist": {
			ref: &model.AuthRef{Kind: model.KindClusterTriggerAuthentication, Name: "gone"}, values: map[string]string{},
			problems: []string{"error: " + at + `names the ClusterTriggerAuthentication "gone", which does not exist in the cluster`},
			used:     []model.Reference{ref("ClusterTriggerAuthentication", "", "gone")},
		},
		"the auth object can't be read": {
			ref: &model.AuthRef{Kind: model.KindTriggerAuthentication, Name: "denied"}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "denied" can't be read: secrets is forbidden for this account`},
			used:     []model.Reference{ref("TriggerAuthentication", "default", "denied")},
		},
		"the Secret does not exist": {
			auth: model.AuthSpec{Secrets: from("password", "gone", "password")}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "password": secretTargetRef[0]: the Secret default/gone does not exist`},
			used:     []model.Reference{creds, ref("Secret", "default", "gone")},
		},
		"the Secret can't be read": {
			auth: model.AuthSpec{Secrets: from("password", "denied", "password")}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "password": secretTargetRef[0]: the Secret default/denied can't be read: secrets is forbidden for this account`},
			used:     []model.Reference{creds, ref("Secret", "default", "denied")},
		},
		"no role lets the operator read the Secret": {
			auth: model.AuthSpec{Secrets: from("password", "no-role", "password")}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "password": secretTargetRef[0]: the operator may not read the Secret default/no-role; expected a Role in namespace default that lets it get this Secret, such as ` + "`keda rbac`" + ` prints, or the ClusterRoleBinding keda-operator-secrets for all namespaces`},
			used:     []model.Reference{creds, ref("Secret", "default", "no-role")},
		},
		"the Secret lacks the key": {
			auth: model.AuthSpec{Secrets: from("password", "redis", "passwort")}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "password": secretTargetRef[0]: the Secret default/redis has no key "passwort" (did you mean password?)`},
			used:     []model.Reference{creds, redis},
		},
		"the ConfigMap does not exist": {
			auth: model.AuthSpec{ConfigMaps: from("username", "gone", "user")}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": configMapTargetRef[0]: the ConfigMap default/gone does not exist`},
			used:     []model.Reference{creds, ref("ConfigMap", "default", "gone")},
		},
		"the ConfigMap lacks the key": {
			auth: model.AuthSpec{ConfigMaps: from("username", "settings", "x")}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": configMapTargetRef[0]: the ConfigMap default/settings has no key "x"`},
			used:     []model.Reference{creds, ref("ConfigMap", "default", "settings")},
		},
		"an empty value is handed on with a warning": {
			auth: model.AuthSpec{Secrets: from("password", "redis", "empty")}, values: map[string]string{"password": ""},
			problems: []string{"warning: " + at + `the TriggerAuthentication "creds" gives an empty value for the parameter "password" in secretTargetRef[0]`},
			used:     []model.Reference{creds, redis},
		},
		"a parameter given twice": {
			auth:     model.AuthSpec{Secrets: from("password", "redis", "password"), ConfigMaps: from("password", "settings", "user")},
			values:   map[string]string{"password": hidden},
			problems: []string{"warning: " + at + `the TriggerAuthentication "creds" gives the parameter "password" again in configMapTargetRef[0]; the first one counts`},
			used:     []model.Reference{creds, redis, ref("ConfigMap", "default", "settings")},
		},
		"all problems at once": {
			auth:   model.AuthSpec{Secrets: from("password", "gone", "a"), ConfigMaps: from("username", "gone", "b"), Retired: []string{"kiam, which has ended"}},
			values: map[string]string{},
			problems: []string{
				"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "password": secretTargetRef[0]: the Secret default/gone does not exist`,
				"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": configMapTargetRef[0]: the ConfigMap default/gone does not exist`,
				"error: " + at + `the TriggerAuthentication "creds" uses kiam, which has ended`,
			},
			used: []model.Reference{creds, ref("Secret", "default", "gone"), ref("ConfigMap", "default", "gone")},
		},
		"env of the first container": {
			auth:    model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER"}}},
			cluster: cluster{pods: pod(container, sidecar)}, values: map[string]string{"username": "worker"},
			used: []model.Reference{creds, ref("Deployment", "default", "app")},
		},
		"env of the workload's container": {
			auth:    model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER"}}},
			cluster: cluster{pods: pod(container, sidecar)}, change: func(w *model.Workload) { w.Target.Container = "sidecar" },
			values: map[string]string{"username": "helper"},
			used:   []model.Reference{creds, ref("Deployment", "default", "app")},
		},
		"env of the entry's container": {
			auth:    model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER", Container: "sidecar"}}},
			cluster: cluster{pods: pod(container, sidecar)}, values: map[string]string{"username": "helper"},
			used: []model.Reference{creds, ref("Deployment", "default", "app")},
		},
		"env of a Job's pods": {
			auth: model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER"}}},
			change: func(w *model.Workload) {
				w.Job = &model.Job{Container: "sidecar", Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{container, sidecar}}}}}
			},
			values: map[string]string{"username": "helper"}, used: []model.Reference{creds},
		},
		"env: no such container": {
			auth:    model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER", Container: "side-car"}}},
			cluster: cluster{pods: pod(container, sidecar)}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": env[0]: the target has no container "side-car"; it has main, sidecar (did you mean sidecar?)`},
			used:     []model.Reference{creds, ref("Deployment", "default", "app")},
		},
		"env: no such variable": {
			auth:    model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USR"}}},
			cluster: cluster{pods: pod(container)}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": env[0]: the container "main" has no environment variable "REDIS_USR" (did you mean REDIS_USER?)`},
			used:     []model.Reference{creds, ref("Deployment", "default", "app")},
		},
		"env: the variable's Secret does not exist": {
			auth:    model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER"}}},
			cluster: cluster{pods: pod(corev1.Container{Name: "main", Env: []corev1.EnvVar{fromSecret("REDIS_USER", "gone", "user", false)}})}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": env[0]: the Secret default/gone does not exist`},
			used:     []model.Reference{creds, ref("Deployment", "default", "app"), ref("Secret", "default", "gone")},
		},
		"env: the target does not exist": {
			auth: model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER"}}}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": env[0]: the Deployment default/app does not exist`},
			used:     []model.Reference{creds, ref("Deployment", "default", "app")},
		},
		"env: the target has no pods": {
			auth: model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER"}}}, values: map[string]string{},
			change:   func(w *model.Workload) { w.Target.Kind = "Unusual" },
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": env[0]: the Unusual app has no pod template, so there is no container whose environment could be read`},
			used:     []model.Reference{creds, ref("Unusual", "default", "app")},
		},
		"env: the pods have no containers": {
			auth:    model.AuthSpec{Env: []model.AuthEnv{{Parameter: "username", Name: "REDIS_USER"}}},
			cluster: cluster{pods: pod()}, values: map[string]string{},
			problems: []string{"error: " + at + `the TriggerAuthentication "creds" can't give the parameter "username": env[0]: the target's pods have no containers`},
			used:     []model.Reference{creds, ref("Deployment", "default", "app")},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &tt.cluster
			c.secrets, c.configMaps = secrets, configMaps
			if c.auth == nil {
				c.auth = credsAuth(tt.auth)
			}
			trigger := withAuth(nil)
			if tt.ref != nil {
				if trigger.Auth = tt.ref; tt.ref.Name == "" {
					trigger.Auth = nil
				}
			}
			w := workload(trigger)
			if tt.change != nil {
				tt.change(w)
			}
			got, problems := resolve(t, c, w)
			if diff := cmp.Diff(tt.values, got.Values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.identity, got.Identity); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.used, got.Used); diff != "" {
				t.Errorf("used (-want +got):\n%s", diff)
			}
			if (got.Digest == "") != (len(tt.values) == 0 && tt.identity == scaler.Identity{}) {
				t.Errorf("digest %q of %d values", got.Digest, len(tt.values))
			}
		})
	}
}

func TestOperatorNamespaceUnknown(t *testing.T) {
	c := &cluster{auth: map[string]*model.AuthSpec{"/shared keda.sh": {Secrets: []model.AuthKey{{Parameter: "password", Name: "redis", Key: "password"}}}}}
	w := workload(model.Trigger{Auth: &model.AuthRef{Kind: model.KindClusterTriggerAuthentication, Name: "shared"}})
	_, problems := (&Resolver{Reader: c}).Resolve(t.Context(), w, 1)
	want := `spec.triggers[1].authenticationRef: the ClusterTriggerAuthentication "shared" can't give the parameter "password": secretTargetRef[0]: the namespace of the operator is not known, where a ClusterTriggerAuthentication finds its objects`
	if err := problems.Err(); err == nil || err.Error() != want {
		t.Errorf("problems: %v, want %s", err, want)
	}
}

func TestReadsEachObjectOnce(t *testing.T) {
	c := &cluster{
		secrets: map[string]map[string][]byte{"default/redis": {"user": []byte("u"), "password": []byte(hidden)}},
		auth:    credsAuth(model.AuthSpec{Secrets: []model.AuthKey{{Parameter: "username", Name: "redis", Key: "user"}, {Parameter: "password", Name: "redis", Key: "password"}}}),
	}
	resolve(t, c, workload(withAuth(map[string]string{"listName": "jobs"})))
	if diff := cmp.Diff([]string{"TriggerAuthentication default/creds keda.sh", "Secret default/redis"}, c.reads); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
}

func TestFirstAPIReadsItsOwnAuth(t *testing.T) {
	c := &cluster{
		secrets: map[string]map[string][]byte{"default/redis": {"password": []byte(hidden)}},
		auth:    map[string]*model.AuthSpec{"default/creds keda.k8s.io": {Secrets: []model.AuthKey{{Parameter: "password", Name: "redis", Key: "password"}}}},
	}
	w := workload(withAuth(nil))
	w.Key.Group = model.GroupFirst
	got, problems := resolve(t, c, w)
	if problems != nil || got.Values["password"] != hidden {
		t.Errorf("values %v, problems %q", len(got.Values), problems)
	}
}

func TestDigest(t *testing.T) {
	base := digest(map[string]string{"a": "bc", "d": "e"}, nil, scaler.Identity{}, nil)
	tests := map[string]struct{ values, env map[string]string }{
		"another value":         {map[string]string{"a": "bd", "d": "e"}, nil},
		"another name":          {map[string]string{"A": "bc", "d": "e"}, nil},
		"a shifted border":      {map[string]string{"ab": "c", "d": "e"}, nil},
		"one more":              {map[string]string{"a": "bc", "d": "e", "f": ""}, nil},
		"the same in the other": {nil, map[string]string{"a": "bc", "d": "e"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if digest(tt.values, tt.env, scaler.Identity{}, nil) == base {
				t.Error("the digest is the same")
			}
		})
	}
	if again := digest(map[string]string{"d": "e", "a": "bc"}, map[string]string{}, scaler.Identity{}, nil); again != base {
		t.Error("the digest of equal values differs")
	}
	if other := digest(map[string]string{"d": "e", "a": "bc"}, nil, scaler.Identity{}, &model.Hosts{}); other == base {
		t.Error("the digest does not change with the hosts")
	}
	if other := digest(map[string]string{"d": "e", "a": "bc"}, nil, scaler.Identity{Provider: "aws", RoleARN: "r"}, nil); other == base {
		t.Error("the digest does not tell identities apart")
	}
}

func TestNamedBy(t *testing.T) {
	tests := map[string]struct {
		info     param.Info
		metadata map[string]string
		want     []variable
	}{
		"by value":       {param.Info{Name: "host", EnvVariable: "HOST"}, map[string]string{"host": "MY_HOST"}, []variable{{"MY_HOST", "metadata.host"}}},
		"by alias":       {param.Info{Name: "host", Aliases: []string{"address"}}, map[string]string{"address": "MY_HOST"}, []variable{{"MY_HOST", "metadata.address"}}},
		"by default":     {param.Info{Name: "host", EnvVariable: "HOST"}, nil, []variable{{"HOST", "metadata.host"}}},
		"not at all":     {param.Info{Name: "host"}, map[string]string{"other": "x"}, nil},
		"any with rest":  {param.Info{Prefix: true}, map[string]string{"b": "B", "a": "A", "c": ""}, []variable{{"A", "metadata.a"}, {"B", "metadata.b"}}},
		"some with rest": {param.Info{Name: "x-", Prefix: true}, map[string]string{"x-b": "B", "a": "A"}, []variable{{"B", "metadata.x-b"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, namedBy(tt.info, tt.metadata), cmp.AllowUnexported(variable{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
		})
	}
}
