package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kedago/keda/internal/act"
	"github.com/kedago/keda/internal/certs"
	"github.com/kedago/keda/internal/sleep"
)

// keepCertificates makes the serving certificate before anything serves with
// it, and renews it for as long as the process runs. Servers take a new one
// without a restart. With a Secret, all replicas and roles share it.
func keepCertificates(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if !o.CertRotation {
		return nil
	}
	k := &certs.Keeper{
		Dir: o.CertDir, DNSNames: ownNames(o), Clock: clock.RealClock{}, Log: o.Log,
		OnChange: func(b certs.Bundle) {
			o.Log.Info("serving certificate", "authority", b.CAFile, "renewal", b.Renew)
		},
	}
	if o.CertSecret != "" {
		k.Vault = act.SecretFiles{Live: mgr.GetAPIReader(), Client: mgr.GetClient(), Namespace: o.Namespace, Name: o.CertSecret}
	}
	if _, err := k.Ensure(ctx); err != nil {
		return fmt.Errorf("--enable-cert-rotation: %w", err)
	}
	if err := mgr.Add(everywhere{k.Run}); err != nil {
		return fmt.Errorf("adding the renewal of certificates: %w", err)
	}
	return nil
}

// ownNames are the names by which the cluster reaches us, in any role.
func ownNames(o Options) []string {
	var out []string
	for _, service := range []string{o.ServiceName, o.OperatorServiceName, o.WebhooksServiceName} {
		if service != "" {
			out = append(out, serviceNames(service, o.Namespace, o.ClusterDomain)...)
		}
	}
	return out
}

// trustEvery is how often it is looked whether the API server still trusts us.
const trustEvery = 10 * time.Second

// trusting is an object that tells the API server whom to trust.
type trusting struct {
	// kind and name are the object's, for logs.
	kind, name string
	// write makes it trust authorities (PEM), and says whether it did not yet.
	write func(ctx context.Context, ca []byte) (bool, error)
	// optional says that not everybody wants to have it.
	optional bool
}

// keepTrusted makes an object trust the authority in the folder of
// certificates, on the leader and for as long as it leads: after a renewal,
// and when somebody else has written something else.
func keepTrusted(mgr ctrl.Manager, o Options, t trusting) error {
	err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		said := ""
		for {
			said = t.once(ctx, o, said)
			if !sleep.For(ctx, trustEvery) {
				return nil
			}
		}
	}))
	if err != nil {
		return fmt.Errorf("adding what keeps us trusted: %w", err)
	}
	return nil
}

// once returns what went wrong. A failure is logged when it is another one
// than before.
func (t trusting) once(ctx context.Context, o Options, before string) string {
	ca, err := os.ReadFile(filepath.Join(o.CertDir, "ca.crt"))
	wrote := false
	if err == nil {
		wrote, err = t.write(ctx, ca)
	}
	switch {
	case wrote:
		o.Log.Info("the API server trusts our authority", t.kind, t.name)
	case err == nil || ctx.Err() != nil || t.optional && apierrors.IsNotFound(err):
	default:
		if err.Error() != before {
			o.Log.Error("telling the API server whom to trust; trying again", t.kind, t.name, "error", err)
		}
		return err.Error()
	}
	return ""
}

// keepMetricsAPITrusted does so for the external metrics API.
func keepMetricsAPITrusted(mgr ctrl.Manager, o Options) error {
	if !o.CertRotation || !o.APIServicePatching {
		return nil
	}
	return keepTrusted(mgr, o, trusting{kind: "apiService", name: metricsAPIService, write: func(ctx context.Context, ca []byte) (bool, error) {
		return act.TrustAPIService(ctx, mgr.GetAPIReader(), mgr.GetClient(), metricsAPIService, ca)
	}})
}

// metricsAPIService is the registration of the external metrics API.
const metricsAPIService = "v1beta1.external.metrics.k8s.io"

// serviceTLS reads the bounds of TLS of our own ports: TLS 1.3 unless said
// otherwise, and no less than 1.2.
func serviceTLS(o Options) (least uint16, suites []uint16, err error) {
	switch o.ServiceMinTLS {
	case "", "TLS13":
		least = tls.VersionTLS13
	case "TLS12":
		least = tls.VersionTLS12
	default:
		return 0, nil, fmt.Errorf("--service-min-tls-version: found %q; expected TLS12 or TLS13", o.ServiceMinTLS)
	}
	for _, name := range o.ServiceCipherSuites {
		i := slices.IndexFunc(tls.CipherSuites(), func(c *tls.CipherSuite) bool { return c.Name == name })
		if i < 0 {
			return 0, nil, fmt.Errorf("--service-tls-cipher-list: found %q; expected names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", name)
		}
		suites = append(suites, tls.CipherSuites()[i].ID)
	}
	return least, suites, nil
}

// serviceNames are the names under which a Service is reached in its cluster.
func serviceNames(service, namespace, domain string) []string {
	full := service + "." + namespace + ".svc"
	return []string{full, full + "." + cmp.Or(domain, "cluster.local"), service + "." + namespace, service}
}
