package validate

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

// decoder turns an object's JSON into what the rules work on.
type decoder func(raw []byte, obj *object) error

// decoders lists the kinds to which more than their schema applies.
func decoders() map[gvk]decoder {
	today, first, eventing := kedav1.SchemeGroupVersion.String(), firstv1.SchemeGroupVersion.String(), eventingv1.SchemeGroupVersion.String()
	return map[gvk]decoder{
		{today, model.KindScaledObject}: workloadOf(convert.ScaledObject),
		{today, model.KindScaledJob}:    workloadOf(convert.ScaledJob),
		{first, model.KindScaledObject}: workloadOf(convert.FirstScaledObject),
		{today, model.KindTriggerAuthentication}: authOf(model.GroupToday, func(o *kedav1.TriggerAuthentication) (string, *model.AuthSpec) {
			return orDefault(o.Namespace), convert.Auth(o)
		}),
		{first, model.KindTriggerAuthentication}: authOf(model.GroupFirst, func(o *firstv1.TriggerAuthentication) (string, *model.AuthSpec) {
			return orDefault(o.Namespace), convert.FirstAuth(o)
		}),
		{today, model.KindClusterTriggerAuthentication}: authOf(model.GroupToday, func(o *kedav1.ClusterTriggerAuthentication) (string, *model.AuthSpec) {
			return "", convert.ClusterAuth(o)
		}),
		{eventing, model.KindCloudEventSource}:        sourceOf(convert.EventSource, orDefault),
		{eventing, model.KindClusterCloudEventSource}: sourceOf(convert.ClusterEventSource, func(string) string { return "" }),
	}
}

// pointerTo is a kind of the API by its pointer.
type pointerTo[T any] interface {
	*T
	metav1.Object
}

func workloadOf[T any, P pointerTo[T]](convert func(P) (*model.Workload, param.Problems)) decoder {
	return func(raw []byte, obj *object) error {
		o := P(new(T))
		if err := json.Unmarshal(raw, o); err != nil {
			return err
		}
		o.SetNamespace(orDefault(o.GetNamespace()))
		w, problems := convert(o)
		obj.workload = w
		obj.add(problems)
		return nil
	}
}

func authOf[T any, P pointerTo[T]](group model.Group, convert func(P) (namespace string, spec *model.AuthSpec)) decoder {
	return func(raw []byte, obj *object) error {
		o := P(new(T))
		if err := json.Unmarshal(raw, o); err != nil {
			return err
		}
		namespace, spec := convert(o)
		obj.auth = &lint.AuthObject{Group: group, Kind: obj.head.kind, Namespace: namespace, Name: obj.head.name, Spec: spec}
		return nil
	}
}

func sourceOf[T any, P pointerTo[T]](convert func(P) *model.EventSource, namespace func(string) string) decoder {
	return func(raw []byte, obj *object) error {
		o := P(new(T))
		if err := json.Unmarshal(raw, o); err != nil {
			return err
		}
		o.SetNamespace(namespace(o.GetNamespace()))
		obj.source = convert(o)
		return nil
	}
}
