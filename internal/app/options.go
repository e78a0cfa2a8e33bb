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
	// WatchSelector limits which ScaledObjects and ScaledJobs are taken care
	// of, by their labels; empty means all.
	WatchSelector string
	// ClusterName is the cluster's in CloudEvents, ClusterDomain that of its Services.
	ClusterName, ClusterDomain string

	// FileRoot is the folder whose files triggers and auth objects may name;
	// empty for none.
	FileRoot string
	// SecretRefresh is how often credentials kept outside of the cluster are
	// asked for again.
	SecretRefresh time.Duration
	// UnwatchedSecrets reads Secrets and ConfigMaps again at that interval
	// instead of watching them, which takes no more than get by their names.
	UnwatchedSecrets bool
	// TokenLife is how long tokens are to last that are issued for service accounts.
	TokenLife time.Duration
	// VaultAddresses limits which Vault servers auth objects may name; any when empty.
	VaultAddresses []string

	// EgressAllow and EgressDeny say where triggers may point, see
	// egress.Options.
	EgressAllow, EgressDeny []string
	// RequireAllowedHosts refuses ClusterTriggerAuthentications that don't say
	// for which hosts they may be used.
	RequireAllowedHosts bool
	// IdentityHosts are the hosts that podIdentity may be used for; any when empty.
	IdentityHosts []string

	// Addresses to listen at, "0" for none.
	MetricsAddress, HealthAddress, ProfilingAddress string

	// SecurePort is the external metrics API's port.
	SecurePort int
	// BindAddress is where it listens, all addresses when empty.
	BindAddress string
	// RelayBindAddress is where an operator tells replicas that don't measure
	// what they may tell HPAs; none when empty or "0". RelayAddress is where a
	// replica asks, and RelayAuthority whose certificate it expects there when
	// that is not the address's host.
	RelayBindAddress, RelayAddress, RelayAuthority string
	// MetricsFallback is another server of external metrics that is asked for
	// what we don't have, as namespace/service or https URL; MetricsFallbackCA is
	// the file of authorities to trust there.
	MetricsFallback, MetricsFallbackCA string
	// ServiceMinTLS and ServiceCipherSuites bound TLS of our own ports.
	ServiceMinTLS       string
	ServiceCipherSuites []string
	// CertDir holds tls.crt and tls.key, which may be replaced at any time.
	CertDir string
	// CertRotation makes an authority and a serving certificate in CertDir and
	// renews them; otherwise somebody else does.
	CertRotation bool
	// CertSecret is the Secret in Namespace through which replicas and roles
	// share what CertRotation makes; empty for none.
	CertSecret string
	// APIServicePatching keeps the API server's trust in our authority right,
	// with CertRotation.
	APIServicePatching bool
	// ServiceName is the Service of the APIService, in Namespace; the other two
	// are those of the operator and of the webhooks.
	ServiceName, OperatorServiceName, WebhooksServiceName string

	// PrometheusMetrics serves metrics at MetricsAddress; OpenTelemetryMetrics
	// and OpenTelemetryTraces send them to where OTEL_EXPORTER_OTLP_* says.
	PrometheusMetrics, OpenTelemetryMetrics, OpenTelemetryTraces bool

	Webhook WebhookOptions
	// judgesOnly says that the webhook is all that this process serves.
	judgesOnly bool

	LeaderElect                               bool
	LeaderElectionID                          string
	LeaseDuration, RenewDeadline, LeaderRetry time.Duration
	KubeAPIQPS                                float32
	KubeAPIBurst                              int
	DisableCompression                        bool
	ScaledObjectReconciles                    int
	ScaledJobReconciles                       int
	ScalingWorkers                            int
	// IdleProbeInterval, see poll.Options.ProbeInterval.
	IdleProbeInterval time.Duration
	HTTP              scaler.HTTPOptions
	Log               *slog.Logger
}
