// Package v1alpha1 holds the types of the API group keda.sh: ScaledObject,
// ScaledJob, TriggerAuthentication and ClusterTriggerAuthentication.
//
// The fields, their types and their limits are those of KEDA 2.20, so that a
// manifest written for it is accepted as it is; status says more. The package
// holds data only: defaults that depend on other fields and all meaning live in
// internal/convert and internal/lint.
//
// +kubebuilder:object:generate=true
// +groupName=keda.sh
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Finalizer keeps an object until what was done for it has been undone.
const Finalizer = "finalizer.keda.sh"

// AnnotationTransferHPAOwnership on a ScaledObject, when "true", takes over an
// existing HPA of the name in spec.advanced.horizontalPodAutoscalerConfig.name.
const AnnotationTransferHPAOwnership = "scaledobject.keda.sh/transfer-hpa-ownership"

// SchemeGroupVersion is the group and version of the types.
var SchemeGroupVersion = schema.GroupVersion{Group: "keda.sh", Version: "v1alpha1"}

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
		&ScaledJob{}, &ScaledJobList{},
		&TriggerAuthentication{}, &TriggerAuthenticationList{},
		&ClusterTriggerAuthentication{}, &ClusterTriggerAuthenticationList{},
	)
	metav1.AddToGroupVersion(s, SchemeGroupVersion)
	return nil
}
