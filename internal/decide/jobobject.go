package decide

import (
	"hash/fnv"
	"maps"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/kedago/keda/internal/model"
)

// maxJobName is the longest name of a Job, which becomes a label of its pods.
const maxJobName = 63

// Job returns a workload's Job of a number. Whoever makes the Job of that
// number, now or after a restart, makes one of the same name, so that it can't
// be made twice. version goes into the label app.kubernetes.io/version.
func Job(w *model.Workload, sequence int64, version string, owner metav1.OwnerReference) *batchv1.Job {
	out := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.Key.Namespace, Name: jobName(w, sequence),
			Labels: jobLabels(w, version), Annotations: jobAnnotations(w),
			OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: *w.Job.Spec.DeepCopy(),
	}
	template := &out.Spec.Template
	if template.Labels == nil {
		template.Labels = map[string]string{}
	}
	identify(template.Labels, w)
	if template.Spec.RestartPolicy == "" {
		// The API server would make it Always, which Jobs may not have.
		template.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	}
	return out
}

// identify sets the labels by which Jobs and pods are found.
func identify(labels map[string]string, w *model.Workload) {
	labels[model.LabelScaledJob] = w.Key.Name
	if w.Key.Group == model.GroupFirst {
		labels[model.LabelFirstJob] = w.Key.Name
	}
}

// jobLabels are the object's labels and ours, of which ours win.
func jobLabels(w *model.Workload, version string) map[string]string {
	out := maps.Clone(w.Job.Labels)
	if out == nil {
		out = map[string]string{}
	}
	out["app.kubernetes.io/name"] = labelValue(w.Key.Name)
	out["app.kubernetes.io/part-of"] = labelValue(w.Key.Name)
	out["app.kubernetes.io/managed-by"] = "keda-operator"
	out["app.kubernetes.io/version"] = labelValue(version)
	identify(out, w)
	return out
}

func jobAnnotations(w *model.Workload) map[string]string {
	out := maps.Clone(w.Job.Annotations)
	if out == nil {
		out = map[string]string{}
	}
	delete(out, corev1.LastAppliedConfigAnnotation)
	out[model.AnnotationJobGeneration] = strconv.FormatInt(w.Generation, 10)
	return out
}

// jobName is "<object>-<mark>-<number>", the object's name cut where it would
// be too long. The mark is made of the object's UID, so that neither another
// object whose name begins alike, nor one of the same name made later, has
// Jobs of that name.
func jobName(w *model.Workload, sequence int64) string {
	tail := jobTail(w) + strconv.FormatInt(sequence, 10)
	room := maxJobName - len(tail)
	if s := w.Job.Spec; s.CompletionMode != nil && *s.CompletionMode == batchv1.IndexedCompletion && s.Completions != nil {
		// The pods' host names get their index.
		room -= 1 + len(strconv.Itoa(int(*s.Completions)))
	}
	name := w.Key.Name
	if len(name) > room {
		name = strings.TrimRight(name[:room], "-.")
	}
	return name + tail
}

// jobTail is what all names of a workload's Jobs have before their number.
func jobTail(w *model.Workload) string {
	const length = 5
	h := fnv.New64a()
	_, _ = h.Write([]byte(string(w.Key.Group) + w.UID))
	mark := rand.SafeEncodeString(strconv.FormatUint(h.Sum64(), 10))
	return "-" + mark[max(0, len(mark)-length):] + "-"
}

// NextJob is the number of the next Job: one more than the highest of those
// that are there and of the last known to have been made.
func NextJob(w *model.Workload, jobs model.Jobs, last int64) int64 {
	tail := jobTail(w)
	for _, j := range jobs.States {
		i := strings.LastIndex(j.Name, tail)
		if i < 0 || !j.Ours {
			continue
		}
		if n, err := strconv.ParseInt(j.Name[i+len(tail):], 10, 64); err == nil {
			last = max(last, n)
		}
	}
	return last + 1
}
