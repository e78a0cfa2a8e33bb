// Package scaler is the contract between KEDA and an event source.
//
// A scaler declares its parameters, names its metric, and returns numbers.
// Metric names as the HPA sees them, target values, thresholds, HPA shapes,
// polling and retries belong to the framework: a scaler never sees them.
package scaler

import (
	"context"
	"log/slog"
	"time"

	"github.com/kedago/keda/pkg/scaler/param"
)

// Kind is what the catalog knows of one trigger type.
type Kind struct {
	// Name is the trigger type, e.g. "redis".
	Name string
	// Aliases are further trigger types with the same meaning.
	Aliases []string
	// Title is the source's own name, e.g. "Redis lists".
	Title string
	// About says in one or two sentences what is measured.
	About string
	// Since is the first version that has the scaler.
	Since string
	// Permissions says what the credentials must allow at the source.
	Permissions string
	// Cost says what one poll costs at the source: round trips, and money
	// where the vendor bills requests.
	Cost string
	// ByHand is a command that shows the same number.
	ByHand string
	// Examples are complete triggers, checked by tests and shown in the docs.
	Examples []Example
	// New returns a configuration with nothing decoded.
	New func() Config
}

// Example is a trigger as users write it.
type Example struct {
	Title    string
	Metadata map[string]string
	// Auth are the parameters that the authenticationRef gives, by name, with
	// placeholders for values.
	Auth map[string]string
	// Identity is the provider of the authenticationRef's podIdentity, such as
	// "aws"; empty for none.
	Identity string
	// Env is the part of the container's environment that the example reads.
	Env map[string]string
	// MetricType is the trigger's metricType, empty for the usual one.
	MetricType string
}

// Config is one trigger's decoded parameters.
type Config interface {
	// Params declares the parameters, bound to this value.
	Params() param.Set
	// Metric is a stable name for what is measured, e.g. "redis-mylist". It is
	// called after a successful Decode and contains no credential. The
	// framework adds the "s0-" prefix and replaces what a metric name can't have.
	Metric() string
	// Open prepares measuring. It does no I/O: clients are taken from the pool
	// and dial on first use. The caller closes the source.
	Open(ctx context.Context, env Env) (Source, error)
}

// Source measures one trigger.
type Source interface {
	// Measure asks the source once. The context carries the deadline. Errors
	// are of this package (Unreachable, Denied, …); a number that the source
	// did not give is an error, never zero.
	Measure(ctx context.Context) (Reading, error)
	// Close gives shared connections back. It does not wait for the network.
	Close() error
}

// Reading is one measurement.
type Reading struct {
	// Value is the number that the HPA compares with the target.
	Value float64
	// ActivationValue is compared with the activation threshold where it
	// differs from Value.
	ActivationValue *float64
	// Active overrides the comparison, for sources that know it themselves.
	Active *bool
	// Target is the target value per replica, above 0, that a source states
	// whose Config is a Stated.
	Target float64
	// Empty says that the source answered and had nothing to tell, such as a
	// query without a series. It may come with an error.
	Empty bool
	// Note is a short remark for people, e.g. "3 partitions have no committed offset".
	Note string
}

// Result is what a Batcher returns per source.
type Result struct {
	Reading Reading
	Err     error
}

// Batcher is a Source that can be measured together with others.
type Batcher interface {
	Source
	// BatchKey is equal for sources that one round trip can serve, e.g. the
	// same connection. It contains no credential.
	BatchKey() string
	// MeasureAll measures sources, all with this BatchKey, the receiver among
	// them, and returns one result each, in order. One source's failure does
	// not fail the others unless the round trip itself failed.
	MeasureAll(ctx context.Context, sources []Source) []Result
}

// Watcher is a Source that can tell at once that something has arrived.
type Watcher interface {
	Source
	// Watch starts watching and returns at once. It calls on from any
	// goroutine until stop is called: Arrived when the trigger should be
	// measured now, Watching when watching has begun to work, Refused or
	// Broken when it does not (polling goes on meanwhile). Sources that share
	// a connection share one watching connection. stop waits for nothing.
	Watch(on func(Signal)) (stop func())
}

// SignalKind says what a Signal means.
type SignalKind int

// The signals of a Watcher.
const (
	// Watching: the source now tells us of arrivals.
	Watching SignalKind = iota
	// Arrived: measure now.
	Arrived
	// Refused: the server does not allow watching; Err says what to change.
	Refused
	// Broken: watching is interrupted and is being tried again.
	Broken
)

// Signal is one message of a Watcher.
type Signal struct {
	Kind SignalKind
	Err  error
}

// Checker is a Config that checks parameters against each other, without I/O.
// Check runs after every field has been decoded.
type Checker interface{ Check() param.Problems }

// Targeter is a Config whose target depends on which parameters are set; else
// the parameters marked Target and Activation say it.
type Targeter interface {
	// Target returns the target value per replica and the activation threshold.
	Target() (target, activation float64)
}

// Stated marks a Config whose target no parameter says: the source states it
// with every measurement, see Reading.Target. The HPA gets its metric once it
// is known, and follows it.
type Stated interface{ TargetStated() }

// Totalled marks a Config whose number is compared as it is, and not divided by
// the replicas, unless the trigger's metricType says otherwise: Value is its
// metric type then, where that of others is AverageValue.
type Totalled interface{ Totalled() }

// PerObject marks a Config whose source is told which object asks, so that
// equal triggers of two objects are two measurements.
type PerObject interface{ PerObject() }

// Native is a Config that the HPA measures by itself (cpu, memory). Open is
// not called.
type Native interface {
	Resource() ResourceMetric
}

// ResourceMetric is a resource metric of the HPA, see autoscaling/v2
// ResourceMetricSource and ContainerResourceMetricSource.
type ResourceMetric struct {
	// Resource is "cpu" or "memory".
	Resource string
	// Container limits the measurement to one container when set.
	Container string
	// MetricType overrides the trigger's metricType: "Utilization" or
	// "AverageValue"; it may be empty.
	MetricType string
	// Value is a percentage for Utilization, else a Kubernetes quantity.
	Value string
}

// Uncached marks a Config that can't be used with useCachedMetrics, as
// upstream has it for cpu, memory and cron.
type Uncached interface{ Uncached() }

// Env is what a scaler gets of its surroundings.
type Env struct {
	// Log is scoped to the trigger.
	Log *slog.Logger
	// Pool shares connections among sources.
	Pool Pool
	// Namespace is that of the ScaledObject.
	Namespace string
	// Object is the name of the ScaledObject.
	Object string
	// Cluster reads what a scaler may see of the cluster; nil without one.
	Cluster Cluster
	// Now is the clock.
	Now func() time.Time
	// Identity is the pod identity of the authenticationRef.
	Identity Identity
	// HTTP are the operator-wide settings of HTTP clients.
	HTTP HTTPOptions
	// ReadFile reads a small file below the folder that the operator opened to
	// triggers, and nothing else; nil when it opened none.
	ReadFile func(name string) ([]byte, error)
}

// Identity is the podIdentity of a TriggerAuthentication.
type Identity struct {
	// Provider is none, azure-workload, aws, aws-eks or gcp.
	Provider string
	// ID is Azure's client ID or GCP's service account.
	ID            string
	TenantID      string
	AuthorityHost string
	RoleARN       string
	// Owner is keda or workload.
	Owner      string
	ExternalID string
}

// HTTPOptions are the operator-wide settings of HTTP clients.
type HTTPOptions struct {
	// Timeout of one request, 3 s unless set.
	Timeout time.Duration
	// DisableKeepAlives closes connections after each request.
	DisableKeepAlives bool
	// CAFiles are PEM files or folders trusted beside the system's roots.
	CAFiles []string
	// MinTLS is "TLS10" … "TLS13"; TLS 1.2 when empty.
	MinTLS string
	// CipherSuites are those to offer below TLS 1.3, by Go's names of them;
	// Go's own choice when empty.
	CipherSuites []string
	// MaxIdle and MaxIdlePerHost are how many unused connections are kept, in
	// all (256 when 0) and to one server (4 when 0); IdleTimeout is for how
	// long (90 s when 0).
	MaxIdle, MaxIdlePerHost int
	IdleTimeout             time.Duration
	// Egress says which servers may be asked. Without one, only link-local
	// addresses are refused, where clouds serve the credentials of the machine
	// that KEDA runs on; the operator always has one.
	Egress Egress
	// Trusted lifts all of that, for requests by which the operator gets
	// credentials of its own: no trigger says where they go.
	Trusted bool
}

// Hosted is a Source that says which server it talks to ("host:port"), so that
// many triggers on one slow server wait for each other and for nobody else.
type Hosted interface{ Host() string }

// Timed is a Source whose answer changes at known times, such as a schedule.
type Timed interface {
	Source
	// NextChange returns the next moment after now at which Measure may answer
	// differently without anything having happened, or the zero time.
	NextChange(now time.Time) time.Time
}
