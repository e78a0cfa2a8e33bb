package redis

import "github.com/kedago/keda/pkg/scaler"

// become changes how watching a key stands, and tells its watchers. Called
// with the lock held.
func (h *hub) become(k *watched, s state) {
	k.state = s
	for w := range k.watchers {
		h.inform(w, s)
	}
}

// inform tells a watcher how its watch stands, if that has changed. Once it
// works, the trigger is also measured: what came before was not told. Called
// with the lock held.
func (h *hub) inform(w *watcher, s state) {
	if !s.known || w.last.equals(s) {
		return
	}
	w.last = s
	h.tell(w, scaler.Signal{Kind: s.kind, Err: s.err})
	if s.kind == scaler.Watching {
		h.tell(w, scaler.Signal{Kind: scaler.Arrived})
	}
}

// arrived wakes the watchers of a key. Called with the lock held.
func (h *hub) arrived(k *watched) {
	for w := range k.watchers {
		h.tell(w, scaler.Signal{Kind: scaler.Arrived})
	}
}

// tell queues a signal; signals reach a watcher in order and outside the
// lock. Called with the lock held.
func (h *hub) tell(w *watcher, s scaler.Signal) {
	h.queue = append(h.queue, delivery{w, s})
	if !h.dispatching {
		h.dispatching = true
		go h.dispatch()
	}
}

func (h *hub) dispatch() {
	for {
		h.mu.Lock()
		if len(h.queue) == 0 {
			h.queue, h.dispatching = nil, false
			h.mu.Unlock()
			return
		}
		d := h.queue[0]
		h.queue = h.queue[1:]
		skip := d.to.stopped || h.conn.ctx.Err() != nil
		h.mu.Unlock()
		if !skip {
			d.to.on(d.signal)
		}
	}
}
