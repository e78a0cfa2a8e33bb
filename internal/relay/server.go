package relay

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/relay/relaypb"
	"github.com/kedago/keda/internal/sleep"
)

const (
	// gather is how long changes are collected before they are sent.
	gather = 50 * time.Millisecond
	// batchSize is how many workloads are sent at once.
	batchSize = 200
	// aliveEvery is how often a silent connection is tried, and aliveWithin how
	// long an answer may take.
	aliveEvery, aliveWithin = 10 * time.Second, 5 * time.Second
)

// Server sends what a Source tells to all who watch.
type Server struct {
	source Source
	clock  clock.PassiveClock
	log    *slog.Logger

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	relaypb.UnimplementedRelayServer
}

// watcher is one replica that watches.
type watcher struct {
	mu      sync.Mutex
	changed map[model.Key]struct{}
	wake    chan struct{} // of capacity 1
}

// NewServer returns a server that nobody watches yet.
func NewServer(source Source, now clock.PassiveClock, log *slog.Logger) *Server {
	return &Server{source: source, clock: now, log: log, watchers: map[*watcher]struct{}{}}
}

// Changed says that something of a workload has changed. It does not block.
func (s *Server) Changed(k model.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		w.mu.Lock()
		w.changed[k] = struct{}{}
		w.mu.Unlock()
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Run serves until ctx ends; then streams are cut, and the replicas look for
// who measures now. It closes the listener.
func (s *Server) Run(ctx context.Context, listener net.Listener, creds credentials.TransportCredentials) error {
	server := grpc.NewServer(grpc.Creds(creds),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: aliveEvery, Timeout: aliveWithin}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: aliveEvery / 2, PermitWithoutStream: true}))
	relaypb.RegisterRelayServer(server, s)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	s.log.Info("serving the replicas of the external metrics API", "address", listener.Addr().String())
	if err := server.Serve(listener); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serving the replicas of the external metrics API: %w", err)
	}
	return nil
}

// Watch implements relaypb.RelayServer.
func (s *Server) Watch(_ *relaypb.WatchRequest, stream grpc.ServerStreamingServer[relaypb.Batch]) error {
	w := &watcher{changed: map[model.Key]struct{}{}, wake: make(chan struct{}, 1)}
	s.mu.Lock()
	s.watchers[w] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watchers, w)
		s.mu.Unlock()
	}()
	// Whatever changes while this is sent is sent again.
	if err := s.send(stream, s.source.Keys(), true); err != nil {
		return err
	}
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case <-w.wake:
		}
		if !sleep.For(stream.Context(), gather) {
			return nil
		}
		if err := s.send(stream, w.take(), false); err != nil {
			return err
		}
	}
}

func (w *watcher) take() []model.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := slices.Collect(maps.Keys(w.changed))
	clear(w.changed)
	return keys
}

// send sends what is known of some workloads, and at the end of all, when they
// are all, that they are.
func (s *Server) send(stream grpc.ServerStreamingServer[relaypb.Batch], keys []model.Key, all bool) error {
	for chunk := range slices.Chunk(keys, batchSize) {
		b := &relaypb.Batch{}
		for _, k := range chunk {
			w, ok := s.source.Known(stream.Context(), k)
			if !ok {
				w = Workload{}
			}
			w.ID = k.String()
			b.Workloads = append(b.Workloads, toWire(w, s.clock.Now()))
		}
		if err := stream.Send(b); err != nil {
			return err
		}
	}
	if !all {
		return nil
	}
	return stream.Send(&relaypb.Batch{Complete: true})
}

// Ask implements relaypb.RelayServer.
func (s *Server) Ask(ctx context.Context, q *relaypb.Question) (*relaypb.Workloads, error) {
	out := &relaypb.Workloads{}
	answers := s.source.Ask(ctx, q.GetNamespace(), q.GetMetric())
	now := s.clock.Now()
	for _, w := range answers {
		out.Workloads = append(out.Workloads, toWire(w, now))
	}
	return out, nil
}
