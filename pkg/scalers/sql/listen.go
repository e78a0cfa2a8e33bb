package sql

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// askAlive is how long a silent connection is believed to be good.
	askAlive = 30 * time.Second
	// aliveLimit is how long an answer to that may take.
	aliveLimit = 5 * time.Second
	// retryLeast and retryMost bound the pause before connecting again.
	retryLeast, retryMost = 100 * time.Millisecond, 30 * time.Second
)

// listening is a source that is also told of notifications.
type listening struct {
	*source
	channel string
}

var _ scaler.Watcher = (*listening)(nil)

// Watch implements scaler.Watcher.
func (l *listening) Watch(on func(scaler.Signal)) (stop func()) {
	return l.server.hub.watch(l.channel, on)
}

// hub listens on one connection for all watchers of one server. One goroutine
// does all of it while there is a watcher, and calls the watchers.
type hub struct {
	config *pgx.ConnConfig
	before func(context.Context, *pgx.ConnConfig) error // of each connection
	ctx    context.Context                              // ends with the connections to the server
	cancel context.CancelFunc

	mu        sync.Mutex // guards what follows; never held over I/O or while calling watchers
	watchers  map[*pgWatcher]struct{}
	running   bool
	interrupt context.CancelFunc // ends the wait for a notification
}

// pgWatcher is one trigger's watch. The hub's lock guards it.
type pgWatcher struct {
	channel string
	on      func(scaler.Signal)
	live    bool // Watching has been told
	failed  bool // Refused or Broken has been told
}

func newHub(config *pgx.ConnConfig, before func(context.Context, *pgx.ConnConfig) error) *hub {
	h := &hub{config: config, before: before, watchers: map[*pgWatcher]struct{}{}, interrupt: func() {}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

func (h *hub) close() { h.cancel() }

func (h *hub) watch(channel string, on func(scaler.Signal)) (stop func()) {
	w := &pgWatcher{channel: channel, on: on}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[w] = struct{}{}
	h.interrupt()
	if !h.running {
		h.running = true
		go h.run()
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, w)
		h.interrupt()
	}
}

// tell calls the watchers that choose picks, which runs under the lock and
// says what to tell each.
func (h *hub) tell(choose func(*pgWatcher) []scaler.Signal) {
	for w, signals := range h.pick(choose) {
		for _, s := range signals {
			if h.has(w) {
				w.on(s)
			}
		}
	}
}

func (h *hub) pick(choose func(*pgWatcher) []scaler.Signal) map[*pgWatcher][]scaler.Signal {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[*pgWatcher][]scaler.Signal{}
	for w := range h.watchers {
		if s := choose(w); len(s) > 0 {
			out[w] = s
		}
	}
	return out
}

func (h *hub) has(w *pgWatcher) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.watchers[w]
	return ok && h.ctx.Err() == nil
}

// run connects again until nobody watches.
func (h *hub) run() {
	pause := retryLeast
	for {
		worked, err := h.session()
		if h.done() {
			return
		}
		if worked {
			pause = retryLeast
		}
		kind := scaler.Broken
		if r := scaler.ReasonOf(err); r == scaler.ReasonDenied || r == scaler.ReasonMisconfigured {
			kind = scaler.Refused
		}
		h.tell(func(w *pgWatcher) []scaler.Signal {
			if w.failed && !w.live {
				return nil
			}
			w.live, w.failed = false, true
			return []scaler.Signal{{Kind: kind, Err: err}}
		})
		sleep.For(h.ctx, pause) // when it ends, done says so
		pause = min(2*pause, retryMost)
		if h.done() {
			return
		}
	}
}

// done says whether nobody watches any more, and if so ends the goroutine.
func (h *hub) done() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) > 0 && h.ctx.Err() == nil {
		return false
	}
	h.running = false
	return true
}

// session connects and listens until the connection fails or nobody watches.
// It says whether it had been listening.
func (h *hub) session() (worked bool, err error) {
	e := engine{answered: pgAnswered}
	config := h.config.Copy()
	if err := h.before(h.ctx, config); err != nil {
		return false, err
	}
	c, err := pgx.ConnectConfig(h.ctx, config)
	if err != nil {
		return false, e.failed(err, "connecting to listen for notifications")
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	}()
	heard := map[string]bool{}
	for {
		wait, cancel, add, drop := h.plan(heard)
		if wait == nil {
			return worked, nil
		}
		if err := h.listen(c, heard, add, drop); err != nil {
			cancel()
			return worked, e.failed(err, "listening for notifications")
		}
		worked = true
		h.greet(heard)
		err := h.await(wait, c)
		cancel()
		if err != nil {
			return worked, e.failed(err, "waiting for notifications")
		}
	}
}

// plan compares what is heard with what is watched. The returned context ends
// when that changes; it is nil when nobody watches.
func (h *hub) plan(heard map[string]bool) (wait context.Context, cancel context.CancelFunc, add, drop []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) == 0 || h.ctx.Err() != nil {
		return nil, nil, nil, nil
	}
	wanted := map[string]bool{}
	for w := range h.watchers {
		if !heard[w.channel] && !wanted[w.channel] {
			add = append(add, w.channel)
		}
		wanted[w.channel] = true
	}
	for c := range heard {
		if !wanted[c] {
			drop = append(drop, c)
		}
	}
	wait, cancel = context.WithTimeout(h.ctx, askAlive)
	h.interrupt = cancel
	return wait, cancel, add, drop
}

func (h *hub) listen(c *pgx.Conn, heard map[string]bool, add, drop []string) error {
	ctx, cancel := context.WithTimeout(h.ctx, aliveLimit)
	defer cancel()
	for _, channel := range add {
		if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
		heard[channel] = true
	}
	for _, channel := range drop {
		if _, err := c.Exec(ctx, "UNLISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
		delete(heard, channel)
	}
	return nil
}

// greet tells new watchers, and those that had been interrupted, that they are
// listened for. What came before was not heard, so they measure.
func (h *hub) greet(heard map[string]bool) {
	h.tell(func(w *pgWatcher) []scaler.Signal {
		if w.live || !heard[w.channel] {
			return nil
		}
		w.live, w.failed = true, false
		return []scaler.Signal{{Kind: scaler.Watching}, {Kind: scaler.Arrived}}
	})
}

// await waits for one notification and passes it on. When wait ends first it
// checks that the server is still there.
func (h *hub) await(wait context.Context, c *pgx.Conn) error {
	n, err := c.WaitForNotification(wait)
	if err == nil {
		h.tell(func(w *pgWatcher) []scaler.Signal {
			if w.channel != n.Channel {
				return nil
			}
			return []scaler.Signal{{Kind: scaler.Arrived}}
		})
		return nil
	}
	if wait.Err() == nil || c.IsClosed() {
		return err
	}
	if wait.Err() == context.Canceled { // what is watched has changed
		return h.ctx.Err()
	}
	ctx, cancel := context.WithTimeout(h.ctx, aliveLimit)
	defer cancel()
	return c.Ping(ctx)
}
