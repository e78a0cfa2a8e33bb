package app

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/pkg/scaler"
)

// eventView shows Events to scalers. They come from the cache, whose informer
// starts with the first trigger that counts Events.
type eventView struct{ events cache.Cache }

var _ scaler.Events = eventView{}

// ListEvents implements scaler.Events.
func (v eventView) ListEvents(ctx context.Context, namespace string) ([]scaler.Event, error) {
	var list corev1.EventList
	if err := v.events.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the events of namespace %s: %w", namespace, err)
	}
	out := make([]scaler.Event, len(list.Items))
	for i := range list.Items {
		out[i] = eventOf(&list.Items[i])
	}
	return out, nil
}

// WatchEvents implements scaler.Events.
func (v eventView) WatchEvents(ctx context.Context, namespace string, on func(scaler.Event)) error {
	informer, err := v.events.GetInformer(ctx, &corev1.Event{})
	if err != nil {
		return fmt.Errorf("watching events: %w", err)
	}
	tell := func(obj any) {
		if e, ok := obj.(*corev1.Event); ok && e.Namespace == namespace && ctx.Err() == nil {
			on(eventOf(e))
		}
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, known bool) {
			if !known {
				tell(obj)
			}
		},
		UpdateFunc: func(old, now any) {
			if seenAgain(old, now) {
				tell(now)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching events: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = informer.RemoveEventHandler(registration) })
	return nil
}

// seenAgain tells an Event that happened once more from one that is only
// listed again.
func seenAgain(old, now any) bool {
	a, okA := old.(*corev1.Event)
	b, okB := now.(*corev1.Event)
	return okA && okB && a.ResourceVersion != b.ResourceVersion && lastSeen(b).After(lastSeen(a))
}

func eventOf(e *corev1.Event) scaler.Event {
	return scaler.Event{Type: e.Type, Reason: e.Reason, Kind: e.InvolvedObject.Kind, Name: e.InvolvedObject.Name, Last: lastSeen(e)}
}

// lastSeen is the newest of the times that the two forms of Events have.
func lastSeen(e *corev1.Event) time.Time {
	last := e.LastTimestamp.Time
	if e.Series != nil && e.Series.LastObservedTime.After(last) {
		last = e.Series.LastObservedTime.Time
	}
	if e.EventTime.After(last) {
		last = e.EventTime.Time
	}
	if last.IsZero() {
		last = e.CreationTimestamp.Time
	}
	return last
}

// stripEvent keeps what kubernetes-events triggers count by.
func stripEvent(obj any) (any, error) {
	e, ok := obj.(*corev1.Event)
	if !ok {
		return obj, nil
	}
	meta := bareMeta(e.ObjectMeta)
	meta.CreationTimestamp = e.CreationTimestamp
	return &corev1.Event{
		ObjectMeta: meta, Type: e.Type, Reason: e.Reason, LastTimestamp: e.LastTimestamp, EventTime: e.EventTime, Series: e.Series,
		InvolvedObject: corev1.ObjectReference{Kind: e.InvolvedObject.Kind, Name: e.InvolvedObject.Name},
	}, nil
}
