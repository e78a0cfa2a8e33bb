// Package controller holds the reconcilers: they load an object, convert it,
// resolve its credentials, check it, and hand it to the poller, the store and
// the scaling loop. They make the HPA what it should be.
//
// They decide no replica count and write only through act.
package controller

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/poll"
	"github.com/kedago/keda/internal/scaling"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/internal/targets"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Writer is what the reconcilers need of act.
type Writer interface {
	Scale(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string, replicas int32) (string, error)
	PatchMeta(ctx context.Context, before, after client.Object) error
	PatchStatus(ctx context.Context, before, after client.Object) error
	ApplyHPA(ctx context.Context, want *autoscalingv2.HorizontalPodAutoscaler, takeOver bool) (bool, error)
	DeleteHPA(ctx context.Context, namespace, name string, owner metav1.Object) (bool, error)
	Event(about runtime.Object, eventType, reason, message string)
}

// Resolver resolves what a trigger's authenticationRef and environment give,
// and what that of a source of CloudEvents does.
type Resolver interface {
	Resolve(ctx context.Context, w *model.Workload, trigger int) (model.Credentials, param.Problems)
	ResolveSource(ctx context.Context, src *model.EventSource) (model.Credentials, param.Problems)
}

// Poller measures triggers.
type Poller interface {
	Set(ctx context.Context, key model.Key, triggers []poll.Trigger)
	Remove(key model.Key)
}

// Loop decides.
type Loop interface {
	Set(scaling.Subject)
	Remove(model.Key)
	Notify(model.Key)
	Status(model.Key) (model.Status, bool)
}

// Targets reads scale targets.
type Targets interface {
	Get(ctx context.Context, id targets.ID) (targets.Scale, error)
}

// Options are what all reconcilers share; all are required but Emitter.
type Options struct {
	Client   client.Client
	Catalog  scaler.Catalog
	Writer   Writer
	Resolver Resolver
	Poller   Poller
	Store    *store.Store
	Loop     Loop
	Targets  Targets
	// Emitter sends events on; nil for none.
	Emitter Emitter
	// Unwatched are the kinds of what holds credentials, Secret and ConfigMap,
	// that are not watched, see RereadEvery.
	Unwatched []string
	// Env makes a scaler's surroundings.
	Env     func(w *model.Workload, trigger int, credentials model.Credentials) scaler.Env
	Log     *slog.Logger
	Version string
}

// reconciler reconciles one API kind.
type reconciler struct {
	*Options
	kind  Kind
	index *index
	watch *referenceWatch
	again func(model.Key) // queues a workload of any kind

	census    *census
	unwritten unwritten
	estates   estates
}

// Reconcile implements reconcile.Reconciler.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	key := model.Key{Group: r.kind.Group, Kind: r.kind.Name, Namespace: req.Namespace, Name: req.Name}
	obj := r.kind.New()
	if err := r.Client.Get(ctx, req.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			return ctrl.Result{}, r.gone(ctx, key)
		}
		return ctrl.Result{}, fmt.Errorf("reading %s: %w", key, err)
	}
	r.census.add(key)
	w, _ := r.kind.Convert(obj)
	if !obj.GetDeletionTimestamp().IsZero() {
		return ctrl.Result{}, r.finalize(ctx, obj, w)
	}
	m := r.mark(obj, w)
	if m.finalizer { // before anything is scaled that it shall restore
		if current, err := r.writeMarks(ctx, m.before, obj); !current {
			return ctrl.Result{}, err
		}
	}
	w, problems := r.kind.Convert(obj) // with our label, so that the HPA is written once
	r.estates.keep(key, estate{uid: obj.GetUID(), hpa: w.HPA.Name})
	result, wroteHPA, err := r.apply(ctx, obj, w, problems)
	switch {
	case err != nil || m.finalizer || !m.label:
	case wroteHPA:
		// Of thousands of new objects all have their HPA before the first gets
		// its label, which nothing waits for.
		if result.RequeueAfter == 0 || result.RequeueAfter > labelAfter {
			result.RequeueAfter = labelAfter
		}
	default:
		_, err = r.writeMarks(ctx, m.before, obj)
	}
	return result, err
}

// labelAfter is when an object gets its label after its HPA was written, unless
// something else about it brings it back before.
const labelAfter = 5 * time.Second

// forget drops everything known of an object that has gone.
func (r *reconciler) forget(key model.Key) {
	r.census.remove(key)
	r.unwritten.written(key)
	r.Poller.Remove(key)
	r.Loop.Remove(key)
	r.Store.Remove(key)
	for _, k := range r.index.remove(key) {
		r.again(k)
	}
}

// marks are what an object lacked of us.
type marks struct {
	before           client.Object // as it was; nil when it lacked nothing
	finalizer, label bool
}

// mark puts our label on an object, and the finalizer where there is something
// to restore; writeMarks writes them.
//
// Where there is nothing to restore no finalizer is needed, and one that is
// there, from an earlier version or upstream's, is removed: the owner's end is
// the HPA's and the Jobs' by the cluster's garbage collector, also when the
// operator goes first.
func (r *reconciler) mark(obj client.Object, w *model.Workload) marks {
	key, value := w.HPA.SelectorKey, w.HPA.SelectorValue
	m := marks{
		finalizer: controllerutil.ContainsFinalizer(obj, r.kind.Finalizer) != restores(w),
		label:     key != "" && obj.GetLabels()[key] != value,
	}
	if !m.finalizer && !m.label {
		return m
	}
	m.before = obj.DeepCopyObject().(client.Object)
	if restores(w) {
		controllerutil.AddFinalizer(obj, r.kind.Finalizer)
	} else {
		controllerutil.RemoveFinalizer(obj, r.kind.Finalizer)
	}
	if m.label {
		labels := obj.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[key] = value
		obj.SetLabels(labels)
	}
	return m
}

// writeMarks says whether obj is current now: not after an error, nor where a
// newer version of the object is on its way here.
func (r *reconciler) writeMarks(ctx context.Context, before, obj client.Object) (current bool, err error) {
	err = r.Writer.PatchMeta(ctx, before, obj)
	if apierrors.IsConflict(err) {
		return false, nil
	}
	return err == nil, err
}

// plan is what the steps of apply hand on.
type plan struct {
	prepared lint.Prepared
	creds    []model.Credentials
	refs     []model.Reference
	problems param.Problems
}

// readAgain is the pause before credentials are read again that could not be
// read: no watch tells of a Role that was added.
const readAgain = 30 * time.Second

// apply makes everything of an object what it should be, and says whether its
// HPA had to be written.
func (r *reconciler) apply(ctx context.Context, obj client.Object, w *model.Workload, problems param.Problems) (result ctrl.Result, wroteHPA bool, err error) {
	p := plan{problems: append(problems, lint.Workload(w)...)}
	rival := r.claim(w, &p)
	if rival == nil {
		r.prepare(ctx, w, &p)
	}
	if r.index.setUses(w.Key, p.refs) {
		// A change after it was read, but before this, went unnoticed.
		r.again(w.Key)
	}
	for _, ref := range p.refs {
		if err := r.watch.start(ctx, ref); err != nil {
			return result, false, err
		}
	}
	if slices.ContainsFunc(p.creds, func(c model.Credentials) bool { return c.Unread }) {
		result.RequeueAfter = readAgain
	}
	usable := p.problems.Err() == nil
	subject := scaling.Subject{
		Workload: w, Metrics: p.prepared.Metrics, Composite: p.prepared.Composite, Problems: p.problems, Previous: r.kind.Status(obj),
		Owner: owner(r.kind, obj),
	}
	if !usable {
		r.Poller.Remove(w.Key)
		r.Store.Remove(w.Key)
		r.Loop.Set(subject)
		if rival == nil {
			return result, false, nil
		}
		// Two HPAs on one target would fight.
		_, err := r.Writer.DeleteHPA(ctx, w.Key.Namespace, w.HPA.Name, obj)
		return result, false, err
	}
	for i, t := range w.Triggers {
		p.prepared.Metrics[i].UseCached = t.UseCached
	}
	entry := store.Entry{
		Key: w.Key, Interval: w.PollingInterval, SelectorKey: w.HPA.SelectorKey, SelectorValue: w.HPA.SelectorValue, Metrics: p.prepared.Metrics,
	}
	if c := p.prepared.Composite; c != nil {
		entry.Composite = &c.Metric
	}
	r.Store.SetEntry(entry)
	if w.Pause.Paused {
		r.Poller.Remove(w.Key)
	} else {
		r.Poller.Set(ctx, w.Key, r.triggers(w, &p))
	}
	wroteHPA, err = r.applyHPA(ctx, obj, w, &p, &subject)
	r.Loop.Set(subject)
	return result, wroteHPA, err
}

// claim makes sure that two objects never scale one target: the older one does.
func (r *reconciler) claim(w *model.Workload, p *plan) *model.Key {
	if w.Job != nil {
		for _, k := range r.index.unclaim(w.Key) {
			r.again(k) // it scaled a target before
		}
		return nil
	}
	id, err := targets.IDOf(w.Key.Namespace, w.Target)
	if err != nil {
		p.problems.Errorf("spec.scaleTargetRef", "%v", err)
		return nil
	}
	rival, touched := r.index.claimTarget(w, id)
	for _, k := range touched {
		r.again(k)
	}
	if rival != nil {
		p.problems.Errorf("spec.scaleTargetRef", "%s %s is already scaled by %s; expected one object per target", id.GVK.Kind, id.Name, *rival)
		p.problems.Hint("put all triggers into one object, or delete one of the two")
	}
	return rival
}

// prepare resolves credentials and decodes every trigger.
func (r *reconciler) prepare(ctx context.Context, w *model.Workload, p *plan) {
	values := make([]param.Values, len(w.Triggers))
	p.creds = make([]model.Credentials, len(w.Triggers))
	seen := map[model.Reference]bool{}
	for i, t := range w.Triggers {
		creds, problems := r.Resolver.Resolve(ctx, w, i)
		p.problems = append(p.problems, problems...)
		p.creds[i] = creds
		for _, ref := range creds.Used {
			if !seen[ref] {
				seen[ref] = true
				p.refs = append(p.refs, ref)
			}
		}
		values[i] = param.Values{
			Metadata: t.Metadata, Auth: creds.Values, Env: creds.Env, EnvNames: w.Key.Group == model.GroupFirst,
			// A missing credential has its own problem; it is not missing twice.
			AllAuthPending: problems.Err() != nil, EnvPending: problems.Err() != nil,
		}
	}
	prepared, problems := lint.Prepare(r.Catalog, w, values)
	p.prepared = prepared
	p.problems = append(p.problems, problems...)
}

func (r *reconciler) triggers(w *model.Workload, p *plan) []poll.Trigger {
	out := make([]poll.Trigger, len(w.Triggers))
	for i, t := range w.Triggers {
		cfg := p.prepared.Configs[i]
		if _, native := cfg.(scaler.Native); native {
			continue
		}
		out[i] = poll.Trigger{
			Identity: identity(w, i, cfg, p.creds[i].Digest),
			Kind:     t.Type, Config: cfg,
			Env:      r.Env(w, i, p.creds[i]),
			Interval: w.PollingInterval, Activation: p.prepared.Metrics[i].Activation,
		}
	}
	return out
}

// writeStatus writes what changed between two statuses, and events.
func (r *reconciler) writeStatus(ctx context.Context, key model.Key, before, after model.Status, evs []decide.Event) error {
	obj := r.kind.New()
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, obj); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !obj.GetDeletionTimestamp().IsZero() {
		return nil
	}
	evs = r.unwritten.news(key, evs)
	for _, e := range evs {
		r.Writer.Event(obj, e.Type, e.Reason, e.Message)
	}
	if decide.Equal(before, after) {
		r.unwritten.written(key)
		return nil
	}
	// The cache may not show our last write yet, so the patch is made from
	// what was written last, not from what the cache shows.
	was := obj.DeepCopyObject().(client.Object)
	r.kind.SetStatus(was, before)
	r.kind.SetStatus(obj, after)
	err := r.Writer.PatchStatus(ctx, was, obj)
	switch {
	case err == nil:
		r.unwritten.written(key)
	case ctx.Err() == nil && r.unwritten.failed(key, evs):
		r.Writer.Event(obj, corev1.EventTypeWarning, key.Kind+"UpdateFailed", shorten(err.Error(), mostConditionMessage))
	}
	return err
}
