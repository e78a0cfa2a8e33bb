package model

import "slices"

// GroupEventing is the API group of the objects that send events on.
const GroupEventing Group = "eventing.keda.sh"

// Kinds of the objects that send events on as CloudEvents.
const (
	KindCloudEventSource        = "CloudEventSource"
	KindClusterCloudEventSource = "ClusterCloudEventSource"
)

// EventSource is a CloudEventSource or ClusterCloudEventSource: which events
// of which namespace go where.
type EventSource struct {
	// Key has no namespace for a ClusterCloudEventSource, which is for all.
	Key        Key
	Generation int64
	// ClusterName begins source and subject of each event; the operator's when empty.
	ClusterName string
	// HTTP and EventGrid are destinations; one of them is set in a valid source.
	HTTP      *HTTPSink
	EventGrid *EventGridSink
	// Included and Excluded are types of events. At most one of them is set in
	// a valid source; without either all events are sent.
	Included, Excluded []string
	// Auth is nil without credentials.
	Auth *AuthRef
}

// HTTPSink is a server that takes CloudEvents over HTTP.
type HTTPSink struct{ URI string }

// EventGridSink is a topic of Azure Event Grid.
type EventGridSink struct{ Endpoint string }

// Wants says whether a source sends events of a type on.
func (s *EventSource) Wants(eventType string) bool {
	if len(s.Included) > 0 {
		return slices.Contains(s.Included, eventType)
	}
	return !slices.Contains(s.Excluded, eventType)
}

// Sink names the kind of destination as metrics do.
func (s *EventSource) Sink() string {
	if s.EventGrid != nil {
		return "azureEventGridTopic"
	}
	return "http"
}

// CloudEventType is the type of the CloudEvent that tells of an object of a
// kind that something happened to it, by the reason of the Kubernetes event;
// false for what only Kubernetes events tell. Types are those of KEDA 2.20.
func CloudEventType(kind, reason string) (string, bool) {
	prefix, suffixes := "", map[string]string(nil)
	switch kind {
	case KindScaledObject:
		prefix, suffixes = "keda.scaledobject.", workloadEvents()
	case KindScaledJob:
		prefix, suffixes = "keda.scaledjob.", jobEvents()
	case KindTriggerAuthentication:
		prefix, suffixes = "keda.authentication.triggerauthentication.", authEvents()
	case KindClusterTriggerAuthentication:
		prefix, suffixes = "keda.authentication.clustertriggerauthentication.", authEvents()
	}
	if len(reason) <= len(kind) || reason[:len(kind)] != kind {
		return "", false
	}
	name, ok := suffixes[reason[len(kind):]]
	if !ok {
		return "", false
	}
	return prefix + name + ".v1", true
}

// CloudEventTypes lists all types.
func CloudEventTypes() []string {
	var out []string
	for _, k := range []struct {
		kind   string
		events map[string]string
	}{
		{KindScaledObject, workloadEvents()},
		{KindScaledJob, jobEvents()},
		{KindTriggerAuthentication, authEvents()},
		{KindClusterTriggerAuthentication, authEvents()},
	} {
		for suffix := range k.events {
			t, _ := CloudEventType(k.kind, k.kind+suffix)
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// What follows the kind in the reason of a Kubernetes event, with the name in
// the CloudEvent's type.

func workloadEvents() map[string]string {
	return map[string]string{
		"Ready": "ready", "CheckFailed": "failed", "UpdateFailed": "failed", "Deleted": "removed", "Paused": "paused", "Unpaused": "unpaused",
	}
}

func jobEvents() map[string]string {
	m := workloadEvents()
	m["PauseFailed"] = "failed"
	m["RolloutCleanupStarted"] = "rolloutcleanup.started"
	m["RolloutCleanupCompleted"] = "rolloutcleanup.completed"
	m["RolloutCleanupFailed"] = "rolloutcleanup.failed"
	return m
}

func authEvents() map[string]string {
	return map[string]string{"Added": "created", "Updated": "updated", "Deleted": "removed"}
}
