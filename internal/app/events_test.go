package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kedago/keda/pkg/scaler"
)

func TestEventsKeepWhatIsCounted(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	later := at.Add(time.Minute)
	event := func(change func(*corev1.Event)) *corev1.Event {
		e := &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "shop", ResourceVersion: "1", CreationTimestamp: metav1.Time{Time: at}},
			Type:       "Warning", Reason: "BackOff", Message: "long", InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "p"},
		}
		change(e)
		return e
	}
	tests := map[string]struct {
		event *corev1.Event
		last  time.Time
	}{
		"created only": {event(func(*corev1.Event) {}), at},
		"old form":     {event(func(e *corev1.Event) { e.LastTimestamp.Time = later }), later},
		"new form":     {event(func(e *corev1.Event) { e.EventTime.Time = later }), later},
		"series": {event(func(e *corev1.Event) {
			e.EventTime.Time = at
			e.Series = &corev1.EventSeries{LastObservedTime: metav1.MicroTime{Time: later}}
		}), later},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := stripEvent(tc.event)
			if err != nil {
				t.Fatal(err)
			}
			e := got.(*corev1.Event)
			if diff := cmp.Diff(scaler.Event{Type: "Warning", Reason: "BackOff", Kind: "Pod", Name: "p", Last: tc.last}, eventOf(e)); diff != "" || e.Message != "" {
				t.Errorf("message %q (-want +got):\n%s", e.Message, diff)
			}
		})
	}
	first := event(func(*corev1.Event) {})
	again := event(func(e *corev1.Event) { e.ResourceVersion, e.LastTimestamp.Time = "2", later })
	touched := event(func(e *corev1.Event) { e.ResourceVersion = "2" })
	if !seenAgain(first, again) || seenAgain(first, first) || seenAgain(first, touched) {
		t.Error("an event that happened again is not told from one that did not")
	}
}
