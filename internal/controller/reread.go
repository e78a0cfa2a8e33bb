package controller

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/model"
)

// RereadEvery has the users of Secrets and ConfigMaps that are not watched
// resolved again from time to time until ctx ends, see Options.Unwatched. The
// operator's roles may name each object that it reads: those can't be watched.
func (s *Set) RereadEvery(ctx context.Context, every time.Duration, c clock.WithTicker) error {
	if len(s.watch.unwatched) == 0 {
		return nil
	}
	t := c.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C():
			for _, r := range s.index.references() {
				if slices.Contains(s.watch.unwatched, r.Kind) {
					s.ReferenceChanged(r)
				}
			}
		}
	}
}

// references lists all that is in use.
func (x *index) references() []model.Reference {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Keys(x.users))
}
