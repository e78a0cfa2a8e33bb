package decide

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kedago/keda/internal/model"
)

func TestJobObject(t *testing.T) {
	w := scaledJob(func(w *model.Workload) {
		w.Job.Labels = map[string]string{"team": "a", "app.kubernetes.io/managed-by": "Helm"}
		w.Job.Annotations = map[string]string{"note": "b", corev1.LastAppliedConfigAnnotation: "{}"}
		w.Job.Spec.Parallelism, w.Job.Spec.BackoffLimit = ptr[int32](2), ptr[int32](1)
		w.Job.Spec.Template = corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "x"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
		}
	})
	owner := metav1.OwnerReference{Kind: "ScaledJob", Name: "jobs", UID: "uid-1", Controller: ptr(true)}
	got := Job(w, 7, "v1.2", owner)
	if name := got.Name; !strings.HasPrefix(name, "jobs-") || !strings.HasSuffix(name, "-7") || got.GenerateName != "" {
		t.Errorf("name %q", name)
	}
	got.Name = ""
	want := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop",
			Labels: map[string]string{
				"team": "a", "app.kubernetes.io/name": "jobs", "app.kubernetes.io/part-of": "jobs", "app.kubernetes.io/managed-by": "keda-operator",
				"app.kubernetes.io/version": "v1.2", "scaledjob.keda.sh/name": "jobs",
			},
			Annotations:     map[string]string{"note": "b", "scaledjob.keda.sh/generation": "3"},
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: batchv1.JobSpec{
			Parallelism: ptr[int32](2), BackoffLimit: ptr[int32](1),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "x", "scaledjob.keda.sh/name": "jobs"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}, RestartPolicy: "OnFailure"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(w.Job.Labels) != 2 || len(w.Job.Spec.Template.Labels) != 1 || w.Job.Spec.Template.Spec.RestartPolicy != "" {
		t.Error("the workload was changed")
	}

	w.Key.Group, w.Key.Kind = model.GroupFirst, model.KindScaledObject
	w.Job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	first := Job(w, 7, "v1.2", owner)
	if first.Labels["scaledobject"] != "jobs" || first.Spec.Template.Labels["scaledobject"] != "jobs" || first.Spec.Template.Spec.RestartPolicy != "Never" {
		t.Errorf("of the first API: %v, %v", first.Labels, first.Spec.Template)
	}
}

// TestJobNames: a name is the same each time, another for another object or
// number, and one that the API server takes.
func TestJobNames(t *testing.T) {
	owner := metav1.OwnerReference{}
	name := func(sequence int64, change ...func(*model.Workload)) string {
		return Job(scaledJob(change...), sequence, "v1", owner).Name
	}
	long := func(n string) func(*model.Workload) { return func(w *model.Workload) { w.Key.Name = n } }
	indexed := func(w *model.Workload) {
		mode := batchv1.IndexedCompletion
		w.Job.Spec.CompletionMode, w.Job.Spec.Completions = &mode, ptr[int32](1000)
	}
	if one, same := name(1), name(1); one != same {
		t.Errorf("%s, then %s; expected the same twice", one, same)
	}
	most := int64(1) << 31
	seen := map[string]string{}
	for what, n := range map[string]string{
		"first": name(1), "second": name(2),
		"another object":         name(1, func(w *model.Workload) { w.UID = "uid-2" }),
		"of the other group":     name(1, func(w *model.Workload) { w.Key.Group = model.GroupFirst }),
		"long":                   name(most, long(strings.Repeat("a", 63))),
		"long with dots":         name(most, long(strings.Repeat("a.", 31)+"a")),
		"long and indexed":       name(most, long(strings.Repeat("b", 63)), indexed),
		"a number that is large": name(most),
	} {
		if other, twice := seen[n]; twice {
			t.Errorf("%s and %s have the name %s", what, other, n)
		}
		seen[n] = what
		if bad := validation.IsDNS1123Subdomain(n); len(bad) > 0 || len(n) > 63 || what == "long and indexed" && len(n) > 58 {
			t.Errorf("%s: %s has %d characters, %v", what, n, len(n), bad)
		}
	}
}

func TestNextJob(t *testing.T) {
	w := scaledJob()
	named := func(sequence int64, change ...func(*model.Workload)) model.JobState {
		return job(Job(scaledJob(change...), sequence, "v1", metav1.OwnerReference{}).Name)
	}
	other := func(w *model.Workload) { w.UID = "uid-2" }
	for name, c := range map[string]struct {
		states []model.JobState
		last   int64
		want   int64
	}{
		"the first":               {nil, 0, 1},
		"after those there are":   {[]model.JobState{named(3), named(11), named(9)}, 0, 12},
		"after one gone already":  {[]model.JobState{named(3)}, 20, 21},
		"beside those of others":  {[]model.JobState{named(30, other), job("jobs-40"), job("x")}, 2, 3},
		"beside what is no count": {[]model.JobState{job(strings.TrimSuffix(named(1).Name, "1") + "x")}, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NextJob(w, model.Jobs{States: c.states}, c.last); got != c.want {
				t.Errorf("number %d, want %d", got, c.want)
			}
		})
	}
}
