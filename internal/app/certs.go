package app

import (
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kedago/keda/internal/certs"
)

// keepCertificates makes the serving certificate before anything serves with
// it, and renews it for as long as the process runs. The server takes a new
// one without a restart.
func keepCertificates(mgr ctrl.Manager, o Options) error {
	if !o.CertRotation {
		return nil
	}
	k := &certs.Keeper{
		Dir: o.CertDir, DNSNames: serviceNames(o.ServiceName, o.Namespace),
		Clock: clock.RealClock{}, Log: o.Log,
		OnChange: func(b certs.Bundle) {
			o.Log.Info("serving certificate", "authority", b.CAFile, "renewal", b.Renew)
		},
	}
	if _, err := certs.Ensure(k.Dir, k.DNSNames, k.IPs, time.Now()); err != nil {
		return fmt.Errorf("--enable-cert-rotation: %w", err)
	}
	if err := mgr.Add(everywhere{k.Run}); err != nil {
		return fmt.Errorf("adding the renewal of certificates: %w", err)
	}
	return nil
}

// serviceNames are the names under which a Service is reached in its cluster.
func serviceNames(service, namespace string) []string {
	return []string{service + "." + namespace + ".svc", service + "." + namespace + ".svc.cluster.local", service + "." + namespace, service}
}
