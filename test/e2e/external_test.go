package e2e

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc"

	pb "github.com/kedago/keda/pkg/scalers/external/externalscalerpb"
)

// pushScaler is an external scaler with one number, which tells at once when
// there is something to do.
type pushScaler struct {
	pb.UnimplementedExternalScalerServer

	mu      sync.Mutex
	waiting int64
	streams map[chan bool]bool
}

func (p *pushScaler) set(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = int64(n)
	for s := range p.streams {
		select {
		case s <- n > 0:
		default:
		}
	}
}

func (p *pushScaler) read() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

// IsActive implements pb.ExternalScalerServer.
func (p *pushScaler) IsActive(context.Context, *pb.ScaledObjectRef) (*pb.IsActiveResponse, error) {
	return &pb.IsActiveResponse{Result: p.read() > 0}, nil
}

// StreamIsActive implements pb.ExternalScalerServer.
func (p *pushScaler) StreamIsActive(_ *pb.ScaledObjectRef, out grpc.ServerStreamingServer[pb.IsActiveResponse]) error {
	news := make(chan bool, 8)
	p.mu.Lock()
	p.streams[news] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.streams, news)
		p.mu.Unlock()
	}()
	for {
		select {
		case <-out.Context().Done():
			return nil
		case active := <-news:
			if err := out.Send(&pb.IsActiveResponse{Result: active}); err != nil {
				return err
			}
		}
	}
}

// GetMetricSpec implements pb.ExternalScalerServer.
func (p *pushScaler) GetMetricSpec(context.Context, *pb.ScaledObjectRef) (*pb.GetMetricSpecResponse, error) {
	return &pb.GetMetricSpecResponse{MetricSpecs: []*pb.MetricSpec{{MetricName: "waiting", TargetSize: 2}}}, nil
}

// GetMetrics implements pb.ExternalScalerServer.
func (p *pushScaler) GetMetrics(context.Context, *pb.GetMetricsRequest) (*pb.GetMetricsResponse, error) {
	return &pb.GetMetricsResponse{MetricValues: []*pb.MetricValue{{MetricName: "waiting", MetricValue: p.read()}}}, nil
}

func externalPush(s *story) broker {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	p := &pushScaler{streams: map[chan bool]bool{}}
	server := grpc.NewServer()
	pb.RegisterExternalScalerServer(server, p)
	go func() { _ = server.Serve(l) }()
	s.Cleanup(server.Stop)
	return broker{kind: "external-push", metadata: map[string]string{"scalerAddress": l.Addr().String(), "queue": "orders"}, set: p.set}
}
