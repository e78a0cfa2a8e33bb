package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/sleep"
)

// readiness says whether this process measures: with leader election on the
// leader only, and not before it has seen all objects that it takes care of.
type readiness struct{ seen atomic.Bool }

var errNotMeasuring = errors.New("this replica does not measure: it is starting, or another one leads")

func (r *readiness) check() error {
	if !r.seen.Load() {
		return errNotMeasuring
	}
	return nil
}

// await waits for the first list of each of our kinds, which a cached read
// does, and then until ctx ends. A read that fails is tried again: until it
// succeeds there is something that we don't know.
func (r *readiness) await(ctx context.Context, cached client.Reader) error {
	for _, list := range []client.ObjectList{&kedav1.ScaledObjectList{}, &firstv1.ScaledObjectList{}, &kedav1.ScaledJobList{}} {
		for {
			err := cached.List(ctx, list, client.Limit(1), client.UnsafeDisableDeepCopy)
			if err == nil {
				break
			}
			if !sleep.For(ctx, time.Second) {
				return nil
			}
		}
	}
	r.seen.Store(true)
	<-ctx.Done()
	return nil
}
