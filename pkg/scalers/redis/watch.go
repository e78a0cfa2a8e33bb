package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kedago/keda/pkg/scaler"
)

const (
	// gather lets triggers that begin to watch together share a round trip.
	gather = 10 * time.Millisecond
	// recheck is how often the server's setting, and in a cluster the place of
	// keys, are looked at again.
	recheck = time.Minute
	// retryLeast and retryMost bound the pause before a connection is tried again.
	retryLeast, retryMost = 200 * time.Millisecond, 5 * time.Second
	// steadyAfter is how long listening must have worked for its failures to be
	// forgotten.
	steadyAfter = 30 * time.Second
	// askTimeout bounds one question beside listening.
	askTimeout = 5 * time.Second
)

var errNoNode = errors.New("no node of the cluster has the key's slot at the moment")

// hub shares one listening connection per server among all watching triggers
// of a connection. It owns which session listens for which key, and what each
// trigger has been told.
type hub struct {
	conn    *connection
	kick    chan struct{} // tells run that the keys have changed
	signals *scaler.Signals

	mu      sync.Mutex // guards what follows; never held over I/O or while calling watchers
	keys    map[string]*watched
	running bool
}

// watched is a key that some trigger watches. The hub's lock guards it.
type watched struct {
	key      string
	class    byte // of the notifications about it
	watchers map[*watcher]struct{}
	state    state
}

// state is how watching a key stands; the zero value is "not known yet".
type state struct {
	known bool
	kind  scaler.SignalKind
	err   error
}

func (s state) equals(o state) bool {
	return s.known == o.known && s.kind == o.kind && (s.err == nil) == (o.err == nil) && (s.err == nil || s.err.Error() == o.err.Error())
}

// watcher is one trigger's watch. The hub's lock guards it.
type watcher struct {
	*scaler.Listener

	last state
}

func newHub(k *connection) *hub {
	return &hub{conn: k, kick: make(chan struct{}, 1), signals: scaler.NewSignals(k.ctx), keys: map[string]*watched{}}
}

// Watch implements scaler.Watcher.
func (s watchable) Watch(on func(scaler.Signal)) (stop func()) {
	h, w := s.conn.hub, &watcher{Listener: scaler.NewListener(on)}
	class := byte('t')
	if s.item.what == collection {
		class = map[string]byte{"list": 'l', "set": 's', "zset": 'z', "hash": 'h'}[s.conn.typeOf(s.item.key)]
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	key := h.keys[s.item.key]
	if key == nil {
		key = &watched{key: s.item.key, class: class, watchers: map[*watcher]struct{}{}}
		h.keys[s.item.key] = key
		h.changed()
	}
	key.watchers[w] = struct{}{}
	h.inform(w, key.state)
	return func() { h.leave(w, key) }
}

// leave ends a watch. A key that nobody else watches is given up.
func (h *hub) leave(w *watcher, key *watched) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Stop()
	delete(key.watchers, w)
	if len(key.watchers) == 0 && h.keys[key.key] == key {
		delete(h.keys, key.key)
		h.changed()
	}
}

// changed makes sure that somebody looks at the keys. Called with the lock held.
func (h *hub) changed() {
	if !h.running && h.conn.ctx.Err() == nil {
		h.running = true
		go h.run()
		return
	}
	h.poke()
}

func (h *hub) poke() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// run assigns keys to sessions until there are none.
func (h *hub) run() {
	sessions := map[string]*session{}
	defer func() {
		for _, s := range sessions {
			s.cancel()
		}
	}()
	tries := 0
	for sleep(h.conn.ctx, gather, nil) {
		pause := recheck
		more, err := h.assign(sessions)
		switch {
		case !more:
			return
		case err != nil:
			pause = min(retryLeast<<min(tries, 10), retryMost)
			tries++
			sleep(h.conn.ctx, pause, nil)
			continue
		}
		tries = 0
		sleep(h.conn.ctx, pause, h.kick)
	}
}

// sleep waits, or less when kicked. It is false once ctx has ended.
func sleep(ctx context.Context, pause time.Duration, kick <-chan struct{}) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-kick:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// assign gives every key to the session of the server that has it. It says
// whether there are keys at all; run ends when not.
func (h *hub) assign(sessions map[string]*session) (more bool, err error) {
	h.mu.Lock()
	keys := make([]*watched, 0, len(h.keys))
	for _, k := range h.keys {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		h.running = false
	}
	h.mu.Unlock()
	if len(keys) == 0 {
		return false, nil
	}
	places := make([]place, len(keys))
	for i, k := range keys {
		var failure error
		if places[i], failure = h.conn.placeOf(k.key); failure != nil {
			err = failure
		}
	}
	h.distribute(keys, places, sessions, err)
	return true, err
}

// distribute hands keys to the sessions of their places, and starts and ends
// sessions. A key without a place is broken by err.
func (h *hub) distribute(keys []*watched, places []place, sessions map[string]*session, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	assigned := map[string]map[string]*watched{}
	for i, k := range keys {
		p := places[i]
		if p.client == nil {
			h.become(k, state{true, scaler.Broken, err})
			continue
		}
		s := sessions[p.name]
		if s == nil {
			s = newSession(h)
			sessions[p.name] = s
		}
		s.client = p.client
		if assigned[p.name] == nil {
			assigned[p.name] = map[string]*watched{}
		}
		assigned[p.name][k.key] = k
	}
	for name, s := range sessions {
		s.keys = assigned[name]
		switch {
		case len(s.keys) == 0:
			s.cancel()
			delete(sessions, name)
		case !s.running:
			s.running = true
			go s.run()
		default:
			s.poke()
		}
	}
}

// place is the server that has a key.
type place struct {
	name   string
	client *redis.Client
}

// placeOf finds the server that has a key, in a cluster its master.
func (k *connection) placeOf(key string) (place, error) {
	nodes, ok := k.client.(*redis.ClusterClient)
	if !ok {
		return place{"", k.client.(*redis.Client)}, nil
	}
	ctx, cancel := context.WithTimeout(k.ctx, askTimeout)
	defer cancel()
	c, err := nodes.MasterForKey(ctx, key)
	switch {
	case err != nil:
		return place{}, failed(err, "finding the node to watch")
	case c == nil:
		return place{}, scaler.Unreachable(errNoNode, "finding the node to watch")
	}
	return place{c.Options().Addr, c}, nil
}
