package act

import (
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// Sink is told of every event about an object. It must not wait.
type Sink func(kind, namespace, name, reason, message string)

// WithSink returns the same actor, whose events are told to a sink too.
func (a *Actor) WithSink(s Sink) *Actor {
	with := *a
	with.sink = s
	return &with
}

// tell passes an event on. Objects from a cache know their kind; of others the
// client does.
func (a *Actor) tell(about runtime.Object, reason, message string) {
	if a.sink == nil {
		return
	}
	object, err := meta.Accessor(about)
	if err != nil {
		return // nothing that has a name
	}
	kind := about.GetObjectKind().GroupVersionKind().Kind
	if kind == "" {
		gvk, err := a.client.GroupVersionKindFor(about)
		if err != nil {
			return // nothing of ours
		}
		kind = gvk.Kind
	}
	a.sink(kind, object.GetNamespace(), object.GetName(), reason, message)
}
