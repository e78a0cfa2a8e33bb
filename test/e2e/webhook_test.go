package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
)

// judged labels the namespaces in which the admission webhook judges: other
// tests write objects that are wrong, to see what the operator says of them.
func judged() map[string]string { return map[string]string{"e2e.keda.sh/judged": "true"} }

// label puts labels on the story's namespace.
func (s *story) label(labels map[string]string) {
	s.Helper()
	var ns corev1.Namespace
	s.must(s.client.Get(s.ctx, client.ObjectKey{Name: s.namespace}, &ns))
	before := ns.DeepCopy()
	for k, v := range labels {
		ns.Labels[k] = v
	}
	s.must(s.client.Patch(s.ctx, &ns, client.MergeFrom(before)))
}

// newJudgedStory is a story in whose namespace the webhook judges already.
func newJudgedStory(t *testing.T) *story {
	t.Helper()
	s := newStory(t)
	s.label(judged())
	s.refused(scaledObject(daily(), limits(5, 2)), "spec.minReplicaCount: found 5, above maxReplicaCount")
	return s
}

// daily is a trigger that is right and asks nobody.
func daily() []kedav1.ScaleTriggers {
	return []kedav1.ScaleTriggers{{Type: "cron", Metadata: map[string]string{"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "2"}}}
}

func ofCPU(metadata map[string]string) []kedav1.ScaleTriggers {
	return []kedav1.ScaleTriggers{{Type: "cpu", MetricType: "Utilization", Metadata: metadata}}
}

// refused waits until the creation of an object would be refused for a
// reason: what was created a moment ago may not be known yet.
func (s *story) refused(o client.Object, why string) {
	s.Helper()
	s.eventually(fmt.Sprintf("%s is refused with %q", o.GetName(), why), func() error {
		return refusedFor(s.trial(o), why)
	})
}

// trial creates an object for the answer only.
func (s *story) trial(o client.Object) error {
	o = o.DeepCopyObject().(client.Object)
	if o.GetName() == "" {
		o.SetName(worker)
	}
	o.SetNamespace(s.namespace)
	switch o.(type) {
	case *kedav1.ClusterTriggerAuthentication, *eventingv1.ClusterCloudEventSource:
		o.SetNamespace("")
	}
	return s.client.Create(s.ctx, o, client.DryRunAll)
}

func refusedFor(err error, why string) error {
	switch {
	case err == nil:
		return fmt.Errorf("it was allowed")
	case !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), `admission webhook "`):
		return fmt.Errorf("the answer was: %w", err)
	}
	return nil
}

// TestWebhookRefuses: what is wrong with an object by itself is refused, with
// the reason, in all kinds.
func TestWebhookRefuses(t *testing.T) {
	s := newJudgedStory(t)
	twice := append(daily(), daily()...)
	twice[0].Name, twice[1].Name = "a", "a"
	cached := ofCPU(map[string]string{"value": "80"})
	cached[0].UseCachedMetrics = true
	modifiers := func(m kedav1.ScalingModifiers) func(*kedav1.ScaledObject) {
		return func(o *kedav1.ScaledObject) { o.Spec.Advanced = &kedav1.AdvancedConfig{ScalingModifiers: m} }
	}
	named := daily()
	named[0].Name = "clock"
	wrong := daily()
	wrong[0].Metadata["desiredReplicas"] = "many"
	job := &kedav1.ScaledJob{Spec: kedav1.ScaledJobSpec{
		JobTargetRef: &batchv1.JobSpec{Template: pods(worker)}, Triggers: ofCPU(map[string]string{"value": "80"}),
	}}
	job.Spec.JobTargetRef.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	tests := map[string]struct {
		object client.Object
		why    string
	}{
		"min above max": {scaledObject(daily(), limits(5, 2)), "spec.minReplicaCount: found 5, above maxReplicaCount, which is 2"},
		"idle not below min": {scaledObject(daily(), limits(2, 5), func(o *kedav1.ScaledObject) { o.Spec.IdleReplicaCount = new(int32(2)) }),
			"spec.idleReplicaCount: found 2, while minReplicaCount is 2"},
		"a long name":            {scaledObject(daily(), func(o *kedav1.ScaledObject) { o.Name = strings.Repeat("n", 64) }), "metadata.name: has 64 characters"},
		"a long name of the HPA": {scaledObject(daily(), hpaConfig(strings.Repeat("n", 64), nil)), "spec.advanced.horizontalPodAutoscalerConfig.name: has 64 characters"},
		"a name used twice":      {scaledObject(twice), `spec.triggers[1].name: found "a", which is the name of spec.triggers[0] too`},
		"cached metrics of cpu":  {scaledObject(cached, limits(1, 5)), "spec.triggers[0].useCachedMetrics: found true"},
		"cpu alone to zero":      {scaledObject(ofCPU(map[string]string{"value": "80"})), "spec.minReplicaCount: found 0, or nothing, with cpu and memory triggers only"},
		"a formula without":      {scaledObject(named, modifiers(kedav1.ScalingModifiers{Formula: "clock * 2"})), "spec.advanced.scalingModifiers.target: is missing"},
		"a formula of nobody":    {scaledObject(named, modifiers(kedav1.ScalingModifiers{Formula: "clok * 2", Target: "2"})), "spec.advanced.scalingModifiers.formula: "},
		"a fallback of a formula": {scaledObject(daily(), func(o *kedav1.ScaledObject) {
			o.Spec.Fallback = &kedav1.Fallback{FailureThreshold: 3, Replicas: 2, Behavior: "scalingModifiers"}
		}), "spec.fallback.behavior: found scalingModifiers without a formula"},
		"a parameter":        {scaledObject(wrong), `spec.triggers[0].metadata.desiredReplicas: `},
		"an unknown trigger": {scaledObject([]kedav1.ScaleTriggers{{Type: "crno", Metadata: map[string]string{}}}), `did you mean cron?`},
		"the first API":      {firstObject(worker, firstv1.ScaleTriggers{Type: "cron", Metadata: wrong[0].Metadata}), "spec.triggers[0].metadata.desiredReplicas: "},
		"a ScaledJob":        {job, "spec.triggers: has cpu and memory triggers only"},
		"a TriggerAuthentication": {&kedav1.TriggerAuthentication{Spec: kedav1.TriggerAuthenticationSpec{PodIdentity: &kedav1.AuthPodIdentity{Provider: "azure-workload", IdentityID: new("")}}},
			"spec.podIdentity.identityId: is empty"},
		"a ClusterTriggerAuthentication": {&kedav1.ClusterTriggerAuthentication{Spec: kedav1.TriggerAuthenticationSpec{FilePath: "../x"}}, "spec.filePath: "},
		"of the first API": {&firstv1.TriggerAuthentication{Spec: firstv1.TriggerAuthenticationSpec{SecretTargetRef: []firstv1.AuthSecretTargetRef{{Parameter: "password", Name: "redis"}}}},
			"spec.secretTargetRef[0].key: is missing"},
		"a CloudEventSource": {&eventingv1.CloudEventSource{}, "spec.destination"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := refusedFor(s.trial(tt.object), tt.why); err != nil {
				t.Errorf("%v;\nexpected a refusal with %q", err, tt.why)
			}
		})
	}
	if err := s.trial(scaledObject(daily())); err != nil {
		t.Errorf("an object that is right: %v", err)
	}
}

// TestWebhookOthers: what another object of the cluster stands against is
// refused, whichever API it is of, until that object has gone.
func TestWebhookOthers(t *testing.T) {
	s := newJudgedStory(t)
	named := func(name, target string, change ...func(*kedav1.ScaledObject)) *kedav1.ScaledObject {
		o := scaledObject(daily(), change...)
		o.Name, o.Spec.ScaleTargetRef.Name = name, target
		return o
	}
	s.create(named("a", "app"))
	old := firstObject("old", firstv1.ScaleTriggers{Type: "cron", Metadata: daily()[0].Metadata})
	old.Spec.ScaleTargetRef.DeploymentName = "older"
	s.create(old)
	s.refused(named("b", "app"), fmt.Sprintf(`spec.scaleTargetRef.name: Deployment "app" is already scaled by ScaledObject.keda.sh %s/a; expected one object per target`, s.namespace))
	s.refused(named("b", "older"), fmt.Sprintf(`Deployment "older" is already scaled by ScaledObject.keda.k8s.io %s/old`, s.namespace))
	s.refused(named("b", "other", hpaConfig("keda-hpa-a", nil)), `its HPA would be named "keda-hpa-a", as that of ScaledObject.keda.sh `+s.namespace+"/a")
	s.must(s.trial(named("b", "other")))

	mine := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "mine"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "owned"}, MaxReplicas: 3,
		Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80))},
		}}},
	}}
	s.create(mine)
	s.refused(named("b", "owned"), `Deployment "owned" is already scaled by HorizontalPodAutoscaler mine`)
	s.refused(named("b", "other", hpaConfig("mine", nil)), `its HPA would be named "mine", as one that is there already`)
	s.must(s.trial(named("b", "owned", annotated("validations.keda.sh/hpa-ownership", "false"))))
	s.must(s.trial(named("b", "owned", hpaConfig("mine", nil), annotated("scaledobject.keda.sh/transfer-hpa-ownership", "true"))))

	s.must(s.client.Delete(s.ctx, named("a", "app", func(o *kedav1.ScaledObject) { o.Namespace = s.namespace })))
	s.eventually("the target is free again", func() error { return s.trial(named("b", "app")) })
}

// TestWebhookRequests: a share of a request needs a request, from the container
// or from a LimitRange.
func TestWebhookRequests(t *testing.T) {
	s := newJudgedStory(t)
	o := scaledObject(ofCPU(map[string]string{"value": "80"}), limits(1, 5))
	s.create(deployment(worker, 1))
	s.refused(o, `spec.triggers[0]: measures a share of the cpu that containers request, while the container "main" of the Deployment worker requests none`)
	other := scaledObject(ofCPU(map[string]string{"value": "80"}), limits(1, 5), func(o *kedav1.ScaledObject) { o.Spec.ScaleTargetRef.Name = "requesting" })
	s.create(deployment("requesting", 1, func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	}))
	s.must(s.trial(other))
	s.create(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "usual"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")},
	}}}})
	s.must(s.trial(o))
}

// warnings takes what the API server warns of, as kubectl does.
type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.text
	w.text = nil
	return out
}

// TestWebhookWarns: what merely looks wrong, or may still come right, passes
// with a warning for whoever applies it.
func TestWebhookWarns(t *testing.T) {
	s := newJudgedStory(t)
	var seen warnings
	cfg := rest.CopyConfig(s.config)
	cfg.WarningHandler = &seen
	c, err := client.New(cfg, client.Options{Scheme: s.client.Scheme()})
	s.must(err)
	apply := func(triggers []kedav1.ScaleTriggers, change ...func(*kedav1.ScaledObject)) []string {
		s.Helper()
		o := scaledObject(triggers, change...)
		o.Namespace = s.namespace
		s.must(c.Create(s.ctx, o, client.DryRunAll))
		return seen.take()
	}
	expect := func(got []string, want string) {
		s.Helper()
		if !slices.ContainsFunc(got, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("warnings %q; expected one with %q", got, want)
		}
	}
	unknown := daily()
	unknown[0].Metadata["timezon"] = "UTC"
	expect(apply(unknown), "spec.triggers[0].metadata.timezon: is not a parameter of this trigger (did you mean timezone?)")
	redis := []kedav1.ScaleTriggers{{
		Type: "redis", Metadata: map[string]string{"address": "redis:6379", "listName": "jobs"}, AuthenticationRef: &kedav1.AuthenticationRef{Name: "later"},
	}}
	expect(apply(redis), `spec.triggers[0].authenticationRef: names the TriggerAuthentication "later", which does not exist in namespace `+s.namespace)
	expect(apply(ofCPU(map[string]string{"value": "80"}), limits(1, 5)), `spec.scaleTargetRef: names the Deployment "worker", which does not exist yet`)
	expect(apply([]kedav1.ScaleTriggers{{Type: "cpu", MetricType: "AverageValue", Metadata: map[string]string{"value": "100m"}}}, limits(1, 5)), "spec.pollingInterval: has no effect")
	if got := apply(daily()); len(got) > 0 {
		t.Errorf("an object that is right: warnings %q", got)
	}
}

// TestWebhookUpdate: an object that is wrong since before can still lose its
// finalizers, get labels and be paused; to change what is judged it must be made right.
func TestWebhookUpdate(t *testing.T) {
	s := newStory(t)
	o := scaledObject(daily(), limits(5, 2), func(o *kedav1.ScaledObject) { o.Finalizers = []string{"example.org/mine"} })
	s.create(o)
	s.label(judged())
	s.refused(o, "spec.minReplicaCount: found 5, above maxReplicaCount")
	patch := func(text string) error {
		return s.client.Patch(s.ctx, &kedav1.ScaledObject{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: o.Name}}, client.RawPatch("application/merge-patch+json", []byte(text)))
	}
	s.must(patch(`{"metadata":{"labels":{"a":"b"}}}`))
	s.must(patch(`{"metadata":{"annotations":{"autoscaling.keda.sh/paused":"true"}}}`))
	s.must(refusedFor(patch(`{"metadata":{"annotations":{"autoscaling.keda.sh/paused-replicas":"many"}}}`), "metadata.annotations.autoscaling.keda.sh/paused-replicas: "))
	s.must(refusedFor(patch(`{"spec":{"cooldownPeriod":7}}`), "spec.minReplicaCount: found 5, above maxReplicaCount"))
	s.must(s.client.Delete(s.ctx, o))
	s.must(patch(`{"metadata":{"finalizers":[]}}`))
	s.eventually("the object goes", func() error {
		if err := s.get(o.Name, &kedav1.ScaledObject{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("reading it: %w", err)
		}
		return nil
	})
}
