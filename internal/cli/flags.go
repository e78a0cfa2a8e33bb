package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	cliflag "k8s.io/component-base/cli/flag"

	"github.com/kedago/keda/internal/app"
)

// roleFlags are the flags of the roles that run in a cluster, in groups. The
// names, and the variables that some defaults come from, are upstream's.
type roleFlags struct {
	options app.Options
	log     logOptions
	env     *environment
	groups  cliflag.NamedFlagSets
	// checks look at what was given, after it was parsed.
	checks []func() error
}

func newRoleFlags(lookup func(string) string) *roleFlags {
	f := &roleFlags{env: &environment{lookup: lookup}}
	f.cluster()
	f.certificates()
	f.ownTLS()
	f.telemetry()
	f.log.bind(f.groups.FlagSet("Logs"))
	return f
}

// operator adds what only a role needs that measures and scales.
func (f *roleFlags) operator() {
	f.leader()
	f.watching()
	f.scaling()
	f.sources()
	f.credentials()
	f.security()
	f.exports()
}

// bind adds the flags to a command, whose help shows them by group.
func (f *roleFlags) bind(cmd *cobra.Command) {
	for _, name := range f.groups.Order {
		cmd.Flags().AddFlagSet(f.groups.FlagSet(name))
	}
	width, _, err := term.GetSize(int(os.Stdout.Fd())) //nolint:gosec // a file descriptor is small
	if err != nil {
		width = 0 // no terminal: long lines stay whole
	}
	cliflag.SetUsageAndHelpFunc(cmd, f.groups, width)
}

// check returns what is wrong with flags and variables together.
func (f *roleFlags) check() error {
	if err := f.env.check(); err != nil {
		return err
	}
	for _, c := range f.checks {
		if err := c(); err != nil {
			return err
		}
	}
	return nil
}

func (f *roleFlags) cluster() {
	o, env, s := &f.options, f.env, f.groups.FlagSet("Cluster")
	s.StringVar(&o.Kubeconfig, "kubeconfig", "", "file that says how to reach the API server; in a cluster it is not needed")
	s.StringVar(&o.Namespace, "namespace", env.text("POD_NAMESPACE", "keda"), "the operator's own namespace (POD_NAMESPACE)")
	s.StringVar(&o.ClusterDomain, "k8s-cluster-domain", "cluster.local", "domain of the cluster's Services")
	s.Float32Var(&o.KubeAPIQPS, "kube-api-qps", 0, "most requests a second to the API server; 0 leaves it to the server's own priority and fairness")
	s.IntVar(&o.KubeAPIBurst, "kube-api-burst", 0, "most requests at once above --kube-api-qps")
	s.BoolVar(&o.DisableCompression, "disable-compression", true, "do not ask the API server for compressed answers")
	s.StringVar(&o.HealthAddress, "health-probe-bind-address", ":8081", "address of the health probes, 0 for none")
	s.StringVar(&o.ProfilingAddress, "profiling-bind-address", "", "address of the Go profiler, none when empty")
}

func (f *roleFlags) watching() {
	o, env, s := &f.options, f.env, f.groups.FlagSet("Watching")
	s.StringVar(&o.ClusterObjectNamespace, "cluster-object-namespace", env.text("KEDA_CLUSTER_OBJECT_NAMESPACE", env.text("POD_NAMESPACE", "keda")),
		"namespace in which ClusterTriggerAuthentications find their Secrets (KEDA_CLUSTER_OBJECT_NAMESPACE)")
	s.StringSliceVar(&o.WatchNamespaces, "watch-namespaces", env.list("WATCH_NAMESPACE"), "namespaces to watch, comma separated; all when empty (WATCH_NAMESPACE)")
	s.StringVar(&o.WatchSelector, "watch-label-selector", env.text("WATCH_LABEL_SELECTOR", ""),
		"labels of the ScaledObjects and ScaledJobs that this operator takes care of, so that several operators can share a cluster; all when empty (WATCH_LABEL_SELECTOR)")
	s.StringVar(&o.ClusterName, "k8s-cluster-name", "kubernetes-default", "name of the cluster in CloudEvents")
}

func (f *roleFlags) leader() {
	o, env, s := &f.options, f.env, f.groups.FlagSet("Leader election")
	const prefix = "KEDA_OPERATOR_LEADER_ELECTION_"
	s.BoolVar(&o.LeaderElect, "leader-elect", false, "let one of several replicas lead; the others stand by")
	s.StringVar(&o.LeaderElectionID, "leader-election-id", "operator.keda.sh", "name of the lease")
	s.DurationVar(&o.LeaseDuration, "leader-election-lease-duration", env.duration(prefix+"LEASE_DURATION", 15*time.Second), "how long a leader that is silent stays leader ("+prefix+"LEASE_DURATION)")
	s.DurationVar(&o.RenewDeadline, "leader-election-renew-deadline", env.duration(prefix+"RENEW_DEADLINE", 10*time.Second), "how long a leader tries to renew before it gives up ("+prefix+"RENEW_DEADLINE)")
	s.DurationVar(&o.LeaderRetry, "leader-election-retry-period", env.duration(prefix+"RETRY_PERIOD", 2*time.Second), "how often leadership is tried for ("+prefix+"RETRY_PERIOD)")
}

func (f *roleFlags) scaling() {
	o, env, s := &f.options, f.env, f.groups.FlagSet("Scaling")
	s.IntVar(&o.ScaledObjectReconciles, "scaledobject-reconciles", env.whole("KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES", 10), "ScaledObjects of one API group that are reconciled at once (KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES)")
	s.IntVar(&o.ScaledJobReconciles, "scaledjob-reconciles", env.whole("KEDA_SCALEDJOB_CTRL_MAX_RECONCILES", 4), "ScaledJobs that are reconciled at once (KEDA_SCALEDJOB_CTRL_MAX_RECONCILES)")
	s.IntVar(&o.ScalingWorkers, "scaling-workers", 16, "workloads that are scaled at once")
	s.DurationVar(&o.IdleProbeInterval, "idle-probe-interval", 0, "how often idle triggers are measured whose server answers for many in one round trip but can't tell of arrivals, e.g. 1s for Redis without keyspace notifications; 0 for the polling interval")
}

func (f *roleFlags) metricsAPI() {
	o, s := &f.options, f.groups.FlagSet("External metrics API")
	s.StringVar(&o.BindAddress, "bind-address", "", "address at which the external metrics API listens; all when empty")
	s.IntVar(&o.SecurePort, "secure-port", 6443, "port of the external metrics API")
	s.StringVar(&o.MetricsFallback, "external-metrics-fallback", "", "another server of external metrics, as namespace/service or https URL, that is asked for metrics which are not ours, since only one server can be registered in a cluster")
	s.StringVar(&o.MetricsFallbackCA, "external-metrics-fallback-ca-file", "", "file of authorities to trust at --external-metrics-fallback; the system's when empty")
}

// ownTLS bounds TLS of all that we serve.
func (f *roleFlags) ownTLS() {
	o, env, s := &f.options, f.env, f.groups.FlagSet("Certificates")
	s.StringVar(&o.ServiceMinTLS, "service-min-tls-version", env.text("KEDA_SERVICE_MIN_TLS_VERSION", "TLS13"), "lowest TLS version of our own ports: TLS12 or TLS13 (KEDA_SERVICE_MIN_TLS_VERSION)")
	s.StringSliceVar(&o.ServiceCipherSuites, "service-tls-cipher-list", env.list("KEDA_SERVICE_TLS_CIPHER_LIST"), "cipher suites of our own ports below TLS 1.3; Go's choice when empty (KEDA_SERVICE_TLS_CIPHER_LIST)")
	f.checks = append(f.checks, func() error { return ciphers("service-tls-cipher-list", o.ServiceCipherSuites) })
}

// relayServer and relayClient are the two ends between the operator and the
// replicas that serve the external metrics API without measuring.
func (f *roleFlags) relayServer(address string) {
	o, s := &f.options, f.groups.FlagSet("Between the roles")
	s.StringVar(&o.RelayBindAddress, "metrics-service-bind-address", address, "address at which the operator that leads tells metrics servers and other replicas what to tell HPAs; 0 for none")
}

func (f *roleFlags) relayClient(address string) {
	o, s := &f.options, f.groups.FlagSet("Between the roles")
	s.StringVar(&o.RelayAddress, "metrics-service-address", address, "host:port of the operator that is asked what to tell HPAs")
	s.StringVar(&o.RelayAuthority, "metrics-service-grpc-authority", "", "name that the operator's certificate must have, when it is not the host of --metrics-service-address")
}

// ofUpstreamsMetricsServer accepts what manifests of upstream's metrics server
// say otherwise, or say of things that are not needed here.
func (f *roleFlags) ofUpstreamsMetricsServer() {
	o, s := &f.options, f.groups.FlagSet("For upstream's manifests")
	port := s.Int("port", 8080, "port of the Prometheus metrics")
	cert := s.String("tls-cert-file", "", "the serving certificate, which must be tls.crt in --cert-dir")
	key := s.String("tls-private-key-file", "", "its key, which must be tls.key in --cert-dir")
	s.String("client-ca-file", "", "not used: whom to trust is asked of the cluster")
	s.IntP("v", "v", 0, "not used, see --zap-log-level")
	s.Bool("logtostderr", true, "not used: logs go to the standard error output")
	s.String("stderrthreshold", "", "not used")
	f.checks = append(f.checks, func() error {
		if s.Changed("port") {
			o.MetricsAddress = ":" + strconv.Itoa(*port)
		}
		for _, file := range []struct{ flag, got, name string }{{"tls-cert-file", *cert, "tls.crt"}, {"tls-private-key-file", *key, "tls.key"}} {
			if want := filepath.Join(o.CertDir, file.name); file.got != "" && filepath.Clean(file.got) != want {
				return fmt.Errorf("--%s: found %q; expected %s, in --cert-dir", file.flag, file.got, want)
			}
		}
		return nil
	})
}

func (f *roleFlags) certificates() {
	o, s := &f.options, f.groups.FlagSet("Certificates")
	s.StringVar(&o.CertDir, "cert-dir", "/certs", "folder with tls.crt and tls.key of our own ports, and ca.crt of each other's; they may be replaced at any time")
	s.BoolVar(&o.CertRotation, "enable-cert-rotation", false, "make an authority and a serving certificate in --cert-dir, and renew them")
	s.StringVar(&o.CertSecret, "cert-secret-name", "kedaorg-certs", "with --enable-cert-rotation, the Secret in the operator's namespace through which replicas and roles share the certificate; none when empty")
	s.BoolVar(&o.APIServicePatching, "enable-apiservice-patching", true, "with --enable-cert-rotation, keep the caBundle of the APIService v1beta1.external.metrics.k8s.io right")
	s.StringVar(&o.ServiceName, "metrics-server-service-name", "keda-metrics-apiserver", "Service that leads to the external metrics API, for the names in its certificate")
	s.StringVar(&o.OperatorServiceName, "operator-service-name", "keda-operator", "Service that leads to the operator, for the names in the certificate")
	s.StringVar(&o.WebhooksServiceName, "webhooks-service-name", "keda-admission-webhooks", "Service that leads to the admission webhooks, for the names in the certificate")
}

func (f *roleFlags) sources() {
	o, env, s := &f.options, f.env, f.groups.FlagSet("Event sources")
	s.StringSliceVar(&o.HTTP.CAFiles, "ca-dir", nil, "files or folders of certificate authorities to trust beside the system's; may be repeated")
	s.DurationVar(&o.HTTP.Timeout, "http-timeout", env.millis("KEDA_HTTP_DEFAULT_TIMEOUT", 3*time.Second), "longest HTTP request to a source (KEDA_HTTP_DEFAULT_TIMEOUT, in ms)")
	s.BoolVar(&o.HTTP.DisableKeepAlives, "http-disable-keep-alives", env.yes("KEDA_HTTP_DISABLE_KEEP_ALIVE"), "close connections to HTTP sources after each request (KEDA_HTTP_DISABLE_KEEP_ALIVE)")
	s.StringVar(&o.HTTP.MinTLS, "http-min-tls-version", env.text("KEDA_HTTP_MIN_TLS_VERSION", "TLS12"), "lowest TLS version of sources: TLS10 to TLS13 (KEDA_HTTP_MIN_TLS_VERSION)")
	s.StringSliceVar(&o.HTTP.CipherSuites, "http-tls-cipher-list", env.list("KEDA_HTTP_TLS_CIPHER_LIST"), "cipher suites of sources below TLS 1.3; Go's choice when empty (KEDA_HTTP_TLS_CIPHER_LIST)")
	s.IntVar(&o.HTTP.MaxIdle, "http-max-idle-conns", 256, "connections to HTTP sources that are kept although unused")
	s.IntVar(&o.HTTP.MaxIdlePerHost, "http-max-idle-conns-per-host", 4, "of these, most to one server")
	s.DurationVar(&o.HTTP.IdleTimeout, "http-idle-conn-timeout", 90*time.Second, "how long an unused connection is kept")
	f.checks = append(f.checks, func() error {
		if err := tlsVersion("http-min-tls-version", o.HTTP.MinTLS); err != nil {
			return err
		}
		return ciphers("http-tls-cipher-list", o.HTTP.CipherSuites)
	})
}

func (f *roleFlags) security() {
	o, s := &f.options, f.groups.FlagSet("Security")
	s.StringSliceVar(&o.EgressAllow, "egress-allow", nil, "networks, addresses and names, each with or without a port, that triggers may ask although --egress-deny has them or they are refused by default: loopback, link-local with the clouds' metadata, multicast, the API server, the operator itself; e.g. 127.0.0.0/8 or vault.example.org:8200")
	s.StringSliceVar(&o.EgressDeny, "egress-deny", nil, "networks, addresses and names, each with or without a port, that triggers may not ask, beside those refused by default; e.g. 10.0.0.0/8 or 0.0.0.0/0 with all the rest in --egress-allow")
	s.BoolVar(&o.RequireAllowedHosts, "require-allowed-hosts", false, "refuse ClusterTriggerAuthentications without the annotation keda.sh/allowed-hosts, which lists the hosts that their credentials may be used for")
	s.StringSliceVar(&o.IdentityHosts, "pod-identity-hosts", nil, "hosts, e.g. *.amazonaws.com, that the operator's own cloud identity (podIdentity) may be used for; any when empty")
	f.checks = append(f.checks, func() error { return f.options.CheckEgress() })
}

func (f *roleFlags) credentials() {
	o, env, s := &f.options, f.env, f.groups.FlagSet("Credentials")
	s.StringVar(&o.FileRoot, "filepath-auth-root-path", "", "folder whose files ClusterTriggerAuthentications (filePath) and triggers may name; none when empty")
	s.DurationVar(&o.SecretRefresh, "secret-refresh-interval", 5*time.Minute, "how often credentials kept in Vault, AWS, Azure, Google Cloud and files are read again")
	s.BoolVar(&o.UnwatchedSecrets, "no-watch-secrets", false, "do not watch Secrets and ConfigMaps but read them again every --secret-refresh-interval, for roles that name each of them, see keda rbac; Secrets that no role lets the operator list are not watched in any case")
	s.DurationVar(&o.TokenLife, "service-account-token-expiry", env.duration("KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY", time.Hour),
		"how long tokens last that are issued for service accounts, 10m to 6h; a new one is got when a fifth is left (KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY)")
	s.StringSliceVar(&o.VaultAddresses, "vault-addresses", nil, "Vault servers that TriggerAuthentications may name, such as https://vault.example.org:8200; any when empty")
	f.checks = append(f.checks, func() error {
		if o.TokenLife < 10*time.Minute || o.TokenLife > 6*time.Hour {
			return fmt.Errorf("--service-account-token-expiry: found %s; expected 10m to 6h", o.TokenLife)
		}
		if o.SecretRefresh < 10*time.Second {
			return fmt.Errorf("--secret-refresh-interval: found %s; expected 10s or more", o.SecretRefresh)
		}
		return nil
	})
}

func (f *roleFlags) telemetry() {
	o, s := &f.options, f.groups.FlagSet("Telemetry")
	s.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "address of the Prometheus metrics, 0 for none")
}

func (f *roleFlags) exports() {
	o, s := &f.options, f.groups.FlagSet("Telemetry")
	s.BoolVar(&o.PrometheusMetrics, "enable-prometheus-metrics", true, "show what is measured and decided among the Prometheus metrics")
	s.BoolVar(&o.OpenTelemetryMetrics, "enable-opentelemetry-metrics", false, "send the metrics by OTLP to where OTEL_EXPORTER_OTLP_* says")
	s.BoolVar(&o.OpenTelemetryTraces, "enable-opentelemetry-traces", false, "send traces of measurements and decisions by OTLP to where OTEL_EXPORTER_OTLP_* says")
}
