// Package app is the composition root: the only place that builds things and
// connects them. Environment, files, clock and randomness enter here.
package app

import (
	"log/slog"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// Options are the settings of the roles. Zero values are not defaults; see the
// command line for those.
type Options struct {
	// Kubeconfig is a file; empty means in the cluster.
	Kubeconfig string
	// Namespace is the operator's own.
	Namespace string
	// ClusterObjectNamespace is where ClusterTriggerAuthentications find Secrets.
	ClusterObjectNamespace string
	// WatchNamespaces limits what is watched; empty means all.
	WatchNamespaces []string

	// Addresses to listen at, "0" for none.
	MetricsAddress, HealthAddress, ProfilingAddress string

	// SecurePort is the external metrics API's port.
	SecurePort int
	// BindAddress is where it listens, all addresses when empty.
	BindAddress string
	// CertDir holds tls.crt and tls.key, which may be replaced at any time.
	CertDir string
	// CertRotation makes an authority and a serving certificate in CertDir and
	// renews them; otherwise somebody else does.
	CertRotation bool
	// ServiceName is the Service of the APIService, in Namespace.
	ServiceName string

	LeaderElect                               bool
	LeaderElectionID                          string
	LeaseDuration, RenewDeadline, LeaderRetry time.Duration
	KubeAPIQPS                                float32
	KubeAPIBurst                              int
	DisableCompression                        bool
	ScaledObjectReconciles                    int
	ScalingWorkers                            int
	// IdleProbeInterval, see poll.Options.ProbeInterval.
	IdleProbeInterval time.Duration
	HTTP              scaler.HTTPOptions
	Log               *slog.Logger
}
