package convert

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The annotations that users set, the same in both groups.
const (
	annotationPaused          = "autoscaling.keda.sh/paused"
	annotationPausedReplicas  = "autoscaling.keda.sh/paused-replicas"
	annotationPausedScaleIn   = "autoscaling.keda.sh/paused-scale-in"
	annotationPausedScaleOut  = "autoscaling.keda.sh/paused-scale-out"
	annotationForceActivation = "autoscaling.keda.sh/force-activation"
	annotationJumpStart       = "autoscaling.keda.sh/jump-start"
	annotationExcludedLabels  = "scaledobject.keda.sh/hpa-excluded-labels"
	annotationJobExcluded     = "scaledjob.keda.sh/job-excluded-labels"
)

// annotated applies an object's annotations to its workload.
func annotated(w *model.Workload, annotations map[string]string, ps *param.Problems) {
	w.Pause.Paused = on(annotations, annotationPaused)
	w.Pause.In = on(annotations, annotationPausedScaleIn)
	w.Pause.Out = on(annotations, annotationPausedScaleOut)
	if text, ok := annotations[annotationPausedReplicas]; ok {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
		if err != nil || n < 0 {
			ps.Errorf("metadata.annotations."+annotationPausedReplicas, "found %s; expected a number of replicas such as 0", cut(text))
		} else {
			count := int32(n)
			w.Pause.Paused, w.Pause.Replicas = true, &count
		}
	}
	w.ForceActivation = isTrue(annotations, annotationForceActivation, false, ps)
	w.JumpStart = isTrue(annotations, annotationJumpStart, true, ps)
}

// on reads an annotation that pauses. As upstream has it, a value that is no
// boolean counts as true: whoever sets it means to pause.
func on(annotations map[string]string, name string) bool {
	text, ok := annotations[name]
	if !ok {
		return false
	}
	v, err := strconv.ParseBool(strings.TrimSpace(text))
	return err != nil || v
}

// isTrue reads an annotation that is true or false, with a warning for all else.
func isTrue(annotations map[string]string, name string, otherwise bool, ps *param.Problems) bool {
	text, ok := annotations[name]
	if !ok {
		return otherwise
	}
	v, err := strconv.ParseBool(strings.TrimSpace(text))
	if err != nil {
		ps.Warnf("metadata.annotations."+name, "found %s; expected true or false", cut(text))
		return otherwise
	}
	return v
}

// cut quotes a text, shortened where it would fill a message.
func cut(text string) string {
	const most = 80
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}

// inheritedLabels are the object's labels less those that the user keeps from
// what is made of it, by an annotation that lists them.
func inheritedLabels(labels, annotations map[string]string, excludedBy string) map[string]string {
	excluded := param.SplitList(annotations[excludedBy])
	out := maps.Clone(labels)
	maps.DeleteFunc(out, func(k, _ string) bool { return slices.Contains(excluded, k) })
	return out
}
