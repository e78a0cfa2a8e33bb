package convert

import (
	"maps"
	"math"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// defaultHistory is how many finished Jobs of each kind stay.
const defaultHistory = 100

// The values of rollout.strategy. Default is what upstream's text calls
// immediate.
const (
	rolloutDefault   = "default"
	rolloutImmediate = "immediate"
	rolloutGradual   = "gradual"
)

// ScaledJob converts a ScaledJob of keda.sh.
func ScaledJob(o *kedav1.ScaledJob) (*model.Workload, param.Problems) {
	var ps param.Problems
	w := newWorkload(model.GroupToday, model.KindScaledJob, &o.ObjectMeta)
	s := &o.Spec
	w.Job = job(s.JobTargetRef, &o.ObjectMeta)
	w.Job.Container = s.EnvSourceContainerName
	w.Job.KeepSuccessful = or(s.SuccessfulJobsHistoryLimit, defaultHistory)
	w.Job.KeepFailed = or(s.FailedJobsHistoryLimit, defaultHistory)
	rollout(w.Job, s, &ps)
	strategy(w.Job, s.ScalingStrategy, &ps)
	w.PollingInterval = seconds(s.PollingInterval, defaultPollingInterval)
	w.Min, w.Max = or(s.MinReplicaCount, 0), or(s.MaxReplicaCount, defaultMaxReplicas)
	w.Triggers = triggers(s.Triggers)
	annotated(w, o.Annotations, &ps)
	return w, ps
}

// firstJob fills in the Jobs of a ScaledObject of keda.k8s.io. An edit of it
// never ends Jobs that run.
func firstJob(w *model.Workload, o *firstv1.ScaledObject) {
	w.Job = job(o.Spec.JobTargetRef, &o.ObjectMeta)
	w.Job.KeepSuccessful, w.Job.KeepFailed = defaultHistory, defaultHistory
	w.Job.Gradual = true
}

// job has the defaults of all Jobs.
func job(spec *batchv1.JobSpec, meta *metav1.ObjectMeta) *model.Job {
	j := &model.Job{
		Labels:      inheritedLabels(meta.Labels, meta.Annotations, annotationJobExcluded),
		Annotations: maps.Clone(meta.Annotations),
		Strategy:    model.JobStrategy{Name: model.StrategyDefault, RunningShare: 1, Calculation: model.CalculateMax},
	}
	if spec != nil {
		j.Spec = *spec.DeepCopy()
	}
	return j
}

func rollout(j *model.Job, s *kedav1.ScaledJobSpec, ps *param.Problems) {
	path, name := "spec.rollout.strategy", s.Rollout.Strategy
	if older := s.RolloutStrategy; older != "" {
		if name != "" && name != older {
			ps.Errorf("spec.rolloutStrategy", "found %s, while rollout.strategy is %s; expected one of them", cut(older), cut(name))
		}
		if name == "" {
			path, name = "spec.rolloutStrategy", older
		}
	}
	switch name {
	case "", rolloutDefault, rolloutImmediate:
	case rolloutGradual:
		j.Gradual = true
	default:
		ps.Errorf(path, "found %s; expected %s or %s", cut(name), rolloutGradual, rolloutImmediate)
		// What is not understood ends nobody's work.
		j.Gradual = true
	}
	switch policy := s.Rollout.PropagationPolicy; policy {
	case "", "background":
	case "foreground":
		j.Foreground = true
	default:
		ps.Errorf("spec.rollout.propagationPolicy", "found %s; expected background or foreground", cut(policy))
	}
}

func strategy(j *model.Job, s kedav1.ScalingStrategy, ps *param.Problems) {
	j.Strategy.Name = orText(s.Strategy, model.StrategyDefault)
	j.Strategy.Calculation = orText(s.MultipleScalersCalculation, model.CalculateMax)
	j.Strategy.Deduction = or(s.CustomScalingQueueLengthDeduction, 0)
	j.PendingConditions = append([]string(nil), s.PendingPodConditions...)
	const path = "spec.scalingStrategy.customScalingRunningJobPercentage"
	text := strings.TrimSpace(s.CustomScalingRunningJobPercentage)
	custom := j.Strategy.Name == model.StrategyCustom
	switch share, err := strconv.ParseFloat(text, 64); {
	case text == "" && custom:
		ps.Warnf(path, "is missing; expected a share such as 0.5; without it all running Jobs are taken off")
	case text == "":
	case err != nil || share < 0 || math.IsNaN(share) || math.IsInf(share, 0):
		ps.Errorf(path, "found %s; expected a share of 0 or more such as 0.5", cut(text))
		if number, percent := strings.CutSuffix(text, "%"); percent {
			if n, err := strconv.ParseFloat(strings.TrimSpace(number), 64); err == nil {
				ps.Hint("write %s", strconv.FormatFloat(n/100, 'g', -1, 64))
			}
		}
	default:
		j.Strategy.RunningShare = share
		if share > 1 {
			ps.Warnf(path, "found %s, which takes more Jobs off than run; expected a share from 0 to 1", cut(text))
			ps.Hint("0.5 stands for half of them")
		}
	}
	if !custom && (text != "" || s.CustomScalingQueueLengthDeduction != nil) {
		ps.Warnf("spec.scalingStrategy", "has customScaling… without strategy custom; they have no effect with strategy %s", cut(j.Strategy.Name))
	}
}
