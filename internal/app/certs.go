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

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kedago/keda/internal/act"
	"github.com/kedago/keda/internal/certs"
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

// truster writes whom an APIService trusts.
type truster interface {
	TrustAPIService(ctx context.Context, name string, ca []byte) (bool, error)
}

// keepTrusted makes the API server trust the authority in the folder of
// certificates, on the leader and for as long as it leads: after a renewal,
// and when somebody else has written something else.
func keepTrusted(mgr ctrl.Manager, o Options, t truster) error {
	if !o.CertRotation || !o.APIServicePatching {
		return nil
	}
	err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		for {
			trustOnce(ctx, o, t)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(trustEvery):
			}
		}
	}))
	if err != nil {
		return fmt.Errorf("adding what keeps us trusted: %w", err)
	}
	return nil
}

func trustOnce(ctx context.Context, o Options, t truster) {
	ca, err := os.ReadFile(filepath.Join(o.CertDir, "ca.crt"))
	wrote := false
	if err == nil {
		wrote, err = t.TrustAPIService(ctx, metricsAPIService, ca)
	}
	switch {
	case err != nil && ctx.Err() == nil:
		o.Log.Error("telling the API server whom to trust; trying again", "error", err)
	case wrote:
		o.Log.Info("the API server trusts our authority", "apiService", metricsAPIService)
	}
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
