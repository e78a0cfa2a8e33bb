package e2e

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// TestKubernetesEvents: Events of a reason raise a workload from zero at once,
// and lower it when they are older than the window.
func TestKubernetesEvents(t *testing.T) {
	s := newStory(t)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject([]kedav1.ScaleTriggers{{Type: "kubernetes-events", Metadata: map[string]string{
		"reason": "OrderFailed", "type": "Warning", "window": "20s", "value": "1",
	}}}))
	o.ready()
	s.replicas(0)
	for i := range 4 {
		reason := "OrderFailed"
		if i == 3 {
			reason = "OrderTaken" // another reason does not count
		}
		s.must(s.client.Create(s.ctx, &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: s.namespace, Name: fmt.Sprintf("order-%d", i)},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: s.namespace, Name: "shop"},
			Reason:         reason, Type: corev1.EventTypeWarning, Message: "an order", Count: 1,
			FirstTimestamp: metav1.NewTime(time.Now()), LastTimestamp: metav1.NewTime(time.Now()),
		}))
	}
	s.settled(3)
	o.decided(model.RuleZero, 3, 0)
	s.replicas(0)
}
