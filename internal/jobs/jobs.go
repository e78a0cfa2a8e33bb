// Package jobs knows the Jobs of workloads, and how far their pods are, from
// watches on what carries our label, which start with the first workload that
// runs Jobs.
//
// Jobs that are being made count from before the request on, so that no
// decision overlooks one that the watch does not show yet. It writes nothing.
package jobs

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/model"
)

const (
	// confirmAfter is when a Job that was made, but that the watch does not
	// show, is looked up at the API server.
	confirmAfter = 10 * time.Second
	// deleteAgain is when a Job that was deleted, but does not look so, may be
	// deleted once more.
	deleteAgain = 10 * time.Second
	// orphanTrust is how long after the end of its grace period a pod without
	// its Job is still taken to be at work: its node may be gone.
	orphanTrust = 10 * time.Second
	// keepLeft and mostLeft bound what is remembered of ended Jobs.
	keepLeft = 10 * time.Minute
	mostLeft = 10_000
)

// byWorkload is the index of both caches: the label with the workload's name.
const byWorkload = "workload"

// Cache is what the tracker needs of a cache, see Objects.
type Cache interface {
	client.Reader
	client.FieldIndexer
	GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error)
}

// Tracker reads Jobs. See New.
type Tracker struct {
	cache  Cache
	live   client.Reader
	now    func() time.Time
	notify func(model.Key)

	mu        sync.Mutex // guards what follows; never held over I/O
	informers []cache.Informer
	// failedAt is when waiting for their first lists was given up.
	failedAt time.Time
	// expected are Jobs being made that the watch has not shown, by name.
	expected map[model.Key]map[string]time.Time
	// deleted are Jobs that we have deleted lately.
	deleted map[types.UID]time.Time
	// left is when Jobs were seen to end.
	left map[model.Key][]time.Time
	// changed is when pods were last seen to change; those that were there
	// when the watch began are missing.
	changed map[types.UID]time.Time
}

// New returns a tracker over a cache of Objects. live asks the API server
// itself. notify is called, from informers' goroutines, when the Jobs of a
// workload have changed; it must not block.
func New(c Cache, live client.Reader, now func() time.Time, notify func(model.Key)) *Tracker {
	return &Tracker{
		cache: c, live: live, now: now, notify: notify,
		expected: map[model.Key]map[string]time.Time{}, deleted: map[types.UID]time.Time{},
		left: map[model.Key][]time.Time{}, changed: map[types.UID]time.Time{},
	}
}

// Get returns the Jobs of a workload.
func (t *Tracker) Get(ctx context.Context, w *model.Workload) (model.Jobs, error) {
	if err := t.watch(ctx); err != nil {
		return model.Jobs{}, err
	}
	var jobs batchv1.JobList
	var pods corev1.PodList
	for _, l := range []client.ObjectList{&jobs, &pods} {
		err := t.cache.List(ctx, l, client.InNamespace(w.Key.Namespace), client.MatchingFields{byWorkload: w.Key.Name}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return model.Jobs{}, fmt.Errorf("listing the Jobs of %s: %w", w.Key, err)
		}
	}
	seen := map[string]bool{}
	for i := range jobs.Items {
		seen[jobs.Items[i].Name] = true
	}
	expected, err := t.expectedOf(ctx, w.Key, seen)
	if err != nil {
		return model.Jobs{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.assemble(w, jobs.Items, pods.Items, expected), nil
}

// assemble puts together what is known. Called with the lock held.
func (t *Tracker) assemble(w *model.Workload, jobs []batchv1.Job, pods []corev1.Pod, expected map[string]time.Time) model.Jobs {
	byJob := map[types.UID][]*corev1.Pod{}
	owners := map[types.UID]string{}
	for i := range pods {
		if c := metav1.GetControllerOfNoCopy(&pods[i]); c != nil && c.Kind == "Job" {
			byJob[c.UID] = append(byJob[c.UID], &pods[i])
			owners[c.UID] = c.Name
		}
	}
	out := model.Jobs{Left: append([]time.Time(nil), t.left[w.Key]...)}
	for i := range jobs {
		j := &jobs[i]
		mine := byJob[j.UID]
		delete(byJob, j.UID)
		if counted, ours := belongs(w, j); counted {
			out.States = append(out.States, t.state(w, j, mine, ours))
		}
	}
	for uid, theirs := range byJob {
		_, soon := expected[owners[uid]]
		if !soon && isFirst(theirs[0]) == (w.Key.Group == model.GroupFirst) && t.atWork(theirs) {
			out.Orphans++
		}
	}
	for name, at := range expected {
		out.States = append(out.States, model.JobState{Name: name, CreatedAt: at, Ours: true})
	}
	return out
}

// belongs says whether a Job with a workload's name counts as the workload's,
// and whether it is the object's own. What an object of that name that was
// deleted has left behind counts, as does what nobody owns: it does the work.
func belongs(w *model.Workload, j *batchv1.Job) (counted, ours bool) {
	c := metav1.GetControllerOfNoCopy(j)
	if c == nil {
		return isFirst(j) == (w.Key.Group == model.GroupFirst), false
	}
	if string(c.UID) == w.UID {
		return true, true
	}
	key, ok := keyOf(j)
	return ok && key == w.Key, false
}

func isFirst(o metav1.Object) bool { return o.GetLabels()[model.LabelFirstJob] != "" }

// state is one Job with its pods. Called with the lock held.
func (t *Tracker) state(w *model.Workload, j *batchv1.Job, pods []*corev1.Pod, ours bool) model.JobState {
	out := model.JobState{
		Name: j.Name, UID: string(j.UID), CreatedAt: j.CreationTimestamp.Time, Ours: ours, Deleting: !j.DeletionTimestamp.IsZero(),
	}
	out.Finish, out.FinishedAt = finish(j)
	if n, err := strconv.ParseInt(j.Annotations[model.AnnotationJobGeneration], 10, 64); err == nil {
		out.Generation = n
	}
	if at, ok := t.deleted[j.UID]; ok && t.now().Sub(at) < deleteAgain {
		out.Deleting = true
	}
	for _, p := range pods {
		if !hasStarted(p, w.Job.PendingConditions) {
			continue
		}
		at := t.changed[p.UID]
		if !out.Started || at.Before(out.StartedAt) {
			out.StartedAt = at
		}
		out.Started = true
	}
	return out
}

func finish(j *batchv1.Job) (model.JobFinish, time.Time) {
	for _, c := range j.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		at := c.LastTransitionTime.Time
		if j.Status.CompletionTime != nil {
			at = j.Status.CompletionTime.Time
		}
		switch c.Type {
		case batchv1.JobComplete:
			return model.JobSucceeded, at
		case batchv1.JobFailed:
			return model.JobFailed, at
		}
	}
	return model.JobUnfinished, time.Time{}
}

// hasStarted says that a pod has begun its work: it runs, or fulfils all
// conditions where there are some. One that has succeeded has in any case.
func hasStarted(p *corev1.Pod, conditions []string) bool {
	if p.Status.Phase == corev1.PodSucceeded {
		return true
	}
	if len(conditions) == 0 {
		return p.Status.Phase == corev1.PodRunning
	}
	for _, want := range conditions {
		if !isTrue(p, want) {
			return false
		}
	}
	return true
}

func isTrue(p *corev1.Pod, condition string) bool {
	for _, c := range p.Status.Conditions {
		if string(c.Type) == condition {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// atWork says that one of the pods of a Job that has gone may still work.
func (t *Tracker) atWork(pods []*corev1.Pod) bool {
	for _, p := range pods {
		switch {
		case p.Status.Phase == corev1.PodSucceeded, p.Status.Phase == corev1.PodFailed:
		case p.DeletionTimestamp != nil && t.now().After(p.DeletionTimestamp.Add(orphanTrust)):
		default:
			return true
		}
	}
	return false
}

// Creating tells that a Job is about to be made: it counts from now on.
func (t *Tracker) Creating(key model.Key, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.expected[key] == nil {
		t.expected[key] = map[string]time.Time{}
	}
	t.expected[key][name] = t.now()
}

// NotCreated tells that a Job was certainly not made.
func (t *Tracker) NotCreated(key model.Key, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.expected[key], name)
}

// Deleted tells that a Job was deleted, so that nobody deletes it twice.
func (t *Tracker) Deleted(uid string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for u, at := range t.deleted {
		if now.Sub(at) > deleteAgain {
			delete(t.deleted, u)
		}
	}
	t.deleted[types.UID(uid)] = now
}

// Forget drops what is remembered of a workload that has gone.
func (t *Tracker) Forget(key model.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.expected, key)
	delete(t.left, key)
}

// expectedOf returns the Jobs that were made and are not seen. One that is
// missing for long is looked up: a watch may be late, but also have skipped a
// Job that came and went.
func (t *Tracker) expectedOf(ctx context.Context, key model.Key, seen map[string]bool) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	var late []string
	t.mu.Lock()
	for name, at := range t.expected[key] {
		switch {
		case seen[name]:
			delete(t.expected[key], name)
			continue
		case t.now().Sub(at) > confirmAfter:
			late = append(late, name)
		}
		out[name] = at
	}
	t.mu.Unlock()
	for _, name := range late {
		var j batchv1.Job
		err := t.live.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: name}, &j)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("looking for Job %s/%s: %w", key.Namespace, name, err)
		}
		t.mu.Lock()
		if done, _ := finish(&j); err != nil || done != model.JobUnfinished {
			delete(t.expected[key], name)
			delete(out, name)
		} else if _, still := t.expected[key][name]; still {
			t.expected[key][name] = t.now()
		}
		t.mu.Unlock()
	}
	return out, nil
}
