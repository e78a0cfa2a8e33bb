package convert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

func oneContainer() batchv1.JobSpec {
	return batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}}}
}

func TestScaledJob(t *testing.T) {
	defaults := func(change ...func(*model.Job)) *model.Job {
		j := &model.Job{
			Spec: oneContainer(), Strategy: model.JobStrategy{Name: "default", RunningShare: 1, Calculation: "max"},
			KeepSuccessful: 100, KeepFailed: 100,
		}
		for _, c := range change {
			c(j)
		}
		return j
	}
	const share = "spec.scalingStrategy.customScalingRunningJobPercentage: "
	custom := func(r float64) func(*model.Job) {
		return func(j *model.Job) { j.Strategy.Name, j.Strategy.RunningShare = "custom", r }
	}
	for name, tt := range map[string]struct {
		meta, spec string
		want       *model.Job
		problems   []string
	}{
		"by default": {"", "", defaults(), nil},
		"in full": {
			`{labels: {a: b, c: d}, annotations: {x: "y", scaledjob.keda.sh/job-excluded-labels: "c, e"}}`,
			`envSourceContainerName: a, successfulJobsHistoryLimit: 0, failedJobsHistoryLimit: 7, rollout: {strategy: gradual, propagationPolicy: foreground},
			scalingStrategy: {strategy: custom, customScalingQueueLengthDeduction: 2, customScalingRunningJobPercentage: "0.5", pendingPodConditions: [Ready, x], multipleScalersCalculation: sum}`,
			defaults(custom(0.5), func(j *model.Job) {
				j.Container, j.KeepSuccessful, j.KeepFailed, j.Gradual, j.Foreground = "a", 0, 7, true, true
				j.Labels, j.Annotations = map[string]string{"a": "b"}, map[string]string{"x": "y", "scaledjob.keda.sh/job-excluded-labels": "c, e"}
				j.Strategy.Deduction, j.Strategy.Calculation, j.PendingConditions = 2, "sum", []string{"Ready", "x"}
			}), nil,
		},
		"the older field":  {"", "rolloutStrategy: gradual", defaults(func(j *model.Job) { j.Gradual = true }), nil},
		"immediate":        {"", "rollout: {strategy: immediate, propagationPolicy: background}", defaults(), nil},
		"default, by name": {"", "rollout: {strategy: default}", defaults(), nil},
		"both fields, at odds": {"", "rolloutStrategy: gradual, rollout: {strategy: immediate}", defaults(), []string{
			`error: spec.rolloutStrategy: found "gradual", while rollout.strategy is "immediate"; expected one of them`,
		}},
		"no such rollout": {"", "rolloutStrategy: slow, rollout: {propagationPolicy: orphan}", defaults(func(j *model.Job) { j.Gradual = true }), []string{
			`error: spec.rolloutStrategy: found "slow"; expected gradual or immediate`,
			`error: spec.rollout.propagationPolicy: found "orphan"; expected background or foreground`,
		}},
		"a percentage": {"", `scalingStrategy: {strategy: custom, customScalingRunningJobPercentage: "50%"}`, defaults(custom(1)), []string{
			"error: " + share + `found "50%"; expected a share of 0 or more such as 0.5 (write 0.5)`,
		}},
		"a percentage without a sign": {"", `scalingStrategy: {strategy: custom, customScalingRunningJobPercentage: "50"}`, defaults(custom(50)), []string{
			"warning: " + share + `found "50", which takes more Jobs off than run; expected a share from 0 to 1 (0.5 stands for half of them)`,
		}},
		"no number":        {"", `scalingStrategy: {strategy: custom, customScalingRunningJobPercentage: half}`, defaults(custom(1)), []string{"error: " + share + `found "half"; expected a share of 0 or more such as 0.5`}},
		"a number too low": {"", `scalingStrategy: {strategy: custom, customScalingRunningJobPercentage: "-1"}`, defaults(custom(1)), []string{"error: " + share + `found "-1"; expected a share of 0 or more such as 0.5`}},
		"no finite number": {"", `scalingStrategy: {strategy: custom, customScalingRunningJobPercentage: "Inf"}`, defaults(custom(1)), []string{"error: " + share + `found "Inf"; expected a share of 0 or more such as 0.5`}},
		"no share": {"", `scalingStrategy: {strategy: custom}`, defaults(custom(1)), []string{
			"warning: " + share + "is missing; expected a share such as 0.5; without it all running Jobs are taken off",
		}},
		"what custom alone has": {"", `scalingStrategy: {strategy: eager, customScalingQueueLengthDeduction: 2}`, defaults(func(j *model.Job) { j.Strategy.Name, j.Strategy.Deduction = "eager", 2 }), []string{
			`warning: spec.scalingStrategy: has customScaling… without strategy custom; they have no effect with strategy "eager"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			meta := tt.meta
			if meta == "" {
				meta = "{}"
			}
			spec := "jobTargetRef: {template: {spec: {containers: [{name: a}]}}}, maxReplicaCount: 4, pollingInterval: 5, triggers: [{type: kafka, metadata: {}}]"
			if tt.spec != "" {
				spec += ", " + tt.spec
			}
			w, ps := ScaledJob(read[kedav1.ScaledJob](t, "metadata: "+meta+"\nspec: {"+spec+"}\n"))
			compare(t, "problems", tt.problems, lines(ps))
			compare(t, "job", tt.want, w.Job)
			if w.Max != 4 || w.Min != 0 || w.PollingInterval != 5*time.Second || len(w.Triggers) != 1 {
				t.Errorf("workload %+v", w)
			}
		})
	}
}

// TestFirstJob: Jobs of the first API have its defaults; an edit ends none.
func TestFirstJob(t *testing.T) {
	o := read[firstv1.ScaledObject](t, `
metadata: {name: j, labels: {a: b}, annotations: {x: "y"}}
spec:
  scaleType: job
  jobTargetRef: {parallelism: 2, completions: 3, activeDeadlineSeconds: 600, backoffLimit: 6, template: {spec: {containers: [{name: a}]}}}
  maxReplicaCount: 30
  triggers: [{type: kafka, metadata: {}}]
`)
	w, ps := FirstScaledObject(o)
	spec := oneContainer()
	spec.Parallelism, spec.Completions, spec.ActiveDeadlineSeconds, spec.BackoffLimit = of[int32](2), of[int32](3), of[int64](600), of[int32](6)
	compare(t, "problems", []string(nil), lines(ps))
	compare(t, "job", &model.Job{
		Spec: spec, Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"x": "y"},
		Strategy: model.JobStrategy{Name: "default", RunningShare: 1, Calculation: "max"}, Gradual: true, KeepSuccessful: 100, KeepFailed: 100,
	}, w.Job)
	if w.Max != 30 || w.HPA.Name != "" || w.Target != (model.Target{}) {
		t.Errorf("workload %+v", w)
	}
	w.Job.Spec.Template.Spec.Containers[0].Name = "changed"
	if o.Spec.JobTargetRef.Template.Spec.Containers[0].Name != "a" {
		t.Error("the object was changed")
	}
}

// TestFirstJobStatus: the number of the last Job is kept in the first API too.
func TestFirstJobStatus(t *testing.T) {
	var o firstv1.ScaledObject
	want := full()
	want.JobSequence = 7
	SetFirstStatus(&o, want)
	if diff := cmp.Diff(want, FirstStatus(&o)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}
