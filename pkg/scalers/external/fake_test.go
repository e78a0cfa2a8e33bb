package external

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	pb "github.com/kedago/keda/pkg/scalers/external/externalscalerpb"
)

// service is an external scaler, in this process.
type service struct {
	pb.UnimplementedExternalScalerServer
	address string

	mu       sync.Mutex // guards what follows
	specs    []*pb.MetricSpec
	values   map[string][]*pb.MetricValue
	active   bool
	refuse   codes.Code
	noActive bool // IsActive is not implemented
	told     *pb.ScaledObjectRef
	streams  map[chan bool]struct{}
}

// counted counts the calls that a server gets, those that stay open too.
func counted(calls *atomic.Int64) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			calls.Add(1)
			return handle(ctx, r)
		}),
		grpc.StreamInterceptor(func(s any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			calls.Add(1)
			return handle(s, stream)
		}),
	}
}

// start runs an external scaler with one metric, of target 5 and value 0.
func start(t testing.TB, o ...grpc.ServerOption) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{
		address: l.Addr().String(), streams: map[chan bool]struct{}{},
		specs: []*pb.MetricSpec{{MetricName: "orders", TargetSize: 5}}, values: map[string][]*pb.MetricValue{"orders": {{MetricName: "orders"}}},
	}
	server := grpc.NewServer(o...)
	pb.RegisterExternalScalerServer(server, s)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return s
}

// change changes what the scaler answers.
func (s *service) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// set gives the metric a value; the scaler is active above 0 and pushes that.
func (s *service) set(_ context.Context, n float64) {
	s.change(func() {
		s.values["orders"] = []*pb.MetricValue{{MetricName: "orders", MetricValue: int64(n)}}
		s.active = n > 0
	})
	s.push(n > 0)
}

// push sends a message on all streams.
func (s *service) push(active bool) {
	s.mu.Lock()
	streams := maps.Clone(s.streams)
	s.mu.Unlock()
	for c := range streams {
		c <- active
	}
}

// listeners counts the open streams.
func (s *service) listeners() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

func (s *service) refused(r *pb.ScaledObjectRef) error {
	s.told = r
	if s.refuse != codes.OK {
		return status.Error(s.refuse, "refused by the test")
	}
	return nil
}

func (s *service) IsActive(_ context.Context, r *pb.ScaledObjectRef) (*pb.IsActiveResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noActive {
		return nil, status.Error(codes.Unimplemented, "no such method")
	}
	return &pb.IsActiveResponse{Result: s.active}, s.refused(r)
}

func (s *service) GetMetricSpec(_ context.Context, r *pb.ScaledObjectRef) (*pb.GetMetricSpecResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &pb.GetMetricSpecResponse{MetricSpecs: s.specs}, s.refused(r)
}

func (s *service) GetMetrics(_ context.Context, r *pb.GetMetricsRequest) (*pb.GetMetricsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &pb.GetMetricsResponse{MetricValues: s.values[r.GetMetricName()]}, s.refused(r.GetScaledObjectRef())
}

func (s *service) StreamIsActive(r *pb.ScaledObjectRef, stream grpc.ServerStreamingServer[pb.IsActiveResponse]) error {
	messages := make(chan bool, 16)
	s.mu.Lock()
	err := s.refused(r)
	s.streams[messages] = struct{}{}
	s.mu.Unlock()
	defer s.change(func() { delete(s.streams, messages) })
	if err != nil {
		return err
	}
	for {
		select {
		case m := <-messages:
			if err := stream.Send(&pb.IsActiveResponse{Result: m}); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return nil
		}
	}
}

// secured is the TLS of a server that knows clients by their certificates.
func secured(t *testing.T, a conntest.Authority, clients tls.ClientAuthType) grpc.ServerOption {
	t.Helper()
	pair := a.Issue(t, "server")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(a.PEM))
	return grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: clients, ClientCAs: roots, MinVersion: tls.VersionTLS12}))
}

// open opens a trigger of a kind ("external" or "external-push").
func open(t testing.TB, kind string, v param.Values, more ...func(*scaler.Env)) scaler.Source {
	t.Helper()
	for _, k := range Kinds() {
		if k.Name != kind {
			continue
		}
		env := scaler.Env{Pool: pool.New(), Namespace: "shop", Object: "worker"}
		for _, f := range more {
			f(&env)
		}
		return scalertest.Open(t, k.New(), v, env)
	}
	t.Fatalf("there is no kind %q", kind)
	return nil
}

func measure(t *testing.T, s scaler.Source) (scaler.Reading, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return s.Measure(ctx)
}

func at(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"scalerAddress": address}, more...)
}
