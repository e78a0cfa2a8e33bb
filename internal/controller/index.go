package controller

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/targets"
)

// index remembers which workloads use what, so that a change of a Secret, an
// auth object or a target finds its users without a list call.
type index struct {
	mu      sync.Mutex
	users   map[model.Reference]map[model.Key]bool
	uses    map[model.Key][]model.Reference
	targets map[targets.ID]map[model.Key]claim
	target  map[model.Key]targets.ID
	// onUse, when set, is told, outside the lock, of each reference that a
	// workload begins or ceases to use.
	onUse func(model.Reference)
}

// claim orders the workloads that want the same target.
type claim struct {
	created int64
	uid     string
}

func newIndex() *index {
	return &index{
		users: map[model.Reference]map[model.Key]bool{}, uses: map[model.Key][]model.Reference{},
		targets: map[targets.ID]map[model.Key]claim{}, target: map[model.Key]targets.ID{},
	}
}

// setUses replaces what a workload uses, and says whether there is something
// that it did not use before.
func (x *index) setUses(key model.Key, refs []model.Reference) (more bool) {
	before, more := x.replaceUses(key, refs)
	if x.onUse == nil {
		return more
	}
	for _, r := range before {
		if !slices.Contains(refs, r) {
			x.onUse(r)
		}
	}
	for _, r := range refs {
		if !slices.Contains(before, r) {
			x.onUse(r)
		}
	}
	return more
}

func (x *index) replaceUses(key model.Key, refs []model.Reference) (before []model.Reference, more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before = x.uses[key]
	for _, r := range refs {
		more = more || !slices.Contains(before, r)
	}
	for _, r := range before {
		delete(x.users[r], key)
		if len(x.users[r]) == 0 {
			delete(x.users, r)
		}
	}
	x.uses[key] = slices.Clone(refs)
	for _, r := range refs {
		if x.users[r] == nil {
			x.users[r] = map[model.Key]bool{}
		}
		x.users[r][key] = true
	}
	return before, more
}

// usersOf lists the workloads that use a reference.
func (x *index) usersOf(r model.Reference) []model.Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Keys(x.users[r]))
}

// usesOf lists what a workload uses.
func (x *index) usesOf(key model.Key) []model.Reference {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.uses[key])
}

// claimTarget says that a workload scales a target, and returns the workload
// that came first if that is another one. touched lists those for whom that
// changes something: who waited for the target that the claim moves away
// from, and who must give way to an older workload that was seen only now.
func (x *index) claimTarget(w *model.Workload, id targets.ID) (rival *model.Key, touched []model.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if old, ok := x.target[w.Key]; ok && old != id {
		touched = x.release(w.Key)
	}
	if x.targets[id] == nil {
		x.targets[id] = map[model.Key]claim{}
	}
	_, known := x.targets[id][w.Key]
	x.targets[id][w.Key] = claim{created: w.CreatedAt.Unix(), uid: w.UID}
	x.target[w.Key] = id
	first := w.Key
	for k := range x.targets[id] {
		if before(x.targets[id][k], k, x.targets[id][first], first) {
			first = k
		}
	}
	if first != w.Key {
		return &first, touched
	}
	for k := range x.targets[id] {
		if !known && k != w.Key {
			touched = append(touched, k)
		}
	}
	return nil, touched
}

func before(a claim, ak model.Key, b claim, bk model.Key) bool {
	if a.created != b.created {
		return a.created < b.created
	}
	return strings.Compare(ak.String(), bk.String()) < 0
}

// unclaim gives up what a workload scaled and returns who waited for it.
func (x *index) unclaim(key model.Key) []model.Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.release(key)
}

// release gives a target up and returns who else wanted it. Called with the
// lock held.
func (x *index) release(key model.Key) []model.Key {
	id, ok := x.target[key]
	if !ok {
		return nil
	}
	delete(x.target, key)
	delete(x.targets[id], key)
	others := slices.Collect(maps.Keys(x.targets[id]))
	if len(others) == 0 {
		delete(x.targets, id)
	}
	return others
}

// remove forgets a workload and returns who waited for its target.
func (x *index) remove(key model.Key) []model.Key {
	x.setUses(key, nil)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.uses, key)
	return x.release(key)
}

// usersOfTarget lists the workloads that scale a target.
func (x *index) usersOfTarget(id targets.ID) []model.Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Keys(x.targets[id]))
}
