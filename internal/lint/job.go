package lint

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// job checks what only workloads have that run Jobs.
func job(w *model.Workload, ps *param.Problems) {
	j := w.Job
	if j == nil {
		return
	}
	if j.KeepSuccessful < 0 {
		ps.Errorf("spec.successfulJobsHistoryLimit", "found %d; expected 0 or more", j.KeepSuccessful)
	}
	if j.KeepFailed < 0 {
		ps.Errorf("spec.failedJobsHistoryLimit", "found %d; expected 0 or more", j.KeepFailed)
	}
	jobStrategy(j, ps)
	jobTemplate(j, ps)
	for i, t := range w.Triggers {
		if t.UseCached {
			ps.Warnf(triggerPath(i)+".useCachedMetrics", "has no effect on Jobs; each poll is used once")
		}
	}
}

func jobStrategy(j *model.Job, ps *param.Problems) {
	const path = "spec.scalingStrategy."
	names := []string{model.StrategyDefault, model.StrategyCustom, model.StrategyAccurate, model.StrategyEager}
	if s := j.Strategy.Name; !slices.Contains(names, s) {
		ps.Errorf(path+"strategy", "found %s; expected one of %s", quote(s), strings.Join(names, ", "))
		near(s, names, ps)
	}
	ways := []string{model.CalculateMax, model.CalculateMin, model.CalculateAvg, model.CalculateSum}
	if c := j.Strategy.Calculation; !slices.Contains(ways, c) {
		ps.Errorf(path+"multipleScalersCalculation", "found %s; expected one of %s", quote(c), strings.Join(ways, ", "))
		near(c, ways, ps)
	}
	if d := j.Strategy.Deduction; d < 0 {
		ps.Errorf(path+"customScalingQueueLengthDeduction", "found %d; expected 0 or more", d)
	}
	conditions := podConditions(&j.Spec.Template.Spec)
	for _, c := range j.PendingConditions {
		if slices.Contains(conditions, c) {
			continue
		}
		if c == "" {
			ps.Errorf(path+"pendingPodConditions", "has an empty item; expected names of pod conditions such as Ready")
			continue
		}
		ps.Warnf(path+"pendingPodConditions", "names %s, which is neither a condition of every pod (%s) nor a readiness gate of the template; Jobs stay pending until something sets it", quote(c), strings.Join(conditions, ", "))
		near(c, conditions, ps)
	}
}

// podConditions are those that pods of a template have.
func podConditions(spec *corev1.PodSpec) []string {
	out := []string{
		string(corev1.PodReady), string(corev1.ContainersReady), string(corev1.PodInitialized),
		string(corev1.PodScheduled), string(corev1.PodReadyToStartContainers),
	}
	for _, g := range spec.ReadinessGates {
		out = append(out, string(g.ConditionType))
	}
	return out
}

func jobTemplate(j *model.Job, ps *param.Problems) {
	const path = "spec.jobTargetRef.template.spec."
	spec := &j.Spec.Template.Spec
	if len(spec.Containers) == 0 {
		ps.Errorf(path+"containers", "is empty; expected the container that does the work")
	}
	if spec.RestartPolicy == corev1.RestartPolicyAlways {
		ps.Errorf(path+"restartPolicy", "found Always, which Jobs can't have; expected OnFailure or Never")
	}
	if j.Container == "" || len(spec.Containers) == 0 {
		return
	}
	var names []string
	for _, c := range spec.Containers {
		names = append(names, c.Name)
	}
	if !slices.Contains(names, j.Container) {
		ps.Errorf("spec.envSourceContainerName", "found %s; the template has %s", quote(j.Container), strings.Join(names, ", "))
		near(j.Container, names, ps)
	}
}

// jobNatives says that what the HPA measures has no part in counting Jobs.
func jobNatives(w *model.Workload, p Prepared, ps *param.Problems) {
	natives := 0
	for i, cfg := range p.Configs {
		if _, native := cfg.(scaler.Native); !native {
			continue
		}
		natives++
		if len(p.Configs) > 1 {
			ps.Warnf(triggerPath(i), "has no effect on Jobs: %s is measured of pods that run, and calls for none", w.Triggers[i].Type)
		}
	}
	if natives > 0 && natives == len(p.Configs) {
		ps.Errorf("spec.triggers", "has cpu and memory triggers only, which call for no Jobs; expected a trigger that KEDA measures")
	}
}
