package act

import (
	"context"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func jobOf(of *corev1.ConfigMap) *batchv1.Job {
	yes := true
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "work-1", UID: "uid-1", Labels: map[string]string{"a": "b"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: of.Name, UID: of.UID, Controller: &yes}},
	}}
}

// TestCreateJob: a Job that is there already is as good as one just made, if
// it is ours.
func TestCreateJob(t *testing.T) {
	mine, theirs := owner("mine"), owner("theirs")
	for name, tt := range map[string]struct {
		have    *batchv1.Job
		foreign bool
	}{
		"none yet":        {nil, false},
		"made before":     {jobOf(mine), false},
		"somebody else's": {jobOf(theirs), true},
	} {
		t.Run(name, func(t *testing.T) {
			var objects []client.Object
			if tt.have != nil {
				objects = append(objects, tt.have)
			}
			c := newCluster(t, objects...)
			want := jobOf(mine)
			err := c.CreateJob(t.Context(), want)
			if tt.foreign {
				if !apierrors.IsAlreadyExists(err) || !strings.Contains(err.Error(), "ns/work-1 exists and belongs to ConfigMap theirs") {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || want.ResourceVersion != "" {
				t.Errorf("error %v, and the Job handed in has version %q", err, want.ResourceVersion)
			}
			var list batchv1.JobList
			if err := c.client.List(t.Context(), &list); err != nil || len(list.Items) != 1 || !metav1.IsControlledBy(&list.Items[0], mine) || list.Items[0].Labels["a"] != "b" {
				t.Errorf("%+v, %v", list.Items, err)
			}
		})
	}
}

// TestDeleteJob: the Job of that UID goes, with its pods in the order asked for.
func TestDeleteJob(t *testing.T) {
	mine := owner("mine")
	for name, tt := range map[string]struct {
		have       client.Object
		uid        string
		foreground bool
		left       int
	}{
		"in the background": {jobOf(mine), "uid-1", false, 0},
		"in the foreground": {jobOf(mine), "uid-1", true, 0},
		"gone already":      {mine, "uid-1", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, tt.have)
			var got client.DeleteOptions
			a := New(interceptor.NewClient(c.client.(client.WithWatch), interceptor.Funcs{
				Delete: func(ctx context.Context, w client.WithWatch, obj client.Object, o ...client.DeleteOption) error {
					got = *(&client.DeleteOptions{}).ApplyOptions(o)
					return w.Delete(ctx, obj, o...)
				},
			}), c.client, c.scales, c.events)
			if err := a.DeleteJob(t.Context(), "ns", "work-1", tt.uid, tt.foreground); err != nil {
				t.Fatal(err)
			}
			want := metav1.DeletePropagationBackground
			if tt.foreground {
				want = metav1.DeletePropagationForeground
			}
			if got.PropagationPolicy == nil || *got.PropagationPolicy != want || got.Preconditions == nil || *got.Preconditions.UID != types.UID(tt.uid) {
				t.Errorf("options %+v", got)
			}
			var list batchv1.JobList
			if err := c.client.List(t.Context(), &list); err != nil || len(list.Items) != tt.left {
				t.Errorf("left: %+v, %v", list.Items, err)
			}
		})
	}
}

// TestJobRefused: what the API server refuses is told with the Job's name.
func TestJobRefused(t *testing.T) {
	c := newCluster(t)
	refusal := apierrors.NewForbidden(batchv1.Resource("jobs"), "work-1", nil)
	a := New(interceptor.NewClient(c.client.(client.WithWatch), interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return refusal },
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return refusal },
	}), c.client, c.scales, c.events)
	if err := a.CreateJob(t.Context(), jobOf(owner("mine"))); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "creating Job ns/work-1") {
		t.Errorf("error %v", err)
	}
	if err := a.DeleteJob(t.Context(), "ns", "work-1", "uid-1", false); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "deleting Job ns/work-1") {
		t.Errorf("error %v", err)
	}
}
