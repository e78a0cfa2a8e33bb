package kafka

import (
	"context"
	"slices"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

const (
	// gather lets triggers that begin to watch together share a look-up.
	gather = 10 * time.Millisecond
	// settleTimeout bounds one look-up of the topics to watch.
	settleTimeout = 10 * time.Second
	// retryLeast and retryMost bound the pause before an interrupted topic is
	// tried again.
	retryLeast, retryMost = 200 * time.Millisecond, 5 * time.Second
	// refusedPause is the pause after a refusal, which a person must mend.
	refusedPause = time.Minute
	// steadyAfter is how long watching a topic must have worked for its
	// failures to be forgotten.
	steadyAfter = 30 * time.Second
)

// settle makes sure that somebody looks up queued topics. Called with the
// lock held.
func (h *hub) settle() {
	if !h.settling {
		h.settling = true
		go h.settleLoop()
		return
	}
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// settleLoop looks up queued topics when they are due, until none is queued.
func (h *hub) settleLoop() {
	pause := gather
	for {
		if !h.sleep(pause) {
			return
		}
		due, next, more := h.due()
		if !more {
			return
		}
		if len(due) == 0 {
			pause = max(next, gather)
			continue
		}
		h.lookUp(due)
		pause = gather
	}
}

// sleep waits, or less when there is new work. It is false once the
// connection has ended.
func (h *hub) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-h.conn.ctx.Done():
		return false
	case <-timer.C:
	case <-h.kick:
		if d > gather {
			return h.sleep(gather)
		}
	}
	return true
}

// due lists the queued topics whose time has come, and how long until the
// next one's. more is false when none is queued; settling has then ended.
func (h *hub) due() (due []*watched, next time.Duration, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.conn.now()
	next = refusedPause
	for _, t := range h.topics {
		switch {
		case !t.queued:
			continue
		case !t.retryAt.After(now):
			due = append(due, t)
		default:
			next = min(next, t.retryAt.Sub(now))
		}
		more = true
	}
	h.settling = more
	return due, next, more
}

// lookUp finds the leaders of topics, and the ends of logs that no
// measurement has given, and hands the partitions to the loops.
func (h *hub) lookUp(due []*watched) {
	ctx, cancel := context.WithTimeout(h.conn.ctx, settleTimeout)
	defer cancel()
	p := &poll{conn: h.conn, topics: map[string]*topicState{}}
	var fresh, known []*topicState
	unknownEnds := &poll{conn: h.conn, topics: map[string]*topicState{}}
	h.mu.Lock()
	for _, t := range due {
		t.queued = false
		st := &topicState{name: t.name}
		p.topics[t.name] = st
		if t.tries > 0 {
			fresh = append(fresh, st)
		} else {
			known = append(known, st)
		}
		if len(t.offsets) == 0 || slices.Contains(t.offsets, unanswered) {
			unknownEnds.topics[t.name] = st
		}
	}
	h.mu.Unlock()
	h.conn.describe(ctx, fresh, true)
	h.conn.describe(ctx, known, false)
	unknownEnds.listEnds(ctx)

	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range due {
		if h.topics[t.name] == t {
			h.assign(t, p.topics[t.name])
		}
	}
}

// assign hands a topic's partitions to the loops of their leaders. Called
// with the lock held.
func (h *hub) assign(t *watched, st *topicState) {
	if st.err != nil {
		h.interrupt(t, st.err)
		return
	}
	for n, leader := range st.leaders {
		if leader < 0 {
			h.interrupt(t, scaler.Unreachable(errNoLeader, "watching topic %q, partition %d", t.name, n))
			return
		}
		if n >= len(t.offsets) {
			t.offsets = append(t.offsets, unanswered)
			if st.ends == nil {
				t.offsets[n] = 0 // newer than the measurement: all its records are
			}
		}
		if t.offsets[n] >= 0 {
			continue
		}
		if err := st.partErr[int32(n)]; err != nil {
			h.interrupt(t, err)
			return
		}
		if n >= len(st.ends) || st.ends[n] < 0 {
			h.interrupt(t, scaler.BadAnswer(errNoAnswer, "watching topic %q, partition %d", t.name, n))
			return
		}
		t.offsets[n] = st.ends[n]
	}
	t.leaders = slices.Clone(st.leaders)
	t.answered = make([]bool, len(t.leaders))
	t.waiting = len(t.leaders)
	t.err = nil
	for n, node := range t.leaders {
		h.loop(node).add(t, int32(n))
	}
}
