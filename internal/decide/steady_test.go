package decide

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
)

// TestNothingIsWrittenAtRest polls for a day: whatever is measured, a state
// that lasts is one status.
func TestNothingIsWrittenAtRest(t *testing.T) {
	refused := model.Watch{State: model.WatchBroken}
	for name, c := range map[string]struct {
		replicas int32
		sample   func(poll int, now time.Time) model.Sample
		// most is how many statuses may differ from the one before.
		most int
	}{
		"idle": {0, func(i int, now time.Time) model.Sample { return model.Sample{At: now, Took: time.Duration(i)} }, 1},
		"active": {7, func(i int, now time.Time) model.Sample {
			return model.Sample{Value: float64(1 + i%90), Active: true, At: now}
		}, 1},
		"a source that is down": {7, func(i int, now time.Time) model.Sample {
			return model.Sample{
				Failures: i + 1, FailedAt: now, Reason: "Unreachable",
				Message: fmt.Sprintf("asking 10.0.0.7:6379: read tcp 10.1.0.9:%d->10.0.0.7:6379: i/o timeout (request %x)", 40000+i, 1<<20+i),
			}
		}, 8}, // 1, 3, 10, 30, 100, 300, 1000 failures
		"a watch that is being tried again": {0, func(i int, now time.Time) model.Sample {
			w := refused
			w.Message = fmt.Sprintf("attempt %d failed", i)
			return model.Sample{At: now, Watch: w}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var s model.Status
			var events []Event
			var last time.Time
			writes := 0
			for i := range 24 * 120 {
				in := input(workload(), c.replicas, model.Sample{})
				in.Now = t0.Add(time.Duration(i) * 30 * time.Second)
				in.LastActive = last
				in.Samples[0] = c.sample(i, in.Now)
				d := Replicas(in)
				last = d.LastActive
				next := Status(StatusInput{Previous: s, Input: in, Decision: d, Target: deployments})
				events = append(events, Events(s, next, in.Workload, d, nil)...)
				if !Equal(s, next) {
					writes++
				}
				s = next
			}
			if writes > c.most {
				t.Errorf("%d writes, want at most %d", writes, c.most)
			}
			if len(events) != 2 || events[0].Reason != "KEDAScalersStarted" {
				t.Errorf("events %v, want two at the beginning, of which the first is KEDAScalersStarted", events)
			}
		})
	}
}

func TestARestartWritesNothingAndForgetsNothing(t *testing.T) {
	in := input(workload(), 3, good(1))
	hpa := func(si *StatusInput) { si.HPA = HPAView{Known: true, Status: "True", Reason: "ValidMetricFound"} }
	before := statusOf(model.Status{}, in, hpa)
	later := t0.Add(time.Hour)
	in.Now, in.Samples, in.LastActive = later, nil, ResumeLastActive(before, later)
	if !in.LastActive.Equal(later) {
		t.Errorf("resumed last active at %s, want now", in.LastActive)
	}
	if d := Replicas(in); d.Writes() {
		t.Errorf("scaled to %d before anything was measured", d.To)
	}
	if after := statusOf(before, in, hpa); !Equal(before, after) {
		t.Error(cmp.Diff(before, after))
	}
}

func TestResumeLastActiveOfAnIdleObject(t *testing.T) {
	s := model.Status{LastActive: t0, Conditions: []model.Condition{{Type: "Active", Status: "False"}}}
	if got := ResumeLastActive(s, t0.Add(time.Hour)); !got.Equal(t0) {
		t.Errorf("resumed %s, want what the status says", got)
	}
	if got := ResumeLastActive(model.Status{}, t0); !got.IsZero() {
		t.Errorf("resumed %s of a new object, want never", got)
	}
}

func TestLastActiveMovesWithActivityOnly(t *testing.T) {
	at := func(after time.Duration, previous model.Status, last time.Time, s model.Sample) model.Status {
		in := input(workload(), 3, s)
		in.Now, in.LastActive, in.Samples[0].At = t0.Add(after), last, t0.Add(after)
		return statusOf(previous, in)
	}
	s := at(0, model.Status{}, time.Time{}, good(1))
	for _, c := range []struct {
		after time.Duration
		last  time.Duration
		value float64
		want  time.Duration
	}{
		{time.Minute, 0, 1, 0},                                 // still active: as it was
		{3 * time.Minute, 2 * time.Minute, 0, 2 * time.Minute}, // over: when it was last active
		{4 * time.Minute, 2 * time.Minute, 0, 2 * time.Minute},
		{5 * time.Minute, 2 * time.Minute, 1, 5 * time.Minute},
	} {
		s = at(c.after, s, t0.Add(c.last), good(c.value))
		if want := t0.Add(c.want); !s.LastActive.Equal(want) {
			t.Errorf("after %s: lastActiveTime = %s, want %s", c.after, s.LastActive, want)
		}
	}
}

func TestSinceMovesWithStatusOnly(t *testing.T) {
	s := statusOf(model.Status{}, input(workload(), 3, good(1)))
	later := func(after time.Duration, sample model.Sample) Input {
		in := input(workload(), 3, sample)
		in.Now, in.Samples[0].At = t0.Add(after), t0.Add(after)
		return in
	}
	s = statusOf(s, later(time.Minute, good(1)))
	if c := condition(t, s, model.ConditionReady); !c.Since.Equal(t0) {
		t.Errorf("Since moved to %s although nothing changed", c.Since)
	}
	s = statusOf(s, later(2*time.Minute, failing(good(1))))
	if c := condition(t, s, model.ConditionReady); c.Status != "False" || !c.Since.Equal(t0.Add(2*time.Minute)) {
		t.Errorf("Ready is %s since %s, want False since now", c.Status, c.Since)
	}
}

// Another trigger that fails in the same words is news.
func TestAnotherFailingTriggerIsNews(t *testing.T) {
	named := func(samples ...model.Sample) Input {
		in := input(workload(), 3, samples...)
		in.Metrics[0].TriggerName, in.Metrics[1].TriggerName = "list1", "list2"
		return in
	}
	s := statusOf(model.Status{}, named(failing(good(0)), good(0)))
	s = statusOf(s, named(good(0), failing(good(0))))
	if m := condition(t, s, model.ConditionReady).Message; !strings.Contains(m, "list2") || strings.Contains(m, "list1") {
		t.Errorf("Ready says %q, want it to speak of list2 only", m)
	}
}

func TestFailureSteps(t *testing.T) {
	for n, want := range map[int]int32{0: 1, 1: 1, 2: 1, 3: 3, 9: 3, 10: 10, 29: 10, 30: 30, 99: 30, 100: 100, 5000: 3000, 1 << 40: 1_000_000} {
		if got := failureStep(n); got != want {
			t.Errorf("failureStep(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestEqualSeesEveryField(t *testing.T) {
	base := func() model.Status {
		return model.Status{Conditions: []model.Condition{{Type: "Ready", Since: t0}}, LastDecision: &model.DecisionRecord{Time: t0}}
	}
	other := base()
	other.Conditions[0].Since, other.LastDecision.Time = t0.In(time.FixedZone("x", 3600)), t0.In(time.FixedZone("x", 3600))
	other.Health, other.ExternalMetrics = map[string]model.Health{}, []string{}
	if !Equal(base(), other) {
		t.Error("a zone or an empty map counts as a difference")
	}
	for name, change := range map[string]func(*model.Status){
		"generation": func(s *model.Status) { s.Generation = 2 },
		"kind":       func(s *model.Status) { s.TargetKind = "x" },
		"gvkr":       func(s *model.Status) { s.TargetGVKR = &model.GVKR{} },
		"original":   func(s *model.Status) { s.OriginalReplicas = ptr[int32](0) },
		"paused":     func(s *model.Status) { s.PausedReplicas = ptr[int32](0) },
		"active":     func(s *model.Status) { s.LastActive = t0 },
		"external":   func(s *model.Status) { s.ExternalMetrics = []string{"x"} },
		"resource":   func(s *model.Status) { s.ResourceMetrics = []string{"x"} },
		"composite":  func(s *model.Status) { s.CompositeScaler = "x" },
		"hpa":        func(s *model.Status) { s.HPAName = "x" },
		"types":      func(s *model.Status) { s.TriggerTypes = "x" },
		"auths":      func(s *model.Status) { s.AuthTypes = "x" },
		"activity":   func(s *model.Status) { s.TriggerActivity = map[string]bool{"x": false} },
		"health":     func(s *model.Status) { s.Health = map[string]model.Health{"x": {}} },
		"since":      func(s *model.Status) { s.Conditions[0].Since = t0.Add(1) },
		"message":    func(s *model.Status) { s.Conditions[0].Message = "x" },
		"condition":  func(s *model.Status) { s.Conditions = nil },
		"decision":   func(s *model.Status) { s.LastDecision = nil },
		"decided":    func(s *model.Status) { s.LastDecision.To = 1 },
		"sequence":   func(s *model.Status) { s.JobSequence = 1 },
	} {
		s := base()
		change(&s)
		if Equal(base(), s) {
			t.Errorf("Equal does not see a change of %s", name)
		}
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"read tcp 10.0.0.1:4001->10.0.0.2:6379: timeout", "read tcp 10.0.0.1:50123->10.0.0.2:6379: timeout", true},
		{"request 0af31c failed", "request 77b2e9 failed", true},
		{"connection refused", "i/o timeout", false},
		{"a b", "a b c", false},
		{"list1 failed", "queue failed", false},
	} {
		if got := alike(c.a, c.b); got != c.want {
			t.Errorf("alike(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
