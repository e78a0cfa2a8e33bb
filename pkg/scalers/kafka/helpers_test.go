package kafka

import (
	"fmt"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
)

// wantDenied is nil for a refusal that mentions all of it.
func wantDenied(err error, mentions ...string) error {
	if scaler.ReasonOf(err) != scaler.ReasonDenied {
		return fmt.Errorf("got %w, want a refusal", err)
	}
	for _, m := range mentions {
		if !strings.Contains(err.Error(), m) {
			return fmt.Errorf("%w does not mention %q", err, m)
		}
	}
	return nil
}

// hurry makes interrupted topics due now, in place of a long wait.
func (h *hub) hurry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		if t.queued {
			t.retryAt = h.conn.now()
			h.settle()
		}
	}
}

// allLive is nil once all topics are watched.
func (h *hub) allLive() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		if !t.live {
			return fmt.Errorf("topic %s is not watched: %w", t.name, t.err)
		}
	}
	return nil
}
