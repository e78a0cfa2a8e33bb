package secret

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
)

// partial is a cluster of which only a part is known: what is missing may be there.
type partial struct{ *cluster }

func orUnseen[T any](v T, err error) (T, error) {
	if err != nil {
		return v, ErrUnseen
	}
	return v, nil
}

func (p partial) Secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	return orUnseen(p.cluster.Secret(ctx, namespace, name))
}

func (p partial) PodSpec(ctx context.Context, namespace string, t model.Target) (*corev1.PodSpec, error) {
	return orUnseen(p.cluster.PodSpec(ctx, namespace, t))
}

func (p partial) Auth(ctx context.Context, kind, namespace, name string, group model.Group) (*model.AuthSpec, error) {
	return orUnseen(p.cluster.Auth(ctx, kind, namespace, name, group))
}

func TestUnseen(t *testing.T) {
	keys := []model.AuthKey{{Parameter: "password", Name: "gone", Key: "password"}, {Parameter: "username", Name: "redis", Key: "user"}}
	secrets := map[string]map[string][]byte{"default/redis": {"user": []byte("worker")}}
	tests := map[string]struct {
		cluster  cluster
		trigger  model.Trigger
		want     model.Unseen
		values   map[string]string
		problems []string
	}{
		"all is there": {
			cluster{auth: credsAuth(model.AuthSpec{Secrets: keys[1:]}), secrets: secrets}, withAuth(nil),
			model.Unseen{}, map[string]string{"username": "worker"}, nil,
		},
		"the auth object": {cluster{}, withAuth(nil), model.Unseen{AllValues: true}, map[string]string{}, nil},
		"a Secret": {
			cluster{auth: credsAuth(model.AuthSpec{Secrets: keys}), secrets: secrets}, withAuth(nil),
			model.Unseen{Values: map[string]bool{"password": true}}, map[string]string{"username": "worker"}, nil,
		},
		"the target, for the auth object": {
			cluster{auth: credsAuth(model.AuthSpec{Env: []model.AuthEnv{{Parameter: "host", Name: "HOST"}}})}, withAuth(nil),
			model.Unseen{Values: map[string]bool{"host": true}}, map[string]string{}, nil,
		},
		"the target": {cluster{}, model.Trigger{Metadata: map[string]string{"hostFromEnv": "HOST"}}, model.Unseen{Env: true}, map[string]string{}, nil},
		"a Secret of the environment": {
			cluster{pods: pod(corev1.Container{Name: "main", Env: []corev1.EnvVar{fromSecret("HOST", "gone", "host", false)}})},
			model.Trigger{Metadata: map[string]string{"hostFromEnv": "HOST"}}, model.Unseen{Env: true}, map[string]string{}, nil,
		},
		"a Secret within a reference": {
			cluster{pods: pod(corev1.Container{Name: "main", EnvFrom: []corev1.EnvFromSource{allOfSecret("", "gone", false)}, Env: []corev1.EnvVar{{Name: "HOST", Value: "$(NAME):80"}}})},
			model.Trigger{Metadata: map[string]string{"hostFromEnv": "HOST"}}, model.Unseen{Env: true}, map[string]string{}, nil,
		},
		"a key that a known Secret lacks": {
			cluster{auth: credsAuth(model.AuthSpec{Secrets: []model.AuthKey{{Parameter: "username", Name: "redis", Key: "usr"}}}), secrets: secrets}, withAuth(nil),
			model.Unseen{}, map[string]string{},
			[]string{`spec.triggers[1].authenticationRef: the TriggerAuthentication "creds" can't give the parameter "username": secretTargetRef[0]: the Secret default/redis has no key "usr" (did you mean user?)`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := &Resolver{Reader: partial{&tt.cluster}, ClusterNamespace: "keda"}
			got, ps := r.Resolve(t.Context(), workload(tt.trigger), 1)
			if diff := cmp.Diff(tt.want, got.Unseen); diff != "" {
				t.Errorf("unseen (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.values, got.Values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			var problems []string
			for _, p := range ps {
				problems = append(problems, p.String())
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
