package scaling

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/targets"
)

// errNoReplicas is why the count of a job workload's target is not known.
var errNoReplicas = errors.New("jobs are not scaled by replica count")

// JobWriter creates and deletes Jobs.
type JobWriter interface {
	CreateJob(ctx context.Context, job *batchv1.Job) error
	DeleteJob(ctx context.Context, namespace, name, uid string, foreground bool) error
}

// Jobs reads Jobs and remembers those that its watch does not show yet.
type Jobs interface {
	Get(ctx context.Context, w *model.Workload) (model.Jobs, error)
	Creating(key model.Key, name string)
	NotCreated(key model.Key, name string)
	Deleted(uid string)
	Forget(model.Key)
}

// jobState is what the loop knows of a job workload.
type jobState struct {
	// considered is until when measurements have been acted upon.
	considered time.Time
	// asked is when all triggers were last asked for together.
	asked time.Time
	// sequence is the number of the last Job made.
	sequence int64
	// generation is the object's when it was last decided about.
	generation int64
	// rolling says that a rollout has begun and is not over.
	rolling bool
	// createErr and deleteErr last until it is tried again.
	createErr, deleteErr error
}

// done is what became of a decision about Jobs.
type done struct {
	created, deleted     int
	createErr, deleteErr error
}

// syncJobs is sync for a job workload.
func (l *Loop) syncJobs(ctx context.Context, key model.Key, now *state) (model.Decision, time.Duration, error) {
	w := now.subject.Workload
	in, jobsErr := l.jobInput(ctx, key, now)
	d := decide.Jobs(in)
	did := l.carryOut(ctx, w, &now.jobs, now.subject.Owner, in, d)
	l.note(&now.jobs, d, did)
	rolledOut := now.jobs.rolling && !d.Rolling
	if did.deleted > 0 {
		now.jobs.rolling = true
	} else if rolledOut {
		now.jobs.rolling = false
	}
	if rolledOut || now.jobs.generation != 0 && now.jobs.generation != w.Generation {
		l.opts.Poller.MeasureNow(key) // what was measured has been acted upon
	}
	now.jobs.generation = w.Generation

	now.last, now.lastActive = d.Decision, d.LastActive
	before := now.status
	now.status = decide.JobStatus(decide.JobStatusInput{
		Previous: before, Input: in, Decision: d, Problems: now.subject.Problems, JobsErr: jobsErr,
		CreateErr: now.jobs.createErr, DeleteErr: now.jobs.deleteErr, Sequence: now.jobs.sequence,
	})
	events := decide.JobEvents(decide.JobEventInput{
		Before: before, After: now.status, Workload: w, Created: did.created, CreateErr: did.createErr, DeleteErr: did.deleteErr,
		RolloutBegun: did.deleted, RolloutDone: rolledOut,
	})
	var statusErr error
	if len(events) > 0 || !decide.Equal(before, now.status) {
		statusErr = l.opts.Writer.WriteStatus(ctx, key, before, now.status, events)
	}
	if statusErr != nil {
		now.status = before // tried again
	}
	return d.Decision, l.jobsAgain(in, d, did), errors.Join(jobsErr, did.deleteErr, statusErr)
}

func (l *Loop) jobInput(ctx context.Context, key model.Key, now *state) (decide.JobInput, error) {
	in := decide.JobInput{Input: l.input(key, now, targets.Scale{}, errNoReplicas), Considered: now.jobs.considered}
	now.jobs.sequence = max(now.jobs.sequence, now.status.JobSequence)
	w := now.subject.Workload
	if in.Blocked {
		return in, nil
	}
	jobs, err := l.opts.Jobs.Get(ctx, w)
	in.Now = l.opts.Clock.Now() // the first list may have taken a while
	in.Jobs, in.JobsKnown = jobs, err == nil
	return in, err
}

// carryOut deletes and creates what a decision says.
func (l *Loop) carryOut(ctx context.Context, w *model.Workload, st *jobState, owner metav1.OwnerReference, in decide.JobInput, d decide.JobDecision) done {
	var out done
	for _, j := range d.Delete {
		if err := l.deleteJob(ctx, w, j, w.Job.Foreground); err != nil {
			out.deleteErr = errors.Join(out.deleteErr, err)
			continue
		}
		out.deleted++
	}
	for _, j := range d.Expire {
		if err := l.deleteJob(ctx, w, j, false); err != nil {
			out.deleteErr = errors.Join(out.deleteErr, err)
		}
	}
	if d.Create > 0 {
		next := decide.NextJob(w, in.Jobs, st.sequence)
		out.created, out.createErr = l.createJobs(ctx, w, st, owner, next, int(d.Create))
	}
	if d.Measure {
		l.measureTogether(w, st)
	}
	if d.Writes() {
		l.opts.Log.Info("scaled Jobs", "workload", w.Key.String(), "from", d.From, "to", d.To, "created", out.created, "deleted", out.deleted, "rule", string(d.Rule), "why", d.Why)
	}
	if out.createErr != nil && ctx.Err() == nil {
		l.opts.Log.Error("creating Jobs failed; trying again with the next measurement", "workload", w.Key.String(), "error", out.createErr)
	}
	return out
}

// measureTogether asks for all triggers, once for each time that measurements
// are acted upon; again only when what came of it was lost.
func (l *Loop) measureTogether(w *model.Workload, st *jobState) {
	if st.asked.After(st.considered) && l.opts.Clock.Since(st.asked) < w.PollingInterval/2 {
		return
	}
	st.asked = l.opts.Clock.Now()
	l.opts.Poller.MeasureNow(w.Key)
}

// note keeps what the next decision must know of this one.
func (l *Loop) note(st *jobState, d decide.JobDecision, did done) {
	if d.Considered {
		st.considered = l.opts.Clock.Now()
	}
	st.deleteErr = did.deleteErr
	if d.Create > 0 || d.Considered || d.Rule == model.RuleNotActive {
		st.createErr = did.createErr
	}
}

// jobsAgain says when time alone would change the decision. After Jobs were
// created for minReplicaCount, that is now: the queue has not had its turn.
func (l *Loop) jobsAgain(in decide.JobInput, d decide.JobDecision, did done) time.Duration {
	switch {
	case d.Rule == model.RuleMin && did.createErr == nil:
		return time.Millisecond
	case d.Again.IsZero():
		return 0
	}
	return max(d.Again.Sub(in.Now), 10*time.Millisecond)
}

func (l *Loop) deleteJob(ctx context.Context, w *model.Workload, j model.JobState, foreground bool) error {
	if err := l.opts.JobWriter.DeleteJob(ctx, w.Key.Namespace, j.Name, j.UID, foreground); err != nil {
		return err
	}
	l.opts.Jobs.Deleted(j.UID)
	return nil
}

// mostAtOnce is how many Jobs are created at the same time.
const mostAtOnce = 16

// createJobs creates Jobs with numbers from next on, first one, then two, then
// four …, so that what is refused is asked for few times. It stops after a
// batch with a failure.
func (l *Loop) createJobs(ctx context.Context, w *model.Workload, st *jobState, owner metav1.OwnerReference, next int64, count int) (int, error) {
	created := 0
	var failed error
	for size := 1; count > 0 && failed == nil && ctx.Err() == nil; size = min(2*size, mostAtOnce) {
		errs := make([]error, min(size, count))
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = l.createJob(ctx, w, owner, next+int64(i)) })
		}
		wg.Wait()
		for i, err := range errs {
			if err == nil {
				created++
			}
			if err == nil || uncertain(err) || apierrors.IsAlreadyExists(err) {
				st.sequence = max(st.sequence, next+int64(i))
			}
			if failed == nil {
				failed = err // the others are likely alike
			}
		}
		next += int64(len(errs))
		count -= len(errs)
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return created, failed
}

func (l *Loop) createJob(ctx context.Context, w *model.Workload, owner metav1.OwnerReference, sequence int64) error {
	job := decide.Job(w, sequence, l.opts.Version, owner)
	l.opts.Jobs.Creating(w.Key, job.Name)
	err := l.opts.JobWriter.CreateJob(ctx, job)
	if err != nil && !uncertain(err) {
		l.opts.Jobs.NotCreated(w.Key, job.Name)
	}
	if err != nil {
		return fmt.Errorf("number %d: %w", sequence, err)
	}
	return nil
}

// uncertain says that a request may have had its effect although it failed.
func uncertain(err error) bool {
	var status apierrors.APIStatus
	return !errors.As(err, &status) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err)
}
