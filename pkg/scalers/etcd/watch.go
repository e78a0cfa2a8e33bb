package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
)

// retryLeast and retryMost bound the pause before a key is watched again.
const retryLeast, retryMost = 100 * time.Millisecond, 30 * time.Second

// Watch implements scaler.Watcher.
func (s *source) Watch(on func(scaler.Signal)) (stop func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	l := scaler.NewListener(on)
	go s.watch(ctx, func(kind scaler.SignalKind, err error) { s.signals.Tell(l, scaler.Signal{Kind: kind, Err: err}) })
	return func() {
		l.Stop()
		cancel()
	}
}

// watch watches the key until the context ends.
func (s *source) watch(ctx context.Context, tell func(scaler.SignalKind, error)) {
	pause, again := retryLeast, false
	for {
		heard, err := s.listen(ctx, again, tell)
		if ctx.Err() != nil {
			return
		}
		if heard {
			pause, again = retryLeast, true
		}
		stale := s.cluster.stale(err)
		err = s.cluster.failure(err, fmt.Sprintf("watching the key %q of etcd at %s", s.key, s.host))
		reason := scaler.ReasonOf(err)
		if !stale && (reason == scaler.ReasonDenied || reason == scaler.ReasonMisconfigured) {
			pause = retryMost
			tell(scaler.Refused, err)
		} else {
			tell(scaler.Broken, err)
		}
		if !sleep.For(ctx, pause) {
			return
		}
		pause = min(2*pause, retryMost)
	}
}

// errQuiet ends a watch of which nothing is heard.
var errQuiet = errors.New("the server has not told for long that the watch works")

// listen watches the key until that ends; heard says whether it began.
func (s *source) listen(ctx context.Context, again bool, tell func(scaler.SignalKind, error)) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	as, err := s.cluster.as(ctx)
	if err != nil {
		return false, err
	}
	var quiet atomic.Bool
	dog := time.AfterFunc(patience, func() { quiet.Store(true); cancel() })
	defer dog.Stop()
	defer func() {
		if quiet.Load() {
			err = errQuiet
		}
	}()
	stream, err := etcdserverpb.NewWatchClient(s.cluster).Watch(metadata.AppendToOutgoingContext(as, rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader))
	if err != nil {
		return false, err
	}
	err = stream.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{
		CreateRequest: &etcdserverpb.WatchCreateRequest{Key: []byte(s.key), ProgressNotify: true},
	}})
	if errors.Is(err, io.EOF) { // Recv says why
		err = nil
	}
	for err == nil {
		var got *etcdserverpb.WatchResponse
		if got, err = stream.Recv(); err != nil {
			break
		}
		dog.Reset(s.quiet)
		switch {
		case got.Canceled:
			err = cancelled(got.CancelReason)
		case got.Created && !heard:
			heard = true
			tell(scaler.Watching, nil)
			if again { // something may have arrived meanwhile
				tell(scaler.Arrived, nil)
			}
		case len(got.Events) > 0:
			tell(scaler.Arrived, nil)
		}
	}
	return heard, err
}

// cancelled is the error that a server's reason for ending a watch stands for.
func cancelled(reason string) error {
	return status.Errorf(codes.Unavailable, "the server ended the watch: %s", reason)
}
