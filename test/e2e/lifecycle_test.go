package e2e

import (
	"fmt"
	"slices"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// TestDelete: on deletion the HPA goes, and the target keeps its count or gets
// its original one back, as asked; only then a finalizer holds the object.
func TestDelete(t *testing.T) {
	for name, tt := range map[string]struct {
		restore bool
		want    int32
	}{
		"keeping the count":    {restore: false, want: 5},
		"restoring the count":  {restore: true, want: 3},
		"restoring after zero": {restore: true, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			m := newMeter(s, 5)
			s.create(deployment(worker, 3))
			o := s.apply(scaledObject(m.trigger(1), func(o *kedav1.ScaledObject) {
				o.Spec.Advanced = &kedav1.AdvancedConfig{RestoreToOriginalReplicaCount: tt.restore}
			}))
			s.settled(5)
			u, err := o.read()
			s.must(err)
			if slices.Contains(u.GetFinalizers(), "finalizer.keda.sh") != tt.restore || u.GetLabels()["scaledobject.keda.sh/name"] != worker {
				s.failf("finalizers are %v, labels %v", u.GetFinalizers(), u.GetLabels())
			}
			if name == "restoring after zero" {
				m.set(0)
				o.decided(model.RuleZero, 5, 0)
			}
			o.delete()
			o.gone()
			s.noHPA("keda-hpa-" + worker)
			s.replicas(tt.want)
		})
	}
}

// TestDeleteBroken: an object can be deleted whatever is wrong with it.
func TestDeleteBroken(t *testing.T) {
	s := newStory(t)
	o := s.apply(scaledObject([]kedav1.ScaleTriggers{{Type: "nonsense", Metadata: map[string]string{}}}))
	o.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", "nonsense")
	o.delete()
	o.gone()
}

// TestDeleteNamespace: nothing of ours keeps a namespace from going.
func TestDeleteNamespace(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	s.create(deployment(worker, 0))
	s.apply(scaledObject(m.trigger(1)))
	s.settled(2)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	s.must(s.client.Delete(s.ctx, ns))
	s.eventually("the namespace is gone", func() error {
		return mustBeGone(s.client.Get(s.ctx, client.ObjectKeyFromObject(ns), ns))
	})
}

// TestHPAIsPutRight: an HPA that somebody edits or deletes is made again what
// it should be.
func TestHPAIsPutRight(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	s.create(deployment(worker, 0))
	s.apply(scaledObject(m.trigger(1), limits(0, 10)))
	s.settled(2)
	hpa := s.hpa("keda-hpa-" + worker)
	edit := `{"spec":{"maxReplicas":1,"minReplicas":1,"behavior":{"scaleUp":{"selectPolicy":"Disabled"}}},"metadata":{"labels":{"app.kubernetes.io/part-of":"other"}}}`
	s.must(s.client.Patch(s.ctx, hpa.DeepCopy(), merge("%s", edit)))
	s.eventually("the HPA is as it was", func() error {
		var h autoscalingv2.HorizontalPodAutoscaler
		if err := s.get(hpa.Name, &h); err != nil {
			return err
		}
		if err := differs(hpa.Spec, h.Spec); err != nil {
			return err
		}
		return differs(hpa.Labels, h.Labels)
	})
	s.must(s.client.Delete(s.ctx, hpa))
	s.eventually("another HPA is there", func() error {
		var h autoscalingv2.HorizontalPodAutoscaler
		if err := s.get(hpa.Name, &h); err != nil {
			return err
		}
		if h.UID == hpa.UID {
			return fmt.Errorf("it is the old one")
		}
		return differs(hpa.Spec, h.Spec)
	})
	m.set(4)
	s.settled(4)
}

// TestHPAName: the HPA has the name that was asked for; with another name the
// old one goes.
func TestHPAName(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1), hpaConfig("mine", nil)))
	s.hpa("mine")
	o.patch(`{"spec":{"advanced":{"horizontalPodAutoscalerConfig":{"name":"yours"}}}}`)
	s.hpa("yours")
	s.noHPA("mine")
	s.eventually("the status has the new name", func() error {
		status, _, err := o.status()
		if err != nil {
			return err
		}
		return differs("yours", status.HpaName)
	})
	m.set(3)
	s.replicas(3)
}

// foreignHPA is an HPA that somebody made by hand.
func foreignHPA(name string) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: worker},
			MaxReplicas:    3,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80))},
			}}},
		},
	}
}

// TestForeignHPA: an HPA of somebody else is left alone, unless the user asks
// to take it over.
func TestForeignHPA(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	s.create(deployment(worker, 1), foreignHPA("theirs"))
	o := s.apply(scaledObject(m.trigger(1), hpaConfig("theirs", nil)))
	o.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", "horizontalPodAutoscalerConfig.name", "HorizontalPodAutoscaler "+s.namespace+"/theirs")
	if h := s.hpa("theirs"); len(h.OwnerReferences) != 0 || h.Spec.MaxReplicas != 3 {
		s.failf("the HPA was changed: %+v", h)
	}
	o.annotate(map[string]any{"scaledobject.keda.sh/transfer-hpa-ownership": "true"})
	o.ready()
	if h := s.hpa("theirs"); len(h.OwnerReferences) != 1 || h.Spec.MaxReplicas != 100 || h.Spec.Metrics[0].External == nil {
		s.failf("the HPA was not taken over: %+v", h)
	}
	s.replicas(2)
}

// TestLabelsAndAnnotations of the object are the HPA's, less what is excluded.
func TestLabelsAndAnnotations(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	s.apply(scaledObject(m.trigger(1), annotated("scaledobject.keda.sh/hpa-excluded-labels", "secret-label"), annotated("team", "blue"),
		func(o *kedav1.ScaledObject) {
			o.Labels = map[string]string{"secret-label": "x", "cost": "42", "app.kubernetes.io/managed-by": "Helm"}
		}))
	hpa := s.hpa("keda-hpa-" + worker)
	for label, want := range map[string]string{
		"cost": "42", "secret-label": "", "app.kubernetes.io/managed-by": "keda-operator",
		"app.kubernetes.io/part-of": worker, "app.kubernetes.io/name": "keda-hpa-" + worker,
	} {
		if got := hpa.Labels[label]; got != want {
			s.failf("label %s of the HPA is %q; expected %q", label, got, want)
		}
	}
	if hpa.Annotations["team"] != "blue" {
		s.failf("the HPA's annotations are %v", hpa.Annotations)
	}
}

// TestUpstreamsFinalizer: a finalizer that upstream's KEDA left on an object is
// removed, since nothing needs it here.
func TestUpstreamsFinalizer(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	job := scaledJob(m.trigger(1))
	job.Finalizers = []string{kedav1.Finalizer}
	object := scaledObject(m.trigger(1), func(o *kedav1.ScaledObject) { o.Finalizers = []string{kedav1.Finalizer} })
	for _, o := range []*subject{s.apply(job), s.apply(object)} {
		o.ready()
		u, err := o.read()
		s.must(err)
		if f := u.GetFinalizers(); len(f) > 0 {
			s.failf("%s still has the finalizers %v", u.GetKind(), f)
		}
	}
}
