package poll

import (
	"context"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// task is one measurement, shared by all triggers of equal identity. The
// poller's lock guards it, except source, which only the goroutine that
// measures touches while measuring is set, and closers after that.
type task struct {
	identity    string
	kind        string
	config      scaler.Config
	env         scaler.Env
	subscribers map[model.TriggerKey]subscription

	source   scaler.Source
	openErr  error
	batchKey string
	batched  bool
	group    *group

	nextDue    time.Time
	heapIndex  int // -1 while not in the heap
	measuring  bool
	again      bool // asked for while measuring: measure once more
	gone       bool
	measuredAt time.Time
	failures   int
	lastReason scaler.Reason
	retryAfter time.Duration
	hurry      []time.Time // extra measurements after an activation
	readAt     time.Time   // when an HPA last asked
	waiters    []chan struct{}

	idle       bool // the last good reading was inactive for all subscribers
	activeRuns int
	stopWatch  func()
	watch      model.Watch
}

type subscription struct {
	interval   time.Duration
	activation float64
}

func newTask(t Trigger) *task {
	return &task{
		identity: t.Identity, kind: t.Kind, config: t.Config, env: t.Env,
		subscribers: map[model.TriggerKey]subscription{}, heapIndex: -1,
	}
}

// open prepares the source, which does no I/O. It is called before the task
// is shared, or by the goroutine that measures it.
func (t *task) open(ctx context.Context) {
	t.source, t.openErr = t.config.Open(ctx, t.env)
	if t.openErr != nil {
		t.source = nil
		return
	}
	if b, ok := t.source.(scaler.Batcher); ok {
		t.batched, t.batchKey = true, b.BatchKey()
	}
}

// interval is the shortest of the subscribers'.
func (t *task) interval() time.Duration {
	shortest := time.Duration(0)
	for _, s := range t.subscribers {
		if shortest == 0 || s.interval < shortest {
			shortest = s.interval
		}
	}
	return max(shortest, minInterval)
}

// deadline is how long one measurement may take: less than the interval, so
// that a hanging source never makes polls pile up.
func (t *task) deadline() time.Duration {
	return min(t.interval()*9/10, maxDeadline)
}

func (t *task) answerWaiters() {
	for _, w := range t.waiters {
		close(w)
	}
	t.waiters = nil
}

// groupKey names the group in which the task is measured: tasks that share a
// round trip, else those of one server, else those of one kind.
func (t *task) groupKey() string {
	switch {
	case t.batched:
		return "batch " + t.kind + " " + t.batchKey
	default:
		if h, ok := t.source.(scaler.Hosted); ok {
			return "host " + t.kind + " " + h.Host()
		}
		return "kind " + t.kind
	}
}

func closeAll(tasks []*task) {
	for _, t := range tasks {
		t.close()
	}
}

// close gives the source back. Nobody measures it any more.
func (t *task) close() {
	if t.stopWatch != nil {
		t.stopWatch()
		t.stopWatch = nil
	}
	if t.source != nil {
		_ = t.source.Close() // it only gives shared connections back
		t.source = nil
	}
}
