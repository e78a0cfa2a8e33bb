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
	h.signals.Tell(w.Listener, scaler.Signal{Kind: s.kind, Err: s.err})
	if s.kind == scaler.Watching {
		h.signals.Tell(w.Listener, scaler.Signal{Kind: scaler.Arrived})
	}
}

// arrived wakes the watchers of a key. Called with the lock held.
func (h *hub) arrived(k *watched) {
	for w := range k.watchers {
		h.signals.Tell(w.Listener, scaler.Signal{Kind: scaler.Arrived})
	}
}
