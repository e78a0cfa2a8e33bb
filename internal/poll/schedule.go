package poll

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

const (
	// gatherDelay lets triggers that appear together share the first round trip,
	// and gatherEvery those that appear one after the other, of thousands.
	gatherDelay = 20 * time.Millisecond
	gatherEvery = time.Second
	// minInterval keeps a mistyped interval from becoming a busy loop.
	minInterval = 100 * time.Millisecond
	// maxDeadline is the longest one measurement may take.
	maxDeadline = 15 * time.Second
	// maxCoalesce is how much too early a trigger may ride along in a round
	// trip that is made anyway; also limited to a tenth of its interval.
	maxCoalesce = 5 * time.Second
	// laneWidth is how many measurements run at once against one server that
	// can't be asked about many triggers together.
	laneWidth = 8
	// calmFactor and maxCalm are how long after the start of a round trip the
	// next one to that server may start: a server is kept busy a quarter of the
	// time at most, and what comes up meanwhile shares the next round trip.
	calmFactor = 4
	maxCalm    = 250 * time.Millisecond
	// maxBatch is the most triggers in one round trip.
	maxBatch = 5000
)

// group is a set of tasks that share round trips (width 1) or a server's lane
// (width laneWidth). The poller's lock guards it.
type group struct {
	key     string
	width   int
	running int
	members map[*task]struct{}
	queue   []*task // due, waiting for a place in the lane
	// notBefore is when the next round trip may start.
	notBefore time.Time
	// gather is when new triggers are first measured, or were.
	gather time.Time
}

// newcomer says when a trigger that appeared now is first measured: at once,
// or with others where some were only just measured. Called with the lock held.
func (g *group) newcomer(now time.Time) time.Time {
	soon := now.Add(gatherDelay)
	if g.width != 1 {
		return soon
	}
	if !g.gather.After(now) {
		g.gather = slices.MaxFunc([]time.Time{soon, g.gather.Add(gatherEvery)}, time.Time.Compare)
	}
	return g.gather
}

// schedule sets when a task is next measured. Called with the lock held.
func (p *Poller) schedule(t *task, at time.Time) {
	t.nextDue = at
	switch {
	case t.gone || t.measuring:
	case t.heapIndex < 0:
		heap.Push(&p.due, t)
	default:
		heap.Fix(&p.due, t.heapIndex)
	}
}

func (p *Poller) unschedule(t *task) {
	if t.heapIndex >= 0 {
		heap.Remove(&p.due, t.heapIndex)
	}
}

// startDue starts what is due and returns how long to wait for the next, or
// -1 for nothing.
func (p *Poller) startDue(ctx context.Context) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	for len(p.due) > 0 && !p.due[0].nextDue.After(now) {
		t := heap.Pop(&p.due).(*task)
		g := p.joinGroup(t)
		if g.notBefore.After(now) && g.running == 0 {
			p.schedule(t, g.notBefore)
			continue
		}
		t.measuring = true
		g.queue = append(g.queue, t)
		if t.batched {
			p.rideAlong(g, t, now)
		}
		p.advance(ctx, g)
	}
	if len(p.due) == 0 {
		return -1
	}
	return max(0, p.due[0].nextDue.Sub(now))
}

// rideAlong adds the group's other tasks to the round trip of first when they
// are due soon anyway, or are getting old and will likely be read by an HPA:
// those read lately and, when a read is what first is measured for, those that
// are active. HPAs do not read what is idle at zero replicas.
func (p *Poller) rideAlong(g *group, first *task, now time.Time) {
	asked := len(first.waiters) > 0
	for t := range g.members {
		if t.measuring || t.heapIndex < 0 || len(g.queue) >= maxBatch {
			continue
		}
		join := (now.Sub(t.readAt) < readLately || asked && !t.idle) && now.Sub(t.measuredAt) > freshFor/2
		if !join {
			early := min(t.interval()/10, maxCoalesce)
			join = !t.nextDue.After(now.Add(early))
		}
		if join {
			p.unschedule(t)
			t.measuring = true
			g.queue = append(g.queue, t)
		}
	}
}

// advance starts goroutines for the group's queue, as far as its width
// allows. Called with the lock held.
func (p *Poller) advance(ctx context.Context, g *group) {
	for len(g.queue) > 0 && g.running < g.width {
		n := 1
		if g.width == 1 {
			n = min(len(g.queue), maxBatch)
		}
		batch := slices.Clone(g.queue[:n])
		g.queue = slices.Delete(g.queue, 0, n)
		g.running++
		p.running.Add(1)
		go p.run(ctx, g, batch)
	}
}

// calm sets when the next round trip of a group may start, and puts off what
// is due already. Tasks to be closed outside the lock are added to closing.
// Called with the lock held.
func (p *Poller) calm(g *group, started time.Time, took time.Duration, closing []*task) []*task {
	if g.width != 1 {
		return closing
	}
	g.notBefore = started.Add(min(calmFactor*took, took+maxCalm))
	if !g.notBefore.After(p.clock.Now()) {
		return closing
	}
	for _, t := range g.queue {
		t.measuring = false
		if t.gone {
			closing = append(closing, t)
			continue
		}
		p.schedule(t, g.notBefore)
	}
	g.queue = nil
	return closing
}

// joinGroup puts an opened task into its group, made when new. A source that
// has changed its group (it could not be opened before) moves. Called with
// the lock held.
func (p *Poller) joinGroup(t *task) *group {
	key := t.groupKey()
	if t.group != nil && t.group.key == key {
		return t.group
	}
	p.leave(t)
	g := p.groups[key]
	if g == nil {
		g = &group{key: key, width: laneWidth, members: map[*task]struct{}{}}
		if t.batched {
			g.width = 1
		}
		p.groups[key] = g
	}
	g.members[t] = struct{}{}
	t.group = g
	return g
}

// leave removes a task from its group. Called with the lock held.
func (p *Poller) leave(t *task) {
	g := t.group
	if g == nil {
		return
	}
	t.group = nil
	delete(g.members, t)
	p.forgetEmpty(g)
}

func (p *Poller) forgetEmpty(g *group) {
	if len(g.members) == 0 && g.running == 0 && len(g.queue) == 0 && p.groups[g.key] == g {
		delete(p.groups, g.key)
	}
}

// dueHeap orders tasks by nextDue; it implements heap.Interface.
type dueHeap []*task

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].nextDue.Before(h[j].nextDue) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

func (h *dueHeap) Push(x any) {
	t := x.(*task)
	t.heapIndex = len(*h)
	*h = append(*h, t)
}

func (h *dueHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.heapIndex = -1
	return t
}
