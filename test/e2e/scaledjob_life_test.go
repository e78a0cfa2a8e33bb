package e2e

import (
	"fmt"
	"net/http"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

const changedTemplate = `{"spec":{"jobTargetRef":{"template":{"spec":{"terminationGracePeriodSeconds":%d}}}}}`

// TestScaledJobRollout: a change of the spec replaces Jobs that run, without
// ever running more of them than the source calls for.
func TestScaledJobRollout(t *testing.T) {
	for name, change := range map[string]func(*kedav1.ScaledJob){
		"by default":        func(*kedav1.ScaledJob) {},
		"immediate":         func(o *kedav1.ScaledJob) { o.Spec.Rollout.Strategy = "immediate" },
		"in the foreground": func(o *kedav1.ScaledJob) { o.Spec.Rollout.PropagationPolicy = "foreground" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			m := newMeter(s, 3)
			log := s.followJobs()
			o := s.apply(scaledJob(m.trigger(1), change))
			s.running(3)
			s.started(3)
			s.end(corev1.PodSucceeded, s.jobs()[0])
			s.running(3) // the source still says 3
			o.patch(changedTemplate, 1)
			o.event("ScaledJobRolloutCleanupStarted", "Deleting 3 Jobs")
			o.event("ScaledJobRolloutCleanupCompleted", "")
			s.eventually("3 Jobs of the new generation run", func() error {
				n := 0
				for _, j := range s.running(3) {
					if j.Annotations["scaledjob.keda.sh/generation"] == "2" {
						n++
					}
				}
				return differs(3, n)
			})
			m.askedAgain(3)
			log.only(s, 7)
			if n := len(s.jobs()); n != 4 {
				s.failf("there are %d Jobs; expected 3 that run, and the one of the history", n)
			}
			log.mu.Lock()
			defer log.mu.Unlock()
			if log.most > 3 {
				s.failf("%d Jobs ran at once", log.most)
			}
		})
	}
	t.Run("gradual", func(t *testing.T) {
		s := newStory(t)
		m := newMeter(s, 3)
		log := s.followJobs()
		o := s.apply(scaledJob(m.trigger(1), func(o *kedav1.ScaledJob) { o.Spec.Rollout.Strategy = "gradual" }))
		s.running(3)
		o.patch(changedTemplate, 1)
		o.ready()
		m.askedAgain(3)
		log.only(s, 3)
		m.set(4)
		generations := map[string]int{}
		for _, j := range s.running(4) {
			generations[j.Annotations["scaledjob.keda.sh/generation"]]++
		}
		s.must(differs(map[string]int{"1": 3, "2": 1}, generations))
	})
}

// TestScaledJobHistory: as many finished Jobs stay as were asked for, the
// newest ones.
func TestScaledJobHistory(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 5)
	s.apply(scaledJob(m.trigger(1), func(o *kedav1.ScaledJob) {
		o.Spec.SuccessfulJobsHistoryLimit, o.Spec.FailedJobsHistoryLimit = new(int32(1)), new(int32(0))
	}))
	jobs := s.running(5)
	m.set(1)
	m.askedAgain(2)
	s.end(corev1.PodSucceeded, jobs[0])
	// Times of ends are in whole seconds.
	m.askedAgain(2)
	s.end(corev1.PodSucceeded, jobs[1])
	s.end(corev1.PodFailed, jobs[2], jobs[3])
	s.eventually("the newest of those that succeeded is left, and the one that runs", func() error {
		var names []string
		for _, j := range s.jobs() {
			names = append(names, j.Name)
		}
		return differs([]string{jobs[1].Name, jobs[4].Name}, names)
	})
}

// TestScaledJobMin: Jobs that stand by are always there, beside those for the
// queue.
func TestScaledJobMin(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	log := s.followJobs()
	o := s.apply(scaledJob(m.trigger(1), jobLimits(2, 4)))
	jobs := s.running(2)
	o.decided(model.RuleMin, 0, 2)
	m.askedAgain(2)
	log.only(s, 2)
	s.end(corev1.PodSucceeded, jobs[0])
	s.running(2)
	m.set(1)
	s.running(3)
	m.set(9)
	s.running(4)
	m.askedAgain(2)
	log.only(s, 5)
}

// TestScaledJobPaused: nothing is created, deleted or measured.
func TestScaledJobPaused(t *testing.T) {
	s := newStory(t)
	m, witness := newMeter(s, 2), newMeter(s, 0)
	other := scaledJob(witness.trigger(1))
	other.Name = "witness"
	s.apply(other)
	log := s.followJobs()
	o := s.apply(scaledJob(m.trigger(1)))
	s.running(2)
	o.annotate(map[string]any{paused: "true"})
	o.expect(model.ConditionPaused, "True", "ScaledJobPaused")
	o.event("ScaledJobPaused", "paused")
	o.ready()
	m.set(5)
	asked := m.requests()
	o.patch(changedTemplate, 1) // would replace them
	o.ready()
	witness.askedAgain(3)
	if again := m.requests(); again != asked {
		s.failf("the source was asked %d times while paused", again-asked)
	}
	s.running(2)
	log.only(s, 2)
	o.annotate(map[string]any{paused: nil})
	o.event("ScaledJobUnpaused", "no longer paused")
	s.running(5)
	log.only(s, 7)
}

// TestScaledJobSourceFails: a source that fails makes no Job and takes none
// away; it is said, and over when the source is back.
func TestScaledJobSourceFails(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 3)
	log := s.followJobs()
	o := s.apply(scaledJob(m.trigger(1)))
	jobs := s.running(3)
	m.answer(http.StatusInternalServerError, `{"value": 9}`)
	o.expect(model.ConditionReady, "False", "TriggerError", "500")
	o.event("KEDAScalerFailed", "500")
	s.end(corev1.PodSucceeded, jobs[0])
	o.patch(changedTemplate, 1)
	o.expect(model.ConditionReady, "False", "TriggerError", "500")
	m.askedAgain(3)
	s.running(2)
	log.only(s, 3)
	m.set(2)
	o.ready()
	o.event("ScaledJobRolloutCleanupStarted", "Deleting 2 Jobs")
	s.running(2)
	s.eventually("two Jobs follow", func() error { return differs(5, len(log.all())) })
}

// TestScaledJobEnvironment: credentials come from the environment of the
// template's container.
func TestScaledJobEnvironment(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	token := secretToken(s, "1")
	m.demand("Authorization", "Bearer "+token)
	s.create(tokenSecret("credentials", "key", token))
	s.create(auth("creds", kedav1.TriggerAuthenticationSpec{Env: []kedav1.AuthEnvironment{{Parameter: "token", Name: "TOKEN"}}}))
	o := s.apply(scaledJob(bearer(m, "", "creds"), func(o *kedav1.ScaledJob) {
		o.Spec.EnvSourceContainerName = "second"
		spec := &o.Spec.JobTargetRef.Template.Spec
		spec.Containers = append(spec.Containers, corev1.Container{
			Name: "second", Image: "registry.example/worker:1",
			Env: []corev1.EnvVar{{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "credentials"}, Key: "key",
			}}}},
		})
	}))
	s.running(2)
	o.ready()
	unseen(s)
}

// TestScaledJobProblems: what is wrong is said, and mended without a trace.
func TestScaledJobProblems(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	o := s.apply(scaledJob(m.trigger(1), jobLimits(5, 3)))
	o.expect(model.ConditionReady, "False", "ScaledJobCheckFailed", "spec.minReplicaCount", "above maxReplicaCount")
	o.event("ScaledJobCheckFailed", "above maxReplicaCount")
	o.patch(`{"spec":{"minReplicaCount":0}}`)
	o.ready()
	s.running(2)
	o.patch(`{"spec":{"minReplicaCount":9}}`)
	o.expect(model.ConditionReady, "False", "ScaledJobCheckFailed", "spec.minReplicaCount")
	o.delete()
	o.gone()
}

// TestFirstAPIJob: Jobs of the first API, with all that it says of a Job.
func TestFirstAPIJob(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 3)
	log := s.followJobs()
	first := firstObject(worker, m.first(1))
	first.Spec.ScaleTargetRef, first.Spec.ScaleType = nil, "job"
	first.Spec.JobTargetRef = &batchv1.JobSpec{
		Parallelism: new(int32(2)), Completions: new(int32(2)), ActiveDeadlineSeconds: new(int64(600)), BackoffLimit: new(int32(6)),
		Template: lastingPods(),
	}
	o := s.apply(first)
	owner, err := o.read()
	s.must(err)
	for _, j := range s.running(3) {
		spec := j.Spec
		if *spec.Parallelism != 2 || *spec.Completions != 2 || *spec.ActiveDeadlineSeconds != 600 || *spec.BackoffLimit != 6 {
			s.failf("Job %s has %+v", j.Name, spec)
		}
		if j.Labels["scaledobject"] != worker || j.OwnerReferences[0].UID != owner.GetUID() || j.OwnerReferences[0].APIVersion != "keda.k8s.io/v1alpha1" {
			s.failf("Job %s has labels %v, owners %v", j.Name, j.Labels, j.OwnerReferences)
		}
	}
	o.ready()
	o.event("KEDAJobsCreated", "Created 3 jobs")
	o.patch(`{"spec":{"maxReplicaCount":4}}`) // an edit ends none
	o.ready()                                 // with the edit
	m.set(9)
	s.running(4)
	m.askedAgain(3)
	log.only(s, 4)
	s.eventually("the status tells the last number", func() error {
		u, err := o.read()
		if err != nil {
			return err
		}
		if status, _ := u.Object["status"].(map[string]any); fmt.Sprint(status["jobSequence"]) != "4" {
			return fmt.Errorf("it says %v", status["jobSequence"])
		}
		return nil
	})
	o.delete()
	o.gone()
	s.running(0)
}
