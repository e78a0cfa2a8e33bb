package convert

import (
	"maps"
	"slices"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The scale types of the first API.
const (
	scaleTypeDeployment = "deployment"
	scaleTypeJob        = "job"
)

// FirstScaledObject converts a ScaledObject of keda.k8s.io. The workload is
// complete even with problems, so that an object can be deleted whatever is
// wrong.
func FirstScaledObject(o *firstv1.ScaledObject) (*model.Workload, param.Problems) {
	var ps param.Problems
	w := newWorkload(model.GroupFirst, model.KindScaledObject, &o.ObjectMeta)
	s := &o.Spec
	w.PollingInterval = seconds(s.PollingInterval, defaultPollingInterval)
	w.Cooldown = seconds(s.CooldownPeriod, defaultCooldown)
	w.Min, w.Max = or(s.MinReplicaCount, 0), or(s.MaxReplicaCount, defaultMaxReplicas)
	w.Triggers = firstTriggers(s.Triggers)
	if isJob(o, &ps) {
		firstJob(w, o)
	} else {
		firstTarget(w, o)
	}
	annotated(w, o.Annotations, &ps)
	return w, ps
}

func firstTarget(w *model.Workload, o *firstv1.ScaledObject) {
	w.Target = model.Target{APIVersion: defaultTargetVersion, Kind: defaultTargetKind}
	if t := o.Spec.ScaleTargetRef; t != nil {
		w.Target.Name, w.Target.Container = t.DeploymentName, t.ContainerName
	}
	w.HPA = model.HPA{
		Name: hpaPrefix + w.Target.Name, SelectorKey: selectorFirst, SelectorValue: w.Target.Name,
		Labels: inheritedLabels(o.Labels, o.Annotations, annotationExcludedLabels), Annotations: maps.Clone(o.Annotations),
	}
}

// isJob tells the two scale types apart, and says what is missing for the one
// chosen or at odds with it.
func isJob(o *firstv1.ScaledObject, ps *param.Problems) bool {
	s := &o.Spec
	scaleType := string(s.ScaleType)
	hasTarget, hasJob := s.ScaleTargetRef != nil, s.JobTargetRef != nil
	if known := []string{scaleTypeDeployment, scaleTypeJob}; scaleType != "" && !slices.Contains(known, scaleType) {
		ps.Errorf("spec.scaleType", "found %s; expected deployment or job", cut(scaleType))
		if near, ok := param.Nearest(scaleType, known); ok {
			ps.Hint("did you mean %s?", near)
		}
		scaleType = ""
	}
	switch {
	case hasTarget && hasJob:
		ps.Errorf("spec.jobTargetRef", "can't be used with scaleTargetRef; expected one of them")
	case !hasTarget && !hasJob && scaleType == "":
		ps.Errorf("spec", "has neither scaleTargetRef nor jobTargetRef; expected one of them")
	case scaleType == scaleTypeJob && !hasJob:
		ps.Errorf("spec.jobTargetRef", "is missing; expected a Job's spec for scaleType job")
	case scaleType == scaleTypeDeployment && !hasTarget:
		ps.Errorf("spec.scaleTargetRef", "is missing; expected one with deploymentName for scaleType deployment")
	}
	return scaleType == scaleTypeJob || scaleType == "" && hasJob && !hasTarget
}

func firstTriggers(in []firstv1.ScaleTriggers) []model.Trigger {
	out := make([]model.Trigger, len(in))
	for i, t := range in {
		out[i] = model.Trigger{Type: t.Type, Name: t.Name, Metadata: maps.Clone(t.Metadata)}
		if r := t.AuthenticationRef; r != nil {
			out[i].Auth = &model.AuthRef{Kind: model.KindTriggerAuthentication, Name: r.Name}
		}
	}
	return out
}
