package lint

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// scaledJob is a right one.
func scaledJob(change ...func(*model.Workload)) *model.Workload {
	return workload(append([]func(*model.Workload){func(w *model.Workload) {
		w.Key.Kind, w.Target, w.HPA = model.KindScaledJob, model.Target{}, model.HPA{}
		w.Job = &model.Job{
			Strategy:       model.JobStrategy{Name: model.StrategyDefault, RunningShare: 1, Calculation: model.CalculateMax},
			KeepSuccessful: 100, KeepFailed: 100,
		}
		w.Job.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main"}, {Name: "proxy"}}
	}}, change...)...)
}

func TestJob(t *testing.T) {
	const conditions = "(Ready, ContainersReady, Initialized, PodScheduled, PodReadyToStartContainers)"
	for name, tt := range map[string]struct {
		change func(*model.Workload)
		want   []string
	}{
		"right": {func(*model.Workload) {}, nil},
		"in full": {func(w *model.Workload) {
			w.Job.Container, w.Job.PendingConditions, w.Job.KeepSuccessful = "proxy", []string{"Ready", "example.com/warm"}, 0
			w.Job.Strategy = model.JobStrategy{Name: model.StrategyCustom, Deduction: 3, Calculation: model.CalculateAvg}
			w.Job.Spec.Template.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "example.com/warm"}}
		}, nil},
		"min above max": {func(w *model.Workload) { w.Min, w.Max = 5, 3 }, []string{"error: spec.minReplicaCount: found 5, above maxReplicaCount, which is 3; expected at most that"}},
		"history": {func(w *model.Workload) { w.Job.KeepSuccessful, w.Job.KeepFailed = -1, -2 }, []string{
			"error: spec.successfulJobsHistoryLimit: found -1; expected 0 or more",
			"error: spec.failedJobsHistoryLimit: found -2; expected 0 or more",
		}},
		"a strategy": {func(w *model.Workload) {
			w.Job.Strategy = model.JobStrategy{Name: "acurate", Calculation: "summ", Deduction: -1}
		}, []string{
			`error: spec.scalingStrategy.strategy: found "acurate"; expected one of default, custom, accurate, eager (did you mean accurate?)`,
			`error: spec.scalingStrategy.multipleScalersCalculation: found "summ"; expected one of max, min, avg, sum (did you mean sum?)`,
			"error: spec.scalingStrategy.customScalingQueueLengthDeduction: found -1; expected 0 or more",
		}},
		"pod conditions": {func(w *model.Workload) { w.Job.PendingConditions = []string{"ready", "", "PodScheduled"} }, []string{
			`warning: spec.scalingStrategy.pendingPodConditions: names "ready", which is neither a condition of every pod ` + conditions +
				" nor a readiness gate of the template; Jobs stay pending until something sets it (did you mean Ready?)",
			"error: spec.scalingStrategy.pendingPodConditions: has an empty item; expected names of pod conditions such as Ready",
		}},
		"no containers": {func(w *model.Workload) { w.Job.Spec.Template.Spec.Containers, w.Job.Container = nil, "main" }, []string{
			"error: spec.jobTargetRef.template.spec.containers: is empty; expected the container that does the work",
		}},
		"restarted for ever": {func(w *model.Workload) { w.Job.Spec.Template.Spec.RestartPolicy = "Always" }, []string{
			"error: spec.jobTargetRef.template.spec.restartPolicy: found Always, which Jobs can't have; expected OnFailure or Never",
		}},
		"another container": {func(w *model.Workload) { w.Job.Container = "prxy" }, []string{
			`error: spec.envSourceContainerName: found "prxy"; the template has main, proxy (did you mean proxy?)`,
		}},
		"cached metrics": {func(w *model.Workload) { w.Triggers[0].UseCached = true }, []string{
			"warning: spec.triggers[0].useCachedMetrics: has no effect on Jobs; each poll is used once",
		}},
		"a long name": {func(w *model.Workload) {
			w.Key.Name = "a-name-that-is-longer-than-what-fits-into-the-value-of-a-label-x"
		}, []string{"error: metadata.name: has 64 characters; expected at most 63, since it becomes the value of a label"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lines(Workload(scaledJob(tt.change)))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestJobNatives: what the HPA measures calls for no Jobs.
func TestJobNatives(t *testing.T) {
	queue := model.Trigger{Type: "queue", Metadata: map[string]string{"queueName": "jobs"}}
	used := cpu(map[string]string{"value": "80"}, "Utilization")
	for name, tt := range map[string]struct {
		triggers []model.Trigger
		want     []string
	}{
		"a queue":   {[]model.Trigger{queue}, nil},
		"cpu alone": {[]model.Trigger{used}, []string{"error: spec.triggers: has cpu and memory triggers only, which call for no Jobs; expected a trigger that KEDA measures"}},
		"both":      {[]model.Trigger{queue, used}, []string{"warning: spec.triggers[1]: has no effect on Jobs: cpu is measured of pods that run, and calls for none"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := scaledJob(func(w *model.Workload) { w.Triggers = tt.triggers })
			_, ps := Prepare(catalog(t), w, []param.Values{{Metadata: tt.triggers[0].Metadata}})
			if diff := cmp.Diff(tt.want, lines(ps)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
