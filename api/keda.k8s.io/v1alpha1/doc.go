// Package v1alpha1 holds the types of the API group keda.k8s.io, KEDA's first:
// ScaledObject, which scales a Deployment or runs Jobs, and
// TriggerAuthentication.
//
// The fields of spec are those of KEDA 1.x. The status is that of keda.sh's
// ScaledObject, a superset of what it was. The package holds data only:
// defaults and all meaning live in internal/convert and internal/lint.
//
// +kubebuilder:object:generate=true
// +groupName=keda.k8s.io
// +groupGoName=First
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Finalizer keeps an object until what was done for it has been undone.
const Finalizer = "finalizer.keda.k8s.io"

// SchemeGroupVersion is the group and version of the types.
var SchemeGroupVersion = schema.GroupVersion{Group: "keda.k8s.io", Version: "v1alpha1"}

// Resource is a resource of the group, for errors and listers.
func Resource(name string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(name).GroupResource()
}

// AddToScheme makes the types known to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	builder := runtime.NewSchemeBuilder(addKnownTypes)
	return builder.AddToScheme(s)
}

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(SchemeGroupVersion,
		&ScaledObject{}, &ScaledObjectList{},
		&TriggerAuthentication{}, &TriggerAuthenticationList{},
	)
	metav1.AddToGroupVersion(s, SchemeGroupVersion)
	return nil
}
