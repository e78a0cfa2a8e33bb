package conn

import (
	"context"

	"github.com/kedago/keda/pkg/scaler"
)

// BatchSource is a source of a server that tells by one answer what all
// triggers with the same key want to know.
type BatchSource[A any] struct {
	// Ask asks the server.
	Ask func(context.Context) (A, error)
	// Read takes this trigger's number out of the answer, which others read too.
	Read func(context.Context, A) (scaler.Reading, error)
	// Server is its "host:port", and Key the scaler.Batcher's.
	Server, Key string
	// Release gives back what the source holds.
	Release func() error
}

var (
	_ scaler.Batcher = (*BatchSource[any])(nil)
	_ scaler.Hosted  = (*BatchSource[any])(nil)
)

// Host implements scaler.Hosted.
func (s *BatchSource[A]) Host() string { return s.Server }

// BatchKey implements scaler.Batcher.
func (s *BatchSource[A]) BatchKey() string { return s.Key }

// Close implements scaler.Source.
func (s *BatchSource[A]) Close() error { return s.Release() }

// Measure implements scaler.Source.
func (s *BatchSource[A]) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher.
func (s *BatchSource[A]) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	out := make([]scaler.Result, len(sources))
	answer, err := s.Ask(ctx)
	for i, other := range sources {
		if err != nil {
			out[i].Err = err
			continue
		}
		out[i].Reading, out[i].Err = other.(*BatchSource[A]).Read(ctx, answer)
	}
	return out
}
