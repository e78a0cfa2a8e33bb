package controller

import (
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kind binds one API kind to the model.
type Kind struct {
	Group     model.Group
	Name      string
	Version   string
	Finalizer string
	New       func() client.Object
	Convert   func(client.Object) (*model.Workload, param.Problems)
	Status    func(client.Object) model.Status
	SetStatus func(client.Object, model.Status)
}

// Kinds lists the kinds that scale something.
func Kinds() []Kind {
	return []Kind{
		{
			Group: model.GroupFirst, Name: model.KindScaledObject, Version: "v1alpha1", Finalizer: firstv1.Finalizer,
			New: func() client.Object { return &firstv1.ScaledObject{} },
			Convert: func(o client.Object) (*model.Workload, param.Problems) {
				return convert.FirstScaledObject(o.(*firstv1.ScaledObject))
			},
			Status:    func(o client.Object) model.Status { return convert.FirstStatus(o.(*firstv1.ScaledObject)) },
			SetStatus: func(o client.Object, s model.Status) { convert.SetFirstStatus(o.(*firstv1.ScaledObject), s) },
		},
		{
			Group: model.GroupToday, Name: model.KindScaledObject, Version: "v1alpha1", Finalizer: kedav1.Finalizer,
			New: func() client.Object { return &kedav1.ScaledObject{} },
			Convert: func(o client.Object) (*model.Workload, param.Problems) {
				return convert.ScaledObject(o.(*kedav1.ScaledObject))
			},
			Status:    func(o client.Object) model.Status { return convert.Status(o.(*kedav1.ScaledObject)) },
			SetStatus: func(o client.Object, s model.Status) { convert.SetStatus(o.(*kedav1.ScaledObject), s) },
		},
		{
			Group: model.GroupToday, Name: model.KindScaledJob, Version: "v1alpha1", Finalizer: kedav1.Finalizer,
			New: func() client.Object { return &kedav1.ScaledJob{} },
			Convert: func(o client.Object) (*model.Workload, param.Problems) {
				return convert.ScaledJob(o.(*kedav1.ScaledJob))
			},
			Status:    func(o client.Object) model.Status { return convert.JobStatus(o.(*kedav1.ScaledJob)) },
			SetStatus: func(o client.Object, s model.Status) { convert.SetJobStatus(o.(*kedav1.ScaledJob), s) },
		},
	}
}

// owner is the controller reference of what belongs to an object.
func owner(k Kind, obj client.Object) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{
		APIVersion: string(k.Group) + "/" + k.Version, Kind: k.Name,
		Name: obj.GetName(), UID: obj.GetUID(), Controller: &yes, BlockOwnerDeletion: &yes,
	}
}

// takesOver says whether the user asked to adopt an existing HPA.
func takesOver(obj client.Object) bool {
	return obj.GetAnnotations()[kedav1.AnnotationTransferHPAOwnership] == "true"
}

// identity is equal for triggers that measure the same thing. What a scaler
// asks the cluster about depends on the namespace, so that is part of it.
func identity(w *model.Workload, trigger int, cfg scaler.Config, credentials string) string {
	t := w.Triggers[trigger]
	parts := []string{t.Type, credentials, w.Key.Namespace, string(w.Key.Group)}
	if _, perObject := cfg.(scaler.PerObject); perObject {
		parts = append(parts, w.Key.Kind, w.Key.Name)
	}
	for _, k := range slices.Sorted(maps.Keys(t.Metadata)) {
		parts = append(parts, k, t.Metadata[k])
	}
	return conn.Digest(parts...)
}

// foreignHPA is an error that says that somebody else owns the HPA.
type foreignHPA interface {
	error
	ForeignHPA()
}

func asForeign(err error) (foreignHPA, bool) {
	var foreign foreignHPA
	ok := errors.As(err, &foreign)
	return foreign, ok
}

// referenceKinds are the kinds whose objects triggers refer to. Of Secrets and
// ConfigMaps only metadata is watched. Auth objects of both groups share their
// kind's name; a change in one group makes users in the other look again,
// which costs nothing but a look.
var referenceKinds = map[string]func() []client.Object{
	"Secret":    func() []client.Object { return []client.Object{metadataOf("Secret")} },
	"ConfigMap": func() []client.Object { return []client.Object{metadataOf("ConfigMap")} },
	model.KindTriggerAuthentication: func() []client.Object {
		return []client.Object{&kedav1.TriggerAuthentication{}, &firstv1.TriggerAuthentication{}}
	},
	model.KindClusterTriggerAuthentication: func() []client.Object {
		return []client.Object{&kedav1.ClusterTriggerAuthentication{}}
	},
}

func metadataOf(kind string) client.Object {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return m
}
