package cloudevents

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// mostWaiting bounds a queue; the oldest event makes room, since the newest
	// says how things are.
	mostWaiting = 1024
	// longestWait is how old an event may be to be sent still.
	longestWait = time.Hour
	// firstPause and longestPause bound the time between two attempts, which
	// doubles.
	firstPause, longestPause = time.Second, time.Minute
	// failuresToTell is how many attempts in a row fail before the object says so.
	failuresToTell = 3
)

// line is one source with what waits to be sent.
type line struct {
	emitter *Emitter
	wake    chan struct{} // ends a pause

	mu      sync.Mutex // guards what follows; never held over I/O
	source  *model.EventSource
	digest  string
	sender  Sender // nil while held
	held    string // why
	pending []Event
	running bool
	closed  bool
	// failures in a row, with the last one's text.
	failures int
	failure  string

	emitted, failed, dropped uint64
}

func (l *line) current() *model.EventSource {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.source
}

func (l *line) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}

// sends says whether the line works for this very source and credentials.
func (l *line) sends(src *model.EventSource, digest string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sender != nil && l.digest == digest && reflect.DeepEqual(l.source, src)
}

// replace changes source and sender; a line without a sender is held. It is
// false for a line that has been removed.
func (l *line) replace(src *model.EventSource, digest string, sender Sender, held string) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	old := l.sender
	l.source, l.digest, l.sender, l.held = src, digest, sender, held
	l.failures, l.failure = 0, ""
	l.nudge()
	l.mu.Unlock()
	if old != nil {
		old.Close()
	}
	return true
}

// nudge ends a pause. Called with the lock held.
func (l *line) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *line) close() {
	l.mu.Lock()
	old := l.sender
	l.closed, l.sender, l.pending = true, nil, nil
	l.nudge()
	l.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// push adds an event.
func (l *line) push(ev Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if len(l.pending) == mostWaiting {
		l.pending = l.pending[1:]
		l.dropped++
	}
	l.pending = append(l.pending, ev)
}

// begin says whether there is work that nobody does; the caller then does it.
func (l *line) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running || l.closed || l.sender == nil || len(l.pending) == 0 {
		return false
	}
	l.running = true
	return true
}

// head is the next event with who sends it; false when there is nothing to do
// any more, upon which the line does not run.
func (l *line) head() (Event, Sender, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.sender == nil || len(l.pending) == 0 {
		l.running = false
		if len(l.pending) == 0 {
			l.pending = nil // a burst's room is not kept
		}
		return Event{}, nil, false
	}
	select {
	case <-l.wake: // what it was about is seen here
	default:
	}
	return l.pending[0], l.sender, true
}

// run sends one event after the other until none is left.
func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		ev, sender, ok := l.head()
		if !ok {
			return
		}
		err := sender.Send(ctx, ev)
		if ctx.Err() != nil {
			return
		}
		pause := l.sent(ev, sender, err)
		if pause == 0 {
			continue
		}
		timer := l.emitter.opts.Clock.NewTimer(pause)
		select {
		case <-timer.C():
		case <-l.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// sent notes what became of an attempt and returns the pause before the next
// one.
func (l *line) sent(ev Event, sender Sender, err error) time.Duration {
	l.mu.Lock()
	if err == nil {
		l.emitted++
		l.done(ev)
	} else {
		l.failed++
	}
	if sender != l.sender {
		l.mu.Unlock()
		return 0 // another destination has its own failures
	}
	was := l.failures
	if err == nil {
		l.failures, l.failure = 0, ""
	} else {
		l.failures++
		l.failure = err.Error()
	}
	given := err != nil && (refusedForGood(err) || l.emitter.opts.Clock.Since(ev.Time) >= longestWait)
	if given {
		l.dropped++
		l.done(ev)
	}
	now, key := l.failures, l.source.Key
	l.mu.Unlock()
	if now == failuresToTell || was >= failuresToTell && now == 0 {
		l.emitter.opts.Changed(key)
	}
	switch {
	case given:
		l.emitter.opts.Log.Error("giving a CloudEvent up", "source", key.String(), "type", ev.Type, "subject", ev.Subject, "error", err)
	case now == failuresToTell:
		l.emitter.opts.Log.Warn("CloudEvents can't be sent; trying again", "source", key.String(), "error", err)
	}
	if err == nil || refusedForGood(err) {
		return 0
	}
	return max(l.emitter.backoff(now), scaler.RetryAfterOf(err))
}

// done takes an event from the queue unless it had to make room meanwhile.
// Called with the lock held.
func (l *line) done(ev Event) {
	if len(l.pending) > 0 && l.pending[0].ID == ev.ID {
		l.pending = l.pending[1:]
	}
}

// backoff is the pause after a number of failures in a row.
func (e *Emitter) backoff(failures int) time.Duration {
	pause := firstPause
	for range failures - 1 {
		if pause *= 2; pause >= longestPause {
			pause = longestPause
			break
		}
	}
	return pause + time.Duration(e.opts.Jitter()*float64(pause)/4)
}

func (l *line) state() (working bool, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.sender == nil:
		return false, l.held
	case l.failures >= failuresToTell:
		return false, l.failure
	}
	return true, ""
}

func (l *line) count() Count {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Count{Source: l.source, Emitted: l.emitted, Failed: l.failed, Dropped: l.dropped, Queued: len(l.pending)}
}
