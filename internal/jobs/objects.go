package jobs

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/model"
)

// Objects says what a Tracker's cache holds: Jobs and pods with our label, and
// of those only what is read.
func Objects() (map[client.Object]cache.ByObject, error) {
	exists, err := labels.NewRequirement(model.LabelScaledJob, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	labelled := labels.NewSelector().Add(*exists)
	return map[client.Object]cache.ByObject{
		&batchv1.Job{}: {Label: labelled, Transform: strip},
		&corev1.Pod{}:  {Label: labelled, Transform: strip},
	}, nil
}

// strip keeps what the tracker reads.
func strip(obj any) (any, error) {
	switch o := obj.(type) {
	case *batchv1.Job:
		out := &batchv1.Job{ObjectMeta: bare(&o.ObjectMeta)}
		if g, ok := o.Annotations[model.AnnotationJobGeneration]; ok {
			out.Annotations = map[string]string{model.AnnotationJobGeneration: g}
		}
		out.Status.CompletionTime = o.Status.CompletionTime
		for _, c := range o.Status.Conditions {
			if c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed {
				out.Status.Conditions = append(out.Status.Conditions, batchv1.JobCondition{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime})
			}
		}
		return out, nil
	case *corev1.Pod:
		out := &corev1.Pod{ObjectMeta: bare(&o.ObjectMeta)}
		out.Status.Phase = o.Status.Phase
		for _, c := range o.Status.Conditions {
			out.Status.Conditions = append(out.Status.Conditions, corev1.PodCondition{Type: c.Type, Status: c.Status})
		}
		return out, nil
	}
	return obj, nil
}

func bare(m *metav1.ObjectMeta) metav1.ObjectMeta {
	out := metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
		Labels: map[string]string{model.LabelScaledJob: m.Labels[model.LabelScaledJob]},
	}
	if first, ok := m.Labels[model.LabelFirstJob]; ok {
		out.Labels[model.LabelFirstJob] = first
	}
	if c := metav1.GetControllerOf(m); c != nil {
		out.OwnerReferences = []metav1.OwnerReference{*c}
	}
	return out
}
