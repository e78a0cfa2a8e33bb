package convert

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

func TestEventSource(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "team", Name: "audit", Generation: 3}
	spec := eventingv1.CloudEventSourceSpec{
		ClusterName: "prod",
		Destination: eventingv1.Destination{
			HTTP:                &eventingv1.CloudEventHTTP{URI: "http://sink"},
			AzureEventGridTopic: &eventingv1.AzureEventGridTopicSpec{Endpoint: "https://topic"},
		},
		EventSubscription: eventingv1.EventSubscription{
			IncludedEventTypes: []eventingv1.CloudEventType{eventingv1.ScaledObjectReadyType},
			ExcludedEventTypes: []eventingv1.CloudEventType{eventingv1.ScaledJobReadyType},
		},
		AuthenticationRef: &eventingv1.AuthenticationRef{Name: "creds"},
	}
	want := &model.EventSource{
		Key:        model.Key{Group: model.GroupEventing, Kind: "CloudEventSource", Namespace: "team", Name: "audit"},
		Generation: 3, ClusterName: "prod",
		HTTP: &model.HTTPSink{URI: "http://sink"}, EventGrid: &model.EventGridSink{Endpoint: "https://topic"},
		Included: []string{"keda.scaledobject.ready.v1"}, Excluded: []string{"keda.scaledjob.ready.v1"},
		Auth: &model.AuthRef{Kind: "TriggerAuthentication", Name: "creds"},
	}
	if diff := cmp.Diff(want, EventSource(&eventingv1.CloudEventSource{ObjectMeta: meta, Spec: spec})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	spec.AuthenticationRef.Kind = "ClusterTriggerAuthentication"
	want.Key.Kind, want.Key.Namespace, want.Auth.Kind = "ClusterCloudEventSource", "", "ClusterTriggerAuthentication"
	if diff := cmp.Diff(want, ClusterEventSource(&eventingv1.ClusterCloudEventSource{ObjectMeta: meta, Spec: spec})); diff != "" {
		t.Errorf("cluster-wide, -want +got:\n%s", diff)
	}
	bare := EventSource(&eventingv1.CloudEventSource{})
	if diff := cmp.Diff(&model.EventSource{Key: model.Key{Group: model.GroupEventing, Kind: "CloudEventSource"}}, bare); diff != "" {
		t.Errorf("an empty one, -want +got:\n%s", diff)
	}
}

// TestCloudEventTypes: what is sent is what the API lets users choose from.
func TestCloudEventTypes(t *testing.T) {
	want := eventTypes([]eventingv1.CloudEventType{
		eventingv1.ScaledObjectReadyType, eventingv1.ScaledObjectFailedType, eventingv1.ScaledObjectRemovedType,
		eventingv1.ScaledObjectPausedType, eventingv1.ScaledObjectUnpausedType,
		eventingv1.ScaledJobReadyType, eventingv1.ScaledJobFailedType, eventingv1.ScaledJobRemovedType,
		eventingv1.ScaledJobPausedType, eventingv1.ScaledJobUnpausedType,
		eventingv1.ScaledJobRolloutCleanupStartedType, eventingv1.ScaledJobRolloutCleanupCompletedType, eventingv1.ScaledJobRolloutCleanupFailedType,
		eventingv1.TriggerAuthenticationCreatedType, eventingv1.TriggerAuthenticationUpdatedType, eventingv1.TriggerAuthenticationRemovedType,
		eventingv1.ClusterTriggerAuthenticationCreatedType, eventingv1.ClusterTriggerAuthenticationUpdatedType, eventingv1.ClusterTriggerAuthenticationRemovedType,
	})
	slices.Sort(want)
	if diff := cmp.Diff(want, model.CloudEventTypes()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCloudEventType(t *testing.T) {
	tests := map[string]struct{ kind, reason, want string }{
		"failed for any check":       {"ScaledObject", "ScaledObjectCheckFailed", "keda.scaledobject.failed.v1"},
		"failed to write":            {"ScaledObject", "ScaledObjectUpdateFailed", "keda.scaledobject.failed.v1"},
		"removed":                    {"ScaledJob", "ScaledJobDeleted", "keda.scaledjob.removed.v1"},
		"an auth object":             {"TriggerAuthentication", "TriggerAuthenticationAdded", "keda.authentication.triggerauthentication.created.v1"},
		"of another kind":            {"ScaledJob", "ScaledObjectReady", ""},
		"not every event":            {"ScaledObject", "KEDAScaleTargetActivated", ""},
		"rollouts are of jobs":       {"ScaledObject", "ScaledObjectRolloutCleanupStarted", ""},
		"the kind alone":             {"ScaledObject", "ScaledObject", ""},
		"no reason":                  {"ScaledObject", "", ""},
		"a kind that is not KEDA's":  {"Deployment", "DeploymentReady", ""},
		"a source of events, itself": {"CloudEventSource", "CloudEventSourceReady", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, ok := model.CloudEventType(tt.kind, tt.reason); got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %t; want %q", got, ok, tt.want)
			}
		})
	}
}
