package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// issuer issues tokens for ns/app, and refuses all others.
func issuer(t *testing.T, now time.Time) serviceAccounts {
	t.Helper()
	s, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: named("app")}
	account.Annotations = map[string]string{"eks.amazonaws.com/role-arn": "arn"}
	c := fake.NewClientBuilder().WithScheme(s).WithObjects(account).WithInterceptorFuncs(interceptor.Funcs{
		SubResourceCreate: func(_ context.Context, _ client.Client, sub string, obj, body client.Object, _ ...client.SubResourceCreateOption) error {
			request, ok := body.(*authenticationv1.TokenRequest)
			if sub != "token" || !ok || len(request.Spec.Audiences) > 0 {
				t.Errorf("created %s %T", sub, body)
				return nil
			}
			if obj.GetNamespace()+"/"+obj.GetName() != "ns/app" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts/token"}, obj.GetName(), errors.New("no role"))
			}
			request.Status.Token = "token"
			request.Status.ExpirationTimestamp = metav1.NewTime(now.Add(time.Duration(*request.Spec.ExpirationSeconds) * time.Second / 2))
			return nil
		},
	}).Build()
	return serviceAccounts{live: c, client: c, life: time.Hour, now: func() time.Time { return now }}
}

func TestServiceAccounts(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := issuer(t, now)
	if got, err := a.Annotations(t.Context(), "ns", "app"); err != nil || got["eks.amazonaws.com/role-arn"] != "arn" {
		t.Errorf("annotations %v, %v", got, err)
	}
	if _, err := a.Annotations(t.Context(), "ns", "gone"); !apierrors.IsNotFound(err) {
		t.Errorf("annotations of nobody: %v", err)
	}
	token, life, err := a.Token(t.Context(), "ns", "app")
	if err != nil || token.Reveal() != "token" || life != 30*time.Minute {
		t.Errorf("token of %d bytes for %v, %v; expected one for as long as the server said", len(token.Reveal()), life, err)
	}
	if _, _, err := a.Token(t.Context(), "other", "app"); !apierrors.IsForbidden(err) {
		t.Errorf("a token without a role: %v", err)
	}
}

// TestReaderOfFiles: without a folder scalers get no reader at all.
func TestReaderOfFiles(t *testing.T) {
	if reader(files(Options{})) != nil {
		t.Error("files may be read although there is no folder for them")
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "key.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := reader(files(Options{FileRoot: root}))
	if got, err := read("key.json"); err != nil || string(got) != "{}" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := read("../key.json"); err == nil {
		t.Error("a file outside was read")
	}
}

// TestUnwatched: Secrets are watched only where the operator may list all that
// it may be asked to read.
func TestUnwatched(t *testing.T) {
	allowedIn := func(namespaces ...string) client.Client {
		return fake.NewClientBuilder().WithScheme(scheme.Scheme).WithInterceptorFuncs(interceptor.Funcs{
			Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
				review := o.(*authorizationv1.SelfSubjectAccessReview)
				a := review.Spec.ResourceAttributes
				review.Status.Allowed = a.Resource == "secrets" && a.Group == "" && slices.Contains(namespaces, a.Namespace)
				return nil
			},
		}).Build()
	}
	for name, c := range map[string]struct {
		client client.Client
		o      Options
		want   []string
	}{
		"all":                           {allowedIn(""), Options{}, nil},
		"none":                          {allowedIn(), Options{}, []string{"Secret"}},
		"those that are watched":        {allowedIn("a", "b"), Options{WatchNamespaces: []string{"a", "b"}}, nil},
		"one of those that are watched": {allowedIn("a"), Options{WatchNamespaces: []string{"a", "b"}}, []string{"Secret"}},
		"the administrator says no":     {allowedIn(""), Options{UnwatchedSecrets: true}, []string{"Secret", "ConfigMap"}},
	} {
		c.o.Log = slog.New(slog.DiscardHandler)
		got, err := unwatched(t.Context(), c.client, c.o)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}
