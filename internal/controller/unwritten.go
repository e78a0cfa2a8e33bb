package controller

import (
	"slices"
	"sync"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
)

// unwritten remembers what was told of workloads whose status can't be
// written: until it can, each attempt finds the same news.
type unwritten struct {
	mu   sync.Mutex
	told map[model.Key][]decide.Event
}

// news leaves out what was told already.
func (u *unwritten) news(key model.Key, events []decide.Event) []decide.Event {
	u.mu.Lock()
	defer u.mu.Unlock()
	known := u.told[key]
	if len(known) == 0 {
		return events
	}
	return slices.DeleteFunc(slices.Clone(events), func(e decide.Event) bool { return slices.Contains(known, e) })
}

// failed notes what was told with a status that was not written, and says
// whether that is the first in a row.
func (u *unwritten) failed(key model.Key, told []decide.Event) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	before, again := u.told[key]
	if u.told == nil {
		u.told = map[model.Key][]decide.Event{}
	}
	u.told[key] = append(before, told...)
	return !again
}

// written forgets.
func (u *unwritten) written(key model.Key) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.told, key)
}
