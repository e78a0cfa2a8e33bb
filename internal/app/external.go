package app

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kedago/keda/internal/egress"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/internal/secret/awssm"
	"github.com/kedago/keda/internal/secret/azurekv"
	"github.com/kedago/keda/internal/secret/gcpsm"
	"github.com/kedago/keda/internal/secret/vault"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// newExternal makes what reads credentials that the API server doesn't hold.
// The set of controllers may still be missing.
func (op *operator) newExternal(mgr ctrl.Manager, o Options, rules *egress.Policy) (*secret.External, error) {
	cache := secret.NewCache(secret.CacheOptions{
		Every: o.SecretRefresh, Clock: clock.RealClock{}, Jitter: rand.Float64, Log: o.Log,
		Changed: func(r model.Reference) { op.set.ReferenceChanged(r) },
		Used:    func(r model.Reference) bool { return op.set.Used(r) },
	})
	if err := mgr.Add(manager.RunnableFunc(cache.Run)); err != nil {
		return nil, fmt.Errorf("adding the cache of credentials: %w", err)
	}
	env := scaler.Env{Log: o.Log, Pool: op.pool, Now: time.Now, HTTP: o.HTTP}
	aws := awssm.Options{Env: env, Region: cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))}
	own, ownAWS := env, aws // for who asks by the operator's own identity
	own.HTTP.Egress = identityRules(o, rules, "podIdentity")
	ownAWS.Env = own
	awsIdentity := func(a secret.AWSAccess) scaler.Identity { return a.Identity }
	return &secret.External{
		Cache:           cache,
		ServiceAccounts: serviceAccounts{live: mgr.GetAPIReader(), client: mgr.GetClient(), life: o.TokenLife, now: time.Now},
		Files:           files(o),
		OpenVault: vault.New(vault.Options{
			Env: env, Addresses: o.VaultAddresses, OwnAddress: os.Getenv("VAULT_ADDR"), OwnToken: param.Hide(os.Getenv("VAULT_TOKEN")),
		}),
		OpenAWSSecrets:    byIdentity(awsIdentity, awssm.NewSecrets(aws), awssm.NewSecrets(ownAWS)),
		OpenAWSParameters: byIdentity(awsIdentity, awssm.NewParameters(aws), awssm.NewParameters(ownAWS)),
		OpenKeyVault:      byIdentity(func(a secret.KeyVaultAccess) scaler.Identity { return a.Identity }, azurekv.New(env), azurekv.New(own)),
		OpenGCPSecrets: byIdentity(func(a secret.GCPAccess) scaler.Identity { return a.Identity },
			gcpsm.New(gcpsm.Options{Env: env}), gcpsm.New(gcpsm.Options{Env: own})),
	}, nil
}

// files are those of the operator that triggers and auth objects may name.
func files(o Options) secret.Files {
	return secret.Files{Root: o.FileRoot, OwnToken: secret.OwnTokenFile}
}

// reader is for scalers, nil when they may read no file.
func reader(f secret.Files) func(string) ([]byte, error) {
	if f.Root == "" {
		return nil
	}
	return f.Read
}

// unwatched are the kinds of what holds credentials that can't be watched: both
// when the options say so, and Secrets where the operator may not list all of
// those that it may be asked to read.
func unwatched(ctx context.Context, c client.Client, o Options) ([]string, error) {
	if o.UnwatchedSecrets {
		return []string{"Secret", "ConfigMap"}, nil
	}
	namespaces := o.WatchNamespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, n := range namespaces {
		for _, verb := range []string{"list", "watch"} {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: n, Verb: verb, Resource: "secrets"},
			}}
			if err := c.Create(ctx, review); err != nil {
				return nil, fmt.Errorf("asking what the operator may do: %w", err)
			}
			if !review.Status.Allowed {
				o.Log.Info("Secrets can't be watched, since no role lets the operator list them; those that it may read are read again from time to time",
					"namespace", cmp.Or(n, "all"), "every", o.SecretRefresh)
				return []string{"Secret"}, nil
			}
		}
	}
	return nil, nil
}

// reread has Secrets and ConfigMaps read again that are not watched.
func (op *operator) reread(o Options) func(context.Context) error {
	return func(ctx context.Context) error {
		return op.set.RereadEvery(ctx, o.SecretRefresh, clock.RealClock{})
	}
}

// denied has credentials that a source refused looked at again.
func (op *operator) denied(cache *secret.Cache) func(model.Key) {
	return func(k model.Key) {
		for _, r := range op.set.Uses(k) {
			cache.Distrust(r)
		}
		op.set.Again(k)
	}
}

// serviceAccounts implements secret.ServiceAccounts.
type serviceAccounts struct {
	live   client.Reader
	client client.SubResourceClientConstructor
	life   time.Duration // of a token, as asked for
	now    func() time.Time
}

// Annotations implements secret.ServiceAccounts.
func (s serviceAccounts) Annotations(ctx context.Context, namespace, name string) (map[string]string, error) {
	account := &metav1.PartialObjectMetadata{}
	account.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceAccount"))
	if err := s.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, account); err != nil {
		return nil, err
	}
	return account.Annotations, nil
}

// Token implements secret.ServiceAccounts. Issuing a token changes nothing in
// the cluster.
func (s serviceAccounts) Token(ctx context.Context, namespace, name string) (param.Hidden, time.Duration, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	seconds := int64(s.life / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	if err := s.client.SubResource("token").Create(ctx, account, request); err != nil {
		return param.Hidden{}, 0, err
	}
	return param.Hide(request.Status.Token), request.Status.ExpirationTimestamp.Sub(s.now()), nil
}
