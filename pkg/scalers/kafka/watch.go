package kafka

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

var errNoTopics = errors.New("the topics of the group are not known yet")

// hub shares one long poll per broker among all watching triggers of a
// connection. It wakes them for records that are newer than their last
// measurement, and for nothing else: persistent lag does not.
type hub struct {
	conn    *connection
	kick    chan struct{} // tells settle that there is work
	signals *scaler.Signals

	mu       sync.Mutex // guards what follows; never held over I/O or while calling watchers
	topics   map[string]*watched
	loops    map[int32]*loop
	settling bool
	changed  time.Time // when a topic was last added
}

// watched is a topic that some trigger watches. The hub's lock guards it.
type watched struct {
	name     string
	watchers map[*watcher]struct{}
	leaders  []int32 // the broker whose loop fetches the partition, -1 for none
	offsets  []int64 // the next offset to fetch, unanswered when not known
	answered []bool  // whether the broker has answered since the partition was assigned
	waiting  int     // partitions not answered yet
	live     bool
	liveAt   time.Time
	err      error // why it is not live; nil while it is being looked up
	tries    int
	retryAt  time.Time
	queued   bool // settle has it to look up
}

// watcher is one trigger's watch. The hub's lock guards it.
type watcher struct {
	*scaler.Listener

	topics  []*watched
	limit   partitions
	told    bool // a signal has been sent, last and lastErr are it
	last    scaler.SignalKind
	lastErr error
}

func newHub(k *connection) *hub {
	return &hub{conn: k, kick: make(chan struct{}, 1), signals: scaler.NewSignals(k.ctx), topics: map[string]*watched{}, loops: map[int32]*loop{}}
}

// Watch implements scaler.Watcher.
func (s *source) Watch(on func(scaler.Signal)) (stop func()) {
	s.mu.Lock()
	seen := s.seen
	s.mu.Unlock()
	names := s.config.topics
	if len(names) == 0 {
		for name := range seen {
			names = append(names, name)
		}
	}
	h := s.conn.hub
	w := &watcher{Listener: scaler.NewListener(on), limit: s.config.limit}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(names) == 0 {
		h.signals.Tell(w.Listener, scaler.Signal{Kind: scaler.Broken, Err: scaler.Missing(errNoTopics, "watching")})
		return func() {}
	}
	for _, name := range names {
		h.join(w, name, seen[name])
	}
	h.inform(w)
	return func() { h.leave(w) }
}

// join adds a watcher to a topic. Called with the lock held.
func (h *hub) join(w *watcher, name string, seen []int64) {
	t := h.topics[name]
	if t == nil {
		t = &watched{name: name, watchers: map[*watcher]struct{}{}, offsets: slices.Clone(seen), queued: true}
		h.topics[name] = t
		h.changed = h.conn.now()
		h.settle()
	}
	t.watchers[w] = struct{}{}
	w.topics = append(w.topics, t)
	news := false
	for n, end := range seen {
		switch {
		case n >= len(t.offsets):
			t.offsets = append(t.offsets, end)
		case t.offsets[n] < 0: // not fetched yet, its end is not known either
			t.offsets[n] = end
		case end >= 0 && t.offsets[n] > end && w.limit.contains(n):
			news = true // came between this trigger's measurement and now
		}
	}
	if news {
		h.signals.Tell(w.Listener, scaler.Signal{Kind: scaler.Arrived})
	}
}

// leave ends a watch. Topics that nobody else watches are given up.
func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Stop()
	for _, t := range w.topics {
		delete(t.watchers, w)
		if len(t.watchers) == 0 && h.topics[t.name] == t {
			h.release(t)
			delete(h.topics, t.name)
		}
	}
}

// inform tells a watcher how its watch stands, if that has changed. Called
// with the lock held.
func (h *hub) inform(w *watcher) {
	s := scaler.Signal{Kind: scaler.Watching}
	for _, t := range w.topics {
		switch {
		case t.live:
		case t.err == nil:
			return // being looked up: what was said last still holds
		case scaler.ReasonOf(t.err) == scaler.ReasonDenied:
			s = scaler.Signal{Kind: scaler.Refused, Err: t.err}
		case s.Kind != scaler.Refused:
			s = scaler.Signal{Kind: scaler.Broken, Err: t.err}
		}
	}
	if w.told && w.last == s.Kind && sameText(w.lastErr, s.Err) {
		return
	}
	recovered := w.told && s.Kind == scaler.Watching
	w.told, w.last, w.lastErr = true, s.Kind, s.Err
	h.signals.Tell(w.Listener, s)
	if recovered {
		h.signals.Tell(w.Listener, scaler.Signal{Kind: scaler.Arrived}) // whatever came meanwhile was not seen
	}
}

func sameText(a, b error) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
}

// informAll tells every watcher of a topic. Called with the lock held.
func (h *hub) informAll(t *watched) {
	for w := range t.watchers {
		h.inform(w)
	}
}

// arrived wakes the watchers of a partition. Called with the lock held.
func (h *hub) arrived(t *watched, n int) {
	for w := range t.watchers {
		if w.limit.contains(n) {
			h.signals.Tell(w.Listener, scaler.Signal{Kind: scaler.Arrived})
		}
	}
}

// interrupt takes a topic out of the long polls and has it looked up again
// later. Called with the lock held.
func (h *hub) interrupt(t *watched, err error) {
	now := h.conn.now()
	if t.live && now.Sub(t.liveAt) > steadyAfter {
		t.tries = 0
	}
	h.release(t)
	t.live, t.err, t.queued = false, err, true
	t.retryAt = now.Add(min(retryLeast<<min(t.tries, 10), retryMost))
	t.tries++
	if scaler.ReasonOf(err) == scaler.ReasonDenied {
		t.retryAt = now.Add(refusedPause)
	}
	h.informAll(t)
	h.settle()
}

// release takes a topic's partitions out of the long polls. Called with the
// lock held.
func (h *hub) release(t *watched) {
	for n, node := range t.leaders {
		if node < 0 {
			continue
		}
		if l := h.loops[node]; l != nil {
			l.drop(t, int32(n))
		}
		t.leaders[n] = -1
	}
}
