package cli

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kedago/keda/internal/app"
	"github.com/kedago/keda/pkg/scaler"
)

// logOptions choose how logs look. The names are those of zap, which users of
// KEDA know.
type logOptions struct{ level, encoder string }

func newAllCommand(catalog scaler.Catalog) *cobra.Command {
	var o app.Options
	var log logOptions
	var httpTimeout time.Duration
	cmd := &cobra.Command{
		Use:   "all",
		Short: "Run the operator and the metrics server in one process",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			o.Log, o.HTTP.Timeout = logger, httpTimeout
			return app.RunAll(cmd.Context(), catalog, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "file that says how to reach the API server; in a cluster it is not needed")
	f.StringVar(&o.Namespace, "namespace", envOr("POD_NAMESPACE", "keda"), "the operator's own namespace (POD_NAMESPACE)")
	f.StringVar(&o.ClusterObjectNamespace, "cluster-object-namespace", envOr("KEDA_CLUSTER_OBJECT_NAMESPACE", envOr("POD_NAMESPACE", "keda")), "namespace in which ClusterTriggerAuthentications find their Secrets (KEDA_CLUSTER_OBJECT_NAMESPACE)")
	f.StringSliceVar(&o.WatchNamespaces, "watch-namespaces", splitEnv("WATCH_NAMESPACE"), "namespaces to watch, comma separated; all when empty (WATCH_NAMESPACE)")
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "address of the Prometheus metrics, 0 for none")
	f.StringVar(&o.HealthAddress, "health-probe-bind-address", ":8081", "address of the health probes, 0 for none")
	f.StringVar(&o.ProfilingAddress, "profiling-bind-address", "", "address of the Go profiler, none when empty")
	f.StringVar(&o.BindAddress, "bind-address", "", "address at which the external metrics API listens; all when empty")
	f.IntVar(&o.SecurePort, "secure-port", 6443, "port of the external metrics API")
	f.StringVar(&o.CertDir, "cert-dir", "/certs", "folder with tls.crt and tls.key of the external metrics API; they may be replaced at any time")
	f.BoolVar(&o.CertRotation, "enable-cert-rotation", false, "make an authority and the certificate of the external metrics API in --cert-dir, and renew them")
	f.StringVar(&o.ServiceName, "metrics-server-service-name", "keda-metrics-apiserver", "Service that leads to the external metrics API, for the names in its certificate")
	f.BoolVar(&o.LeaderElect, "leader-elect", false, "let one of several replicas lead; the others stand by")
	f.StringVar(&o.LeaderElectionID, "leader-election-id", "operator.keda.sh", "name of the lease")
	f.DurationVar(&o.LeaseDuration, "leader-election-lease-duration", envDuration("KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION", 15*time.Second), "how long a leader that is silent stays leader")
	f.DurationVar(&o.RenewDeadline, "leader-election-renew-deadline", envDuration("KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE", 10*time.Second), "how long a leader tries to renew before it gives up")
	f.DurationVar(&o.LeaderRetry, "leader-election-retry-period", envDuration("KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD", 2*time.Second), "how often leadership is tried for")
	f.Float32Var(&o.KubeAPIQPS, "kube-api-qps", 0, "most requests a second to the API server; 0 leaves it to the server's own priority and fairness")
	f.IntVar(&o.KubeAPIBurst, "kube-api-burst", 0, "most requests at once above --kube-api-qps")
	f.BoolVar(&o.DisableCompression, "disable-compression", true, "do not ask the API server for compressed answers")
	f.IntVar(&o.ScaledObjectReconciles, "scaledobject-reconciles", envInt("KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES", 10), "ScaledObjects of one API group that are reconciled at once (KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES)")
	f.IntVar(&o.ScalingWorkers, "scaling-workers", 16, "workloads that are scaled at once")
	f.DurationVar(&o.IdleProbeInterval, "idle-probe-interval", 0, "how often idle triggers are measured whose server answers for many in one round trip but can't tell of arrivals, e.g. 1s for Redis without keyspace notifications; 0 for the polling interval")
	f.DurationVar(&httpTimeout, "http-timeout", envMillis("KEDA_HTTP_DEFAULT_TIMEOUT", 3*time.Second), "longest HTTP request to a source (KEDA_HTTP_DEFAULT_TIMEOUT, in ms)")
	f.BoolVar(&o.HTTP.DisableKeepAlives, "http-disable-keep-alives", envBool("KEDA_HTTP_DISABLE_KEEP_ALIVE"), "close connections to HTTP sources after each request (KEDA_HTTP_DISABLE_KEEP_ALIVE)")
	f.StringVar(&o.HTTP.MinTLS, "http-min-tls-version", envOr("KEDA_HTTP_MIN_TLS_VERSION", "TLS12"), "lowest TLS version of HTTP sources: TLS10 to TLS13 (KEDA_HTTP_MIN_TLS_VERSION)")
	f.StringSliceVar(&o.HTTP.CAFiles, "ca-dir", nil, "files or folders of certificate authorities to trust beside the system's; may be repeated")
	f.StringVar(&log.level, "zap-log-level", "info", "debug, info, warn or error")
	f.StringVar(&log.encoder, "zap-encoder", "console", "console or json")
	return cmd
}

func (l logOptions) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, fmt.Errorf("--zap-log-level: found %q; expected debug, info, warn or error", l.level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch l.encoder {
	case "console":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	}
	return nil, fmt.Errorf("--zap-encoder: found %q; expected console or json", l.encoder)
}

func splitEnv(name string) []string {
	var out []string
	for _, s := range strings.Split(os.Getenv(name), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
