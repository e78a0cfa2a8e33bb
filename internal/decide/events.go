package decide

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
)

// Event is a Kubernetes event to write about a workload.
type Event struct {
	// Type is Normal or Warning.
	Type            string
	Reason, Message string
}

// Reasons of events that users of KEDA know.
const (
	eventActivated          = "KEDAScaleTargetActivated"
	eventActivationFailed   = "KEDAScaleTargetActivationFailed"
	eventDeactivated        = "KEDAScaleTargetDeactivated"
	eventDeactivationFailed = "KEDAScaleTargetDeactivationFailed"
	eventScalerFailed       = "KEDAScalerFailed"
	eventSourceFailed       = "KEDAMetricSourceFailed"
	eventScalersStarted     = "KEDAScalersStarted"
	eventScalersStopped     = "KEDAScalersStopped"
)

// Events tells what has changed between two statuses, and that the decision
// was carried out, or not for the error given. A failure that goes on is told
// once.
func Events(before, after model.Status, w *model.Workload, d model.Decision, writeErr error) []Event {
	var out []Event
	add := func(kind, reason, message string) { out = append(out, Event{kind, reason, message}) }
	if d.Writes() {
		scaled(add, before, after, w, d, writeErr)
	}
	scalersEvent(add, before, after, w.Key.Kind)
	readyEvent(add, before, after, w.Key.Kind)
	pausedEvent(add, before, after, w.Key.Kind)
	fallbackEvent(add, before, after, w.Key.Kind)
	hpaEvent(add, before, after)
	return out
}

type adder func(kind, reason, message string)

func scaled(add adder, before, after model.Status, w *model.Workload, d model.Decision, writeErr error) {
	kind := after.TargetKind
	if kind == "" {
		kind = w.Target.APIVersion + "." + w.Target.Kind
	}
	target := fmt.Sprintf("%s %s/%s from %d to %d", kind, w.Key.Namespace, w.Target.Name, d.From, d.To)
	up := d.To > d.From
	switch {
	case writeErr != nil && !changed(before, after, model.ConditionReady):
	case writeErr != nil && up:
		add(corev1.EventTypeWarning, eventActivationFailed, cut("Failed to scale "+target+": "+writeErr.Error(), maxMessage))
	case writeErr != nil:
		add(corev1.EventTypeWarning, eventDeactivationFailed, cut("Failed to scale "+target+": "+writeErr.Error(), maxMessage))
	case d.Rule == model.RulePaused, d.Rule == model.RuleMin:
		// The event about pausing tells; min is no matter of activity.
	case up && d.Trigger == "":
		add(corev1.EventTypeNormal, eventActivated, "Scaled "+target+", triggered by annotation force-activation")
	case up:
		add(corev1.EventTypeNormal, eventActivated, "Scaled "+target+", triggered by "+d.Trigger)
	default:
		add(corev1.EventTypeNormal, eventDeactivated, "Deactivated "+target)
	}
}

// changed says whether a condition now says something else.
func changed(before, after model.Status, t string) bool {
	a, _ := before.Condition(t)
	b, _ := after.Condition(t)
	return a.Status != b.Status || a.Reason != b.Reason || a.Message != b.Message
}

// scalersEvent tells that the object's sources are, or are no longer, asked.
func scalersEvent(add adder, before, after model.Status, kind string) {
	switch was, is := asks(before, kind), asks(after, kind); {
	case is && !was:
		add(corev1.EventTypeNormal, eventScalersStarted, "Started to watch the triggers")
	case was && !is:
		add(corev1.EventTypeNormal, eventScalersStopped, "Stopped to watch the triggers")
	}
}

// asks says whether a status is of an object whose sources are asked: one that
// has been checked, and is not paused.
func asks(s model.Status, kind string) bool {
	ready, ok := s.Condition(model.ConditionReady)
	paused, _ := s.Condition(model.ConditionPaused)
	return ok && ready.Reason != kind+suffixCheckFailed && ready.Reason != reasonAuthFailed && paused.Status != statusTrue
}

func readyEvent(add adder, before, after model.Status, kind string) {
	was, _ := before.Condition(model.ConditionReady)
	is, ok := after.Condition(model.ConditionReady)
	if !ok || !changed(before, after, model.ConditionReady) {
		return
	}
	switch is.Reason {
	case kind + suffixReady:
		if was.Status != statusTrue {
			add(corev1.EventTypeNormal, kind+suffixReady, kind+" is ready for scaling")
		}
	case reasonTriggerError, reasonPartialError:
		add(corev1.EventTypeWarning, eventScalerFailed, is.Message)
	case reasonNotMeasured, reasonTargetWrite:
		// The first is no news, the second has an event of its own.
	default:
		if is.Status == statusFalse && !hpaSays(after, is.Reason) {
			add(corev1.EventTypeWarning, kind+suffixCheckFailed, is.Message)
		}
	}
}

// hpaSays tells reasons that the HPA gave; hpaEvent tells those.
func hpaSays(s model.Status, reason string) bool {
	c, ok := s.Condition(model.ConditionHPAActive)
	return ok && c.Reason == reason
}

func pausedEvent(add adder, before, after model.Status, kind string) {
	was, _ := before.Condition(model.ConditionPaused)
	is, _ := after.Condition(model.ConditionPaused)
	switch {
	case is.Status == statusTrue && was.Status != statusTrue:
		add(corev1.EventTypeNormal, kind+suffixPaused, kind+" is paused")
	case is.Status == statusFalse && was.Status == statusTrue:
		add(corev1.EventTypeNormal, kind+suffixUnpaused, kind+" is no longer paused")
	}
}

func fallbackEvent(add adder, before, after model.Status, kind string) {
	was, _ := before.Condition(model.ConditionFallback)
	is, _ := after.Condition(model.ConditionFallback)
	switch {
	case is.Status == statusTrue && was.Status != statusTrue:
		add(corev1.EventTypeWarning, kind+suffixFallbackOn, is.Message)
	case is.Status == statusFalse && was.Status == statusTrue:
		add(corev1.EventTypeNormal, kind+suffixFallbackOff, "The fallback of the "+kind+" is over")
	}
}

// hpaEvent tells that the HPA gets no external metric.
func hpaEvent(add adder, before, after model.Status) {
	const failed = "FailedGetExternalMetric"
	was, _ := before.Condition(model.ConditionHPAActive)
	is, _ := after.Condition(model.ConditionHPAActive)
	if is.Reason == failed && was.Reason != failed {
		add(corev1.EventTypeWarning, eventSourceFailed, is.Message)
	}
}
