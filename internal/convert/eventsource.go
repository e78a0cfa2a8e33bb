package convert

import (
	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// EventSource converts a CloudEventSource.
func EventSource(o *eventingv1.CloudEventSource) *model.EventSource {
	key := model.Key{Group: model.GroupEventing, Kind: model.KindCloudEventSource, Namespace: o.Namespace, Name: o.Name}
	return eventSource(key, o.Generation, &o.Spec)
}

// ClusterEventSource converts a ClusterCloudEventSource.
func ClusterEventSource(o *eventingv1.ClusterCloudEventSource) *model.EventSource {
	key := model.Key{Group: model.GroupEventing, Kind: model.KindClusterCloudEventSource, Name: o.Name}
	return eventSource(key, o.Generation, &o.Spec)
}

func eventSource(key model.Key, generation int64, s *eventingv1.CloudEventSourceSpec) *model.EventSource {
	out := &model.EventSource{
		Key: key, Generation: generation, ClusterName: s.ClusterName,
		Included: eventTypes(s.EventSubscription.IncludedEventTypes), Excluded: eventTypes(s.EventSubscription.ExcludedEventTypes),
	}
	if d := s.Destination.HTTP; d != nil {
		out.HTTP = &model.HTTPSink{URI: d.URI}
	}
	if d := s.Destination.AzureEventGridTopic; d != nil {
		out.EventGrid = &model.EventGridSink{Endpoint: d.Endpoint}
	}
	if a := s.AuthenticationRef; a != nil {
		out.Auth = &model.AuthRef{Kind: a.Kind, Name: a.Name}
		if out.Auth.Kind == "" {
			out.Auth.Kind = model.KindTriggerAuthentication
		}
	}
	return out
}

func eventTypes(types []eventingv1.CloudEventType) []string {
	var out []string
	for _, t := range types {
		out = append(out, string(t))
	}
	return out
}
