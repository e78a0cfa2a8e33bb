// Package v1alpha1 holds the types of the API group eventing.keda.sh:
// CloudEventSource and ClusterCloudEventSource, which send what happens to
// KEDA's objects on as CloudEvents.
//
// The fields, their types and their limits are those of KEDA 2.20. The package
// holds data only.
//
// +kubebuilder:object:generate=true
// +groupName=eventing.keda.sh
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Finalizer keeps an object until what was done for it has been undone.
const Finalizer = "finalizer.keda.sh"

// SchemeGroupVersion is the group and version of the types.
var SchemeGroupVersion = schema.GroupVersion{Group: "eventing.keda.sh", Version: "v1alpha1"}

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
		&CloudEventSource{}, &CloudEventSourceList{},
		&ClusterCloudEventSource{}, &ClusterCloudEventSourceList{},
	)
	metav1.AddToGroupVersion(s, SchemeGroupVersion)
	return nil
}
