package etcd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/kedago/keda/pkg/scaler"
)

// maxOps is how many keys a server reads at once unless told otherwise.
const maxOps = 128

// source is one trigger. It owns its share of the cluster.
type source struct {
	cluster *cluster
	release func()
	key     string
	host    string
	batch   string
	quiet   time.Duration // after so long without a word a watch is broken
	ctx     context.Context
	cancel  context.CancelFunc
	signals *scaler.Signals
}

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Watcher = (*source)(nil)
	_ scaler.Hosted  = (*source)(nil)
)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.host }

// BatchKey implements scaler.Batcher.
func (s *source) BatchKey() string { return s.batch }

// Close implements scaler.Source.
func (s *source) Close() error {
	s.cancel()
	s.release()
	return nil
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	var got *etcdserverpb.RangeResponse
	err := s.ask(ctx, func(ctx context.Context) (err error) {
		got, err = etcdserverpb.NewKVClient(s.cluster).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte(s.key)})
		return err
	})
	if err != nil {
		return scaler.Reading{}, s.cluster.failure(err, s.doing())
	}
	return s.reading(got.GetKvs())
}

// MeasureAll implements scaler.Batcher: keys are read together. If one may not
// be read none is, and then each is read by itself.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	out := make([]scaler.Result, 0, len(sources))
	for first := 0; first < len(sources); first += maxOps {
		out = append(out, s.together(ctx, sources[first:min(first+maxOps, len(sources))])...)
	}
	return out
}

func (s *source) together(ctx context.Context, sources []scaler.Source) []scaler.Result {
	out := make([]scaler.Result, len(sources))
	txn := &etcdserverpb.TxnRequest{}
	for _, other := range sources {
		key := &etcdserverpb.RequestOp_RequestRange{RequestRange: &etcdserverpb.RangeRequest{Key: []byte(other.(*source).key)}}
		txn.Success = append(txn.Success, &etcdserverpb.RequestOp{Request: key})
	}
	var got *etcdserverpb.TxnResponse
	err := s.ask(ctx, func(ctx context.Context) (err error) {
		got, err = etcdserverpb.NewKVClient(s.cluster).Txn(ctx, txn)
		return err
	})
	if err == nil && len(got.GetResponses()) == len(sources) {
		for i, other := range sources {
			out[i].Reading, out[i].Err = other.(*source).reading(got.GetResponses()[i].GetResponseRange().GetKvs())
		}
		return out
	}
	for i, other := range sources {
		if err != nil && scaler.ReasonOf(s.cluster.failure(err, "")) == scaler.ReasonUnreachable {
			out[i].Err = s.cluster.failure(err, other.(*source).doing())
			continue
		}
		out[i].Reading, out[i].Err = other.Measure(ctx)
	}
	return out
}

func (s *source) ask(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.cluster.do(ctx, ask)
}

func (s *source) doing() string {
	return fmt.Sprintf("reading the key %q of etcd at %s", s.key, s.host)
}

// reading is the number that the key holds. Its text is in no error.
func (s *source) reading(found []*mvccpb.KeyValue) (scaler.Reading, error) {
	if len(found) == 0 {
		return scaler.Reading{}, scaler.Missing(errors.New("there is no such key"), "%s", s.doing())
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(string(found[0].Value)), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("its %d bytes are no number; expected such as 5 or 0.5", len(found[0].Value)), "%s", s.doing())
	}
	return scaler.Reading{Value: n}, nil
}
