package decide

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// HPAView is what an HPA says of itself, as far as it matters to us.
type HPAView struct {
	// Known is false while the HPA controller has not looked at the HPA.
	Known bool
	// Status is True, False or Unknown: whether the HPA scales.
	Status string
	// Reason and Message are the HPA's own.
	Reason, Message string
}

// ViewHPA reads the conditions of an HPA: not being able to scale counts
// before not being active.
func ViewHPA(h *autoscalingv2.HorizontalPodAutoscaler) HPAView {
	var view HPAView
	for _, c := range h.Status.Conditions {
		switch {
		case c.Type == autoscalingv2.AbleToScale && c.Status == corev1.ConditionFalse:
			return HPAView{Known: true, Status: string(c.Status), Reason: c.Reason, Message: c.Message}
		case c.Type == autoscalingv2.ScalingActive:
			view = HPAView{Known: true, Status: string(c.Status), Reason: c.Reason, Message: c.Message}
		}
	}
	return view
}

// What the HPA says at zero replicas, where it rests.
const hpaScalingDisabled = "ScalingDisabled"

// broken says that the HPA can't do its work for a reason that is neither
// rest nor pods that have no cpu or memory figures yet.
func (v HPAView) broken() bool {
	if !v.Known || v.Status != string(corev1.ConditionFalse) {
		return false
	}
	switch v.Reason {
	case hpaScalingDisabled, "FailedGetResourceMetric", "FailedGetContainerResourceMetric":
		return false
	}
	return true
}
