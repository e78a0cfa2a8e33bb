package decide

import (
	"testing"
	"time"

	"github.com/kedago/keda/internal/model"
)

// world plays a workload over time: every decision is carried out.
type world struct {
	in   Input
	last model.Decision
}

func newWorld(w *model.Workload, replicas int32) *world {
	return &world{in: Input{
		Workload: w, Now: t0, Scale: Scale{Known: true, Replicas: replicas},
		Metrics: []model.Metric{external(0, "redis", 5)}, Samples: []model.Sample{{}},
	}}
}

func (w *world) decide() model.Decision {
	w.last = Replicas(w.in)
	w.in.LastActive = w.last.LastActive
	if w.last.Writes() && w.last.Active && w.in.ActivatedAt.Add(FollowUp).Before(w.in.Now) {
		w.in.ActivatedAt = w.in.Now
	}
	w.in.Scale.Replicas = w.last.To
	return w.last
}

// The step of a play: at a time after t0 the source answers (or fails, below
// zero), and the count is then as wanted.
type step struct {
	at    time.Duration
	value float64
	rule  model.Rule
	want  int32
}

const fails = -1

func (w *world) play(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		w.in.Now = t0.Add(s.at)
		if s.value == fails {
			w.in.Samples[0].Failures++
		} else {
			w.in.Samples[0] = model.Sample{Value: s.value, Active: s.value > 0, At: w.in.Now}
		}
		d := w.decide()
		if d.Rule != s.rule || d.To != s.want {
			t.Fatalf("after %s with value %v: %s, %d replicas (%s); want %s, %d", s.at, s.value, d.Rule, d.To, d.Why, s.rule, s.want)
		}
	}
}

func TestDayOfAWorkload(t *testing.T) {
	newWorld(workload(), 0).play(t, []step{
		{0, 0, model.RuleKeep, 0},
		{30 * time.Second, 3, model.RuleActivate, 1},
		{32 * time.Second, 40, model.RuleJumpStart, 8}, // still arriving
		{34 * time.Second, 20, model.RuleHPA, 8},       // never lowered
		{45 * time.Second, 500, model.RuleJumpStart, 100},
		{46 * time.Second, 5, model.RuleHPA, 100},
		{60 * time.Second, 0, model.RuleCooldown, 100},
		{345 * time.Second, 0, model.RuleCooldown, 100},
		{346 * time.Second, 0, model.RuleZero, 0}, // 5 min after it was last active
	})
}

func TestFollowUpEnds(t *testing.T) {
	newWorld(workload(), 0).play(t, []step{
		{0, 3, model.RuleActivate, 1},
		{15 * time.Second, 50, model.RuleJumpStart, 10},
		{16 * time.Second, 500, model.RuleHPA, 10},
	})
}

func TestOutageNeverLowersAndStartsTheCooldownAnew(t *testing.T) {
	newWorld(workload(), 0).play(t, []step{
		{0, 50, model.RuleJumpStart, 10},
		{time.Minute, fails, model.RuleHold, 10},
		{time.Hour, fails, model.RuleHold, 10},
		{time.Hour + time.Minute, 0, model.RuleCooldown, 10}, // active when last heard of, until 1 h
		{time.Hour + 5*time.Minute - time.Second, 0, model.RuleCooldown, 10},
		{time.Hour + 5*time.Minute, 0, model.RuleZero, 0},
	})
}

func TestOutageDuringTheCooldownDoesNotStretchIt(t *testing.T) {
	newWorld(workload(), 0).play(t, []step{
		{0, 50, model.RuleJumpStart, 10},
		{time.Minute, 0, model.RuleCooldown, 10},
		{2 * time.Minute, fails, model.RuleHold, 10},
		{10 * time.Minute, 0, model.RuleZero, 0},
	})
}

func TestCooldownOfAnObjectNeverActive(t *testing.T) {
	tests := map[string]struct {
		group   model.Group
		initial time.Duration
		waits   time.Duration
	}{
		"today's API does not wait by default":    {model.GroupToday, 0, 0},
		"today's API waits initialCooldownPeriod": {model.GroupToday, 2 * time.Minute, 2 * time.Minute},
		"the first API waits cooldownPeriod":      {model.GroupFirst, 0, 5 * time.Minute},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			wl := workload(func(w *model.Workload) {
				w.Key.Group, w.InitialCooldown, w.CreatedAt = c.group, c.initial, t0
			})
			w := newWorld(wl, 3)
			if c.waits > 0 {
				w.play(t, []step{{0, 0, model.RuleCooldown, 3}, {c.waits - 1, 0, model.RuleCooldown, 3}})
				if want := t0.Add(c.waits); !w.last.Again.Equal(want) {
					t.Errorf("Again = %s, want %s", w.last.Again, want)
				}
			}
			w.play(t, []step{{c.waits, 0, model.RuleZero, 0}})
		})
	}
}

func TestAgainIsWhenTheCooldownEnds(t *testing.T) {
	w := newWorld(workload(), 0)
	w.play(t, []step{{0, 50, model.RuleJumpStart, 10}, {time.Minute, 0, model.RuleCooldown, 10}})
	if want := t0.Add(5 * time.Minute); !w.last.Again.Equal(want) {
		t.Fatalf("Again = %s, want %s", w.last.Again, want)
	}
	w.in.Now = w.last.Again // time alone, no new sample
	w.in.Samples[0].At = w.in.Now.Add(-time.Minute)
	if d := w.decide(); d.Rule != model.RuleZero {
		t.Errorf("at Again: %s, want %s", d.Rule, model.RuleZero)
	}
}

func TestAClockThatWentBackOnlyWaitsLonger(t *testing.T) {
	in := input(workload(), 3, good(0))
	in.LastActive = t0.Add(24 * time.Hour)
	d := Replicas(in)
	if d.Rule != model.RuleCooldown || !d.Again.Equal(t0.Add(5*time.Minute)) {
		t.Errorf("%s again at %s, want the cool-down to count from now", d.Rule, d.Again)
	}
}

func TestFollowUpKeepsToTheSamePolicyCeiling(t *testing.T) {
	w := newWorld(workload(func(w *model.Workload) { w.HPA.Behavior = scaleUp("", 0, pods(3)) }), 0)
	w.play(t, []step{
		{0, 10, model.RuleJumpStart, 2},
		{2 * time.Second, 500, model.RuleJumpStart, 4}, // 1 + 3, as if it had come at once
		{4 * time.Second, 500, model.RuleHPA, 4},
	})
}

func TestFollowUpStopsWithPausedScaleOut(t *testing.T) {
	in := input(workload(func(w *model.Workload) { w.Pause.Out = true }), 1, good(500))
	in.ActivatedAt = t0
	if d := Replicas(in); d.Writes() {
		t.Errorf("raised to %d although scaling out is paused", d.To)
	}
}
