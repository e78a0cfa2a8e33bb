package convert

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
)

// FuzzScaledObject reads any JSON as every kind that scales: nothing panics,
// the object stays as it is, a workload is complete enough to be deleted, and
// the status survives being read, written, stored and read again.
func FuzzScaledObject(f *testing.F) {
	for _, seed := range []string{
		`{}`,
		`{"metadata":{"name":"a","labels":{"b":"c"},"annotations":{"autoscaling.keda.sh/paused-replicas":"3"}},"spec":{"scaleTargetRef":{"name":"a","deploymentName":"b"},"triggers":[{"type":"kafka","metadata":{"a":"b"},"authenticationRef":{"name":"x"}}]}}`,
		`{"spec":{"scaleType":"job","jobTargetRef":{"template":{}},"fallback":{"replicas":-1},"advanced":{"scalingModifiers":{"formula":"a"}}}}`,
		`{"status":{"lastActiveTime":"2026-01-01T00:00:00Z","conditions":[{"type":"Ready","status":"True"}],"health":{"a":{"numberOfFailures":2}},"triggersActivity":{"a":{"isActive":true}},"lastDecision":{"time":null,"rule":"x","from":1,"to":2}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var today kedav1.ScaledObject
		if json.Unmarshal(raw, &today) == nil {
			before := today.DeepCopy()
			w, _ := ScaledObject(&today)
			check(t, w, model.GroupToday, len(today.Spec.Triggers))
			roundTrip(t, Status(&today))
			unchanged(t, before, &today)
		}
		var first firstv1.ScaledObject
		if json.Unmarshal(raw, &first) == nil {
			before := first.DeepCopy()
			w, _ := FirstScaledObject(&first)
			check(t, w, model.GroupFirst, len(first.Spec.Triggers))
			roundTrip(t, FirstStatus(&first))
			unchanged(t, before, &first)
		}
		var job kedav1.ScaledJob
		if json.Unmarshal(raw, &job) == nil {
			w, _ := ScaledJob(&job)
			check(t, w, model.GroupToday, len(job.Spec.Triggers))
		}
	})
}

func check(t *testing.T, w *model.Workload, group model.Group, triggers int) {
	t.Helper()
	if w.Key.Group != group || w.Key.Kind == "" || len(w.Triggers) != triggers {
		t.Fatalf("%d triggers became %+v", triggers, w)
	}
	if w.Job != nil {
		return
	}
	if w.Target.APIVersion == "" || w.Target.Kind == "" && w.Target.Name != "" || w.HPA.Name == "" || w.HPA.SelectorKey == "" {
		if group == model.GroupToday && w.Target == (model.Target{}) {
			return // no scaleTargetRef at all
		}
		t.Fatalf("an incomplete workload: %+v", w)
	}
	if w.Pause.Replicas != nil && (*w.Pause.Replicas < 0 || !w.Pause.Paused) {
		t.Fatalf("pause %+v", w.Pause)
	}
}

func roundTrip(t *testing.T, s model.Status) {
	t.Helper()
	for group, got := range throughAPI(t, s) {
		// Written and read once more, it says the same.
		if again := throughAPI(t, got)[group]; !decide.Equal(got, again) {
			t.Fatalf("status through %s:\n%s", group, cmp.Diff(got, again))
		}
		if got.HPAName != s.HPAName || len(got.Conditions) != len(s.Conditions) || len(got.Health) != len(s.Health) {
			t.Fatalf("status through %s:\n%s", group, cmp.Diff(s, got))
		}
	}
}

func unchanged(t *testing.T, before, after any) {
	t.Helper()
	if diff := cmp.Diff(before, after, cmpopts.EquateNaNs()); diff != "" {
		t.Fatalf("the object changed:\n%s", diff)
	}
}
