package app

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
)

func readerOf(t *testing.T, live, cached []client.Object) clusterReader {
	t.Helper()
	s, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	of := func(objects []client.Object) client.Client {
		return fake.NewClientBuilder().WithScheme(s).WithObjects(objects...).Build()
	}
	return clusterReader{live: of(live), cached: of(cached)}
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "ns", Name: name} }

func podTemplate(container string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: container}}}}
}

func rollout(name string, spec map[string]any) client.Object {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetAPIVersion("argoproj.io/v1alpha1")
	u.SetKind("Rollout")
	u.SetNamespace("ns")
	u.SetName(name)
	return u
}

// TestReaderAsksTheServer: what is only in the cache, which is stripped and may
// be old, is not found.
func TestReaderAsksTheServer(t *testing.T) {
	objects := []client.Object{
		&corev1.Secret{ObjectMeta: named("s"), Data: map[string][]byte{"k": []byte("v")}},
		&corev1.ConfigMap{ObjectMeta: named("c"), Data: map[string]string{"k": "v"}},
		&appsv1.Deployment{ObjectMeta: named("d"), Spec: appsv1.DeploymentSpec{Template: podTemplate("main")}},
	}
	deployment := model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "d"}
	r := readerOf(t, objects, nil)
	data, err := r.Secret(t.Context(), "ns", "s")
	if diff := cmp.Diff(map[string][]byte{"k": []byte("v")}, data); diff != "" || err != nil {
		t.Errorf("Secret: %v\n%s", err, diff)
	}
	text, err := r.ConfigMap(t.Context(), "ns", "c")
	if diff := cmp.Diff(map[string]string{"k": "v"}, text); diff != "" || err != nil {
		t.Errorf("ConfigMap: %v\n%s", err, diff)
	}
	if pod, err := r.PodSpec(t.Context(), "ns", deployment); err != nil || pod.Containers[0].Name != "main" {
		t.Errorf("PodSpec: %v, %v", pod, err)
	}

	r = readerOf(t, nil, objects)
	_, secretErr := r.Secret(t.Context(), "ns", "s")
	_, configMapErr := r.ConfigMap(t.Context(), "ns", "c")
	_, podErr := r.PodSpec(t.Context(), "ns", deployment)
	for what, err := range map[string]error{"Secret": secretErr, "ConfigMap": configMapErr, "PodSpec": podErr} {
		if !apierrors.IsNotFound(err) {
			t.Errorf("%s of the cache only: %v; expected NotFound", what, err)
		}
	}
}

func TestPodSpec(t *testing.T) {
	template := map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "argo"}}}}
	r := readerOf(t, []client.Object{
		&appsv1.StatefulSet{ObjectMeta: named("s"), Spec: appsv1.StatefulSetSpec{Template: podTemplate("db")}},
		rollout("r", map[string]any{"template": template}),
		rollout("without", map[string]any{"workloadRef": "x"}),
		rollout("empty", map[string]any{"template": map[string]any{"spec": map[string]any{}}}),
		rollout("odd", map[string]any{"template": map[string]any{"spec": map[string]any{"containers": "hunter2"}}}),
	}, nil)
	tests := map[string]struct {
		target model.Target
		want   string // of the first container
		check  func(error) bool
	}{
		"a StatefulSet":          {target: model.Target{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "s"}, want: "db"},
		"a Rollout":              {target: model.Target{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "r"}, want: "argo"},
		"no template":            {target: model.Target{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "without"}, check: func(err error) bool { return errors.Is(err, secret.ErrNoPods) }},
		"an empty template":      {target: model.Target{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "empty"}, check: func(err error) bool { return errors.Is(err, secret.ErrNoPods) }},
		"an odd template":        {target: model.Target{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "odd"}, check: func(err error) bool { return !strings.Contains(err.Error(), "hunter2") }},
		"none of that name":      {target: model.Target{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "none"}, check: apierrors.IsNotFound},
		"no group and version":   {target: model.Target{APIVersion: "a/b/c", Kind: "Rollout", Name: "r"}, check: func(err error) bool { return strings.Contains(err.Error(), "a/b/c") }},
		"no StatefulSet of ours": {target: model.Target{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "t"}, check: apierrors.IsNotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			pod, err := r.PodSpec(t.Context(), "ns", tt.target)
			if tt.check != nil {
				if err == nil || !tt.check(err) {
					t.Errorf("%v, %v; expected another error", pod, err)
				}
				return
			}
			if err != nil || pod.Containers[0].Name != tt.want {
				t.Errorf("%v, %v; expected container %s", pod, err, tt.want)
			}
		})
	}
}

// TestAuthByGroup: an auth object is found in the workload's own group only.
func TestAuthByGroup(t *testing.T) {
	spec := func(name string) kedav1.TriggerAuthenticationSpec {
		return kedav1.TriggerAuthenticationSpec{SecretTargetRef: []kedav1.AuthSecretTargetRef{{Parameter: "p", Name: name, Key: "k"}}}
	}
	r := readerOf(t, nil, []client.Object{
		&kedav1.TriggerAuthentication{ObjectMeta: named("a"), Spec: spec("today")},
		&kedav1.ClusterTriggerAuthentication{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: spec("cluster")},
		&firstv1.TriggerAuthentication{ObjectMeta: named("a"), Spec: firstv1.TriggerAuthenticationSpec{SecretTargetRef: []firstv1.AuthSecretTargetRef{{Parameter: "p", Name: "first", Key: "k"}}}},
		&kedav1.TriggerAuthentication{ObjectMeta: named("only-today"), Spec: spec("today")},
	})
	for _, tt := range []struct {
		kind, namespace string
		group           model.Group
		want            string
	}{
		{model.KindTriggerAuthentication, "ns", model.GroupToday, "today"},
		{model.KindTriggerAuthentication, "ns", model.GroupFirst, "first"},
		{model.KindClusterTriggerAuthentication, "", model.GroupToday, "cluster"},
	} {
		got, err := r.Auth(t.Context(), tt.kind, tt.namespace, "a", tt.group)
		if err != nil || len(got.Secrets) != 1 || got.Secrets[0].Name != tt.want {
			t.Errorf("%s of %s: %+v, %v; expected %s", tt.kind, tt.group, got, err, tt.want)
		}
	}
	if _, err := r.Auth(t.Context(), model.KindTriggerAuthentication, "ns", "only-today", model.GroupFirst); !apierrors.IsNotFound(err) {
		t.Errorf("one of the other group: %v; expected NotFound", err)
	}
	if got, err := r.Auth(t.Context(), model.KindClusterTriggerAuthentication, "", "a", model.GroupFirst); err == nil {
		t.Errorf("a kind that the first API lacks: %+v; expected an error", got)
	}
}
