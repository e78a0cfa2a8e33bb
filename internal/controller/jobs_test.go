package controller

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

func oneContainer() *batchv1.JobSpec {
	return &batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}}}
}

func scaledJob() *kedav1.ScaledJob {
	return &kedav1.ScaledJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "sj", UID: "uid-sj", Generation: 1},
		Spec: kedav1.ScaledJobSpec{
			JobTargetRef: oneContainer(),
			Triggers:     []kedav1.ScaleTriggers{{Type: "queue", Metadata: map[string]string{"queueName": "jobs"}}},
		},
	}
}

func (w *world) reconcileJob(t *testing.T) {
	t.Helper()
	r := w.reconcilers[kindKey{model.GroupToday, model.KindScaledJob}]
	if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "ns", Name: "sj"}}); err != nil {
		t.Fatal(err)
	}
}

// TestScaledJob: a ScaledJob is measured and handed to the loop, which gets to
// know who owns its Jobs; there is no HPA. Pausing ends the measurements.
func TestScaledJob(t *testing.T) {
	w := newWorld(t, scaledJob())
	key := model.Key{Group: model.GroupToday, Kind: model.KindScaledJob, Namespace: "ns", Name: "sj"}
	w.reconcileJob(t)
	var o kedav1.ScaledJob
	w.get(t, &o, "sj")
	if len(o.Finalizers) > 0 || len(w.poller.set[key]) != 1 || len(w.hpas(t)) > 0 {
		t.Errorf("finalizers %v, triggers %v, HPAs %v", o.Finalizers, w.poller.set, w.hpas(t))
	}
	s := w.loop.set[key]
	yes := true
	want := metav1.OwnerReference{APIVersion: "keda.sh/v1alpha1", Kind: "ScaledJob", Name: "sj", UID: "uid-sj", Controller: &yes, BlockOwnerDeletion: &yes}
	if diff := cmp.Diff(want, s.Owner); diff != "" || s.Problems.Err() != nil || s.Workload.Job == nil || len(s.Metrics) != 1 {
		t.Errorf("subject %+v, owner (-want +got):\n%s", s, diff)
	}

	o.Annotations = map[string]string{"autoscaling.keda.sh/paused": "true"}
	if err := w.client.Update(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	w.reconcileJob(t)
	if len(w.poller.set) > 0 || !w.loop.set[key].Workload.Pause.Paused {
		t.Errorf("paused, but there is %v", w.poller.set)
	}

	w.get(t, &o, "sj")
	if err := w.client.Delete(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	w.reconcileJob(t)
	if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(&o), &o); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
	if _, known := w.loop.set[key]; known {
		t.Error("the loop still knows it")
	}
	if e := <-w.events.Events; !strings.Contains(e, "ScaledJobDeleted") {
		t.Errorf("event %q", e)
	}
}

// TestScaledJobProblem: what is wrong with a ScaledJob stops it.
func TestScaledJobProblem(t *testing.T) {
	bad := scaledJob()
	bad.Spec.JobTargetRef.Template.Spec.Containers = nil
	w := newWorld(t, bad)
	w.reconcileJob(t)
	s := w.loop.set[model.Key{Group: model.GroupToday, Kind: model.KindScaledJob, Namespace: "ns", Name: "sj"}]
	if err := s.Problems.Err(); err == nil || !strings.Contains(err.Error(), "template.spec.containers") || len(w.poller.set) > 0 {
		t.Errorf("problems %v, measured %v", err, w.poller.set)
	}
}

// TestFirstJobAfterDeployment: an object of the first API that scaled a
// Deployment, and runs Jobs now, leaves no HPA behind.
func TestFirstJobAfterDeployment(t *testing.T) {
	o := &firstv1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "so", UID: "u"},
		Spec: firstv1.ScaledObjectSpec{
			ScaleTargetRef: &firstv1.ObjectReference{DeploymentName: "app"},
			Triggers:       []firstv1.ScaleTriggers{{Type: "queue", Metadata: map[string]string{"queueName": "jobs"}}},
		},
	}
	w := newWorld(t, o, object("waiting", 0))
	w.reconcile(t, model.GroupFirst, "so")
	w.reconcile(t, model.GroupToday, "waiting")
	w.get(t, o, "so")
	o.Spec.ScaleTargetRef, o.Spec.JobTargetRef = nil, oneContainer()
	o.Status.HpaName = "keda-hpa-app"
	if err := w.client.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Status.HpaName = "keda-hpa-app"
	if err := w.client.Status().Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.queued()
	w.reconcile(t, model.GroupFirst, "so")
	if queued := w.queued(); !slices.Contains(queued, "waiting") {
		t.Errorf("queued %v; expected who waited for the Deployment", queued)
	}
	var left autoscalingv2.HorizontalPodAutoscalerList
	if err := w.client.List(t.Context(), &left); err != nil || len(left.Items) > 0 {
		t.Errorf("HPAs %v, %v", left.Items, err)
	}
	s := w.loop.set[key(model.GroupFirst, "so")]
	if s.Workload.Job == nil || s.Owner.APIVersion != "keda.k8s.io/v1alpha1" || s.Problems.Err() != nil {
		t.Errorf("subject %+v", s)
	}
}
