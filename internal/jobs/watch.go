package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/model"
)

const (
	// listPatience is how long the first lists are waited for.
	listPatience = 5 * time.Second
	// listRetry is how long nobody waits again after that.
	listRetry = 30 * time.Second
)

// watch makes sure that Jobs and pods are watched and have been listed.
func (t *Tracker) watch(ctx context.Context) error {
	informers, failedAt, err := t.start(ctx)
	if err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	if !failedAt.IsZero() && t.now().Sub(failedAt) < listRetry {
		cancel()
	}
	for _, i := range informers {
		if i.HasSynced() || toolscache.WaitForCacheSync(wait.Done(), i.HasSynced) {
			continue
		}
		t.mu.Lock()
		t.failedAt = t.now()
		t.mu.Unlock()
		return errors.New("the API server gives no list of Jobs and their pods; the operator needs get, list and watch on jobs and pods")
	}
	return nil
}

// start starts the informers that do not run yet.
func (t *Tracker) start(ctx context.Context) ([]cache.Informer, time.Time, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kinds := []struct {
		obj     client.Object
		handler toolscache.ResourceEventHandler
	}{{&batchv1.Job{}, t.jobHandler()}, {&corev1.Pod{}, t.podHandler()}}
	for _, k := range kinds[len(t.informers):] {
		// Neither waits, so the lock is not held over I/O.
		if err := t.cache.IndexField(ctx, k.obj, byWorkload, indexed); err != nil {
			return nil, t.failedAt, fmt.Errorf("indexing Jobs and their pods: %w", err)
		}
		informer, err := t.cache.GetInformer(ctx, k.obj, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, t.failedAt, fmt.Errorf("watching Jobs and their pods: %w", err)
		}
		if _, err := informer.AddEventHandler(k.handler); err != nil {
			return nil, t.failedAt, fmt.Errorf("watching Jobs and their pods: %w", err)
		}
		t.informers = append(t.informers, informer)
	}
	return t.informers, t.failedAt, nil
}

func indexed(o client.Object) []string { return []string{o.GetLabels()[model.LabelScaledJob]} }

// keyOf is the workload of a Job, by its owner, else by its labels.
func keyOf(j metav1.Object) (model.Key, bool) {
	key := model.Key{Group: model.GroupToday, Kind: model.KindScaledJob, Namespace: j.GetNamespace(), Name: j.GetLabels()[model.LabelScaledJob]}
	if isFirst(j) {
		key.Group, key.Kind = model.GroupFirst, model.KindScaledObject
	}
	if c := metav1.GetControllerOfNoCopy(j); c != nil {
		group, _, _ := strings.Cut(c.APIVersion, "/")
		if model.Group(group) != key.Group || c.Kind != key.Kind {
			return model.Key{}, false
		}
		key.Name = c.Name
	}
	return key, key.Name != ""
}

// jobHandler notes when Jobs end and tells what concerns a decision.
func (t *Tracker) jobHandler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if j, ok := obj.(*batchv1.Job); ok {
				t.added(j)
			}
		},
		UpdateFunc: func(before, after any) {
			b, okB := before.(*batchv1.Job)
			a, okA := after.(*batchv1.Job)
			if okA && okB {
				t.updated(b, a)
			}
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if j, ok := obj.(*batchv1.Job); ok {
				t.gone(j)
			}
		},
	}
}

func (t *Tracker) added(j *batchv1.Job) {
	key, ok := keyOf(j)
	if !ok {
		return
	}
	t.mu.Lock()
	delete(t.expected[key], j.Name)
	t.mu.Unlock()
	t.notify(key)
}

func (t *Tracker) updated(before, after *batchv1.Job) {
	key, ok := keyOf(after)
	if !ok {
		return
	}
	was, _ := finish(before)
	is, _ := finish(after)
	ended := was == model.JobUnfinished && is != model.JobUnfinished
	if ended {
		t.ended(key)
	}
	if ended || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() {
		t.notify(key)
	}
}

func (t *Tracker) gone(j *batchv1.Job) {
	t.mu.Lock()
	delete(t.deleted, j.UID)
	t.mu.Unlock()
	key, ok := keyOf(j)
	if !ok {
		return
	}
	if done, _ := finish(j); done == model.JobUnfinished {
		t.ended(key)
	}
	t.notify(key)
}

// ended notes that a Job of a workload has ended.
func (t *Tracker) ended(key model.Key) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.left[key]
	for len(left) > 0 && (now.Sub(left[0]) > keepLeft || len(left) >= mostLeft) {
		left = left[1:]
	}
	t.left[key] = append(left, now)
}

// podHandler notes when pods change.
func (t *Tracker) podHandler() toolscache.ResourceEventHandler {
	changed := func(p *corev1.Pod) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.changed[p.UID] = t.now()
	}
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initially bool) {
			if p, ok := obj.(*corev1.Pod); ok && !initially {
				changed(p)
			}
		},
		UpdateFunc: func(before, after any) {
			b, okB := before.(*corev1.Pod)
			a, okA := after.(*corev1.Pod)
			if okA && okB && (b.Status.Phase != a.Status.Phase || !maps.Equal(truths(b), truths(a))) {
				changed(a)
			}
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if p, ok := obj.(*corev1.Pod); ok {
				t.mu.Lock()
				delete(t.changed, p.UID)
				t.mu.Unlock()
			}
		},
	}
}

// truths are the conditions of a pod that hold.
func truths(p *corev1.Pod) map[string]bool {
	out := map[string]bool{}
	for _, c := range p.Status.Conditions {
		if c.Status == corev1.ConditionTrue {
			out[string(c.Type)] = true
		}
	}
	return out
}
