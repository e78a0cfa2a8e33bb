package scaling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/store"
)

// yard is where Jobs are: those in the cluster, and those being made.
type yard struct {
	mu        sync.Mutex
	jobs      map[string]model.JobState
	expected  map[string]bool
	made      []string // in order of their numbers
	gone      []string
	getErr    error
	createErr func(number int) error
	asked     int
	deleteErr error
	forgotten []model.Key
	owners    map[string]bool
}

func yardOf(w *world) *yard {
	if w.yard == nil {
		w.yard = &yard{jobs: map[string]model.JobState{}, expected: map[string]bool{}, owners: map[string]bool{}}
	}
	return w.yard
}

func (y *yard) Get(context.Context, *model.Workload) (model.Jobs, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	out := model.Jobs{}
	for _, j := range y.jobs {
		out.States = append(out.States, j)
	}
	for n := range y.expected {
		if _, there := y.jobs[n]; !there {
			out.States = append(out.States, model.JobState{Name: n, Ours: true})
		}
	}
	return out, y.getErr
}

func (y *yard) Creating(_ model.Key, name string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.expected[name] = true
}

func (y *yard) NotCreated(_ model.Key, name string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	delete(y.expected, name)
}

func (y *yard) Deleted(uid string) { y.gone = append(y.gone, uid) }

func (y *yard) Forget(k model.Key) { y.forgotten = append(y.forgotten, k) }

func (y *yard) CreateJob(_ context.Context, job *batchv1.Job) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.asked++
	if y.createErr != nil {
		number, _ := strconv.Atoi(job.Name[strings.LastIndex(job.Name, "-")+1:])
		if err := y.createErr(number); err != nil {
			return err
		}
	}
	y.made = append(y.made, job.Name)
	y.owners[job.OwnerReferences[0].Name+" "+job.Labels["app.kubernetes.io/version"]] = true
	return nil
}

func (y *yard) DeleteJob(_ context.Context, _, name, _ string, _ bool) error {
	if y.deleteErr != nil {
		return y.deleteErr
	}
	delete(y.jobs, name)
	return nil
}

// numbers are those of the Jobs that were made.
func (y *yard) numbers() []string {
	var out []string
	for _, n := range y.made {
		out = append(out, n[strings.LastIndex(n, "-")+1:])
	}
	slices.Sort(out)
	return out
}

// show lets the watch show what was made, of a generation.
func (y *yard) show(generation int64) {
	for n := range y.expected {
		y.jobs[n] = model.JobState{Name: n, UID: n, Generation: generation, Ours: true}
		delete(y.expected, n)
	}
}

func asJob(s *Subject) {
	s.Workload.Job = &model.Job{
		Strategy:       model.JobStrategy{Name: model.StrategyDefault, Calculation: model.CalculateMax, RunningShare: 1},
		KeepSuccessful: 100, KeepFailed: 100,
	}
	s.Workload.Target, s.Workload.UID = model.Target{}, "uid"
	s.Metrics[0].Target = 1
	s.Owner = metav1.OwnerReference{Name: "mine"}
}

// TestJobsLife: Jobs for what is measured, each measurement once, and each Job
// counted before the watch shows it.
func TestJobsLife(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob)
	l.opts.Version = "v1"
	y := yardOf(w)
	measure(l, clk, 5)
	sync1(t, l)
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5"}, y.numbers()); diff != "" || !y.owners["mine v1"] {
		t.Fatalf("made (-want +got):\n%s, owners %v", diff, y.owners)
	}
	sync1(t, l)
	clk.Step(10 * time.Second)
	measure(l, clk, 5) // the watch is late
	sync1(t, l)
	y.show(1)
	sync1(t, l)
	if len(y.made) != 5 {
		t.Fatalf("made %v", y.made)
	}
	clk.Step(10 * time.Second)
	measure(l, clk, 7)
	sync1(t, l)
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5", "6", "7"}, y.numbers()); diff != "" {
		t.Fatalf("made (-want +got):\n%s", diff)
	}
	s, _ := l.Status(jobs)
	if s.JobSequence != 7 || s.LastDecision == nil || s.LastDecision.From != 5 || s.LastDecision.To != 7 {
		t.Errorf("status %+v", s)
	}
	n := len(w.statuses)
	clk.Step(10 * time.Second)
	measure(l, clk, 7)
	sync1(t, l)
	if len(w.statuses) != n {
		t.Error("a status was written at rest")
	}
	if want := []string{"KEDAJobsCreated", "KEDAScalersStarted", "ScaledObjectReady", "ScaledObjectActive", "KEDAJobsCreated"}; !slices.Equal(w.events, want) {
		t.Errorf("events %v, want %v", w.events, want)
	}
	l.Remove(jobs)
	if !slices.Equal(y.forgotten, []model.Key{jobs}) {
		t.Errorf("forgotten: %v", y.forgotten)
	}
}

// TestJobsAfterRestart: a new process goes on with the numbers, and makes no
// Job again whose maker it has not seen finish.
func TestJobsAfterRestart(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob, func(s *Subject) { s.Previous = model.Status{JobSequence: 40} })
	y := yardOf(w)
	name := decide.Job(l.state[jobs].subject.Workload, 42, "", metav1.OwnerReference{}).Name
	y.jobs[name] = model.JobState{Name: name, Ours: true}
	measure(l, clk, 3)
	sync1(t, l)
	if diff := cmp.Diff([]string{"43", "44"}, y.numbers()); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
}

// TestJobsOfTwoLeaders: two processes that take themselves for the leader, and
// do not see each other's Jobs yet, make Jobs of the same names.
func TestJobsOfTwoLeaders(t *testing.T) {
	var made [][]string
	for range 2 {
		w := &world{}
		l, clk := start(t, w, asJob, func(s *Subject) { s.Previous = model.Status{JobSequence: 40} })
		measure(l, clk, 5)
		sync1(t, l)
		slices.Sort(yardOf(w).made)
		made = append(made, yardOf(w).made)
	}
	if diff := cmp.Diff(made[0], made[1]); diff != "" || len(made[0]) != 5 {
		t.Errorf("%d Jobs, and by the other (-one +other):\n%s", len(made[0]), diff)
	}
}

// TestJobsRefused: what the API server refuses is not insisted on, and is told
// once.
func TestJobsRefused(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob)
	y := yardOf(w)
	quota := apierrors.NewForbidden(batchv1.Resource("jobs"), "x", errors.New("exceeded quota"))
	y.createErr = func(number int) error {
		if number > 2 {
			return quota
		}
		return nil
	}
	measure(l, clk, 10)
	sync1(t, l)
	if y.asked != 3 || len(y.made) != 2 || len(y.expected) != 2 { // one, then two
		t.Fatalf("asked for %d, made %v, expected %v", y.asked, y.made, y.expected)
	}
	for range 3 {
		clk.Step(10 * time.Second)
		measure(l, clk, 10)
		sync1(t, l)
	}
	s, _ := l.Status(jobs)
	if c, _ := s.Condition(model.ConditionReady); c.Reason != "KEDAJobCreateFailed" || !strings.Contains(c.Message, "exceeded quota") || s.JobSequence != 2 {
		t.Errorf("status %+v", s)
	}
	if n := len(w.statuses); n != 1 {
		t.Errorf("%d statuses written", n)
	}
	y.createErr = nil
	clk.Step(10 * time.Second)
	measure(l, clk, 10)
	sync1(t, l)
	s, _ = l.Status(jobs)
	if c, _ := s.Condition(model.ConditionReady); c.Status != "True" || len(y.made) != 10 {
		t.Errorf("made %v, Ready %+v", y.made, c)
	}
	if want := []string{"KEDAJobsCreated", "KEDAJobCreateFailed", "KEDAScalersStarted", "ScaledObjectActive", "KEDAJobsCreated", "ScaledObjectReady"}; !slices.Equal(w.events, want) {
		t.Errorf("events %v, want %v", w.events, want)
	}
}

// TestJobsUncertain: a Job whose making got no answer counts as made.
func TestJobsUncertain(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob)
	y := yardOf(w)
	y.createErr = func(number int) error {
		if number == 2 {
			return fmt.Errorf("creating: %w", context.DeadlineExceeded)
		}
		return nil
	}
	measure(l, clk, 3)
	sync1(t, l)
	clk.Step(10 * time.Second)
	measure(l, clk, 3)
	sync1(t, l)
	if y.asked != 3 || len(y.expected) != 3 {
		t.Errorf("asked for %d, expected %v", y.asked, y.expected)
	}
}

// TestJobsMin: Jobs up to the minimum need no measurement, and the queue has
// its turn after them.
func TestJobsMin(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob, func(s *Subject) { s.Workload.Min = 2 })
	y := yardOf(w)
	measure(l, clk, 3)
	if again := sync1(t, l); len(y.made) != 2 || again <= 0 || again > time.Second {
		t.Fatalf("made %v, again after %s", y.made, again)
	}
	sync1(t, l)
	sync1(t, l)
	if len(y.made) != 5 {
		t.Errorf("made %v", y.made)
	}
}

// TestJobsRollout: Jobs of an older generation go, and when the last has gone
// the source is asked what is to follow.
func TestJobsRollout(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob)
	y := yardOf(w)
	measure(l, clk, 2)
	sync1(t, l)
	y.show(1)
	next := *l.state[jobs].subject.Workload
	next.Generation = 2
	l.Set(Subject{Workload: &next, Metrics: l.state[jobs].subject.Metrics, Owner: l.state[jobs].subject.Owner})
	y.deleteErr = errors.New("no")
	if _, err := l.sync(t.Context(), jobs); !errors.Is(err, y.deleteErr) {
		t.Fatalf("error %v", err)
	}
	y.deleteErr = nil
	sync1(t, l)
	if len(y.jobs) != 0 || len(y.gone) != 2 {
		t.Fatalf("left %v, deleted %v", y.jobs, y.gone)
	}
	asked := w.asked
	sync1(t, l)
	if w.asked != asked+1 {
		t.Errorf("asked for a measurement %d times", w.asked-asked)
	}
	clk.Step(time.Second)
	measure(l, clk, 2)
	sync1(t, l)
	if len(y.made) != 4 {
		t.Errorf("made %v", y.made)
	}
	want := []string{"ScaledObjectRolloutCleanupFailed", "ScaledObjectRolloutCleanupStarted", "ScaledObjectReady", "ScaledObjectRolloutCleanupCompleted", "KEDAJobsCreated"}
	if got := w.events[4:]; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// TestJobsUnknown: without knowing the Jobs none is made, and it is tried again.
func TestJobsUnknown(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob)
	y := yardOf(w)
	y.getErr = errors.New("no list")
	measure(l, clk, 5)
	if _, err := l.sync(t.Context(), jobs); !errors.Is(err, y.getErr) || y.asked > 0 {
		t.Fatalf("error %v, asked for %d", err, y.asked)
	}
	y.getErr = nil
	sync1(t, l)
	if len(y.made) != 5 {
		t.Errorf("made %v", y.made)
	}
}

// TestJobsHistory: what is finished beyond the limits goes, and nothing of it
// is in the status.
func TestJobsHistory(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob, func(s *Subject) { s.Workload.Job.KeepSuccessful = 1 })
	y := yardOf(w)
	for i, n := range []string{"a", "b", "c"} {
		y.jobs[n] = model.JobState{Name: n, UID: n, Finish: model.JobSucceeded, FinishedAt: t0.Add(time.Duration(i) * time.Second), Ours: true}
	}
	measure(l, clk, 0)
	sync1(t, l)
	if _, newest := y.jobs["c"]; !newest || len(y.jobs) != 1 || slices.Contains(w.events, "ScaledObjectRolloutCleanupStarted") {
		t.Errorf("left %v, events %v", y.jobs, w.events)
	}
	if s, _ := l.Status(jobs); s.LastDecision != nil {
		t.Errorf("decision %+v", s.LastDecision)
	}
}

// TestJobsGather: two triggers that are measured apart are asked for together,
// once.
func TestJobsGather(t *testing.T) {
	w := &world{}
	l, clk := start(t, w, asJob)
	subject := l.state[jobs].subject
	second := subject.Metrics[0]
	second.Trigger, second.External = 1, "s1-queue"
	subject.Metrics = append(subject.Metrics, second)
	l.opts.Store.SetEntry(store.Entry{Key: jobs, Interval: 10 * time.Second, Metrics: subject.Metrics})
	l.Set(subject)
	at := func(trigger int, value float64) {
		l.opts.Store.Update(model.TriggerKey{Workload: jobs, Index: trigger}, func(s *model.Sample) {
			*s = model.Sample{Value: value, Active: value > 0, At: clk.Now()}
		})
	}
	at(0, 1)
	at(1, 0)
	sync1(t, l)
	clk.Step(5 * time.Second)
	at(0, 4) // the source has told of an arrival
	again := sync1(t, l)
	if again != time.Second || w.asked != 0 {
		t.Fatalf("again after %s, asked %d times", again, w.asked)
	}
	clk.Step(again)
	sync1(t, l)
	sync1(t, l)
	if y := yardOf(w); w.asked != 1 || len(y.made) != 1 {
		t.Fatalf("asked %d times, made %v", w.asked, y.made)
	}
	at(0, 4)
	at(1, 2)
	sync1(t, l)
	if y := yardOf(w); len(y.made) != 4 {
		t.Errorf("made %v", y.made)
	}
}
