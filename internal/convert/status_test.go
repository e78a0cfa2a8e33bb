package convert

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// full is a status in which every field is set.
func full() model.Status {
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	return model.Status{
		Generation: 3, TargetKind: "apps/v1.Deployment",
		TargetGVKR:       &model.GVKR{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"},
		OriginalReplicas: of[int32](0), LastActive: at,
		ExternalMetrics: []string{"s0-kafka-a"}, ResourceMetrics: []string{"cpu"},
		CompositeScaler: "composite", HPAName: "keda-hpa-a", PausedReplicas: of[int32](2),
		TriggerTypes: "kafka,cpu", AuthTypes: "creds",
		TriggerActivity: map[string]bool{"s0-kafka-a": true, "s1-x": false},
		Health:          map[string]model.Health{"s0-kafka-a": {Failures: 3, Status: "Failing"}, "s1-x": {Status: "Happy"}},
		Conditions: []model.Condition{
			{Type: "Ready", Status: "True", Reason: "R", Message: "m", Since: at, Generation: 3},
			{Type: "Active", Status: "Unknown"},
		},
		LastDecision: &model.DecisionRecord{Time: at, Rule: model.RuleActivate, From: 0, To: 5, Message: "why"},
	}
}

// throughAPI writes a status into both kinds' objects, through JSON as the API
// server keeps it, and reads it back.
func throughAPI(t testing.TB, s model.Status) map[string]model.Status {
	t.Helper()
	var today, todayBack kedav1.ScaledObject
	var first, firstBack firstv1.ScaledObject
	SetStatus(&today, s)
	SetFirstStatus(&first, s)
	for from, to := range map[any]any{&today: &todayBack, &first: &firstBack} {
		raw, err := json.Marshal(from)
		if err == nil {
			err = json.Unmarshal(raw, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]model.Status{"keda.sh": Status(&todayBack), "keda.k8s.io": FirstStatus(&firstBack)}
}

func TestStatusRoundTrip(t *testing.T) {
	for name, s := range map[string]model.Status{"full": full(), "empty": {}} {
		for group, got := range throughAPI(t, s) {
			if diff := cmp.Diff(s, got); diff != "" {
				t.Errorf("%s status through %s (-want +got):\n%s", name, group, diff)
			}
		}
	}
}

// TestStatusSharesNothing: a later change of one does not reach the other.
func TestStatusSharesNothing(t *testing.T) {
	var o kedav1.ScaledObject
	s := full()
	SetStatus(&o, s)
	before := o.DeepCopy()
	*s.OriginalReplicas, s.ExternalMetrics[0], s.TriggerActivity["new"], s.TargetGVKR.Kind = 9, "x", true, "x"
	read := Status(&o)
	*read.PausedReplicas, read.ExternalMetrics[0], read.Health["new"], read.LastDecision.To = 9, "x", model.Health{}, 9
	compare(t, "object", before, &o)
}

// TestStatusReplacesAll: what the new status does not say is gone.
func TestStatusReplacesAll(t *testing.T) {
	var today kedav1.ScaledObject
	var first firstv1.ScaledObject
	SetStatus(&today, full())
	SetFirstStatus(&first, full())
	SetStatus(&today, model.Status{})
	SetFirstStatus(&first, model.Status{})
	compare(t, "today", kedav1.ScaledObjectStatus{}, today.Status)
	compare(t, "first", firstv1.ScaledObjectStatus{}, first.Status)
}

// TestTimesAreWholeSeconds: otherwise a status read back would differ from the
// one written, and be written again.
func TestTimesAreWholeSeconds(t *testing.T) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 987654321, time.UTC)
	var o kedav1.ScaledObject
	SetStatus(&o, model.Status{LastActive: at, LastDecision: &model.DecisionRecord{Time: at}, Conditions: []model.Condition{{Since: at}}})
	got := Status(&o)
	for name, v := range map[string]time.Time{"LastActive": got.LastActive, "LastDecision": got.LastDecision.Time, "Since": got.Conditions[0].Since} {
		if !v.Equal(at.Truncate(time.Second)) {
			t.Errorf("%s: %v, expected whole seconds of %v", name, v, at)
		}
	}
}
