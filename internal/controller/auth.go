package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/queue"
)

const (
	// usersPause lets many objects that begin to use one auth object be noted
	// in one write.
	usersPause = 2 * time.Second
	// mostUsers is how many names an auth object's status lists.
	mostUsers = 100
	// justMade is how old an object that is seen for the first time may be to
	// count as new, and not as one from before the operator's start.
	justMade = time.Minute
)

// authKind is one kind of object that holds credentials.
type authKind struct {
	group   model.Group
	name    string
	new     func() client.Object
	convert func(client.Object) *model.AuthSpec
	// status is nil for a kind without one.
	status func(client.Object) *kedav1.TriggerAuthenticationStatus
}

func authKinds() []authKind {
	return []authKind{
		{
			group: model.GroupToday, name: model.KindTriggerAuthentication,
			new:     func() client.Object { return &kedav1.TriggerAuthentication{} },
			convert: func(o client.Object) *model.AuthSpec { return convert.Auth(o.(*kedav1.TriggerAuthentication)) },
			status: func(o client.Object) *kedav1.TriggerAuthenticationStatus {
				return &o.(*kedav1.TriggerAuthentication).Status
			},
		},
		{
			group: model.GroupToday, name: model.KindClusterTriggerAuthentication,
			new: func() client.Object { return &kedav1.ClusterTriggerAuthentication{} },
			convert: func(o client.Object) *model.AuthSpec {
				return convert.ClusterAuth(o.(*kedav1.ClusterTriggerAuthentication))
			},
			status: func(o client.Object) *kedav1.TriggerAuthenticationStatus {
				return &o.(*kedav1.ClusterTriggerAuthentication).Status
			},
		},
		{
			group: model.GroupFirst, name: model.KindTriggerAuthentication,
			new:     func() client.Object { return &firstv1.TriggerAuthentication{} },
			convert: func(o client.Object) *model.AuthSpec { return convert.FirstAuth(o.(*firstv1.TriggerAuthentication)) },
		},
	}
}

// authReconciler tells what becomes of auth objects, and who uses them. What
// they hold is read by whoever needs it.
type authReconciler struct {
	*Options
	kind   authKind
	index  *index
	census *census
	queue  chan event.GenericEvent
	now    func() time.Time

	mu   sync.Mutex
	seen map[client.ObjectKey]seenAuth
}

// seenAuth is an auth object as it was last seen, for what is told of it when
// it has gone.
type seenAuth struct {
	generation int64
	object     client.Object
}

// Reconcile implements reconcile.Reconciler.
func (r *authReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	obj := r.kind.new()
	err := r.Client.Get(ctx, req.NamespacedName, obj)
	if apierrors.IsNotFound(err) {
		r.gone(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading %s %s: %w", r.kind.name, req.NamespacedName, err)
	}
	r.census.add(r.key(obj))
	r.tell(obj)
	return ctrl.Result{}, r.writeUsers(ctx, obj)
}

func (r *authReconciler) key(obj client.Object) model.Key {
	return model.Key{Group: r.kind.group, Kind: r.kind.name, Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

func (r *authReconciler) gone(name client.ObjectKey) {
	r.census.remove(model.Key{Group: r.kind.group, Kind: r.kind.name, Namespace: name.Namespace, Name: name.Name})
	r.mu.Lock()
	last, known := r.seen[name]
	delete(r.seen, name)
	r.mu.Unlock()
	if known {
		r.Writer.Event(last.object, corev1.EventTypeNormal, r.kind.name+"Deleted", r.kind.name+" was deleted")
	}
}

// tell writes an event about an object that is new or has changed.
func (r *authReconciler) tell(obj client.Object) {
	name := client.ObjectKeyFromObject(obj)
	about := named(r.kind.new(), obj.GetNamespace(), obj.GetName(), obj.GetUID())
	about.GetObjectKind().SetGroupVersionKind(obj.GetObjectKind().GroupVersionKind())
	r.mu.Lock()
	before, known := r.seen[name]
	r.seen[name] = seenAuth{obj.GetGeneration(), about}
	r.mu.Unlock()
	what := ""
	switch {
	case known && before.generation != obj.GetGeneration():
		what = "Updated"
	case !known && r.now().Sub(obj.GetCreationTimestamp().Time) < justMade:
		what = "Added"
	default:
		return
	}
	if err := lint.Auth(r.kind.convert(obj)).Err(); err != nil {
		r.Writer.Event(obj, corev1.EventTypeWarning, r.kind.name+"Failed", err.Error())
		return
	}
	r.Writer.Event(obj, corev1.EventTypeNormal, r.kind.name+what, r.kind.name+" was "+strings.ToLower(what))
}

// writeUsers notes in the status which objects use this one.
func (r *authReconciler) writeUsers(ctx context.Context, obj client.Object) error {
	if r.kind.status == nil || !obj.GetDeletionTimestamp().IsZero() {
		return nil
	}
	var objects, jobs []string
	for _, k := range r.index.usersOf(model.Reference{Kind: r.kind.name, Namespace: obj.GetNamespace(), Name: obj.GetName()}) {
		switch {
		case k.Group != r.kind.group:
		case k.Kind == model.KindScaledJob:
			jobs = append(jobs, k.Name)
		default:
			objects = append(objects, k.Name)
		}
	}
	want := kedav1.TriggerAuthenticationStatus{ScaledObjectNamesStr: listNames(objects), ScaledJobNamesStr: listNames(jobs)}
	if *r.kind.status(obj) == want {
		return nil
	}
	before := obj.DeepCopyObject().(client.Object)
	*r.kind.status(obj) = want
	return r.Writer.PatchStatus(ctx, before, obj)
}

// listNames joins names as upstream does, and cuts what would be too long.
func listNames(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	if more := len(names) - mostUsers; more > 0 {
		return strings.Join(names[:mostUsers], ",") + fmt.Sprintf(",… and %d more", more)
	}
	return strings.Join(names, ",")
}

// used queues an auth object whose users have changed.
func (r *authReconciler) used(ref model.Reference) {
	obj := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}}
	r.queue <- event.GenericEvent{Object: obj}
}

// register adds the controller to the manager.
func (r *authReconciler) register(mgr ctrl.Manager) error {
	later := handler.Funcs{GenericFunc: func(_ context.Context, e event.GenericEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)}, usersPause)
	}}
	err := ctrl.NewControllerManagedBy(mgr).
		Named(string(r.kind.group) + "/" + r.kind.name).
		For(r.kind.new()).
		WatchesRawSource(source.Channel(r.queue, later)).
		WithOptions(ctrlcontroller.Options{NewQueue: queue.New[reconcile.Request]}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("registering the controller of %s %s: %w", r.kind.group, r.kind.name, err)
	}
	return nil
}
