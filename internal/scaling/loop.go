// Package scaling turns samples into decisions: whenever something about a
// workload changes, or an elapsed time that its last decision named, one of a
// few workers gathers what is known, asks decide, and has the answer applied.
//
// It owns the running state of each workload (when it was last active, when it
// was activated). It measures nothing and knows no API group.
package scaling

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/formula"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/queue"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/internal/targets"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Subject is one workload as its reconciler last saw it.
type Subject struct {
	Workload *model.Workload
	Metrics  []model.Metric
	// Composite is set when a formula makes one metric of all triggers.
	Composite *formula.Composite
	// Problems stop all scaling while one of them is an error.
	Problems param.Problems
	// Previous is the status in the cluster.
	Previous model.Status
	// HPAActive is what the HPA says of itself.
	HPA decide.HPAView
	// Owner is the controller reference of what belongs to the object.
	Owner metav1.OwnerReference
}

// Writer applies what has been decided.
type Writer interface {
	// Scale sets a target's count and returns its new resource version.
	Scale(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string, replicas int32) (string, error)
	// WriteStatus writes what changed between two versions of an object's
	// status, and events about it.
	WriteStatus(ctx context.Context, key model.Key, before, after model.Status, events []decide.Event) error
}

// Targets reads and remembers replica counts.
type Targets interface {
	Get(ctx context.Context, id targets.ID) (targets.Scale, error)
	Wrote(id targets.ID, replicas int32, version string)
}

// Hurrier measures out of turn.
type Hurrier interface {
	// Hurry measures an activated workload more often for some seconds.
	Hurry(model.Key)
	// MeasureNow measures all triggers of a workload at once.
	MeasureNow(model.Key)
}

// Options are what the loop works with; all are required but Log and Tracer.
type Options struct {
	Store     *store.Store
	Targets   Targets
	Jobs      Jobs
	Writer    Writer
	JobWriter JobWriter
	Poller    Hurrier
	Clock     clock.Clock
	Log       *slog.Logger
	// Tracer traces decisions; nil for none.
	Tracer  trace.Tracer
	Workers int
	// Version is the product's, for the labels of Jobs.
	Version string
}

// Loop decides for all workloads. See New.
type Loop struct {
	opts  Options
	queue workqueue.TypedRateLimitingInterface[model.Key]

	mu        sync.Mutex // guards what follows; never held over I/O
	state     map[model.Key]*state
	decisions map[model.Rule]uint64
}

// state is what the loop knows of one workload. It is guarded by the lock;
// everything but view is changed only by the worker that holds the key.
type state struct {
	*view
	// decided is what the last decision was made of; settled is the view that it
	// was made for, or nil when not all of it was known, carried out and said.
	decided decide.Input
	settled *view

	status      model.Status
	lastActive  time.Time
	activatedAt time.Time
	last        model.Decision
	jobs        jobState
	// count is the target's as it was last seen or set, -1 before; raisedAt is
	// when it was seen to have been raised by somebody else.
	count    int32
	raisedAt time.Time
}

// view is what the reconciler says of a workload. It never changes; a new one
// takes its place.
type view struct {
	subject Subject
	id      targets.ID
	idErr   error
	// heard is when this generation of the object was first heard of.
	heard time.Time
}

// New returns a loop that does nothing until Run.
func New(o Options) *Loop {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Tracer == nil {
		o.Tracer = noop.Tracer{}
	}
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[model.Key](100*time.Millisecond, 30*time.Second)
	l := &Loop{opts: o, state: map[model.Key]*state{}, decisions: map[model.Rule]uint64{}}
	l.queue = queue.New("scaling", limiter)
	o.Store.OnChange(l.Notify)
	return l
}

// Set adds or replaces a workload and queues it. Running state survives.
func (l *Loop) Set(s Subject) {
	key, now := s.Workload.Key, l.opts.Clock.Now()
	id, err := targets.IDOf(key.Namespace, s.Workload.Target)
	next := &view{subject: s, id: id, idErr: err, heard: now}
	l.mu.Lock()
	st := l.state[key]
	switch {
	case st == nil:
		st = &state{count: -1, status: s.Previous, lastActive: decide.ResumeLastActive(s.Previous, now)}
		l.state[key] = st
	case st.subject.Workload.Generation == s.Workload.Generation:
		next.heard = st.heard
	}
	st.view = next
	l.mu.Unlock()
	l.queue.Add(key)
}

// Remove forgets a workload.
func (l *Loop) Remove(key model.Key) {
	l.mu.Lock()
	delete(l.state, key)
	l.mu.Unlock()
	l.opts.Jobs.Forget(key)
}

// Notify queues a workload, e.g. since a sample changed.
func (l *Loop) Notify(key model.Key) {
	l.mu.Lock()
	_, known := l.state[key]
	l.mu.Unlock()
	if known {
		l.queue.Add(key)
	}
}

// Status returns the last status decided for a workload.
func (l *Loop) Status(key model.Key) (model.Status, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state[key]
	if s == nil {
		return model.Status{}, false
	}
	return s.status, true
}

// Decision returns the last decision about a workload.
func (l *Loop) Decision(key model.Key) (model.Decision, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state[key]
	if s == nil {
		return model.Decision{}, false
	}
	return s.last, true
}

// Decisions counts the decisions since the start, by rule.
func (l *Loop) Decisions() map[model.Rule]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.decisions)
}

// Each calls f with every workload and its last status, outside the lock.
func (l *Loop) Each(f func(*model.Workload, model.Status)) {
	type known struct {
		workload *model.Workload
		status   model.Status
	}
	l.mu.Lock()
	all := make([]known, 0, len(l.state))
	for _, s := range l.state {
		all = append(all, known{s.subject.Workload, s.status})
	}
	l.mu.Unlock()
	for _, k := range all {
		f(k.workload, k.status)
	}
}

// Run decides until ctx ends and returns when the workers have stopped.
func (l *Loop) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range max(1, l.opts.Workers) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for l.next(ctx) {
			}
		}()
	}
	<-ctx.Done()
	l.queue.ShutDown()
	wg.Wait()
	return nil
}

func (l *Loop) next(ctx context.Context) bool {
	key, shutdown := l.queue.Get()
	if shutdown {
		return false
	}
	defer l.queue.Done(key)
	again, err := l.sync(ctx, key)
	if err != nil {
		if ctx.Err() == nil {
			l.opts.Log.Error("scaling failed; trying again", "workload", key.String(), "error", err)
			l.queue.AddRateLimited(key)
		}
		return true
	}
	l.queue.Forget(key)
	if again > 0 {
		l.queue.AddAfter(key, again)
	}
	return true
}
