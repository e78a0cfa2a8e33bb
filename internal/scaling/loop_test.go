package scaling

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/internal/targets"
)

var t0 = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

var jobs = model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "ns", Name: "jobs"}

// world is a target, its tracker and the writer, with what was done to them.
type world struct {
	mu        sync.Mutex
	replicas  int32
	getErr    error
	scaleErr  error
	statusErr error
	scaled    []int32
	wrote     []int32
	statuses  []model.Status
	hurried   int
	asked     int           // for a measurement now
	done      chan struct{} // told of each written status, when set
	events    []string
	yard      *yard
}

func (w *world) Get(context.Context, targets.ID) (targets.Scale, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return targets.Scale{Replicas: w.replicas, GVKR: model.GVKR{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}}, w.getErr
}

func (w *world) Wrote(_ targets.ID, n int32, version string) {
	if version == "42" {
		w.wrote = append(w.wrote, n)
	}
}

func (w *world) Scale(_ context.Context, gvr schema.GroupVersionResource, namespace, name string, n int32) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.scaleErr != nil {
		return "", w.scaleErr
	}
	if gvr.Resource != "deployments" || namespace != "ns" || name != "app" {
		return "", errors.New("another target: " + gvr.String() + " " + namespace + "/" + name)
	}
	w.replicas = n
	w.scaled = append(w.scaled, n)
	return "42", nil
}

func (w *world) WriteStatus(_ context.Context, _ model.Key, _, after model.Status, events []decide.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		w.events = append(w.events, e.Reason)
	}
	if w.statusErr != nil {
		return w.statusErr
	}
	w.statuses = append(w.statuses, after)
	if w.done != nil {
		w.done <- struct{}{}
	}
	return nil
}

func (w *world) Hurry(model.Key) { w.hurried++ }

func (w *world) MeasureNow(model.Key) { w.asked++ }

// start makes a loop over a workload with one trigger and a cool-down of a minute.
func start(t *testing.T, w *world, change ...func(*Subject)) (*Loop, *clocktesting.FakeClock) {
	t.Helper()
	clk := clocktesting.NewFakeClock(t0)
	l := New(Options{Store: store.New(), Targets: w, Jobs: yardOf(w), Writer: w, JobWriter: yardOf(w), Poller: w, Clock: clk, Workers: 1})
	metric := model.Metric{TriggerType: "queue", External: "s0-queue", Type: autoscalingv2.AverageValueMetricType, Target: 5}
	s := Subject{
		Workload: &model.Workload{
			Key: jobs, Generation: 1, CreatedAt: t0.Add(-time.Hour), Target: model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"},
			PollingInterval: 10 * time.Second, Cooldown: time.Minute, Max: 10, JumpStart: true,
			Triggers: []model.Trigger{{Type: "queue"}}, HPA: model.HPA{Name: "keda-hpa-jobs"},
		},
		Metrics: []model.Metric{metric},
	}
	for _, c := range change {
		c(&s)
	}
	l.opts.Store.SetEntry(store.Entry{Key: jobs, Interval: 10 * time.Second, Metrics: s.Metrics})
	l.Set(s)
	return l, clk
}

func measure(l *Loop, clk *clocktesting.FakeClock, value float64) {
	l.opts.Store.Update(model.TriggerKey{Workload: jobs}, func(s *model.Sample) {
		*s = model.Sample{Value: value, Active: value > 0, At: clk.Now()}
	})
}

func sync1(t *testing.T, l *Loop) time.Duration {
	t.Helper()
	again, err := l.sync(t.Context(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestLife: up when events arrive, down when the cool-down is over, and the
// loop asks to be woken exactly then.
func TestLife(t *testing.T) {
	w := &world{}
	l, clk := start(t, w)
	measure(l, clk, 0)
	sync1(t, l)
	if len(w.scaled) > 0 {
		t.Fatalf("idle, but scaled to %v", w.scaled)
	}
	measure(l, clk, 20)
	sync1(t, l)
	if diff := cmp.Diff([]int32{4}, w.scaled); diff != "" || w.hurried != 1 || len(w.wrote) != 1 {
		t.Fatalf("activation: hurried %d times, told of %v, scaled: %s", w.hurried, w.wrote, diff)
	}
	for range 5 { // still active: the cool-down counts from the last of them
		clk.Step(10 * time.Second)
		measure(l, clk, 20)
		sync1(t, l)
	}
	clk.Step(10 * time.Second)
	measure(l, clk, 0)
	again := sync1(t, l)
	if again != 50*time.Second {
		t.Errorf("to be woken after %s; expected at the end of the cool-down, 50s", again)
	}
	clk.Step(again - time.Second)
	measure(l, clk, 0)
	sync1(t, l)
	if len(w.scaled) != 1 {
		t.Fatalf("scaled before the cool-down was over: %v", w.scaled)
	}
	clk.Step(time.Second)
	sync1(t, l)
	if diff := cmp.Diff([]int32{4, 0}, w.scaled); diff != "" {
		t.Fatalf("after the cool-down: %s", diff)
	}
	d, ok := l.Decision(jobs)
	if !ok || d.Rule != model.RuleZero {
		t.Errorf("last decision %+v", d)
	}
	if s, ok := l.Status(jobs); !ok || s.LastDecision == nil || s.LastDecision.To != 0 {
		t.Errorf("status %+v", s)
	}
	n := len(w.statuses)
	clk.Step(10 * time.Second)
	measure(l, clk, 0)
	sync1(t, l)
	if len(w.statuses) != n {
		t.Error("a status was written at rest")
	}
}

// TestRaisedMeanwhile: a process that stood still while another one led sees
// the other's count before it has measured anew.
func TestRaisedMeanwhile(t *testing.T) {
	w := &world{}
	l, clk := start(t, w)
	measure(l, clk, 0)
	sync1(t, l)
	clk.Step(20 * time.Second)
	w.mu.Lock()
	w.replicas = 2
	w.mu.Unlock()
	l.Notify(jobs)
	sync1(t, l)
	if len(w.scaled) != 0 {
		t.Fatalf("by the measurement before the raise it was scaled to %v", w.scaled)
	}
	clk.Step(time.Second)
	measure(l, clk, 0)
	sync1(t, l)
	if len(w.scaled) != 1 || w.scaled[0] != 0 {
		t.Errorf("by the measurement after the raise it was scaled to %v, expected 0", w.scaled)
	}
}

// TestFailedScale: what could not be done is tried again, and the status says so.
func TestFailedScale(t *testing.T) {
	w := &world{scaleErr: errors.New("the API server is away")}
	l, clk := start(t, w)
	measure(l, clk, 20)
	if _, err := l.sync(t.Context(), jobs); !errors.Is(err, w.scaleErr) {
		t.Fatalf("error %v", err)
	}
	s, _ := l.Status(jobs)
	if c, _ := s.Condition(model.ConditionReady); c.Status != "False" || s.LastDecision != nil {
		t.Errorf("status %+v", s)
	}
	w.scaleErr = apierrors.NewNotFound(schema.GroupResource{Resource: "deployments"}, "app")
	if _, err := l.sync(t.Context(), jobs); !errors.Is(err, targets.ErrNotFound) {
		t.Errorf("a target deleted meanwhile: %v", err)
	}
	w.scaleErr = nil
	sync1(t, l)
	if diff := cmp.Diff([]int32{4}, w.scaled); diff != "" {
		t.Error(diff)
	}
}

// TestFirstWord: the first status of an object, and of each edit, waits for the
// measurements, but not for long.
func TestFirstWord(t *testing.T) {
	w := &world{}
	l, clk := start(t, w)
	if again := sync1(t, l); again != firstWordAfter || len(w.statuses) > 0 {
		t.Errorf("woken after %s, %d statuses; expected to wait %s", again, len(w.statuses), firstWordAfter)
	}
	clk.Step(firstWordAfter)
	sync1(t, l)
	if len(w.statuses) != 1 {
		t.Errorf("%d statuses of an object that is not measured for long, expected 1", len(w.statuses))
	}
	measure(l, clk, 0)
	sync1(t, l)
	if len(w.statuses) != 2 {
		t.Errorf("%d statuses after the measurement, expected 2", len(w.statuses))
	}

	w = &world{}
	l, clk = start(t, w)
	sync1(t, l)
	measure(l, clk, 0)
	sync1(t, l)
	if len(w.statuses) != 1 {
		t.Errorf("%d statuses of an object that is measured soon, expected 1", len(w.statuses))
	}
}

// TestFailedStatus: a status that could not be written is written later.
func TestFailedStatus(t *testing.T) {
	w := &world{statusErr: errors.New("conflict")}
	l, clk := start(t, w)
	measure(l, clk, 0)
	if _, err := l.sync(t.Context(), jobs); !errors.Is(err, w.statusErr) {
		t.Fatalf("error %v", err)
	}
	w.statusErr = nil
	sync1(t, l)
	if len(w.statuses) != 1 {
		t.Errorf("%d statuses written", len(w.statuses))
	}
}

// TestUnknownTarget: without a count nothing is scaled.
func TestUnknownTarget(t *testing.T) {
	w := &world{getErr: targets.ErrNotFound}
	l, clk := start(t, w)
	measure(l, clk, 20)
	sync1(t, l)
	if len(w.scaled) > 0 {
		t.Errorf("scaled to %v", w.scaled)
	}
	s, _ := l.Status(jobs)
	if c, _ := s.Condition(model.ConditionReady); c.Status != "False" {
		t.Errorf("Ready is %+v", c)
	}
}

// TestBlocked: an object with problems is not scaled.
func TestBlocked(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, func(s *Subject) { s.Problems.Errorf("spec.triggers[0].type", "is missing") })
	measure(l, clk, 20)
	sync1(t, l)
	if len(w.scaled) > 0 {
		t.Errorf("scaled to %v", w.scaled)
	}
}

// TestPausedReplicas: the count is set once; whoever changes it afterwards is
// not fought.
func TestPausedReplicas(t *testing.T) {
	w := &world{replicas: 5}
	n := int32(2)
	l, clk := start(t, w, func(s *Subject) { s.Workload.Pause = model.Pause{Paused: true, Replicas: &n} })
	measure(l, clk, 20)
	sync1(t, l)
	w.replicas = 7
	sync1(t, l)
	if diff := cmp.Diff([]int32{2}, w.scaled); diff != "" || w.replicas != 7 {
		t.Errorf("replicas %d, scaled: %s", w.replicas, diff)
	}
}

// TestRestart: a workload that was active when the operator went is not taken
// to zero when it comes back.
func TestRestart(t *testing.T) {
	w := &world{replicas: 3}
	l, clk := start(t, w, func(s *Subject) {
		s.Previous = model.Status{LastActive: t0.Add(-time.Hour), Conditions: []model.Condition{{Type: model.ConditionActive, Status: "True"}}}
	})
	measure(l, clk, 0)
	again := sync1(t, l)
	if len(w.scaled) > 0 || again != time.Minute {
		t.Errorf("scaled %v, woken after %s; expected a whole cool-down", w.scaled, again)
	}
}

// TestForgotten: what was removed is not decided about, and not brought back.
func TestForgotten(t *testing.T) {
	w := &world{}
	l, clk := start(t, w)
	l.Remove(jobs)
	measure(l, clk, 20)
	sync1(t, l)
	if _, ok := l.Status(jobs); ok || len(w.scaled) > 0 {
		t.Errorf("scaled %v", w.scaled)
	}
	if _, ok := l.Decision(jobs); ok {
		t.Error("there is a decision")
	}
}

// TestRun: a sample alone wakes a worker, and Run ends with its context.
func TestRun(t *testing.T) {
	w := &world{done: make(chan struct{}, 10)}
	l, clk := start(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	measure(l, clk, 20)
	<-w.done
	w.mu.Lock()
	if diff := cmp.Diff([]int32{4}, w.scaled); diff != "" {
		t.Error(diff)
	}
	w.mu.Unlock()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
