package mongodb

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// retryLeast and retryMost bound the pause before a stream is opened again.
	retryLeast, retryMost = 100 * time.Millisecond, 30 * time.Second
	// openLimit is how long opening a stream may take.
	openLimit = 15 * time.Second
)

// watching is a source that also follows its collection's change stream.
type watching struct{ *source }

var _ scaler.Watcher = (*watching)(nil)

// Watch implements scaler.Watcher.
func (w *watching) Watch(on func(scaler.Signal)) (stop func()) {
	return w.client.hub.watch(place{w.config.database, w.config.collection}, on)
}

// place is a collection.
type place struct{ database, collection string }

// stream is an open change stream. The driver's resumes by itself.
type stream interface {
	Next(ctx context.Context) bool
	Err() error
	Close(ctx context.Context) error
}

// follow opens the change stream of a collection: that something was written,
// not what.
func (k *client) follow(ctx context.Context, at place) (stream, error) {
	c, err := k.get(ctx)
	if err != nil {
		return nil, err
	}
	writes := bson.D{{Key: "$match", Value: bson.D{{Key: "operationType", Value: bson.D{{Key: "$in", Value: bson.A{"insert", "update", "replace"}}}}}}}
	little := bson.D{{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}}}}
	return c.Database(at.database).Collection(at.collection).Watch(ctx, mongo.Pipeline{writes, little})
}

// hub follows one stream per collection, for all triggers on it.
type hub struct {
	open   func(context.Context, place) (stream, error)
	ctx    context.Context // ends with the client
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows; never held over I/O or while calling watchers
	streams map[place]*followed
}

// followed is a collection that some trigger watches. The hub's lock guards it.
type followed struct {
	watchers map[*watcher]struct{}
	cancel   context.CancelFunc
	live     bool
}

// watcher is one trigger's watch. The hub's lock guards it.
type watcher struct {
	on     func(scaler.Signal)
	live   bool // Watching has been told
	failed bool // Refused or Broken has been told
}

func newHub(open func(context.Context, place) (stream, error)) *hub {
	h := &hub{open: open, streams: map[place]*followed{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

func (h *hub) close() { h.cancel() }

func (h *hub) watch(at place, on func(scaler.Signal)) (stop func()) {
	w := &watcher{on: on}
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.streams[at]
	if f == nil {
		f = &followed{watchers: map[*watcher]struct{}{}}
		var ctx context.Context
		ctx, f.cancel = context.WithCancel(h.ctx)
		h.streams[at] = f
		go h.run(ctx, at, f)
	}
	f.watchers[w] = struct{}{}
	if f.live {
		go h.greet(f)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(f.watchers, w)
		if len(f.watchers) == 0 && h.streams[at] == f {
			delete(h.streams, at)
			f.cancel()
		}
	}
}

// tell calls the watchers of f that choose picks, which runs under the lock.
func (h *hub) tell(f *followed, choose func(*watcher) []scaler.Signal) {
	h.mu.Lock()
	picked := map[*watcher][]scaler.Signal{}
	for w := range f.watchers {
		if s := choose(w); len(s) > 0 {
			picked[w] = s
		}
	}
	h.mu.Unlock()
	for w, signals := range picked {
		for _, s := range signals {
			if h.has(f, w) {
				w.on(s)
			}
		}
	}
}

func (h *hub) has(f *followed, w *watcher) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := f.watchers[w]
	return ok && h.ctx.Err() == nil
}

// greet tells new watchers, and those that had been interrupted, that the
// stream is open. What came before was not seen, so they measure.
func (h *hub) greet(f *followed) {
	h.tell(f, func(w *watcher) []scaler.Signal {
		if w.live {
			return nil
		}
		w.live, w.failed = true, false
		return []scaler.Signal{{Kind: scaler.Watching}, {Kind: scaler.Arrived}}
	})
}

// run follows one collection until nobody watches it.
func (h *hub) run(ctx context.Context, at place, f *followed) {
	pause := retryLeast
	for {
		worked, err := h.session(ctx, at, f)
		if ctx.Err() != nil {
			return
		}
		if worked {
			pause = retryLeast
		}
		kind := scaler.Broken
		if r := scaler.ReasonOf(err); r == scaler.ReasonDenied || r == scaler.ReasonMisconfigured {
			kind = scaler.Refused
			pause = retryMost
		}
		h.tell(f, func(w *watcher) []scaler.Signal {
			if w.failed && !w.live {
				return nil
			}
			w.live, w.failed = false, true
			return []scaler.Signal{{Kind: kind, Err: err}}
		})
		if !sleep.For(ctx, pause) {
			return
		}
		pause = min(2*pause, retryMost)
	}
}

// session follows one stream until it fails, and says whether it was open.
func (h *hub) session(ctx context.Context, at place, f *followed) (worked bool, err error) {
	doing := "following the changes of the collection " + at.database + "." + at.collection
	limited, cancel := context.WithTimeout(ctx, openLimit)
	s, err := h.open(limited, at)
	cancel()
	if err != nil {
		return false, failed(err, doing)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		_ = s.Close(closing)
	}()
	h.setLive(f, true)
	defer h.setLive(f, false)
	h.greet(f)
	for s.Next(ctx) {
		h.tell(f, func(*watcher) []scaler.Signal { return []scaler.Signal{{Kind: scaler.Arrived}} })
	}
	if err := s.Err(); err != nil {
		return true, failed(err, doing)
	}
	return true, scaler.Unreachable(nil, "%s: the stream has ended, as it does when the collection is dropped", doing)
}

func (h *hub) setLive(f *followed, live bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f.live = live
}
