package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/queue"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Emitter sends events on.
type Emitter interface {
	// Set adds or changes a source; Hold does so with one that can't send now.
	Set(src *model.EventSource, creds model.Credentials) error
	Hold(src *model.EventSource, why string)
	Remove(key model.Key)
	State(key model.Key) (working bool, why string, known bool)
}

// eventSourceKind is one kind of object that sends events on.
type eventSourceKind struct {
	name    string
	new     func() client.Object
	convert func(client.Object) *model.EventSource
	status  func(client.Object) *eventingv1.CloudEventSourceStatus
}

func eventSourceKinds() []eventSourceKind {
	return []eventSourceKind{
		{
			name: model.KindCloudEventSource, new: func() client.Object { return &eventingv1.CloudEventSource{} },
			convert: func(o client.Object) *model.EventSource { return convert.EventSource(o.(*eventingv1.CloudEventSource)) },
			status: func(o client.Object) *eventingv1.CloudEventSourceStatus {
				return &o.(*eventingv1.CloudEventSource).Status
			},
		},
		{
			name: model.KindClusterCloudEventSource, new: func() client.Object { return &eventingv1.ClusterCloudEventSource{} },
			convert: func(o client.Object) *model.EventSource {
				return convert.ClusterEventSource(o.(*eventingv1.ClusterCloudEventSource))
			},
			status: func(o client.Object) *eventingv1.CloudEventSourceStatus {
				return &o.(*eventingv1.ClusterCloudEventSource).Status
			},
		},
	}
}

// eventSourceReconciler keeps the emitter's sources as the objects say.
type eventSourceReconciler struct {
	*Options
	kind   eventSourceKind
	index  *index
	watch  *referenceWatch
	census *census
	again  func(model.Key)
	queue  chan event.GenericEvent
	now    func() time.Time
}

// Reconcile implements reconcile.Reconciler.
func (r *eventSourceReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	key := model.Key{Group: model.GroupEventing, Kind: r.kind.name, Namespace: req.Namespace, Name: req.Name}
	obj := r.kind.new()
	if err := r.Client.Get(ctx, req.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(key)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading %s: %w", key, err)
	}
	if !obj.GetDeletionTimestamp().IsZero() {
		r.forget(key)
		return ctrl.Result{}, r.release(ctx, obj)
	}
	r.census.add(key)
	if err := r.apply(ctx, r.kind.convert(obj)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.writeStatus(ctx, obj, key)
}

func (r *eventSourceReconciler) forget(key model.Key) {
	r.census.remove(key)
	r.Emitter.Remove(key)
	r.index.remove(key)
}

// release removes the finalizer that KEDA put on the object; we need none.
func (r *eventSourceReconciler) release(ctx context.Context, obj client.Object) error {
	before := obj.DeepCopyObject().(client.Object)
	if !controllerutil.RemoveFinalizer(obj, eventingv1.Finalizer) {
		return nil
	}
	if err := r.Writer.PatchMeta(ctx, before, obj); !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return err
	}
	return nil
}

// apply hands the source to the emitter. What is wrong with it is in its state
// then; only what may pass by itself is returned as an error.
func (r *eventSourceReconciler) apply(ctx context.Context, src *model.EventSource) error {
	problems := lint.EventSource(src)
	var creds model.Credentials
	if src.Auth != nil && problems.Err() == nil {
		var more param.Problems
		creds, more = r.Resolver.ResolveSource(ctx, src)
		if problems = append(problems, more...); problems.Err() == nil {
			problems = append(problems, lint.EventCredentials(src, creds)...)
		}
	}
	if r.index.setUses(src.Key, creds.Used) {
		// A change after it was read, but before this, went unnoticed.
		r.again(src.Key)
	}
	for _, ref := range creds.Used {
		if err := r.watch.start(ctx, ref); err != nil {
			return err
		}
	}
	if err := problems.Err(); err != nil {
		r.Emitter.Hold(src, err.Error())
		return nil
	}
	_ = r.Emitter.Set(src, creds) // the state has it, and trying again would not mend it
	return nil
}

// What the condition Active says; the reasons are KEDA's.
const (
	conditionActive      = "Active"
	reasonSourceActive   = "CloudEventSourceActive"
	reasonSourceFailed   = "CloudEventSourceFailed"
	messageSourceActive  = "events are sent to the destination"
	mostConditionMessage = 1024
)

// writeStatus says in the object whether its events get where they should.
func (r *eventSourceReconciler) writeStatus(ctx context.Context, obj client.Object, key model.Key) error {
	working, why, known := r.Emitter.State(key)
	if !known {
		return nil // the operator is about to end
	}
	c := eventingv1.Condition{Type: conditionActive, Status: metav1.ConditionTrue, Reason: reasonSourceActive, Message: messageSourceActive}
	if !working {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reasonSourceFailed, shorten(why, mostConditionMessage)
	}
	c.ObservedGeneration = obj.GetGeneration()
	before := obj.DeepCopyObject().(client.Object)
	status := r.kind.status(obj)
	if !setCondition(status, c, r.now()) && status.ObservedGeneration == c.ObservedGeneration {
		return nil
	}
	status.ObservedGeneration = c.ObservedGeneration
	return r.Writer.PatchStatus(ctx, before, obj)
}

// setCondition replaces the condition of a type and says whether it is another one.
func setCondition(s *eventingv1.CloudEventSourceStatus, c eventingv1.Condition, now time.Time) bool {
	at := metav1.NewTime(now.Truncate(time.Second))
	c.LastTransitionTime = &at
	for i, old := range s.Conditions {
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		s.Conditions[i] = c
		return old != c
	}
	s.Conditions = append(s.Conditions, c)
	return true
}

func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}

// registerEventSources adds the controllers of the kinds that the cluster has.
func (s *Set) registerEventSources(mgr ctrl.Manager) error {
	for _, r := range s.eventSources {
		gk := eventingv1.SchemeGroupVersion.WithKind(r.kind.name).GroupKind()
		_, err := mgr.GetRESTMapper().RESTMapping(gk, eventingv1.SchemeGroupVersion.Version)
		if meta.IsNoMatchError(err) {
			r.Log.Info("no events are sent on, as the cluster does not know the kind; install its CustomResourceDefinition and restart", "kind", r.kind.name)
			continue
		}
		if err != nil {
			return fmt.Errorf("looking for the kind %s: %w", r.kind.name, err)
		}
		err = ctrl.NewControllerManagedBy(mgr).
			Named(string(model.GroupEventing)+"/"+r.kind.name).
			For(r.kind.new(), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
			WatchesRawSource(source.Channel(r.queue, &handler.EnqueueRequestForObject{})).
			WithOptions(ctrlcontroller.Options{NewQueue: queue.New[reconcile.Request]}).
			Complete(r)
		if err != nil {
			return fmt.Errorf("registering the controller of %s: %w", r.kind.name, err)
		}
	}
	return nil
}
