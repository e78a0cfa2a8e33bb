package decide

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kedago/keda/internal/model"
)

// FuzzJobs checks what must hold for any input: bounds, and that nothing is
// created or deleted without evidence.
func FuzzJobs(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, int32(seed%3), int32(10), 3.0)
	}
	f.Add(uint64(1), int32(-5), int32(-9), math.Inf(1))
	f.Add(uint64(2), int32(math.MaxInt32), int32(math.MaxInt32), math.NaN())
	f.Add(uint64(3), int32(0), int32(math.MaxInt32), math.MaxFloat64)
	f.Fuzz(func(t *testing.T, seed uint64, least, most int32, value float64) {
		in := randomJobs(rand.New(rand.NewPCG(seed, seed)), least, most, value)
		d := Jobs(in)
		w := in.Workload
		evidence := in.JobsKnown && !in.Blocked && !isPaused(w)
		if d.Create < 0 || d.Create > 0 && d.To > max(0, w.Max) || d.To != d.From+d.Create-int32(len(d.Delete)) {
			t.Errorf("creates %d, deletes %d, from %d to %d of max %d", d.Create, len(d.Delete), d.From, d.To, w.Max)
		}
		if (d.Create > 0 || len(d.Delete) > 0 || len(d.Expire) > 0) && !evidence {
			t.Errorf("%s creates %d, deletes %d and %d", d.Rule, d.Create, len(d.Delete), len(d.Expire))
		}
		if d.Create > 0 && d.Rule != model.RuleMin && d.Rule != model.RuleCreateJobs || d.Create > 0 && w.Pause.Out {
			t.Errorf("%s creates %d", d.Rule, d.Create)
		}
		usable := 0
		for i, s := range in.Samples {
			if s.Known() && !s.Failing() && s.Active && s.At.After(in.Considered) && in.Metrics[i].Resource == nil {
				usable++
			}
			if len(d.Delete) > 0 && s.Failing() && in.Metrics[i].Resource == nil {
				t.Errorf("deletes Jobs although trigger %d fails", i)
			}
		}
		if d.Rule == model.RuleCreateJobs && (usable == 0 || !d.Considered) {
			t.Errorf("creates %d without a measurement, or leaves it as it was: %s", d.Create, d.Why)
		}
		for _, j := range append(d.Delete, d.Expire...) {
			if !j.Ours || j.Deleting {
				t.Errorf("deletes %+v", j)
			}
		}
	})
}

func randomJobs(r *rand.Rand, least, most int32, value float64) JobInput {
	in := JobInput{Input: randomInput(r, 0, least, most, value), JobsKnown: r.IntN(10) > 0}
	names := []string{model.StrategyDefault, model.StrategyCustom, model.StrategyAccurate, model.StrategyEager, "other"}
	ways := []string{model.CalculateMax, model.CalculateMin, model.CalculateAvg, model.CalculateSum}
	in.Workload.Generation = 3
	in.Workload.Job = &model.Job{
		Strategy: model.JobStrategy{
			Name: names[r.IntN(len(names))], Deduction: int32(r.IntN(5)), RunningShare: r.Float64() * 2, Calculation: ways[r.IntN(len(ways))],
		},
		Gradual: r.IntN(2) == 0, KeepSuccessful: int32(r.IntN(4)) - 1, KeepFailed: int32(r.IntN(4)),
	}
	if r.IntN(2) == 0 {
		in.Considered = t0.Add(-time.Duration(r.Int64N(int64(time.Minute))))
	}
	for range r.IntN(12) {
		in.Jobs.States = append(in.Jobs.States, model.JobState{
			Name: "x", Generation: int64(r.IntN(4)), Started: r.IntN(2) == 0, Deleting: r.IntN(5) == 0, Ours: r.IntN(5) > 0,
			Finish:     []model.JobFinish{model.JobUnfinished, model.JobUnfinished, model.JobSucceeded, model.JobFailed}[r.IntN(4)],
			FinishedAt: t0.Add(-time.Duration(r.Int64N(int64(time.Hour)))),
		})
	}
	in.Jobs.Orphans = r.IntN(2)
	return in
}
