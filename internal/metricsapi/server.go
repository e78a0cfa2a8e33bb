package metricsapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapifilters "k8s.io/apiserver/pkg/endpoints/filters"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
)

const serverName = "keda-metrics-apiserver"

// requestTimeout bounds a read. It is shorter than the HPA controller's own
// patience, so that it learns the reason.
const requestTimeout = 20 * time.Second

// Options say how to serve. Certificates, and either Cluster or both of
// Authenticator and Authorizer, are required.
type Options struct {
	// BindAddress is the address to listen at, all of them when empty.
	BindAddress string
	// SecurePort is the port to listen at; 0 takes a free one.
	SecurePort int
	// Listener is used instead of BindAddress and SecurePort. The server closes it.
	Listener net.Listener

	// CertFile and KeyFile are the serving certificate (PEM). They are watched:
	// a new pair is served without a restart, and a pair that does not match
	// is not taken.
	CertFile, KeyFile string

	// MinTLS and CipherSuites bound TLS, as numbers of crypto/tls; the
	// library's defaults when zero.
	MinTLS       uint16
	CipherSuites []uint16

	// Cluster is where callers' identities and permissions are asked.
	Cluster *rest.Config
	// Authenticator replaces the delegated one.
	Authenticator authenticator.Request
	// Authorizer replaces the delegated one.
	Authorizer authorizer.Authorizer

	// Ready adds a reason why /readyz fails; nil adds none.
	Ready func() error
	// Profiling serves /debug/pprof.
	Profiling bool
	// Logger is told the address and the end of serving.
	Logger *slog.Logger
}

// Server serves the external metrics API. See New.
type Server struct {
	source  Source
	options Options
}

// New checks the options. Nothing is opened before Run.
func New(source Source, o Options) (*Server, error) {
	switch {
	case source == nil:
		return nil, errors.New("the metrics server has no source of metrics")
	case o.CertFile == "" || o.KeyFile == "":
		return nil, errors.New("the metrics server needs a serving certificate: CertFile and KeyFile")
	case o.Cluster == nil && (o.Authenticator == nil || o.Authorizer == nil):
		return nil, errors.New("the metrics server needs a cluster to ask who its callers are and what they may do")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{source: source, options: o}, nil
}

// Run serves until ctx ends; requests being answered are finished. It returns
// an error when serving can't begin.
func (s *Server) Run(ctx context.Context) error {
	listener := s.options.Listener
	if listener == nil {
		var err error
		address := net.JoinHostPort(s.options.BindAddress, strconv.Itoa(s.options.SecurePort))
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err != nil {
			return fmt.Errorf("listening for metrics requests at %s: %w", address, err)
		}
	}
	// The library serves and closes the listener once it runs; this is for
	// what fails before. A second close is harmless.
	defer func() { _ = listener.Close() }()

	config, err := s.config(ctx, listener)
	if err != nil {
		return err
	}
	server, err := (&apiserver.Config{GenericConfig: config}).Complete(nil).New(serverName, nil, metricsProvider{s.source})
	if err != nil {
		return fmt.Errorf("preparing the metrics server: %w", err)
	}
	s.options.Logger.Info("serving external metrics", "address", listener.Addr().String())
	if err := server.GenericAPIServer.PrepareRun().RunWithContext(ctx); err != nil {
		return fmt.Errorf("serving external metrics: %w", err)
	}
	s.options.Logger.Info("stopped serving external metrics")
	return nil
}

// config is the generic API server with everything left out that a server of
// numbers in memory does not need: admission, audit, storage, fairness queues,
// tracing, and the timers that go with them.
func (s *Server) config(ctx context.Context, listener net.Listener) (*genericapiserver.Config, error) {
	c := genericapiserver.NewConfig(apiserver.Codecs)
	c.BuildHandlerChainFunc = handlerChain
	c.EnableProfiling = s.options.Profiling
	c.RequestTimeout = requestTimeout
	c.StorageObjectCountTracker = nil
	c.DisabledPostStartHooks.Insert("max-in-flight-filter")
	c.LoopbackClientConfig = &rest.Config{} // required, but nothing of ours calls back
	c.OpenAPIConfig, c.OpenAPIV3Config = openAPI()
	if ready := s.options.Ready; ready != nil {
		c.ReadyzChecks = append(c.ReadyzChecks, healthz.NamedCheck("metrics", func(*http.Request) error { return ready() }))
	}
	if err := s.secure(ctx, c, listener); err != nil {
		return nil, err
	}
	return c, nil
}

func (s *Server) secure(ctx context.Context, c *genericapiserver.Config, listener net.Listener) error {
	pair, err := dynamiccertificates.NewDynamicServingContentFromFiles("serving-cert", s.options.CertFile, s.options.KeyFile)
	if err != nil {
		return fmt.Errorf("reading the serving certificate from %s and %s: %w", s.options.CertFile, s.options.KeyFile, err)
	}
	c.SecureServing = &genericapiserver.SecureServingInfo{
		Listener: listener, Cert: pair, MinTLSVersion: s.options.MinTLS, CipherSuites: s.options.CipherSuites,
	}

	c.Authentication.Authenticator = s.options.Authenticator
	if s.options.Authenticator == nil {
		if err := delegateAuthentication(ctx, s.options.Cluster, c); err != nil {
			return err
		}
	}
	delegate := s.options.Authorizer
	if delegate == nil {
		if delegate, err = delegateAuthorization(s.options.Cluster); err != nil {
			return err
		}
	}
	c.Authorization.Authorizer, err = openPaths(askBroadly(delegate))
	return err
}

// handlerChain is the generic chain without audit, tracing, impersonation,
// CORS and the goroutine that enforces a time-out on handlers that ignore
// their context: a Source does not.
func handlerChain(handler http.Handler, c *genericapiserver.Config) http.Handler {
	handler = genericapifilters.WithAuthorization(handler, c.Authorization.Authorizer, c.Serializer)
	handler = genericfilters.WithMaxInFlightLimit(handler, c.MaxRequestsInFlight, c.MaxMutatingRequestsInFlight, c.LongRunningFunc)
	handler = genericapifilters.WithAuthentication(handler, c.Authentication.Authenticator,
		genericapifilters.Unauthorized(c.Serializer), c.Authentication.APIAudiences, c.Authentication.RequestHeaderConfig)
	handler = genericapifilters.WithRequestDeadline(handler, nil, nil, c.LongRunningFunc, c.Serializer, c.RequestTimeout)
	handler = genericfilters.WithWaitGroup(handler, c.LongRunningFunc, c.NonLongRunningRequestWaitGroup)
	handler = genericapifilters.WithCacheControl(handler)
	handler = genericapifilters.WithRequestInfo(handler, c.RequestInfoResolver)
	handler = genericapifilters.WithRequestReceivedTimestamp(handler)
	return genericfilters.WithPanicRecovery(handler, c.RequestInfoResolver)
}
