package convert

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// read decodes a manifest.
func read[T any](t *testing.T, text string) *T {
	t.Helper()
	o := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), o); err != nil {
		t.Fatalf("manifest: %v", err)
	}
	return o
}

func lines(ps param.Problems) []string {
	var out []string
	for _, p := range ps {
		out = append(out, string(p.Severity)+": "+p.String())
	}
	return out
}

func of[T any](v T) *T { return &v }

func compare(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestScaledObject(t *testing.T) {
	o := read[kedav1.ScaledObject](t, `
metadata: {name: so, namespace: ns, uid: u1, generation: 7, creationTimestamp: "2026-01-02T03:04:05Z", labels: {team: a, secret: b}, annotations: {scaledobject.keda.sh/hpa-excluded-labels: secret}}
spec:
  scaleTargetRef: {name: db, kind: StatefulSet, apiVersion: apps/v1, envSourceContainerName: main}
  pollingInterval: 5
  cooldownPeriod: 0
  initialCooldownPeriod: 60
  minReplicaCount: 2
  maxReplicaCount: 9
  idleReplicaCount: 1
  advanced:
    restoreToOriginalReplicaCount: true
    horizontalPodAutoscalerConfig: {name: mine, behavior: {scaleDown: {stabilizationWindowSeconds: 3}}}
  triggers:
  - {type: kafka, name: orders, useCachedMetrics: true, metricType: Value, metadata: {topic: a}, authenticationRef: {name: x}}
  - {type: cron, metadata: {}, authenticationRef: {name: z, kind: ClusterTriggerAuthentication}}
`)
	before := o.DeepCopy()
	got, ps := ScaledObject(o)
	want := &model.Workload{
		Key: model.Key{Group: "keda.sh", Kind: "ScaledObject", Namespace: "ns", Name: "so"}, UID: "u1", Generation: 7,
		CreatedAt:       time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Target:          model.Target{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", Container: "main"},
		PollingInterval: 5 * time.Second, InitialCooldown: time.Minute, Min: 2, Max: 9, Idle: of[int32](1),
		Triggers: []model.Trigger{
			{Type: "kafka", Name: "orders", Metadata: map[string]string{"topic": "a"}, MetricType: "Value", UseCached: true, Auth: &model.AuthRef{Kind: "TriggerAuthentication", Name: "x"}},
			{Type: "cron", Auth: &model.AuthRef{Kind: "ClusterTriggerAuthentication", Name: "z"}},
		},
		HPA: model.HPA{
			Name: "mine", SelectorKey: "scaledobject.keda.sh/name", SelectorValue: "so",
			Behavior:    &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: of[int32](3)}},
			Labels:      map[string]string{"team": "a"},
			Annotations: map[string]string{"scaledobject.keda.sh/hpa-excluded-labels": "secret"},
		},
		RestoreReplicas: true, JumpStart: true,
	}
	compare(t, "workload", want, got)
	compare(t, "problems", []string(nil), lines(ps))
	got.Triggers[0].Metadata["topic"], *got.Idle, got.HPA.Labels["team"] = "changed", 5, "changed"
	*got.HPA.Behavior.ScaleDown.StabilizationWindowSeconds = 9
	compare(t, "the object after its workload was changed", before, o)
}

func TestDefaults(t *testing.T) {
	today, ps := ScaledObject(read[kedav1.ScaledObject](t, "{metadata: {name: so}, spec: {scaleTargetRef: {name: app}, triggers: []}}"))
	compare(t, "problems", []string(nil), lines(ps))
	first, ps := FirstScaledObject(read[firstv1.ScaledObject](t, "{metadata: {name: so}, spec: {scaleTargetRef: {deploymentName: app, containerName: c}, triggers: []}}"))
	compare(t, "problems", []string(nil), lines(ps))
	for _, w := range []*model.Workload{today, first} {
		compare(t, "times of "+string(w.Key.Group), []time.Duration{30 * time.Second, 300 * time.Second, 0}, []time.Duration{w.PollingInterval, w.Cooldown, w.InitialCooldown})
		compare(t, "counts of "+string(w.Key.Group), []int32{0, 100}, []int32{w.Min, w.Max})
		if !w.JumpStart || w.Idle != nil || w.Fallback != nil || w.Modifiers != nil || w.Job != nil {
			t.Errorf("%s: %+v", w.Key.Group, w)
		}
	}
	compare(t, "today's target", model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"}, today.Target)
	compare(t, "the first target", model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "app", Container: "c"}, first.Target)
	compare(t, "today's HPA", model.HPA{Name: "keda-hpa-so", SelectorKey: "scaledobject.keda.sh/name", SelectorValue: "so"}, today.HPA)
	compare(t, "the first HPA", model.HPA{Name: "keda-hpa-app", SelectorKey: "deploymentName", SelectorValue: "app"}, first.HPA)
}

func TestFallbackAndModifiers(t *testing.T) {
	w, _ := ScaledObject(read[kedav1.ScaledObject](t, `
spec:
  scaleTargetRef: {name: app}
  fallback: {failureThreshold: 3, replicas: 2}
  advanced: {scalingModifiers: {formula: a + b, target: "3", activationTarget: "1", metricType: Value}}
  triggers: []
`))
	compare(t, "fallback", &model.Fallback{FailureThreshold: 3, Replicas: 2, Behavior: "static"}, w.Fallback)
	compare(t, "modifiers", &model.Modifiers{Formula: "a + b", Target: "3", ActivationTarget: "1", MetricType: "Value"}, w.Modifiers)
}

func TestFirstTargets(t *testing.T) {
	const target, job = "scaleTargetRef: {deploymentName: app}", "jobTargetRef: {template: {spec: {containers: [{name: a}]}}}"
	tests := map[string]struct {
		spec  []string
		isJob bool
		want  []string
	}{
		"a deployment":         {spec: []string{target}},
		"a deployment, named":  {spec: []string{"scaleType: deployment", target}},
		"a job":                {[]string{job}, true, nil},
		"a job, named":         {[]string{"scaleType: job", job}, true, nil},
		"neither":              {nil, false, []string{"error: spec: has neither scaleTargetRef nor jobTargetRef; expected one of them"}},
		"both":                 {[]string{target, job}, false, []string{"error: spec.jobTargetRef: can't be used with scaleTargetRef; expected one of them"}},
		"a job without one":    {[]string{"scaleType: job", target}, true, []string{"error: spec.jobTargetRef: is missing; expected a Job's spec for scaleType job"}},
		"no deployment":        {[]string{"scaleType: deployment", job}, false, []string{"error: spec.scaleTargetRef: is missing; expected one with deploymentName for scaleType deployment"}},
		"a type that is none":  {[]string{"scaleType: jobs", job}, true, []string{`error: spec.scaleType: found "jobs"; expected deployment or job (did you mean job?)`}},
		"a type, far from any": {[]string{"scaleType: CronJobs", target}, false, []string{`error: spec.scaleType: found "CronJobs"; expected deployment or job`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := "spec:\n"
			for _, s := range append(tt.spec, "triggers: [{type: kafka, metadata: {a: b}, authenticationRef: {name: x}}]") {
				text += "  " + s + "\n"
			}
			w, ps := FirstScaledObject(read[firstv1.ScaledObject](t, text))
			compare(t, "problems", tt.want, lines(ps))
			if (w.Job != nil) != tt.isJob {
				t.Errorf("job: %v, expected one: %v", w.Job, tt.isJob)
			}
			compare(t, "triggers", []model.Trigger{{Type: "kafka", Metadata: map[string]string{"a": "b"}, Auth: &model.AuthRef{Kind: "TriggerAuthentication", Name: "x"}}}, w.Triggers)
		})
	}
}

func TestAnnotations(t *testing.T) {
	const at = "metadata.annotations.autoscaling.keda.sh/"
	tests := map[string]struct {
		annotations map[string]string
		want        model.Workload // the fields set by annotations
		problems    []string
	}{
		"none":                     {nil, model.Workload{JumpStart: true}, nil},
		"paused":                   {map[string]string{annotationPaused: "true"}, model.Workload{JumpStart: true, Pause: model.Pause{Paused: true}}, nil},
		"paused by an empty value": {map[string]string{annotationPaused: ""}, model.Workload{JumpStart: true, Pause: model.Pause{Paused: true}}, nil},
		"not paused":               {map[string]string{annotationPaused: "false"}, model.Workload{JumpStart: true}, nil},
		"paused at a count":        {map[string]string{annotationPausedReplicas: " 3 "}, model.Workload{JumpStart: true, Pause: model.Pause{Paused: true, Replicas: of[int32](3)}}, nil},
		"paused at no count": {map[string]string{annotationPausedReplicas: "-1"}, model.Workload{JumpStart: true}, []string{
			"error: " + at + `paused-replicas: found "-1"; expected a number of replicas such as 0`,
		}},
		"paused in and out": {map[string]string{annotationPausedScaleIn: "true", annotationPausedScaleOut: "yes"}, model.Workload{JumpStart: true, Pause: model.Pause{In: true, Out: true}}, nil},
		"forced":            {map[string]string{annotationForceActivation: "true"}, model.Workload{JumpStart: true, ForceActivation: true}, nil},
		"forced by what is no boolean": {map[string]string{annotationForceActivation: "maybe"}, model.Workload{JumpStart: true}, []string{
			"warning: " + at + `force-activation: found "maybe"; expected true or false`,
		}},
		"no jump start": {map[string]string{annotationJumpStart: "false"}, model.Workload{}, nil},
		"a long value": {map[string]string{annotationJumpStart: strings.Repeat("x", 200)}, model.Workload{JumpStart: true}, []string{
			"warning: " + at + `jump-start: found "` + strings.Repeat("x", 80) + `"…; expected true or false`,
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			meta := metav1.ObjectMeta{Annotations: tt.annotations}
			today, ps := ScaledObject(&kedav1.ScaledObject{ObjectMeta: meta})
			first, firstPs := FirstScaledObject(&firstv1.ScaledObject{ObjectMeta: meta, Spec: firstv1.ScaledObjectSpec{ScaleTargetRef: &firstv1.ObjectReference{}}})
			job, jobPs := ScaledJob(&kedav1.ScaledJob{ObjectMeta: meta})
			for _, w := range []*model.Workload{today, first, job} {
				got := model.Workload{Pause: w.Pause, ForceActivation: w.ForceActivation, JumpStart: w.JumpStart}
				compare(t, w.Key.Kind+" of "+string(w.Key.Group), tt.want, got)
			}
			for _, ps := range []param.Problems{ps, firstPs, jobPs} {
				compare(t, "problems", tt.problems, lines(ps))
			}
		})
	}
}
