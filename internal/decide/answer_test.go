package decide

import (
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
)

func failed(times int, s model.Sample) model.Sample {
	s = failing(s)
	s.Failures = times
	return s
}

// TestAnswer: what an HPA is told of a trigger with a target of 5 and a
// fallback of 6 replicas after 3 failures, at 8 replicas of which 4 are ready.
func TestAnswer(t *testing.T) {
	old := model.Sample{Value: 7, At: t0.Add(-2 * time.Minute)}
	for name, c := range map[string]struct {
		sample   model.Sample
		behavior string
		replicas int32
		byValue  bool
		unknown  bool
		want     float64
		fallback bool
		err      string
	}{
		"a good value": {sample: good(7), behavior: "static", want: 7},
		"the last good value of a failing source": {sample: failed(3, good(7)), behavior: "static", want: 7},
		"never measured":                        {behavior: "static", err: "not been measured yet"},
		"never measured, failing":               {sample: failed(1, model.Sample{}), behavior: "static", err: "the source fails: reading the list"},
		"a value that is too old":               {sample: old, behavior: "static", err: "the last value is 2m0s old"},
		"failing too long without a fallback":   {sample: failed(50, old), err: "its last value is 2m0s old: reading the list"},
		"static":                                {sample: failed(4, good(7)), behavior: "static", want: 30, fallback: true},
		"static for a source that never worked": {sample: failed(4, model.Sample{}), behavior: "static", want: 30, fallback: true},
		"static by Value":                       {sample: failed(4, good(7)), behavior: "static", byValue: true, want: 7.5, fallback: true},
		"the current count":                     {sample: failed(4, good(7)), behavior: "currentReplicas", want: 40, fallback: true},
		"the current count, unless lower":       {sample: failed(4, good(7)), behavior: "currentReplicasIfHigher", want: 40, fallback: true},
		"the current count, unless higher":      {sample: failed(4, good(7)), behavior: "currentReplicasIfLower", want: 30, fallback: true},
		"higher than the current count":         {sample: failed(4, good(7)), behavior: "currentReplicasIfHigher", replicas: 2, want: 30, fallback: true},
		"lower than the fallback's count":       {sample: failed(4, good(7)), behavior: "currentReplicasIfLower", replicas: 2, want: 10, fallback: true},
		"the current count is not known":        {sample: failed(4, good(7)), behavior: "currentReplicas", unknown: true, err: "replica count of the target, which is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(workload(), 8, c.sample)
			in.Scale.Ready = 4
			if c.replicas > 0 {
				in.Scale.Replicas = c.replicas
			}
			in.Scale.Known = !c.unknown
			if c.behavior != "" {
				in.Workload.Fallback = &model.Fallback{FailureThreshold: 3, Replicas: 6, Behavior: c.behavior}
			}
			if c.byValue {
				in.Metrics[0].Type = autoscalingv2.ValueMetricType
			}
			got, err := AnswerTrigger(in, 0)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, %v; expected an error with %q", got, err, c.err)
				}
				return
			}
			if err != nil || got.Value != c.want || got.Fallback != c.fallback {
				t.Errorf("got %+v, %v; expected %v, fallback %v", got, err, c.want, c.fallback)
			}
		})
	}
}

// TestFallbackIsTold: the condition and one event each tell that HPAs are told
// the fallback, and that they no longer are; more failures are no news.
func TestFallbackIsTold(t *testing.T) {
	w := workload(func(w *model.Workload) {
		w.Fallback = &model.Fallback{FailureThreshold: 3, Replicas: 6, Behavior: "static"}
	})
	var status model.Status
	step := func(s model.Sample) (model.Condition, string) {
		in := input(w, 8, s)
		d := Replicas(in)
		if d.Writes() {
			t.Errorf("a write: %+v", d)
		}
		before := status
		status = Status(StatusInput{Previous: before, Input: in, Decision: d})
		var told []string
		for _, e := range Events(before, status, w, d, nil) {
			if strings.Contains(e.Reason, "Fallback") {
				told = append(told, e.Type+" "+e.Reason)
			}
		}
		c, _ := status.Condition(model.ConditionFallback)
		return c, strings.Join(told, ", ")
	}
	for i, want := range []struct {
		sample         model.Sample
		status, reason string
		event          string
	}{
		{good(7), statusFalse, "NoFallbackFound", ""},
		{failed(3, good(7)), statusFalse, "NoFallbackFound", ""},
		{failed(4, good(7)), statusTrue, "FallbackExists", "Warning ScaledObjectFallbackActivated"},
		{failed(5, good(7)), statusTrue, "FallbackExists", ""},
		{good(7), statusFalse, "NoFallbackFound", "Normal ScaledObjectFallbackDeactivated"},
	} {
		c, event := step(want.sample)
		if c.Status != want.status || c.Reason != want.reason || event != want.event {
			t.Errorf("step %d: %+v, event %q; expected %+v", i, c, event, want)
		}
	}
}
