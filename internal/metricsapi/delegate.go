package metricsapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	unionauth "k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	"k8s.io/apiserver/pkg/authorization/path"
	"k8s.io/apiserver/pkg/authorization/union"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

const (
	// reviewCache is how long answers of the cluster are kept, the default of
	// Kubernetes' own API servers.
	reviewCache   = 10 * time.Second
	reviewTimeout = 10 * time.Second

	// The ConfigMap in which the cluster publishes whom to trust as front proxy.
	trustNamespace = metav1.NamespaceSystem
	trustName      = "extension-apiserver-authentication"
)

// delegateAuthentication lets the cluster say who a caller is: its front proxy
// by headers, a client certificate, or a token by TokenReview. Whom to trust is
// watched, so a change of the cluster's authorities needs no restart.
func delegateAuthentication(ctx context.Context, cluster *rest.Config, to *genericapiserver.Config) error {
	client, err := kubernetes.NewForConfig(unlimited(cluster))
	if err != nil {
		return fmt.Errorf("making the client for authentication: %w", err)
	}
	clientCA, err := dynamiccertificates.NewDynamicCAFromConfigMapController("client-ca", trustNamespace, trustName, "client-ca-file", client)
	if err != nil {
		return fmt.Errorf("preparing to watch the cluster's client authorities: %w", err)
	}
	if err := to.Authentication.ApplyClientCert(clientCA, to.SecureServing); err != nil {
		return fmt.Errorf("trusting the cluster's client authorities: %w", err)
	}
	proxy, err := frontProxy(ctx, client)
	if err != nil {
		return err
	}
	if err := to.Authentication.ApplyClientCert(proxy.CAContentProvider, to.SecureServing); err != nil {
		return fmt.Errorf("trusting the cluster's front proxy: %w", err)
	}
	to.ReadyzChecks = append(to.ReadyzChecks, healthz.NamedCheck("front-proxy", func(*http.Request) error {
		if len(proxy.CAContentProvider.CurrentCABundleContent()) == 0 {
			return fmt.Errorf("whom to trust as front proxy is not yet known from ConfigMap %s/%s", trustNamespace, trustName)
		}
		return nil
	}))
	to.Authentication.RequestHeaderConfig = proxy
	direct, _, err := authenticatorfactory.DelegatingAuthenticatorConfig{
		Anonymous:                          &apiserver.AnonymousAuthConfig{Enabled: true},
		TokenAccessReviewClient:            client.AuthenticationV1(),
		TokenAccessReviewTimeout:           reviewTimeout,
		WebhookRetryBackoff:                options.DefaultAuthWebhookRetryBackoff(),
		CacheTTL:                           reviewCache,
		ClientCertificateCAContentProvider: clientCA,
	}.New()
	if err != nil {
		return fmt.Errorf("preparing delegated authentication: %w", err)
	}
	to.Authentication.Authenticator = unionauth.New(group.NewAuthenticatedGroupAdder(newProxied(proxy, clock.RealClock{})), direct)
	return nil
}

// frontProxy reads and then watches which front proxy to trust, and in which
// headers it names the caller.
func frontProxy(ctx context.Context, client kubernetes.Interface) (*authenticatorfactory.RequestHeaderConfig, error) {
	ca, err := dynamiccertificates.NewDynamicCAFromConfigMapController("front-proxy-ca", trustNamespace, trustName, "requestheader-client-ca-file", client)
	if err != nil {
		return nil, fmt.Errorf("preparing to watch the front proxy's authorities: %w", err)
	}
	c := &options.DynamicRequestHeaderController{
		ConfigMapCAController: ca,
		RequestHeaderAuthRequestController: headerrequest.NewRequestHeaderAuthRequestController(trustName, trustNamespace, client,
			"requestheader-username-headers", "requestheader-uid-headers", "requestheader-group-headers",
			"requestheader-extra-headers-prefix", "requestheader-allowed-names"),
	}
	if err := c.RunOnce(ctx); err != nil {
		return nil, fmt.Errorf("reading which front proxy to trust from ConfigMap %s/%s: %w", trustNamespace, trustName, err)
	}
	return &authenticatorfactory.RequestHeaderConfig{
		CAContentProvider:   c,
		UsernameHeaders:     headerrequest.StringSliceProviderFunc(c.UsernameHeaders),
		UIDHeaders:          headerrequest.StringSliceProviderFunc(c.UIDHeaders),
		GroupHeaders:        headerrequest.StringSliceProviderFunc(c.GroupHeaders),
		ExtraHeaderPrefixes: headerrequest.StringSliceProviderFunc(c.ExtraHeaderPrefixes),
		AllowedClientNames:  headerrequest.StringSliceProviderFunc(c.AllowedClientNames),
	}, nil
}

// delegateAuthorization lets the cluster say what a caller may do, by
// SubjectAccessReview.
func delegateAuthorization(cluster *rest.Config) (authorizer.Authorizer, error) {
	config := unlimited(cluster)
	config.Timeout = reviewTimeout
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client for authorization: %w", err)
	}
	reviews, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: client.AuthorizationV1(),
		Compiler:                  noExpressions{},
		AllowCacheTTL:             reviewCache,
		DenyCacheTTL:              reviewCache,
		WebhookRetryBackoff:       options.DefaultAuthWebhookRetryBackoff(),
	}.New()
	if err != nil {
		return nil, fmt.Errorf("preparing delegated authorization: %w", err)
	}
	return reviews, nil
}

// openPaths puts what needs no review before the delegate: probes, and the
// group that may do everything.
func openPaths(delegate authorizer.Authorizer) (authorizer.Authorizer, error) {
	probes, err := path.NewAuthorizer([]string{"/healthz", "/readyz", "/livez"})
	if err != nil {
		return nil, fmt.Errorf("opening the probes' paths: %w", err)
	}
	return union.New(
		union.NamedAuthorizer{AuthorizerName: "masters", Authorizer: authorizerfactory.NewPrivilegedGroups("system:masters")},
		union.NamedAuthorizer{AuthorizerName: "probes", Authorizer: probes},
		union.NamedAuthorizer{AuthorizerName: "cluster", Authorizer: delegate},
	)
}

// noExpressions stands in for a CEL compiler, whose environment takes
// megabytes: the delegating authorizer has no match conditions to compile.
type noExpressions struct{}

// CompileCELExpression implements authorizationcel.Compiler.
func (noExpressions) CompileCELExpression(authorizationcel.ExpressionAccessor) (authorizationcel.CompilationResult, error) {
	return authorizationcel.CompilationResult{}, errors.New("this server has no match conditions")
}

// unlimited copies a client configuration without the client-side rate limit:
// no metric read waits behind other requests.
func unlimited(c *rest.Config) *rest.Config {
	out := rest.CopyConfig(c)
	out.QPS, out.Burst, out.RateLimiter = -1, 0, nil
	return out
}
