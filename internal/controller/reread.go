package controller

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/model"
)

// readByName says which kinds may be readable by name only, where the
// operator's roles name each object: they can't be watched then.
func readByName(kind string) bool { return kind == "Secret" || kind == "ConfigMap" }

// RereadEvery has the users of Secrets and ConfigMaps resolved again from time
// to time until ctx ends, see Options.Unwatched.
func (s *Set) RereadEvery(ctx context.Context, every time.Duration, c clock.WithTicker) error {
	t := c.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C():
			for _, r := range s.index.references() {
				if readByName(r.Kind) {
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
