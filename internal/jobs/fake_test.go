package jobs

import (
	"context"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllertest"

	"github.com/kedago/keda/internal/model"
)

var t0 = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// caches is a cache whose informers are fed by the test.
type caches struct {
	client.Client
	jobs, pods *controllertest.FakeInformer
	indexed    int
	err        error
}

func (c *caches) IndexField(context.Context, client.Object, string, client.IndexerFunc) error {
	c.indexed++
	return nil
}

func (c *caches) GetInformer(_ context.Context, obj client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	if c.err != nil {
		return nil, c.err
	}
	if _, ok := obj.(*batchv1.Job); ok {
		return c.jobs, nil
	}
	return c.pods, nil
}

// world is a tracker over a fake cluster that its watch shows when told.
type world struct {
	*testing.T
	*Tracker
	caches   *caches
	live     client.Client
	now      time.Time
	notified []model.Key
}

func newWorld(t *testing.T, synced ...controllertest.InformerOption) *world {
	t.Helper()
	build := func() client.Client {
		return fake.NewClientBuilder().WithScheme(scheme.Scheme).
			WithIndex(&batchv1.Job{}, byWorkload, indexed).WithIndex(&corev1.Pod{}, byWorkload, indexed).Build()
	}
	w := &world{T: t, live: build(), now: t0, caches: &caches{
		Client: build(), jobs: controllertest.NewFakeInformer(synced...), pods: controllertest.NewFakeInformer(synced...),
	}}
	w.Tracker = New(w.caches, w.live, func() time.Time { return w.now }, func(k model.Key) { w.notified = append(w.notified, k) })
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// shows adds objects as the watch does, or changes or removes them.
func (w *world) shows(objects ...client.Object) {
	w.Helper()
	for _, o := range objects {
		stripped, err := strip(o)
		w.must(err)
		s := stripped.(client.Object)
		s.SetResourceVersion("")
		informer := w.caches.jobs
		before := client.Object(&batchv1.Job{})
		if _, ok := o.(*corev1.Pod); ok {
			informer, before = w.caches.pods, &corev1.Pod{}
		}
		if w.caches.Get(w.Context(), client.ObjectKeyFromObject(o), before) == nil {
			w.must(w.caches.Delete(w.Context(), before))
			w.must(w.caches.Create(w.Context(), s))
			informer.Update(before, s)
			continue
		}
		w.must(w.caches.Create(w.Context(), s))
		informer.Add(s)
	}
}

func (w *world) hides(o client.Object) {
	w.Helper()
	w.must(w.caches.Delete(w.Context(), o))
	if p, ok := o.(*corev1.Pod); ok {
		w.caches.pods.Delete(p)
		return
	}
	w.caches.jobs.Delete(o.(*batchv1.Job))
}

func (w *world) get(work *model.Workload) model.Jobs {
	w.Helper()
	got, err := w.Get(w.Context(), work)
	w.must(err)
	return got
}

func workload(change ...func(*model.Workload)) *model.Workload {
	w := &model.Workload{
		Key: model.Key{Group: model.GroupToday, Kind: model.KindScaledJob, Namespace: "ns", Name: "work"}, UID: "uid", Job: &model.Job{},
	}
	for _, c := range change {
		c(w)
	}
	return w
}

func first(w *model.Workload) { w.Key.Group, w.Key.Kind = model.GroupFirst, model.KindScaledObject }

func ownedBy(version, kind, name, uid string) func(client.Object) {
	return func(o client.Object) {
		yes := true
		o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, UID: types.UID(uid), Controller: &yes}})
	}
}

// job is a Job of the ScaledJob work that runs.
func job(name string, change ...func(client.Object)) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(t0),
		Labels: map[string]string{model.LabelScaledJob: "work"}, Annotations: map[string]string{model.AnnotationJobGeneration: "4"},
	}}
	ownedBy("keda.sh/v1alpha1", "ScaledJob", "work", "uid")(j)
	for _, c := range change {
		c(j)
	}
	return j
}

func ended(how batchv1.JobConditionType) func(client.Object) {
	return func(o client.Object) {
		j := o.(*batchv1.Job)
		j.Status.Conditions = []batchv1.JobCondition{
			{Type: batchv1.JobSuspended, Status: corev1.ConditionFalse},
			{Type: how, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(t0.Add(time.Minute))},
		}
		if how == batchv1.JobComplete {
			at := metav1.NewTime(t0.Add(30 * time.Second))
			j.Status.CompletionTime = &at
		}
	}
}

// pod is a pod of a Job in a phase, with conditions that hold.
func pod(of string, phase corev1.PodPhase, conditions ...corev1.PodConditionType) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: of + "-pod", UID: types.UID("uid-" + of + "-pod"), Labels: map[string]string{model.LabelScaledJob: "work"}},
		Status:     corev1.PodStatus{Phase: phase},
	}
	ownedBy("batch/v1", "Job", of, "uid-"+of)(p)
	for _, c := range conditions {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue})
	}
	return p
}
