package act

import (
	"context"
	"encoding/json"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refuseForeign asks the API server itself, since the cache holds our HPAs only.
func (a *Actor) refuseForeign(ctx context.Context, want *autoscalingv2.HorizontalPodAutoscaler) error {
	var have autoscalingv2.HorizontalPodAutoscaler
	err := a.live.Get(ctx, client.ObjectKeyFromObject(want), &have)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading HPA %s/%s: %w", want.Namespace, want.Name, err)
	case !sameOwner(&have, want):
		return &ForeignHPAError{have.Namespace, have.Name, ownerName(&have)}
	}
	return nil
}

// ApplyHPA makes an HPA what want says, by server-side apply as ours, whoever
// wrote its fields before.
func ApplyHPA(ctx context.Context, w client.Writer, want *autoscalingv2.HorizontalPodAutoscaler) error {
	body := want.DeepCopy()
	body.SetGroupVersionKind(autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"))
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(body)
	if err != nil {
		return fmt.Errorf("encoding HPA %s/%s: %w", want.Namespace, want.Name, err)
	}
	delete(content, "status")
	raw, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encoding HPA %s/%s: %w", want.Namespace, want.Name, err)
	}
	target := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: want.Namespace, Name: want.Name}}
	err = w.Patch(ctx, target, client.RawPatch(types.ApplyPatchType, raw), client.ForceOwnership, client.FieldOwner(FieldManager))
	if err != nil {
		return fmt.Errorf("applying HPA %s/%s: %w", want.Namespace, want.Name, err)
	}
	return nil
}

// DeleteHPA removes an HPA that the owner controls, and says whether there was one.
func (a *Actor) DeleteHPA(ctx context.Context, namespace, name string, owner metav1.Object) (bool, error) {
	var have autoscalingv2.HorizontalPodAutoscaler
	err := a.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &have)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading HPA %s/%s: %w", namespace, name, err)
	}
	if !metav1.IsControlledBy(&have, owner) || !have.DeletionTimestamp.IsZero() {
		return false, nil
	}
	err = a.client.Delete(ctx, &have, client.Preconditions{UID: &have.UID})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return false, fmt.Errorf("deleting HPA %s/%s: %w", namespace, name, err)
	}
	return true, nil
}

func sameOwner(have, want *autoscalingv2.HorizontalPodAutoscaler) bool {
	h, w := metav1.GetControllerOf(have), metav1.GetControllerOf(want)
	return h != nil && w != nil && h.UID == w.UID
}

func ownerName(o metav1.Object) string {
	if c := metav1.GetControllerOf(o); c != nil {
		return c.Kind + " " + c.Name
	}
	return "nobody we know"
}

// hpaMatches says whether the cluster's HPA already is what want says. What
// want leaves unset and the API server fills in does not count.
func hpaMatches(want, have *autoscalingv2.HorizontalPodAutoscaler) bool {
	for k, v := range want.Labels {
		if have.Labels[k] != v {
			return false
		}
	}
	for k, v := range want.Annotations {
		if have.Annotations[k] != v {
			return false
		}
	}
	if (want.Spec.Behavior == nil) != (have.Spec.Behavior == nil) {
		return false
	}
	if len(want.Spec.Metrics) != len(have.Spec.Metrics) {
		return false
	}
	return sameOwner(have, want) && apiequality.Semantic.DeepDerivative(want.Spec, have.Spec)
}
