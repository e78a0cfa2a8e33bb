package temporal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync"
	"testing"

	enums "go.temporal.io/api/enums/v1"
	taskqueue "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// server answers as Temporal's frontend does, with Temporal's own messages.
type server struct {
	workflowservice.UnimplementedWorkflowServiceServer
	address string

	mu       sync.Mutex // guards what follows
	backlogs map[enums.TaskQueueType]int64
	queue    func(*workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error)
	version  func(*workflowservice.DescribeWorkerDeploymentVersionRequest) (*workflowservice.DescribeWorkerDeploymentVersionResponse, error)
	refuse   codes.Code
	asked    []proto.Message
	header   metadata.MD
}

func start(t testing.TB, o ...grpc.ServerOption) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: l.Addr().String(), backlogs: map[enums.TaskQueueType]int64{}}
	g := grpc.NewServer(o...)
	workflowservice.RegisterWorkflowServiceServer(g, s)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return s
}

func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) keep(ctx context.Context, m proto.Message) error {
	s.asked = append(s.asked, m)
	s.header, _ = metadata.FromIncomingContext(ctx)
	if s.refuse != codes.OK {
		return status.Error(s.refuse, "refused on purpose")
	}
	return nil
}

// DescribeTaskQueue implements WorkflowServiceServer.
func (s *server) DescribeTaskQueue(ctx context.Context, r *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.keep(ctx, r); err != nil {
		return nil, err
	}
	if s.queue != nil {
		return s.queue(r)
	}
	return &workflowservice.DescribeTaskQueueResponse{
		Pollers: []*taskqueue.PollerInfo{{Identity: "worker", RatePerSecond: 100}},
		Stats:   stats(s.backlogs[r.GetTaskQueueType()]),
	}, nil
}

// DescribeWorkerDeploymentVersion implements WorkflowServiceServer.
func (s *server) DescribeWorkerDeploymentVersion(ctx context.Context, r *workflowservice.DescribeWorkerDeploymentVersionRequest) (*workflowservice.DescribeWorkerDeploymentVersionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.keep(ctx, r); err != nil {
		return nil, err
	}
	if s.version == nil {
		return nil, status.Error(codes.Unimplemented, "unknown method")
	}
	return s.version(r)
}

func stats(n int64) *taskqueue.TaskQueueStats {
	return &taskqueue.TaskQueueStats{ApproximateBacklogCount: n, TasksAddRate: 1.5, TasksDispatchRate: 2.5}
}

func parameters(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"endpoint": address, "namespace": "shop", "taskQueue": "orders", "targetQueueSize": "5"}, more...)
}

func open(t testing.TB, v param.Values, p scaler.Pool) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{Pool: p})
}

func (s *server) measure(t testing.TB, more ...string) (scaler.Reading, error) {
	t.Helper()
	return open(t, param.Values{Metadata: parameters(s.address, more...)}, &scalertest.Pool{}).Measure(t.Context())
}

// secured makes a server serve with a certificate of an authority, and want
// its clients' certificates or not.
func secured(t testing.TB, ca conntest.Authority, clients tls.ClientAuthType) grpc.ServerOption {
	t.Helper()
	pair := ca.Issue(t, "temporal")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca.PEM))
	return grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: clients, MinVersion: tls.VersionTLS12}))
}

// names lists types of task queues in words.
func names(types []enums.TaskQueueType) string {
	var out []string
	for _, t := range types {
		out = append(out, t.String())
	}
	return strings.Join(out, ",")
}
