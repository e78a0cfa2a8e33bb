// Package othermetrics asks another server of external metrics for what we
// don't have, since only one server can be registered for
// external.metrics.k8s.io in a cluster.
//
// It owns the requests to that server and remembers what it offers. Who may
// ask for a metric is decided before it is called.
package othermetrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	"k8s.io/utils/clock"
)

const (
	// patience bounds a request. It is shorter than what our own callers have.
	patience = 10 * time.Second
	// listEvery is how often it is asked what the server offers.
	listEvery = 30 * time.Second
	root      = "/apis/external.metrics.k8s.io/v1beta1"
)

// ErrUnknown says that the other server has no such metric.
var ErrUnknown = errors.New("the other server has no such metric")

// Options say where the server is and who we are there.
type Options struct {
	// Address is an https URL; see Address.
	Address string
	// CAFile holds the authorities to trust (PEM), the system's when empty.
	CAFile string
	// Token or TokenFile is what we are known by.
	Token, TokenFile string
	Clock            clock.PassiveClock
	Log              *slog.Logger
}

var serviceName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]*[a-z0-9])?)/([a-z0-9]([-a-z0-9]*[a-z0-9])?)(:[0-9]+)?$`)

// Address makes a URL of namespace/service, namespace/service:port or an https
// URL. Anything else is an error that says what is expected.
func Address(from string) (string, error) {
	if m := serviceName.FindStringSubmatch(from); m != nil {
		return "https://" + m[3] + "." + m[1] + ".svc" + m[5], nil
	}
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("found %q; expected namespace/service, namespace/service:port or an https URL", from)
	}
	return u.String(), nil
}

// Server is another server of external metrics. It is safe for concurrent use.
type Server struct {
	client rest.Interface
	clock  clock.PassiveClock
	log    *slog.Logger

	mu      sync.Mutex
	names   []string
	listed  time.Time // when a list was last asked for
	listing bool
}

// New prepares requests. It does no I/O.
func New(o Options) (*Server, error) {
	address, err := Address(o.Address)
	if err != nil {
		return nil, err
	}
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	for _, add := range []func(*runtime.Scheme) error{external_metrics.AddToScheme, v1beta1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("registering the types of external metrics: %w", err)
		}
	}
	client, err := rest.UnversionedRESTClientFor(&rest.Config{
		Host: address, BearerToken: o.Token, BearerTokenFile: o.TokenFile, Timeout: patience, QPS: -1, UserAgent: "keda",
		TLSClientConfig: rest.TLSClientConfig{CAFile: o.CAFile},
		ContentConfig: rest.ContentConfig{
			NegotiatedSerializer: serializer.NewCodecFactory(s).WithoutConversion(), ContentType: runtime.ContentTypeJSON,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("preparing requests to %s: %w", address, err)
	}
	return &Server{client: client, clock: o.Clock, log: o.Log}, nil
}

// Metric returns the values of a metric as the server gives them. ErrUnknown
// says that it has none.
func (s *Server) Metric(ctx context.Context, namespace, name string, selector labels.Selector) ([]external_metrics.ExternalMetricValue, error) {
	var got v1beta1.ExternalMetricValueList
	request := s.client.Get().AbsPath(root, "namespaces", namespace, name)
	if !selector.Empty() {
		request = request.Param("labelSelector", selector.String())
	}
	err := request.Do(ctx).Into(&got)
	if apierrors.IsNotFound(err) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("asking the other server of external metrics: %w", err)
	}
	out := make([]external_metrics.ExternalMetricValue, len(got.Items))
	for i := range got.Items {
		if err := v1beta1.Convert_v1beta1_ExternalMetricValue_To_external_metrics_ExternalMetricValue(&got.Items[i], &out[i], nil); err != nil {
			return nil, fmt.Errorf("reading the answer of the other server of external metrics: %w", err)
		}
	}
	return out, nil
}

// Names lists what the server offered when it was last asked, which is done in
// the background: a server that is slow or down delays nobody.
func (s *Server) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listing && (s.listed.IsZero() || s.clock.Since(s.listed) >= listEvery) {
		s.listing, s.listed = true, s.clock.Now()
		go s.list()
	}
	return slices.Clone(s.names)
}

func (s *Server) list() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var got metav1.APIResourceList
	err := s.client.Get().AbsPath(root).Do(ctx).Into(&got)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listing = false
	if err != nil {
		s.log.Warn("listing the metrics of the other server of external metrics; going on with the list before", "error", err)
		return
	}
	s.names = s.names[:0:0]
	for _, r := range got.APIResources {
		s.names = append(s.names, r.Name)
	}
}
