package decide

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// ready says whether the object does its work, and otherwise the first thing
// in the way of it: what is written in it, its target, its sources, its HPA.
func (s *statusFacts) ready() {
	w, kind := s.w, s.w.Key.Kind
	set := func(status, reason, message string) {
		s.conds.set(model.ConditionReady, status, reason, cut(message, maxMessage))
	}
	quote := func(status, reason, message string) {
		s.conds.steady(model.ConditionReady, status, reason, cut(message, maxMessage))
	}
	if s.news {
		quote = set
	}
	switch {
	case s.Blocked:
		set(statusFalse, s.problemReason(), s.problemText())
	case s.in.TargetErr != nil:
		reason, message := s.targetTrouble()
		quote(statusFalse, reason, message)
	case s.in.WriteErr != nil:
		quote(statusFalse, reasonTargetWrite, cut(s.in.WriteErr.Error(), maxCause)+"; it is tried again")
	case isPaused(w):
		set(statusTrue, kind+suffixReady, kind+" is defined correctly; it is paused")
	case s.failing+s.failingTriggers() > 0 && (s.active || s.failing == 0):
		quote(statusUnknown, reasonPartialError, s.withCredentials(s.failureText()))
	case s.failing > 0:
		quote(statusFalse, reasonTriggerError, s.withCredentials(s.failureText()))
	case s.pending > 0:
		if s.measuredBefore() {
			s.conds.keep(model.ConditionReady)
			return
		}
		set(statusUnknown, reasonNotMeasured, "waiting for the first measurement of every trigger")
	case s.in.HPA.broken() && s.from > 0:
		quote(statusFalse, s.in.HPA.Reason, fmt.Sprintf("the triggers work, but HorizontalPodAutoscaler %s does not scale: %s", w.HPA.Name, cut(s.in.HPA.Message, maxCause)))
	default:
		quote(statusTrue, kind+suffixReady, s.withCredentials(kind+" is defined correctly and is ready for scaling"))
	}
}

// withCredentials adds what is remarkable about the credentials in use, such
// as that their store does not answer any more.
func (s *statusFacts) withCredentials(message string) string {
	for _, p := range s.in.Problems.Warnings() {
		if strings.Contains(p.Path, "authenticationRef") {
			message += "; " + problemLine(p)
		}
	}
	return message
}

// measuredBefore says that the condition in the cluster speaks of this very
// object with its triggers measured: after a restart it stands until there is
// something newer.
func (s *statusFacts) measuredBefore() bool {
	old, ok := s.conds.old.Condition(model.ConditionReady)
	if !ok || old.Generation != s.w.Generation {
		return false
	}
	switch old.Reason {
	case s.w.Key.Kind + suffixReady, reasonTriggerError, reasonPartialError:
		return true
	}
	return false
}

// problemReason tells credentials that are missing from all else.
func (s *statusFacts) problemReason() string {
	bad := s.in.Problems.Errors()
	for _, p := range bad {
		if !strings.Contains(p.Path, "authenticationRef") {
			return s.w.Key.Kind + suffixCheckFailed
		}
	}
	if len(bad) == 0 {
		return s.w.Key.Kind + suffixCheckFailed
	}
	return reasonAuthFailed
}

func (s *statusFacts) problemText() string {
	bad := s.in.Problems.Errors()
	if len(bad) == 0 {
		return "the checks failed"
	}
	return list(bad, problemLine)
}

// problemLine keeps the hint, which says what to do, when the rest is cut.
func problemLine(p param.Problem) string {
	hint := p.Hint
	p.Hint = ""
	line := cut(p.String(), maxCause)
	if hint != "" {
		line += " (" + cut(hint, maxCause) + ")"
	}
	return line
}

func (s *statusFacts) targetTrouble() (reason, message string) {
	t := fmt.Sprintf("%s.%s %s/%s", s.w.Target.APIVersion, s.w.Target.Kind, s.w.Key.Namespace, s.w.Target.Name)
	switch err := s.in.TargetErr; {
	case errors.Is(err, model.ErrTargetNotFound):
		return reasonTargetNotFound, t + " does not exist; create it or correct scaleTargetRef. It is scaled as soon as it exists"
	case errors.Is(err, model.ErrTargetNotScalable):
		return reasonNotScalable, t + " can't be scaled: its kind is unknown to the cluster or has no scale subresource; correct scaleTargetRef"
	default:
		return reasonGettingReplicas, fmt.Sprintf("the replica count of %s can't be read: %s", t, cut(err.Error(), maxCause))
	}
}

// failureText says per trigger what failed and what the user can do.
func (s *statusFacts) failureText() string {
	var failed []int
	for i, st := range s.states {
		if st.failing() {
			failed = append(failed, i)
		}
	}
	text := list(failed, s.failure)
	for _, j := range s.judged {
		if j.trouble != "" && text == "" {
			text = "spec.advanced.scalingModifiers.formula " + j.trouble + "; correct the formula, or say with ?? what stands for a trigger without a value"
		}
	}
	return text
}

func (s *statusFacts) failure(i int) string {
	m := s.Metrics[i]
	head := fmt.Sprintf("trigger %d %q (%s)", m.Trigger, label(m), m.TriggerType)
	if s.states[i] == stateStale {
		return head + " has not been measured for a while; replicas are kept"
	}
	sample := s.Samples[i]
	if !sample.Failing() {
		return head + ", BadAnswer: the source gave no finite number; " + advice(scaler.ReasonBadAnswer)
	}
	return fmt.Sprintf("%s, %s: %s; %s", head, sample.Reason, cut(sample.Message, maxCause), advice(sample.Reason))
}

// advice says what the user can do about a failure.
func advice(r scaler.Reason) string {
	switch r {
	case scaler.ReasonDenied:
		return "check the credentials and what they are allowed to do"
	case scaler.ReasonMissing:
		return "create it at the source or correct the trigger's metadata"
	case scaler.ReasonMisconfigured:
		return "correct the trigger's metadata"
	case scaler.ReasonBadAnswer:
		return "check what the source answers to this trigger"
	default:
		return "check that the source runs and can be reached from the cluster"
	}
}

// list joins the first few of many.
func list[T any](items []T, text func(T) string) string {
	const most = 3
	var parts []string
	for _, it := range items[:min(most, len(items))] {
		parts = append(parts, text(it))
	}
	if more := len(items) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// activity says whether there is work. While sources fail it stands as it was.
func (s *statusFacts) activity() {
	set := func(status, reason, message string) {
		s.conds.steady(model.ConditionActive, status, reason, cut(message+s.watchNote(), maxMessage))
	}
	d, kind := s.in.Decision, s.w.Key.Kind
	switch {
	case s.Blocked:
		old := s.conds.out[0] // Ready, which says why
		s.conds.set(model.ConditionActive, statusUnknown, old.Reason, "nothing is measured; the condition Ready says why")
	case isPaused(s.w):
		s.conds.set(model.ConditionActive, statusUnknown, kind+suffixPaused, "nothing is measured while the "+kind+" is paused")
	case s.active && s.in.TargetErr != nil:
		set(statusTrue, reasonScalerActive, "triggers are active; the condition Ready says why the target is not scaled")
	case s.active && len(s.triggered) == 0:
		set(statusTrue, reasonScalerActive, "scaling is performed because the annotation force-activation is set")
	case s.active && s.w.Pause.Out:
		set(statusTrue, reasonScalerActive, "triggers are active; scaling out is paused by annotation")
	case s.active:
		set(statusTrue, reasonScalerActive, "scaling is performed because triggers are active")
	case s.pending > 0 || s.failing > 0:
		if !s.conds.keep(model.ConditionActive) {
			set(statusUnknown, reasonNotMeasured, "no trigger is known to be active, and not every one is known to be idle")
		}
	case d.Rule == model.RuleCooldown:
		set(statusFalse, reasonScalerCooldown, fmt.Sprintf("triggers are not active; scaling in waits for the end of the cool-down of %s", s.cooldown()))
	case d.Rule == model.RuleScaleInPaused:
		set(statusFalse, reasonScalerNotActive, "triggers are not active; scaling in is paused by annotation")
	case s.measured == 0:
		set(statusFalse, reasonScalerNotActive, "only resource metrics; the HPA alone decides")
	default:
		set(statusFalse, reasonScalerNotActive, "scaling is not performed because triggers are not active")
	}
}

// watchNote says where arrivals are noticed late, and why.
func (s *statusFacts) watchNote() string {
	for i, sample := range s.Samples {
		if i >= len(s.Metrics) {
			break
		}
		if st := sample.Watch.State; st == model.WatchRefused || st == model.WatchBroken {
			return fmt.Sprintf("; arrivals at %q are noticed by polling every %s: %s",
				label(s.Metrics[i]), s.w.PollingInterval.Round(time.Millisecond), cut(sample.Watch.Message, maxCause))
		}
	}
	return ""
}
