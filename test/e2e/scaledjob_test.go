package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// lasting keeps the pods of Jobs at work until the test ends them.
const lasting = "pod-complete.stage.kwok.x-k8s.io/delay"

func lastingPods() corev1.PodTemplateSpec {
	template := pods("job")
	template.Annotations = map[string]string{lasting: "1h"}
	return template
}

// scaledJob runs lasting Jobs by some triggers, measured every second.
func scaledJob(triggers []kedav1.ScaleTriggers, change ...func(*kedav1.ScaledJob)) *kedav1.ScaledJob {
	o := &kedav1.ScaledJob{
		ObjectMeta: metav1.ObjectMeta{Name: worker},
		Spec: kedav1.ScaledJobSpec{
			JobTargetRef: &batchv1.JobSpec{Template: lastingPods(), BackoffLimit: new(int32(0))}, PollingInterval: new(int32(1)), Triggers: triggers,
		},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

func strategy(name string) func(*kedav1.ScaledJob) {
	return func(o *kedav1.ScaledJob) { o.Spec.ScalingStrategy.Strategy = name }
}

func jobLimits(least, most int32) func(*kedav1.ScaledJob) {
	return func(o *kedav1.ScaledJob) { o.Spec.MinReplicaCount, o.Spec.MaxReplicaCount = &least, &most }
}

// unschedulable keeps pods from starting.
func unschedulable(o *kedav1.ScaledJob) {
	o.Spec.JobTargetRef.Template.Spec.NodeSelector = map[string]string{"nowhere": "true"}
}

// jobLog is every Job that there was.
type jobLog struct {
	mu   sync.Mutex
	made map[types.UID]*batchv1.Job
	most int // of those that ran at once
	now  map[types.UID]bool
}

// followJobs records the namespace's Jobs from now on.
func (s *story) followJobs() *jobLog {
	s.Helper()
	w, err := s.client.Watch(s.ctx, &batchv1.JobList{}, client.InNamespace(s.namespace))
	s.must(err)
	s.Cleanup(w.Stop)
	l := &jobLog{made: map[types.UID]*batchv1.Job{}, now: map[types.UID]bool{}}
	go func() {
		for e := range w.ResultChan() {
			if j, ok := e.Object.(*batchv1.Job); ok {
				l.add(j, e.Type == "DELETED")
			}
		}
	}()
	return l
}

func (l *jobLog) add(j *batchv1.Job, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[j.UID] = j
	if gone || finished(j) != "" {
		delete(l.now, j.UID)
	} else {
		l.now[j.UID] = true
	}
	l.most = max(l.most, len(l.now))
}

// all are the Jobs that there ever were.
func (l *jobLog) all() []*batchv1.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.made))
}

func finished(j *batchv1.Job) batchv1.JobConditionType {
	for _, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return c.Type
		}
	}
	return ""
}

func (s *story) jobs() []batchv1.Job {
	s.Helper()
	var l batchv1.JobList
	s.must(s.client.List(s.ctx, &l, client.InNamespace(s.namespace)))
	slices.SortFunc(l.Items, func(a, b batchv1.Job) int {
		return len(a.Name)*1000 - len(b.Name)*1000 + strings.Compare(a.Name, b.Name)
	})
	return l.Items
}

// running waits until a number of Jobs runs.
func (s *story) running(want int) []batchv1.Job {
	s.Helper()
	var out []batchv1.Job
	s.eventually(fmt.Sprintf("%d Jobs run", want), func() error {
		out = slices.DeleteFunc(s.jobs(), func(j batchv1.Job) bool { return finished(&j) != "" || j.DeletionTimestamp != nil })
		if len(out) != want {
			return fmt.Errorf("there are %d", len(out))
		}
		return nil
	})
	return out
}

// started waits until the pods of a number of Jobs work.
func (s *story) started(want int) {
	s.Helper()
	s.eventually(fmt.Sprintf("the pods of %d Jobs work", want), func() error {
		n := 0
		for _, j := range s.jobs() {
			if j.Status.Ready != nil && *j.Status.Ready > 0 && finished(&j) == "" {
				n++
			}
		}
		if n != want {
			return fmt.Errorf("those of %d do", n)
		}
		return nil
	})
}

// end lets the pods of Jobs end in a phase, and waits for the Jobs' end.
func (s *story) end(phase corev1.PodPhase, jobs ...batchv1.Job) {
	s.Helper()
	for _, j := range jobs {
		s.eventually("a pod of "+j.Name+" ends", func() error {
			var l corev1.PodList
			if err := s.client.List(s.ctx, &l, client.InNamespace(s.namespace), client.MatchingLabels{"job-name": j.Name}); err != nil {
				return err
			}
			if len(l.Items) == 0 || l.Items[0].Status.Phase != corev1.PodRunning {
				return fmt.Errorf("none of %d runs", len(l.Items))
			}
			return s.client.Status().Patch(s.ctx, &l.Items[0], merge(`{"status":{"phase":%q}}`, phase))
		})
		s.eventually(j.Name+" ends", func() error {
			var now batchv1.Job
			if err := s.get(j.Name, &now); err != nil {
				return client.IgnoreNotFound(err)
			}
			if finished(&now) == "" {
				return fmt.Errorf("its status is %+v", now.Status)
			}
			return nil
		})
	}
}

// only says that no more than a number of Jobs was ever made.
func (l *jobLog) only(s *story, want int) {
	s.Helper()
	s.eventually(fmt.Sprintf("the watch has shown %d Jobs", want), func() error {
		if n := len(l.all()); n < want {
			return fmt.Errorf("it has shown %d", n)
		}
		return nil
	})
	if n := len(l.all()); n != want {
		s.failf("%d Jobs were made; expected %d", n, want)
	}
}

// TestScaledJob: as many Jobs as the source calls for, not one more at later
// polls; they bear the marks by which users know them.
func TestScaledJob(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 5)
	log := s.followJobs()
	o := s.apply(scaledJob(m.trigger(1), func(o *kedav1.ScaledJob) {
		o.Labels = map[string]string{"team": "a", "secret": "b"}
		o.Annotations = map[string]string{"note": "c", "scaledjob.keda.sh/job-excluded-labels": "secret"}
	}))
	jobs := s.running(5)
	o.decided(model.RuleCreateJobs, 0, 5)
	o.event("KEDAJobsCreated", "Created 5 jobs")
	o.event("ScaledJobActive", "active")
	o.ready()
	o.expect(model.ConditionActive, "True", "ScalerActive")
	o.expect(model.ConditionPaused, "False", "ScaledJobUnpaused")
	m.askedAgain(3)
	log.only(s, 5)

	owner, err := o.read()
	s.must(err)
	for _, j := range jobs {
		if !metav1.IsControlledBy(&j, owner) || !strings.HasPrefix(j.Name, worker+"-") || j.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
			s.failf("Job %s of %v", j.Name, j.OwnerReferences)
		}
		labels := maps.Clone(j.Labels)
		delete(labels, "app.kubernetes.io/version")
		if diff := cmp.Diff(map[string]string{
			"app.kubernetes.io/name": worker, "app.kubernetes.io/part-of": worker, "app.kubernetes.io/managed-by": "keda-operator",
			"scaledjob.keda.sh/name": worker, "team": "a",
		}, labels); diff != "" || j.Annotations["note"] != "c" || j.Annotations["scaledjob.keda.sh/generation"] != "1" {
			s.failf("annotations %v, labels (-want +got):\n%s", j.Annotations, diff)
		}
	}
	m.set(7)
	s.running(7)
	log.only(s, 7)
	m.set(5)
	m.askedAgain(2)
	s.end(corev1.PodSucceeded, jobs[0], jobs[1])
	m.askedAgain(3)
	s.running(5)
	log.only(s, 7)
	m.set(0)
	o.expect(model.ConditionActive, "False", "ScalerNotActive")
	o.event("ScaledJobInactive", "no longer active")
	columns(s, "sj", []string{"NAME", "MIN", "MAX", "READY", "ACTIVE", "PAUSED", "TRIGGERS", "AUTHENTICATIONS", "AGE"}, []string{worker, "True", "False", "False", "metrics-api"})

	o.delete()
	o.gone()
	s.running(0)
	log.only(s, 7)
}

// TestScaledJobSlowPods: while pods do not start, no strategy makes a Job for
// work that one is there for.
func TestScaledJobSlowPods(t *testing.T) {
	for name, change := range map[string]func(*kedav1.ScaledJob){
		"default":  strategy("default"),
		"accurate": strategy("accurate"),
		"eager":    strategy("eager"),
		"custom": func(o *kedav1.ScaledJob) {
			o.Spec.ScalingStrategy = kedav1.ScalingStrategy{Strategy: "custom", CustomScalingRunningJobPercentage: "0"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			m := newMeter(s, 5)
			log := s.followJobs()
			s.apply(scaledJob(m.trigger(1), change, unschedulable))
			s.running(5)
			m.askedAgain(4)
			log.only(s, 5)
		})
	}
}

// TestScaledJobStrategies: what strategies add when work leaves the queue as
// soon as a Job has started, up to the maximum.
func TestScaledJobStrategies(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*kedav1.ScaledJob)
		more   int // for a queue of 3 beside 2 Jobs at work
	}{
		"default":  {strategy("default"), 1},
		"accurate": {strategy("accurate"), 3},
		"eager":    {strategy("eager"), 3},
		"custom": {func(o *kedav1.ScaledJob) {
			o.Spec.ScalingStrategy = kedav1.ScalingStrategy{
				Strategy: "custom", CustomScalingQueueLengthDeduction: new(int32(1)), CustomScalingRunningJobPercentage: "0.5",
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			first := 2.0
			if name == "custom" {
				first = 3 // less the deduction
			}
			m := newMeter(s, first)
			log := s.followJobs()
			o := s.apply(scaledJob(m.trigger(1), tt.change, jobLimits(0, 8)))
			s.running(2)
			m.set(0)
			s.started(2)
			o.expect(model.ConditionActive, "False", "ScalerNotActive")
			m.set(3)
			o.event("KEDAJobsCreated", fmt.Sprintf("Created %d jobs", tt.more))
			log.mu.Lock()
			defer log.mu.Unlock()
			if log.most > 8 {
				s.failf("%d Jobs ran at once", log.most)
			}
		})
	}
}

// TestScaledJobOperatorKilled: an operator that is killed while Jobs run, or
// are pending, is followed by one that makes none of them again.
func TestScaledJobOperatorKilled(t *testing.T) {
	s := newSerialStory(t)
	m, slow := newMeter(s, 4), newMeter(s, 3)
	log := s.followJobs()
	o := s.apply(scaledJob(m.trigger(1)))
	pending := scaledJob(slow.trigger(1), strategy("accurate"), unschedulable)
	pending.Name = "slow"
	s.apply(pending)
	s.running(7)
	s.started(4)

	s.operator.Kill()
	s.must(s.restartOperator(s.ctx))
	o.ready()
	m.askedAgain(3)
	slow.askedAgain(3)
	log.only(s, 7)
	m.set(6)
	s.running(9)
	m.askedAgain(2)
	log.only(s, 9)
	names := map[string]bool{}
	for _, j := range log.all() {
		names[j.Name] = true
	}
	if len(names) != 9 {
		s.failf("names %v", names)
	}
}
