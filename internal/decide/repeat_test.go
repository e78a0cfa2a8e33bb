package decide

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
)

// again is an input measured anew after d, to the same numbers.
func again(in Input, d time.Duration) Input {
	in.Now = in.Now.Add(d)
	in.Samples = slices.Clone(in.Samples)
	for i := range in.Samples {
		if in.Samples[i].Known() {
			in.Samples[i].At = in.Samples[i].At.Add(d)
		}
	}
	return in
}

func TestRepeat(t *testing.T) {
	const poll = 10 * time.Second
	active := input(workload(), 3, good(20))
	active.LastActive, active.ActivatedAt = t0.Add(-time.Minute), t0.Add(-time.Minute)
	idle := input(workload(), 0, good(0))
	idle.LastActive = t0.Add(-time.Hour)
	coolingDown := input(workload(), 3, good(0))
	coolingDown.LastActive = t0.Add(-time.Second)
	raised := input(workload(), 3, good(0))
	raised.RaisedAt = t0.Add(time.Second)

	for name, c := range map[string]struct {
		before Input
		change func(*Input)
		want   bool
	}{
		"active":                 {active, func(*Input) {}, true},
		"idle":                   {idle, func(*Input) {}, true},
		"another value":          {active, func(in *Input) { in.Samples[0].Value = 21 }, false},
		"nothing left":           {active, func(in *Input) { in.Samples[0] = good(0) }, false},
		"another note":           {active, func(in *Input) { in.Samples[0].Note = "the group is new" }, false},
		"a watch that broke":     {idle, func(in *Input) { in.Samples[0].Watch.State = model.WatchBroken }, false},
		"a failure":              {active, func(in *Input) { in.Samples[0].Failures = 1 }, false},
		"too old":                {idle, func(in *Input) { in.Now = in.Now.Add(time.Hour) }, false},
		"another count":          {active, func(in *Input) { in.Scale.Replicas++ }, false},
		"other ready pods":       {active, func(in *Input) { in.Scale.Ready++ }, false},
		"another object":         {active, func(in *Input) { in.Workload = workload() }, false},
		"problems":               {idle, func(in *Input) { in.Blocked = true }, false},
		"another metric":         {idle, func(in *Input) { in.Metrics = slices.Clone(in.Metrics); in.Metrics[0].Target++ }, false},
		"a trigger less":         {idle, func(in *Input) { in.Metrics, in.Samples = nil, nil }, false},
		"activated by it":        {input(workload(), 0, good(20)), func(*Input) {}, false},
		"a cool-down":            {coolingDown, func(*Input) {}, false},
		"raised by someone else": {raised, func(*Input) {}, false},
		"raised meanwhile":       {idle, func(in *Input) { in.RaisedAt = in.Now }, false},
		"failing all the time":   {input(workload(), 3, failing(good(1))), func(*Input) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := again(c.before, poll)
			c.change(&now)
			got, ok := Repeat(Replicas(c.before), c.before, now)
			if ok != c.want {
				t.Fatalf("repeated: %v, want %v", ok, c.want)
			}
			if !ok {
				return
			}
			if diff := cmp.Diff(Replicas(now), got); diff != "" {
				t.Errorf("anew (-) and repeated (+):\n%s", diff)
			}
		})
	}
}

// FuzzRepeat checks that a decision that is repeated is the one that the rules
// would have made, and that the status would not have changed.
func FuzzRepeat(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, int32(seed%7), int32(seed%3), int32(10), 3.0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, replicas, least, most int32, value float64) {
		r := rand.New(rand.NewPCG(seed, seed))
		before := randomInput(r, replicas, least, most, value)
		now := again(before, time.Duration(r.Int64N(int64(time.Minute))))
		switch r.IntN(8) {
		case 0:
			now.Now = now.Now.Add(time.Minute)
		case 1:
			now.Scale.Replicas++
		case 2:
			now.RaisedAt = now.Now.Add(-time.Second)
		case 3:
			if len(now.Samples) > 0 {
				now.Samples[0].Active = !now.Samples[0].Active
			}
		}
		last := Replicas(before)
		now.LastActive = last.LastActive
		repeated, ok := Repeat(last, before, now)
		if !ok {
			return
		}
		anew := Replicas(now)
		if diff := cmp.Diff(anew, repeated); diff != "" {
			t.Errorf("anew (-) and repeated (+):\n%s", diff)
		}
		status := Status(StatusInput{Input: before, Decision: last, Target: deployments})
		if next := Status(StatusInput{Previous: status, Input: now, Decision: anew, Target: deployments}); !Equal(status, next) {
			t.Errorf("the status changed:\n%s", cmp.Diff(status, next))
		}
	})
}
