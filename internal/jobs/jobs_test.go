package jobs

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllertest"

	"github.com/kedago/keda/internal/model"
)

func TestGet(t *testing.T) {
	w := newWorld(t, controllertest.Synced)
	w.get(workload())
	labelled := func(o client.Object) { o.GetLabels()[model.LabelFirstJob] = "work" }
	nobody := func(o client.Object) { o.SetOwnerReferences(nil) }
	w.shows(
		job("a"), pod("a", corev1.PodRunning),
		job("b", ended(batchv1.JobComplete)), job("c", ended(batchv1.JobFailed)),
		job("earlier", ownedBy("keda.sh/v1alpha1", "ScaledJob", "work", "uid-0")), job("nobody's", nobody),
		job("cron", ownedBy("batch/v1", "CronJob", "work", "uid-x")),
		job("first", labelled, ownedBy("keda.k8s.io/v1alpha1", "ScaledObject", "work", "uid-first")), job("first nobody's", labelled, nobody),
	)
	state := func(name string) model.JobState {
		return model.JobState{Name: name, UID: "uid-" + name, CreatedAt: t0, Generation: 4, Ours: true}
	}
	a, b, c, earlier, nobodys, one, oneNobodys := state("a"), state("b"), state("c"), state("earlier"), state("nobody's"), state("first"), state("first nobody's")
	a.Started, a.StartedAt = true, t0
	b.Finish, b.FinishedAt = model.JobSucceeded, t0.Add(30*time.Second)
	c.Finish, c.FinishedAt = model.JobFailed, t0.Add(time.Minute)
	earlier.Ours, nobodys.Ours, oneNobodys.Ours = false, false, false
	byName := cmpopts.SortSlices(func(a, b model.JobState) bool { return a.Name < b.Name })
	if diff := cmp.Diff(model.Jobs{States: []model.JobState{a, b, c, earlier, nobodys}}, w.get(workload()), byName); diff != "" {
		t.Errorf("of the ScaledJob (-want +got):\n%s", diff)
	}
	got := w.get(workload(first, func(w *model.Workload) { w.UID = "uid-first" }))
	if diff := cmp.Diff(model.Jobs{States: []model.JobState{one, oneNobodys}}, got, byName); diff != "" {
		t.Errorf("of the first API's object (-want +got):\n%s", diff)
	}
	for _, other := range []string{"other", ""} {
		if got := w.get(workload(func(w *model.Workload) { w.Key.Name = other })); len(got.States) > 0 {
			t.Errorf("of %q: %+v", other, got)
		}
	}
	if w.caches.indexed != 2 {
		t.Errorf("%d indexes, want one for Jobs and one for pods", w.caches.indexed)
	}
}

func TestStarted(t *testing.T) {
	const gate = corev1.PodConditionType("example.com/warm")
	for name, c := range map[string]struct {
		pods       []*corev1.Pod
		conditions []string
		want       bool
	}{
		"no pod":                    {nil, nil, false},
		"pending":                   {[]*corev1.Pod{pod("a", corev1.PodPending)}, nil, false},
		"running":                   {[]*corev1.Pod{pod("a", corev1.PodRunning)}, nil, true},
		"succeeded":                 {[]*corev1.Pod{pod("a", corev1.PodSucceeded)}, nil, true},
		"failed":                    {[]*corev1.Pod{pod("a", corev1.PodFailed)}, nil, false},
		"of another Job":            {[]*corev1.Pod{pod("b", corev1.PodRunning)}, nil, false},
		"a condition":               {[]*corev1.Pod{pod("a", corev1.PodRunning, corev1.PodReady)}, []string{"Ready"}, true},
		"a condition is missing":    {[]*corev1.Pod{pod("a", corev1.PodRunning, corev1.PodReady)}, []string{"Ready", string(gate)}, false},
		"conditions while it waits": {[]*corev1.Pod{pod("a", corev1.PodPending, corev1.PodScheduled)}, []string{"PodScheduled"}, true},
		"all conditions":            {[]*corev1.Pod{pod("a", corev1.PodRunning, gate, corev1.PodReady)}, []string{"Ready", string(gate)}, true},
		"succeeded, not ready":      {[]*corev1.Pod{pod("a", corev1.PodSucceeded)}, []string{"Ready"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, controllertest.Synced)
			w.shows(job("a"))
			for _, p := range c.pods {
				w.shows(p)
			}
			got := w.get(workload(func(w *model.Workload) { w.Job.PendingConditions = c.conditions }))
			if len(got.States) != 1 || got.States[0].Started != c.want {
				t.Errorf("%+v, want it started: %v", got.States, c.want)
			}
		})
	}
}

// TestStartedAt: when a pod changed is known of those that the watch has shown
// since it began.
func TestStartedAt(t *testing.T) {
	w := newWorld(t, controllertest.Synced)
	w.shows(job("a"), pod("a", corev1.PodRunning)) // before anybody looks
	if s := w.get(workload()).States[0]; !s.Started || !s.StartedAt.IsZero() {
		t.Errorf("one from before: %+v", s)
	}
	w.shows(job("b"), pod("b", corev1.PodPending))
	w.now = t0.Add(5 * time.Second)
	w.shows(pod("b", corev1.PodRunning))
	w.now = t0.Add(7 * time.Second)
	w.shows(pod("b", corev1.PodRunning)) // nothing new
	for _, s := range w.get(workload()).States {
		if s.Name == "b" && !s.StartedAt.Equal(t0.Add(5*time.Second)) {
			t.Errorf("started at %s", s.StartedAt)
		}
	}
	w.hides(pod("b", corev1.PodRunning))
	if len(w.changed) != 0 {
		t.Errorf("remembered of a pod that has gone: %v", w.changed)
	}
}

// names lists the Jobs that count as running.
func names(j model.Jobs) []string {
	var out []string
	for _, s := range j.States {
		if s.Finish == model.JobUnfinished {
			out = append(out, s.Name)
		}
	}
	slices.Sort(out)
	return out
}

// TestExpected: a Job counts from before it is made, once, and not for ever.
func TestExpected(t *testing.T) {
	w := newWorld(t, controllertest.Synced)
	key := workload().Key
	expect := func(what string, want ...string) {
		t.Helper()
		if got := names(w.get(workload())); !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	expect("at first")
	for _, n := range []string{"a", "b", "c", "d"} {
		w.Creating(key, n)
	}
	expect("being made", "a", "b", "c", "d")
	w.NotCreated(key, "d")
	w.shows(job("a"))
	w.must(w.live.Create(t.Context(), job("b")))
	expect("one was not made, one is shown", "a", "b", "c")
	w.hides(job("a"))
	expect("that one has gone", "b", "c")

	w.now = t0.Add(confirmAfter + time.Second)
	expect("looked up", "b") // c came and went unseen
	w.must(w.live.Delete(t.Context(), job("b")))
	expect("not looked up again at once", "b")
	w.now = w.now.Add(confirmAfter + time.Second)
	expect("looked up later")

	w.Creating(key, "e")
	w.must(w.live.Create(t.Context(), job("e", ended(batchv1.JobComplete))))
	w.now = w.now.Add(confirmAfter + time.Second)
	expect("one that ended unseen")
	w.Creating(key, "f")
	w.Forget(key)
	expect("forgotten")
}

// TestDeleted: a Job that we deleted is not deleted twice, unless nothing came
// of it.
func TestDeleted(t *testing.T) {
	w := newWorld(t, controllertest.Synced)
	w.shows(job("a"))
	deleting := func() bool { return w.get(workload()).States[0].Deleting }
	if deleting() {
		t.Error("at first")
	}
	w.Deleted("uid-a")
	if !deleting() {
		t.Error("after it was deleted")
	}
	w.now = t0.Add(deleteAgain + time.Second)
	if deleting() {
		t.Error("long after, although it is still there")
	}
	w.Deleted("uid-b")
	if len(w.deleted) != 1 {
		t.Errorf("remembered: %v", w.deleted)
	}
	leaving := job("a")
	at := metav1.NewTime(t0)
	leaving.DeletionTimestamp, leaving.Finalizers = &at, []string{"foregroundDeletion"}
	if s := w.state(workload(), leaving, nil, true); !s.Deleting {
		t.Error("with a deletion timestamp")
	}
}

// TestLeft: the ends of Jobs are remembered, and those concerned are told.
func TestLeft(t *testing.T) {
	w := newWorld(t, controllertest.Synced)
	w.get(workload())
	w.shows(job("a"), job("b"), job("c"))
	w.now = t0.Add(time.Second)
	w.notified = nil
	w.shows(job("a", ended(batchv1.JobComplete)))
	w.shows(job("a", ended(batchv1.JobComplete))) // nothing new
	w.now = t0.Add(2 * time.Second)
	w.hides(job("b"))
	w.hides(job("a", ended(batchv1.JobComplete))) // it had ended before
	want := []time.Time{t0.Add(time.Second), t0.Add(2 * time.Second)}
	if diff := cmp.Diff(want, w.get(workload()).Left); diff != "" {
		t.Error(diff)
	}
	if key := workload().Key; !slices.Equal(w.notified, []model.Key{key, key, key}) {
		t.Errorf("told: %v", w.notified)
	}
	w.now = t0.Add(keepLeft + 1500*time.Millisecond)
	w.hides(job("c"))
	if got := w.get(workload()).Left; len(got) != 2 || !got[1].Equal(w.now) {
		t.Errorf("after a while: %v", got)
	}
}

// TestOrphans: a pod whose Job has gone counts for as long as it may work.
func TestOrphans(t *testing.T) {
	leaving := func(of string, grace time.Duration) *corev1.Pod {
		p := pod(of, corev1.PodRunning)
		at := metav1.NewTime(t0.Add(grace))
		p.DeletionTimestamp, p.Finalizers = &at, []string{"batch.kubernetes.io/job-tracking"}
		return p
	}
	free := pod("free", corev1.PodRunning)
	free.OwnerReferences = nil
	firsts := pod("x", corev1.PodRunning)
	firsts.Labels[model.LabelFirstJob] = "work"
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want int
	}{
		"it works":                      {pod("x", corev1.PodRunning), 1},
		"it waits":                      {pod("x", corev1.PodPending), 1},
		"it is done":                    {pod("x", corev1.PodSucceeded), 0},
		"it failed":                     {pod("x", corev1.PodFailed), 0},
		"it ends":                       {leaving("x", 30*time.Second), 1},
		"it should have ended long ago": {leaving("x", -orphanTrust-time.Second), 0},
		"its Job is there":              {pod("a", corev1.PodRunning), 0},
		"its Job is being made":         {pod("soon", corev1.PodRunning), 0},
		"nobody's":                      {free, 0},
		"of the other API":              {firsts, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, controllertest.Synced)
			pods := []corev1.Pod{*c.pod}
			got := w.assemble(workload(), []batchv1.Job{*job("a")}, pods, map[string]time.Time{"soon": t0})
			if got.Orphans != c.want {
				t.Errorf("%d orphans, want %d", got.Orphans, c.want)
			}
		})
	}
}

// TestNoList: what is not known is an error, and is waited for once.
func TestNoList(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.caches.err = errors.New("discovery failed")
	if _, err := w.Get(ctx, workload()); !errors.Is(err, w.caches.err) {
		t.Errorf("error %v", err)
	}
	w.caches.err = nil
	w.failedAt = t0 // as after having waited
	began := time.Now()
	if _, err := w.Get(ctx, workload()); err == nil || !strings.Contains(err.Error(), "gives no list") || time.Since(began) > listPatience/2 {
		t.Errorf("error %v after %s", err, time.Since(began))
	}
}

func TestStrip(t *testing.T) {
	j := job("a", ended(batchv1.JobComplete))
	j.ManagedFields, j.Spec.Template.Spec.Containers = []metav1.ManagedFieldsEntry{{Manager: "x"}}, []corev1.Container{{Name: "main"}}
	j.Labels["more"], j.Annotations["more"] = "x", "x"
	got, err := strip(j)
	if err != nil {
		t.Fatal(err)
	}
	want := job("a", ended(batchv1.JobComplete))
	want.Status.Conditions = want.Status.Conditions[1:]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p := pod("a", corev1.PodRunning, corev1.PodReady)
	p.Spec.NodeName, p.Status.PodIP = "node", "10.0.0.1"
	if got, err = strip(p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pod("a", corev1.PodRunning, corev1.PodReady), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	objects, err := Objects()
	if err != nil || len(objects) != 2 {
		t.Fatalf("%v, %v", objects, err)
	}
	for o, by := range objects {
		if by.Label == nil || by.Label.String() != model.LabelScaledJob || by.Transform == nil {
			t.Errorf("%T: %+v", o, by)
		}
	}
}
