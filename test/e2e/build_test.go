package e2e

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
)

// worker is the name of what is scaled, and of what scales it.
const worker = "worker"

func pods(name string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/worker:1"}}},
	}
}

func selector(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

// deployment is a Deployment of pods with the label app.
func deployment(name string, replicas int32, change ...func(*appsv1.Deployment)) *appsv1.Deployment {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector(name), Template: pods(name)},
	}
	for _, c := range change {
		c(d)
	}
	return d
}

// scaledObject scales the Deployment worker by some triggers, every second and
// with a short cool-down.
func scaledObject(triggers []kedav1.ScaleTriggers, change ...func(*kedav1.ScaledObject)) *kedav1.ScaledObject {
	o := &kedav1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{Name: worker},
		Spec: kedav1.ScaledObjectSpec{
			ScaleTargetRef:  &kedav1.ScaleTarget{Name: worker},
			PollingInterval: new(int32(1)), CooldownPeriod: new(int32(1)),
			Triggers: triggers,
		},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

// firstObject is a ScaledObject of the first API for the Deployment worker.
func firstObject(name string, triggers ...firstv1.ScaleTriggers) *firstv1.ScaledObject {
	return &firstv1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: firstv1.ScaledObjectSpec{
			ScaleTargetRef:  &firstv1.ObjectReference{DeploymentName: worker},
			PollingInterval: new(int32(1)), CooldownPeriod: new(int32(1)),
			Triggers: triggers,
		},
	}
}

func limits(least, most int32) func(*kedav1.ScaledObject) {
	return func(o *kedav1.ScaledObject) { o.Spec.MinReplicaCount, o.Spec.MaxReplicaCount = &least, &most }
}

func annotated(name, value string) func(*kedav1.ScaledObject) {
	return func(o *kedav1.ScaledObject) {
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		o.Annotations[name] = value
	}
}

// hpaConfig is spec.advanced.horizontalPodAutoscalerConfig.
func hpaConfig(name string, behavior *autoscalingv2.HorizontalPodAutoscalerBehavior) func(*kedav1.ScaledObject) {
	return func(o *kedav1.ScaledObject) {
		if o.Spec.Advanced == nil {
			o.Spec.Advanced = &kedav1.AdvancedConfig{}
		}
		o.Spec.Advanced.HorizontalPodAutoscalerConfig = &kedav1.HorizontalPodAutoscalerConfig{Name: name, Behavior: behavior}
	}
}

// quickScaleDown lets the HPA follow a falling metric at once.
func quickScaleDown() *autoscalingv2.HorizontalPodAutoscalerBehavior {
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: new(int32(0))},
	}
}
