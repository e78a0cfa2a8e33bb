package conn

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/pkg/scaler"
)

// Round remembers what one poll of several triggers has asked, see Once. The
// zero one is ready.
type Round struct {
	mu    sync.Mutex // guards asked; never held while asking
	asked map[string]asked
}

type asked struct {
	answer any
	err    error
}

// Once calls ask, unless the round has for the key: then the answer, or the
// error, is what it was. A key has answers of one type.
func Once[T any](ctx context.Context, r *Round, key string, ask func() (T, error)) (T, error) {
	r.mu.Lock()
	before, known := r.asked[key]
	r.mu.Unlock()
	if known {
		answer, _ := before.answer.(T)
		return answer, before.err
	}
	answer, err := ask()
	if ctx.Err() == nil { // else it says nothing about the server
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.asked == nil {
			r.asked = map[string]asked{}
		}
		r.asked[key] = asked{answer, err}
	}
	return answer, err
}

// Sum adds up what count tells of each part, some of them at once. Parts that
// are missing are only counted.
func Sum[T any](ctx context.Context, parts []T, atOnce int, count func(context.Context, T) (int, error)) (sum, missing int, err error) {
	var mu sync.Mutex // guards sum and missing
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, part := range parts {
		g.Go(func() error {
			n, err := count(ctx, part)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && scaler.ReasonOf(err) == scaler.ReasonMissing {
				missing++
				return nil
			}
			sum += n
			return err
		})
	}
	err = g.Wait()
	return sum, missing, err
}
