// Package lint holds the rules that ScaledObjects, ScaledJobs and auth objects
// keep, one set for the operator, the webhook and the command line.
//
// It owns which combinations are refused and how that is said. It reads
// nothing: what a rule needs to know is an argument, so rules that need the
// cluster live with whoever asks the cluster.
package lint

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// maxName is the longest value of a label, which object and HPA names become.
const maxName = 63

const (
	// annotationTransferHPA lets an object take over an HPA of somebody else.
	annotationTransferHPA = "scaledobject.keda.sh/transfer-hpa-ownership"
	// annotationHPAOwnership skips looking for other HPAs when "false".
	annotationHPAOwnership = "validations.keda.sh/hpa-ownership"
)

// Workload checks one object by itself, apart from its triggers' parameters,
// see Prepare. Paths are those of the object.
func Workload(w *model.Workload) param.Problems {
	var ps param.Problems
	counts(w, &ps)
	names(w, &ps)
	times(w, &ps)
	fallback(w, &ps)
	modifiers(w, &ps)
	triggers(w, &ps)
	job(w, &ps)
	return ps
}

func counts(w *model.Workload, ps *param.Problems) {
	if w.Min < 0 {
		ps.Errorf("spec.minReplicaCount", "found %d; expected 0 or more", w.Min)
	}
	if w.Max < 1 {
		ps.Errorf("spec.maxReplicaCount", "found %d; expected 1 or more", w.Max)
	} else if w.Min > w.Max {
		ps.Errorf("spec.minReplicaCount", "found %d, above maxReplicaCount, which is %d; expected at most that", w.Min, w.Max)
	}
	if w.Idle == nil {
		return
	}
	switch idle := *w.Idle; {
	case idle < 0:
		ps.Errorf("spec.idleReplicaCount", "found %d; expected 0 or more", idle)
	case idle >= w.Min:
		ps.Errorf("spec.idleReplicaCount", "found %d, while minReplicaCount is %d; expected fewer than that", idle, w.Min)
		if idle == 0 {
			ps.Hint("with minReplicaCount 0 the target goes to 0 by itself; leave idleReplicaCount out")
		}
	}
}

// hpaNames is what the API server takes as an HPA's name.
var hpaNames = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func names(w *model.Workload, ps *param.Problems) {
	if len(w.Key.Name) > maxName {
		ps.Errorf("metadata.name", "has %d characters; expected at most %d, since it becomes the value of a label", len(w.Key.Name), maxName)
	}
	if w.Job != nil {
		return
	}
	if w.Target.Name == "" {
		ps.Errorf(targetPath(w), "is missing; expected the name of what is to be scaled")
	}
	if len(w.HPA.SelectorValue) > maxName && w.Key.Group == model.GroupFirst {
		ps.Errorf(targetPath(w), "has %d characters; expected at most %d, since it becomes the value of a label", len(w.HPA.SelectorValue), maxName)
	}
	const path = "spec.advanced.horizontalPodAutoscalerConfig.name"
	own := "keda-hpa-" + w.HPA.SelectorValue
	switch name := w.HPA.Name; {
	case name == own:
		if w.HPA.Annotations[annotationTransferHPA] == "true" {
			ps.Warnf("metadata.annotations."+annotationTransferHPA, "takes over the HPA %s only", own)
			ps.Hint("name the HPA to take over in %s", path)
		}
	case len(name) > maxName:
		ps.Errorf(path, "has %d characters; expected at most %d, since it becomes the value of a label", len(name), maxName)
	case !hpaNames.MatchString(name):
		ps.Errorf(path, "found %q; expected small letters, digits, hyphens and dots", name)
	}
}

func targetPath(w *model.Workload) string {
	if w.Key.Group == model.GroupFirst {
		return "spec.scaleTargetRef.deploymentName"
	}
	return "spec.scaleTargetRef.name"
}

func times(w *model.Workload, ps *param.Problems) {
	if w.PollingInterval < time.Second {
		ps.Errorf("spec.pollingInterval", "found %v; expected 1 or more seconds", w.PollingInterval.Seconds())
	}
	if w.Cooldown < 0 {
		ps.Errorf("spec.cooldownPeriod", "found %v; expected 0 or more seconds", w.Cooldown.Seconds())
	}
	if w.InitialCooldown < 0 {
		ps.Errorf("spec.initialCooldownPeriod", "found %v; expected 0 or more seconds", w.InitialCooldown.Seconds())
	}
}

func fallback(w *model.Workload, ps *param.Problems) {
	f := w.Fallback
	if f == nil {
		return
	}
	if f.FailureThreshold < 0 {
		ps.Errorf("spec.fallback.failureThreshold", "found %d; expected 0 or more", f.FailureThreshold)
	}
	if f.Replicas < 0 {
		ps.Errorf("spec.fallback.replicas", "found %d; expected 0 or more", f.Replicas)
	}
	behaviors := []string{"static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers"}
	if !slices.Contains(behaviors, f.Behavior) {
		ps.Errorf("spec.fallback.behavior", "found %s; expected one of %s", quote(f.Behavior), strings.Join(behaviors, ", "))
		near(f.Behavior, behaviors, ps)
	}
	if f.Behavior == "scalingModifiers" && w.Modifiers == nil {
		ps.Errorf("spec.fallback.behavior", "found scalingModifiers without a formula; expected one in spec.advanced.scalingModifiers")
	}
}

func triggers(w *model.Workload, ps *param.Problems) {
	if len(w.Triggers) == 0 {
		ps.Errorf("spec.triggers", "is empty; expected at least one trigger")
	}
	kinds := []string{model.KindTriggerAuthentication, model.KindClusterTriggerAuthentication}
	named := map[string]int{}
	for i, t := range w.Triggers {
		path := triggerPath(i)
		if t.Name != "" {
			if first, taken := named[t.Name]; taken {
				ps.Errorf(path+".name", "found %s, which is the name of %s too; expected a name of its own", quote(t.Name), triggerPath(first))
			} else {
				named[t.Name] = i
			}
		}
		if t.Auth == nil {
			continue
		}
		if t.Auth.Name == "" {
			ps.Errorf(path+".authenticationRef.name", "is missing; expected the name of a %s", t.Auth.Kind)
		}
		if !slices.Contains(kinds, t.Auth.Kind) {
			ps.Errorf(path+".authenticationRef.kind", "found %s; expected %s", quote(t.Auth.Kind), strings.Join(kinds, " or "))
			near(t.Auth.Kind, kinds, ps)
		}
	}
}

// near adds the name that was likely meant to the problem added last.
func near(got string, allowed []string, ps *param.Problems) {
	if n, ok := param.Nearest(got, allowed); ok {
		ps.Hint("did you mean %s?", n)
	}
}
