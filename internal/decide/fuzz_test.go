package decide

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// FuzzReplicas checks what must hold for any input: bounds, and that nothing
// is lowered without evidence.
func FuzzReplicas(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, int32(seed%7), int32(seed%3), int32(10), 3.0)
	}
	f.Add(uint64(1), int32(-1), int32(-5), int32(-9), math.Inf(1))
	f.Add(uint64(2), int32(math.MaxInt32), int32(math.MaxInt32), int32(math.MaxInt32), math.NaN())
	f.Fuzz(func(t *testing.T, seed uint64, replicas, least, most int32, value float64) {
		in := randomInput(rand.New(rand.NewPCG(seed, seed)), replicas, least, most, value)
		checkBounds(t, in, Replicas(in))
	})
}

func checkBounds(t *testing.T, in Input, d model.Decision) {
	t.Helper()
	w := in.Workload
	if d.From != max(0, in.Scale.Replicas) {
		t.Errorf("From is %d, found were %d", d.From, in.Scale.Replicas)
	}
	if d.LastActive.After(in.Now) {
		t.Errorf("last active in the future: %s", d.LastActive)
	}
	if (in.Blocked || !in.Scale.Known) && d.Writes() {
		t.Errorf("scaled to %d without knowing the target or in spite of problems", d.To)
	}
	if d.Rule == model.RulePaused {
		return
	}
	if isPaused(w) && d.Writes() {
		t.Errorf("scaled to %d while paused", d.To)
	}
	if d.To > d.From && (d.To > max(0, w.Max) || w.Pause.Out) {
		t.Errorf("raised to %d of max %d, paused-scale-out %v: %s", d.To, w.Max, w.Pause.Out, d.Why)
	}
	if d.To >= d.From {
		return
	}
	if w.Idle == nil && (d.To != 0 || w.Min > 0) || w.Idle != nil && d.To != max(0, *w.Idle) {
		t.Errorf("lowered to %d with min %d, idle %v", d.To, w.Min, w.Idle)
	}
	if w.Pause.In || w.ForceActivation {
		t.Errorf("lowered although paused-scale-in is %v and force-activation %v", w.Pause.In, w.ForceActivation)
	}
	for i, m := range in.Metrics {
		if m.Resource == nil && (i >= len(in.Samples) || in.Samples[i].Failing() || !in.Samples[i].Known() || in.Samples[i].Active || math.IsNaN(in.Samples[i].Value)) {
			t.Errorf("lowered although trigger %d failed, is unknown or is active", i)
		}
	}
}

func randomInput(r *rand.Rand, replicas, least, most int32, value float64) Input {
	flip := func() bool { return r.IntN(4) == 0 }
	ago := func(d time.Duration) time.Time { return t0.Add(-time.Duration(r.Int64N(int64(d)))) }
	w := workload(func(w *model.Workload) {
		w.Min, w.Max, w.JumpStart, w.ForceActivation = least, most, r.IntN(2) == 0, r.IntN(10) == 0
		w.Pause = model.Pause{Paused: r.IntN(10) == 0, In: flip(), Out: flip()}
		if flip() {
			w.Idle = ptr(least - int32(r.IntN(4)))
		}
		if flip() {
			w.HPA.Behavior = scaleUp(autoscalingv2.MinChangePolicySelect, int32(r.IntN(2)), pods(int32(r.Uint32())), percent(int32(r.Uint32())))
		}
	})
	in := Input{
		Workload: w, Now: t0, Scale: Scale{Known: r.IntN(10) > 0, Replicas: replicas}, Blocked: r.IntN(10) == 0,
		LastActive: ago(20 * time.Minute), ActivatedAt: ago(time.Minute),
	}
	for i := range r.IntN(4) {
		m := external(i, "redis", float64(r.IntN(5))-1)
		if flip() {
			m.Resource = &scaler.ResourceMetric{Resource: "cpu"}
		}
		s := model.Sample{Value: value, At: ago(100 * time.Second), Active: flip()}
		switch r.IntN(8) {
		case 0:
			s.Failures = 1 + r.IntN(5)
		case 1:
			s = model.Sample{}
		}
		in.Metrics, in.Samples = append(in.Metrics, m), append(in.Samples, s)
	}
	if flip() && len(in.Samples) > 0 {
		in.Samples = in.Samples[1:]
	}
	return in
}
