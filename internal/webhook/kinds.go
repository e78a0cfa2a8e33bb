package webhook

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// kind names a kind that is judged, in any version.
type kind struct{ group, name string }

// decoder reads an object of one kind. An object without a namespace is of the
// request's.
type decoder func(raw []byte, namespace string) (*object, error)

// decoders lists the kinds that are judged.
func decoders() map[kind]decoder {
	today, first, eventing := string(model.GroupToday), string(model.GroupFirst), string(model.GroupEventing)
	return map[kind]decoder{
		{today, model.KindScaledObject}:                 workloadOf(convert.ScaledObject),
		{today, model.KindScaledJob}:                    workloadOf(convert.ScaledJob),
		{first, model.KindScaledObject}:                 workloadOf(convert.FirstScaledObject),
		{today, model.KindTriggerAuthentication}:        authOf[kedav1.TriggerAuthentication](convert.Auth),
		{first, model.KindTriggerAuthentication}:        authOf[firstv1.TriggerAuthentication](convert.FirstAuth),
		{today, model.KindClusterTriggerAuthentication}: authOf[kedav1.ClusterTriggerAuthentication](convert.ClusterAuth),
		{eventing, model.KindCloudEventSource}:          sourceOf[eventingv1.CloudEventSource](convert.EventSource),
		{eventing, model.KindClusterCloudEventSource}:   sourceOf[eventingv1.ClusterCloudEventSource](convert.ClusterEventSource),
	}
}

// pointerTo is a kind of the API by its pointer.
type pointerTo[T any] interface {
	*T
	metav1.Object
}

func workloadOf[T any, P pointerTo[T]](convert func(P) (*model.Workload, param.Problems)) decoder {
	return func(raw []byte, namespace string) (*object, error) {
		o := P(new(T))
		if err := json.Unmarshal(raw, o); err != nil {
			return nil, err
		}
		if o.GetNamespace() == "" {
			o.SetNamespace(namespace)
		}
		w, problems := convert(o)
		return &object{workload: w, problems: problems}, nil
	}
}

func authOf[T any, P pointerTo[T]](convert func(P) *model.AuthSpec) decoder {
	return checked(func(o P) param.Problems { return lint.Auth(convert(o)) })
}

func sourceOf[T any, P pointerTo[T]](convert func(P) *model.EventSource) decoder {
	return checked(func(o P) param.Problems { return lint.EventSource(convert(o)) })
}

// checked is for kinds to which only rules about themselves apply.
func checked[T any, P pointerTo[T]](rules func(P) param.Problems) decoder {
	return func(raw []byte, _ string) (*object, error) {
		o := P(new(T))
		if err := json.Unmarshal(raw, o); err != nil {
			return nil, err
		}
		return &object{problems: rules(o)}, nil
	}
}
