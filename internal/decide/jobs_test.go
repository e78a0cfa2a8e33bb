package decide

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
)

// scaledJob is a ScaledJob on one Redis list, of generation 3.
func scaledJob(change ...func(*model.Workload)) *model.Workload {
	return workload(append([]func(*model.Workload){func(w *model.Workload) {
		w.Key.Kind, w.Key.Name, w.UID, w.Generation = model.KindScaledJob, "jobs", "uid-1", 3
		w.Target, w.HPA, w.Cooldown, w.Max = model.Target{}, model.HPA{}, 0, 10
		w.Job = &model.Job{
			Strategy:       model.JobStrategy{Name: model.StrategyDefault, RunningShare: 1, Calculation: model.CalculateMax},
			KeepSuccessful: 100, KeepFailed: 100,
		}
	}}, change...)...)
}

func byStrategy(name string) func(*model.Workload) {
	return func(w *model.Workload) { w.Job.Strategy.Name = name }
}

func minimum(n int32) func(*model.Workload) { return func(w *model.Workload) { w.Min = n } }

// job is a Job of ours of the present generation whose pod works.
func job(name string, change ...func(*model.JobState)) model.JobState {
	j := model.JobState{Name: name, UID: "uid-" + name, Generation: 3, Started: true, Ours: true, CreatedAt: t0.Add(-time.Hour)}
	for _, c := range change {
		c(&j)
	}
	return j
}

func ended(how model.JobFinish, ago time.Duration) func(*model.JobState) {
	return func(j *model.JobState) { j.Finish, j.FinishedAt = how, t0.Add(-ago) }
}

func generation(n int64) func(*model.JobState) { return func(j *model.JobState) { j.Generation = n } }

// running is a number of Jobs, some of which have not started.
func running(n, pending int) []model.JobState {
	var out []model.JobState
	for i := range n {
		j := job("running-" + string(rune('a'+i)))
		j.Started = i >= pending
		out = append(out, j)
	}
	return out
}

// jobInput is a decision at t0 about triggers whose targets are 1.
func jobInput(w *model.Workload, jobs []model.JobState, samples ...model.Sample) JobInput {
	in := JobInput{Input: input(w, 0, samples...), Jobs: model.Jobs{States: jobs}, JobsKnown: true}
	for i := range in.Metrics {
		in.Metrics[i].Target = 1
	}
	return in
}

func TestJobs(t *testing.T) {
	paused := func(w *model.Workload) { w.Pause.Paused = true }
	outPaused := func(w *model.Workload) { w.Pause.Out = true }
	gradual := func(w *model.Workload) { w.Job.Gradual = true }
	old := []model.JobState{job("a", generation(2)), job("b", generation(1)), job("c")}
	change := func(in JobInput, f func(*JobInput)) JobInput { f(&in); return in }
	for name, c := range map[string]struct {
		in             JobInput
		rule           model.Rule
		create, remove int
	}{
		"a queue of 5 and no Job":        {jobInput(scaledJob(), nil, good(5)), model.RuleCreateJobs, 5, 0},
		"and 5 that run":                 {jobInput(scaledJob(), running(5, 0), good(5)), model.RuleEnoughJobs, 0, 0},
		"and 3 that run":                 {jobInput(scaledJob(), running(3, 3), good(5)), model.RuleCreateJobs, 2, 0},
		"more than max":                  {jobInput(scaledJob(), nil, good(500)), model.RuleCreateJobs, 10, 0},
		"a fraction of a Job":            {jobInput(scaledJob(), nil, good(0.2)), model.RuleCreateJobs, 1, 0},
		"nothing to do":                  {jobInput(scaledJob(), running(2, 0), good(0)), model.RuleNotActive, 0, 0},
		"a source that fails":            {jobInput(scaledJob(), running(2, 0), failing(good(9))), model.RuleHold, 0, 0},
		"a source that fell silent":      {change(jobInput(scaledJob(), nil, good(9)), func(in *JobInput) { in.Now = t0.Add(time.Hour) }), model.RuleHold, 0, 0},
		"not measured yet":               {jobInput(scaledJob(), nil, model.Sample{}), model.RuleUnknown, 0, 0},
		"one of two not measured yet":    {jobInput(scaledJob(), nil, good(5), model.Sample{}), model.RuleUnknown, 0, 0},
		"one of two fails":               {jobInput(scaledJob(), nil, good(5), failing(good(9))), model.RuleCreateJobs, 5, 0},
		"a sample that was acted upon":   {change(jobInput(scaledJob(), nil, good(5)), func(in *JobInput) { in.Considered = t0 }), model.RuleConsidered, 0, 0},
		"one of two that was":            {change(jobInput(scaledJob(), nil, good(5), aged(time.Second)), func(in *JobInput) { in.Considered = t0.Add(-time.Second) }), model.RuleGather, 0, 0},
		"Jobs not known":                 {change(jobInput(scaledJob(minimum(2)), nil, good(5)), func(in *JobInput) { in.JobsKnown = false }), model.RuleJobsUnknown, 0, 0},
		"problems":                       {change(jobInput(scaledJob(minimum(2)), old, good(5)), func(in *JobInput) { in.Blocked = true }), model.RuleKeep, 0, 0},
		"paused":                         {jobInput(scaledJob(paused, minimum(2)), old, good(5)), model.RulePaused, 0, 0},
		"creating is paused":             {jobInput(scaledJob(outPaused, minimum(2)), nil, good(5)), model.RuleOutPaused, 0, 0},
		"forced":                         {jobInput(scaledJob(func(w *model.Workload) { w.ForceActivation = true }), nil, good(0)), model.RuleNotActive, 0, 0},
		"below min":                      {jobInput(scaledJob(minimum(3)), running(1, 0), failing(good(1))), model.RuleMin, 2, 0},
		"min and a queue":                {jobInput(scaledJob(minimum(2)), running(2, 0), good(3)), model.RuleCreateJobs, 3, 0},
		"min and more than max":          {jobInput(scaledJob(minimum(2)), running(2, 0), good(30)), model.RuleCreateJobs, 8, 0},
		"a rollout":                      {jobInput(scaledJob(), old, good(5)), model.RuleRollout, 0, 2},
		"a rollout of what is idle":      {jobInput(scaledJob(), old, good(0)), model.RuleRollout, 0, 2},
		"a gradual one":                  {jobInput(scaledJob(gradual), old, good(5)), model.RuleCreateJobs, 2, 0},
		"a rollout while a source fails": {jobInput(scaledJob(), old, failing(good(5))), model.RuleHold, 0, 0},
		"what leaves counts":             {jobInput(scaledJob(), []model.JobState{job("a", generation(2), func(j *model.JobState) { j.Deleting = true })}, good(5)), model.RuleCreateJobs, 4, 0},
		"somebody else's of that name":   {jobInput(scaledJob(), []model.JobState{job("a", generation(1), func(j *model.JobState) { j.Ours = false })}, good(5)), model.RuleCreateJobs, 4, 0},
		"finished ones do not count":     {jobInput(scaledJob(), []model.JobState{job("a", generation(1), ended(model.JobSucceeded, time.Minute)), job("b", ended(model.JobFailed, time.Minute))}, good(5)), model.RuleCreateJobs, 5, 0},
		"pods that outlive their Jobs":   {change(jobInput(scaledJob(), nil, good(5)), func(in *JobInput) { in.Jobs.Orphans = 2 }), model.RuleCreateJobs, 3, 0},
		"ended since it was measured":    {change(jobInput(scaledJob(), running(3, 0), good(5)), func(in *JobInput) { in.Jobs.Left = []time.Time{t0.Add(-1), t0, t0.Add(1)} }), model.RuleEnoughJobs, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := Jobs(c.in)
			if d.Rule != c.rule || int(d.Create) != c.create || len(d.Delete) != c.remove {
				t.Errorf("%s creates %d, deletes %d (%s); want %s, %d, %d", d.Rule, d.Create, len(d.Delete), d.Why, c.rule, c.create, c.remove)
			}
			if d.To != d.From+d.Create-int32(len(d.Delete)) || d.Why == "" {
				t.Errorf("from %d to %d: %q", d.From, d.To, d.Why)
			}
		})
	}
}

// aged is a sample of 5 that is some time old.
func aged(ago time.Duration) model.Sample {
	s := good(5)
	s.At = t0.Add(-ago)
	return s
}

func TestJobStrategies(t *testing.T) {
	custom := func(deduction int32, share float64) func(*model.Workload) {
		return func(w *model.Workload) {
			w.Job.Strategy = model.JobStrategy{Name: model.StrategyCustom, Deduction: deduction, RunningShare: share, Calculation: model.CalculateMax}
		}
	}
	for name, c := range map[string]struct {
		strategy         func(*model.Workload)
		queue            float64
		running, pending int
		min, want        int32
	}{
		"default":                               {byStrategy("default"), 8, 3, 0, 0, 5},
		"default, all busy":                     {byStrategy("default"), 3, 5, 0, 0, 0},
		"default, slow pods":                    {byStrategy("default"), 5, 5, 5, 0, 0},
		"default beside min":                    {byStrategy("default"), 3, 4, 0, 2, 1},
		"custom":                                {custom(2, 0.5), 9, 4, 0, 0, 5},
		"custom rounds the share down":          {custom(0, 0.5), 9, 3, 0, 0, 7},
		"custom within max":                     {custom(0, 0), 10, 7, 0, 0, 3},
		"custom, slow pods":                     {custom(0, 0), 5, 5, 5, 0, 0},
		"custom, one slow pod":                  {custom(0, 0), 5, 5, 1, 0, 4},
		"custom deducts too much":               {custom(50, 1), 9, 0, 0, 0, 0},
		"accurate":                              {byStrategy("accurate"), 3, 4, 0, 0, 3},
		"accurate, slow pods":                   {byStrategy("accurate"), 3, 4, 2, 0, 1},
		"accurate, all slow":                    {byStrategy("accurate"), 4, 4, 4, 0, 0},
		"accurate up to max":                    {byStrategy("accurate"), 9, 4, 0, 0, 6},
		"accurate up to max, slow":              {byStrategy("accurate"), 10, 8, 4, 0, 2},
		"eager":                                 {byStrategy("eager"), 3, 3, 0, 0, 3},
		"eager up to max":                       {byStrategy("eager"), 9, 6, 0, 0, 4},
		"eager, slow pods count twice at most":  {byStrategy("eager"), 9, 3, 3, 0, 4},
		"eager, slow pods have taken nothing":   {byStrategy("eager"), 3, 3, 3, 0, 0},
		"an unknown strategy is as the default": {byStrategy("quick"), 8, 3, 0, 0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			d := Jobs(jobInput(scaledJob(c.strategy, minimum(c.min)), running(c.running, c.pending), good(c.queue)))
			if d.Create != c.want || !d.Considered {
				t.Errorf("creates %d (%s), spent: %v; want %d", d.Create, d.Why, d.Considered, c.want)
			}
		})
	}
}

// TestJobsOfSeveralTriggers: only active triggers count, combined as asked. The
// second has two items per Job.
func TestJobsOfSeveralTriggers(t *testing.T) {
	for name, c := range map[string]struct {
		calculation string
		values      []float64
		want        int32
		says        string
	}{
		"max":          {"max", []float64{3, 8, 0}, 4, "max of 2 active triggers"},
		"max, first":   {"max", []float64{9, 8, 0}, 9, "max of 2"},
		"min":          {"min", []float64{3, 8, 0}, 3, "min of 2"},
		"avg":          {"avg", []float64{3, 8, 0}, 4, "avg of 2"}, // 3.5
		"sum":          {"sum", []float64{3, 8, 0}, 7, "sum of 2"},
		"sum, bounded": {"sum", []float64{30, 80, 1}, 10, "sum of 3"},
		"one active":   {"min", []float64{0, 8, 0}, 4, "redis-jobs is 8 (target 2 per Job): 4 Jobs wanted, 0 Jobs run: 4 Jobs created by strategy default"},
	} {
		t.Run(name, func(t *testing.T) {
			w := scaledJob(func(w *model.Workload) { w.Job.Strategy.Calculation = c.calculation })
			in := jobInput(w, nil, good(c.values[0]), good(c.values[1]), good(c.values[2]))
			in.Metrics[1].Target = 2
			d := Jobs(in)
			if d.Create != c.want || !strings.Contains(d.Why, c.says) || d.Trigger != "redis" {
				t.Errorf("creates %d for %q: %s; want %d, saying %q", d.Create, d.Trigger, d.Why, c.want, c.says)
			}
		})
	}
}

// TestNoMoreJobsThanTheQueueIsLong: a target below 1 does not call for more
// Jobs than there are items.
func TestNoMoreJobsThanTheQueueIsLong(t *testing.T) {
	in := jobInput(scaledJob(), nil, good(3))
	in.Metrics[0].Target = 0.5
	if d := Jobs(in); d.Create != 3 {
		t.Errorf("creates %d (%s); want 3", d.Create, d.Why)
	}
}

// TestJobsStartedSinceMeasured: what a pod took after the sample was begun is
// still in the sample.
func TestJobsStartedSinceMeasured(t *testing.T) {
	late := running(2, 0)
	late[0].StartedAt, late[1].StartedAt = t0.Add(time.Millisecond), t0.Add(-time.Millisecond)
	if d := Jobs(jobInput(scaledJob(byStrategy("accurate")), late, good(3))); d.Create != 2 {
		t.Errorf("creates %d (%s); want 2, since one of 3 is taken care of", d.Create, d.Why)
	}
}

// TestGather: triggers that are measured one after the other are waited for,
// then asked for, and what one measurement led to is not led to again.
func TestGather(t *testing.T) {
	in := jobInput(scaledJob(func(w *model.Workload) { w.Job.Strategy.Calculation = "sum" }), nil, good(2), aged(10*time.Second))
	in.Considered = t0.Add(-5 * time.Second)
	d := Jobs(in)
	if d.Rule != model.RuleGather || d.Measure || !d.Again.Equal(t0.Add(3*time.Second)) {
		t.Fatalf("%s, measure %v, again at %s", d.Rule, d.Measure, d.Again)
	}
	in.Now = d.Again
	if d = Jobs(in); d.Rule != model.RuleGather || !d.Measure || !d.Again.IsZero() {
		t.Fatalf("%s, measure %v, again at %s", d.Rule, d.Measure, d.Again)
	}
	in.Samples[1] = good(3)
	if d = Jobs(in); d.Create != 5 || !d.Considered {
		t.Fatalf("%s creates %d", d.Rule, d.Create)
	}
}

func TestExpiredJobs(t *testing.T) {
	w := scaledJob(func(w *model.Workload) { w.Job.KeepSuccessful, w.Job.KeepFailed = 2, 0 })
	states := []model.JobState{
		job("s4", ended(model.JobSucceeded, time.Minute)), job("s1", ended(model.JobSucceeded, 4*time.Minute)),
		job("s3", ended(model.JobSucceeded, 2*time.Minute)), job("s2", ended(model.JobSucceeded, 3*time.Minute)),
		job("going", ended(model.JobSucceeded, 9*time.Minute), func(j *model.JobState) { j.Deleting = true }),
		job("theirs", ended(model.JobSucceeded, 9*time.Minute), func(j *model.JobState) { j.Ours = false }),
		job("f1", ended(model.JobFailed, 150*time.Second)), job("runs"),
	}
	names := func(in JobInput) []string {
		var out []string
		for _, j := range Jobs(in).Expire {
			out = append(out, j.Name)
		}
		return out
	}
	if diff := cmp.Diff([]string{"s1", "s2", "f1"}, names(jobInput(w, states, good(0)))); diff != "" {
		t.Errorf("oldest first (-want +got):\n%s", diff)
	}
	if got := names(jobInput(w, states, failing(good(1)))); len(got) != 3 {
		t.Errorf("while the source fails: %v", got)
	}
	blocked := jobInput(w, states, good(0))
	blocked.Blocked = true
	if got := names(blocked); got != nil {
		t.Errorf("with problems: %v", got)
	}
	w.Job.KeepSuccessful, w.Job.KeepFailed = 100, 100
	if got := names(jobInput(w, states, good(0))); got != nil {
		t.Errorf("within the limits: %v", got)
	}
}
