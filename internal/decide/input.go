// Package decide holds every decision about a workload as pure functions:
// the replica count, the HorizontalPodAutoscaler, the status, the events.
//
// Values go in and values come out. Time is an argument, nothing is read,
// written, logged or remembered here, and no input is changed.
package decide

import (
	"math"
	"time"

	"github.com/kedago/keda/internal/formula"
	"github.com/kedago/keda/internal/model"
)

const (
	// FollowUp is how long after an activation a jump start goes on: what
	// woke the workload is often still arriving, and the HPA controller first
	// looks after up to one sync period (15 s by default).
	FollowUp = 15 * time.Second

	// A sample counts as unknown once it is older than staleIntervals polling
	// intervals and than staleAtLeast: a poller that stands still is no
	// evidence that nothing is to be done.
	staleIntervals = 3
	staleAtLeast   = time.Minute
)

// Input is what a decision about replicas is made of.
type Input struct {
	Workload *model.Workload
	Now      time.Time
	// Scale is the target's spec.replicas, when known.
	Scale Scale
	// RaisedAt is when the count was last seen to have been raised by somebody
	// else than this process, if it was.
	RaisedAt time.Time
	// Metrics are the triggers by index, Samples what is known of each, in
	// the same order; a missing sample counts as never measured.
	Metrics []model.Metric
	Samples []model.Sample
	// Composite is set when scaling modifiers make one metric of all triggers;
	// then that one decides.
	Composite *formula.Composite
	// LastActive is when the workload was last active; zero when never.
	LastActive time.Time
	// ActivatedAt is when it was last raised from idle; zero when never.
	ActivatedAt time.Time
	// PausedReplicas is status.pausedReplicaCount: the count that the
	// annotation paused-replicas has already set.
	PausedReplicas *int32
	// Blocked is set while the object's checks fail: nothing is scaled.
	Blocked bool
}

// Scale is the replica count of a target.
type Scale struct {
	Known    bool
	Replicas int32
	// Ready is the count of ready pods, 0 when not known.
	Ready int32
}

// facts is an Input with the questions answered that several rules ask.
type facts struct {
	Input
	w    *model.Workload
	from int32
	// low and high are the least and the most replicas that may be set; base
	// is where activation starts.
	low, base, high int32

	// states are the triggers', by index.
	states []state
	// judged are the numbers that decide, resource metrics among them.
	judged []judged
	// triggered lists those of judged that are active on fresh evidence.
	triggered []int
	// active is triggered or forced.
	active bool
	// failing counts those of judged without usable evidence, pending those
	// that were never measured yet, measured all that are measured by us.
	failing, pending, measured int
	// held says that a failing one was active when last heard of.
	held bool
}

// judged is one number that decides: that of a trigger, or the one that a
// formula makes of all.
type judged struct {
	metric model.Metric
	state  state
	// value means nothing unless the state is fresh.
	value float64
	// held says that it was active when last heard of, though it fails now.
	held bool
	// trouble says why a formula gives no number.
	trouble string
}

// state is what is known of one trigger.
type state int

const (
	stateNative  state = iota // measured by the HPA, never by us
	statePending              // never measured
	stateFailing              // the last measurement failed
	stateStale                // not measured for too long
	stateQuiet                // known, not active
	stateActive               // known, active
)

func (s state) failing() bool { return s == stateFailing || s == stateStale }
func (s state) fresh() bool   { return s == stateQuiet || s == stateActive }

func factsOf(in Input) *facts {
	w := in.Workload
	f := &facts{Input: in, w: w, from: max(0, in.Scale.Replicas), low: max(0, w.Min), high: max(0, w.Max)}
	f.low = min(f.low, f.high)
	f.base = min(max(1, f.low), f.high)
	f.states = statesOf(in)
	f.judged = f.judge()
	for i, j := range f.judged {
		switch j.state {
		case stateNative:
			continue
		case statePending:
			f.pending++
		case stateFailing, stateStale:
			f.failing++
			f.held = f.held || j.held
		case stateActive:
			f.triggered = append(f.triggered, i)
		case stateQuiet:
		}
		f.measured++
	}
	f.active = len(f.triggered) > 0 || w.ForceActivation
	return f
}

// judge lists what decides: every trigger by itself, or, with a formula, what
// it makes of them beside those that the HPA measures.
func (f *facts) judge() []judged {
	var out []judged
	for i, m := range f.Metrics {
		j := judged{metric: m, state: f.states[i]}
		if f.states[i] != stateNative && i < len(f.Samples) {
			j.value = f.Samples[i].Value
			j.held = f.states[i].failing() && f.Samples[i].Known() && f.Samples[i].Active
		}
		if f.Composite == nil || f.states[i] == stateNative {
			out = append(out, j)
		}
	}
	if f.Composite != nil {
		out = append(out, f.judgeComposite())
	}
	return out
}

// failingTriggers counts triggers without usable evidence.
func (f *facts) failingTriggers() int {
	n := 0
	for _, s := range f.states {
		if s.failing() {
			n++
		}
	}
	return n
}

func statesOf(in Input) []state {
	out := make([]state, len(in.Metrics))
	limit := staleLimit(in.Workload)
	for i, m := range in.Metrics {
		if m.Resource != nil {
			continue // stateNative
		}
		var s model.Sample
		if i < len(in.Samples) {
			s = in.Samples[i]
		}
		switch {
		case s.Failing(), s.Known() && (math.IsNaN(s.Value) || math.IsInf(s.Value, 0)):
			out[i] = stateFailing
		case !s.Known():
			out[i] = statePending
		case in.Now.Sub(s.At) > limit:
			out[i] = stateStale
		case s.Active:
			out[i] = stateActive
		default:
			out[i] = stateQuiet
		}
	}
	return out
}

// lastActive is now while something is active, and while a trigger that was
// active when last heard of fails: the cool-down starts when the outage ends.
func (f *facts) lastActive() time.Time {
	if f.active || f.held || f.LastActive.After(f.Now) {
		return f.Now
	}
	return f.LastActive
}
