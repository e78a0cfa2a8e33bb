// Package act is the only writer of cluster state: replica counts, HPAs,
// status, events, finalizers and labels of our own objects.
//
// It decides nothing: what to write is handed in, and nothing is written that
// is already so.
package act

import (
	"context"
	"encoding/json"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldManager is the name under which we own fields.
const FieldManager = "keda-operator"

// Actor writes. Reads for comparison go through the client's cache.
type Actor struct {
	client   client.Client
	live     client.Reader
	scales   scale.ScalesGetter
	recorder events.EventRecorder
	sink     Sink
}

// New returns an actor. Reads through c may come from a cache; live asks the
// API server itself.
func New(c client.Client, live client.Reader, scales scale.ScalesGetter, recorder events.EventRecorder) *Actor {
	return &Actor{client: c, live: live, scales: scales, recorder: recorder}
}

// Scale sets the replica count of a target through its scale subresource and
// returns the target's new resource version.
func (a *Actor) Scale(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string, replicas int32) (string, error) {
	body, err := json.Marshal(map[string]any{"spec": map[string]any{"replicas": replicas}})
	if err != nil {
		return "", err
	}
	got, err := a.scales.Scales(namespace).Patch(ctx, gvr, name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: FieldManager})
	if err != nil {
		return "", fmt.Errorf("setting %s %s/%s to %d replicas: %w", gvr.Resource, namespace, name, replicas, err)
	}
	return got.ResourceVersion, nil
}

// Event writes an event about an object.
func (a *Actor) Event(about runtime.Object, eventType, reason, message string) {
	action := "Scaling"
	if eventType == corev1.EventTypeWarning {
		action = "Reporting"
	}
	a.recorder.Eventf(about, nil, eventType, reason, action, "%s", message)
	a.tell(about, reason, message)
}

// PatchStatus writes what changed between two versions of an object's status.
func (a *Actor) PatchStatus(ctx context.Context, before, after client.Object) error {
	err := a.client.Status().Patch(ctx, after, client.MergeFrom(before), client.FieldOwner(FieldManager))
	if apierrors.IsNotFound(err) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("writing the status of %s/%s: %w", before.GetNamespace(), before.GetName(), err)
	}
	return nil
}

// PatchMeta writes what changed in an object's finalizers and labels. A
// conflict means that the object was changed meanwhile; the caller tries again.
func (a *Actor) PatchMeta(ctx context.Context, before, after client.Object) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := a.client.Patch(ctx, after, patch, client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("writing finalizers and labels of %s/%s: %w", before.GetNamespace(), before.GetName(), err)
	}
	return nil
}

// ForeignHPAError says that an HPA of the wanted name belongs to somebody else.
type ForeignHPAError struct{ Namespace, Name, Owner string }

// Error implements error.
func (e *ForeignHPAError) Error() string {
	return fmt.Sprintf("HorizontalPodAutoscaler %s/%s exists and belongs to %s; expected it to be ours or not to exist", e.Namespace, e.Name, e.Owner)
}

// ForeignHPA marks the error for callers that do not know this package.
func (e *ForeignHPAError) ForeignHPA() {}

// ApplyHPA makes the cluster's HPA what want says, by server-side apply, and
// says whether anything had to be written. With takeOver an HPA of somebody
// else is adopted.
func (a *Actor) ApplyHPA(ctx context.Context, want *autoscalingv2.HorizontalPodAutoscaler, takeOver bool) (bool, error) {
	var have autoscalingv2.HorizontalPodAutoscaler
	err := a.client.Get(ctx, client.ObjectKeyFromObject(want), &have)
	switch {
	case apierrors.IsNotFound(err):
		return true, a.applyHPA(ctx, want, takeOver)
	case err != nil:
		return false, fmt.Errorf("reading HPA %s/%s: %w", want.Namespace, want.Name, err)
	}
	if !takeOver && !sameOwner(&have, want) {
		return false, &ForeignHPAError{have.Namespace, have.Name, ownerName(&have)}
	}
	if hpaMatches(want, &have) {
		return false, nil
	}
	if want.Spec.Behavior == nil && have.Spec.Behavior != nil {
		// Apply leaves fields of other managers alone; this one must go.
		next := have.DeepCopy()
		next.Spec.Behavior = nil
		if err := a.client.Update(ctx, next, client.FieldOwner(FieldManager)); err != nil {
			return false, fmt.Errorf("removing the behavior of HPA %s/%s: %w", want.Namespace, want.Name, err)
		}
	}
	return true, a.applyHPA(ctx, want, takeOver)
}

func (a *Actor) applyHPA(ctx context.Context, want *autoscalingv2.HorizontalPodAutoscaler, takeOver bool) error {
	if !takeOver {
		if err := a.refuseForeign(ctx, want); err != nil {
			return err
		}
	}
	return ApplyHPA(ctx, a.client, want)
}
