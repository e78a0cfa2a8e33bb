package act

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// CreateJob creates a Job. That one of the same name and owner is there
// already is success: somebody else, or an earlier try of ours whose answer
// was lost, has made it.
func (a *Actor) CreateJob(ctx context.Context, job *batchv1.Job) error {
	err := a.client.Create(ctx, job.DeepCopy(), client.FieldOwner(FieldManager))
	if !apierrors.IsAlreadyExists(err) {
		return wrapJob("creating", job.Namespace, job.Name, err)
	}
	var have batchv1.Job
	if readErr := a.live.Get(ctx, client.ObjectKeyFromObject(job), &have); readErr != nil {
		return wrapJob("reading", job.Namespace, job.Name, readErr)
	}
	mine, theirs := metav1.GetControllerOf(job), metav1.GetControllerOf(&have)
	if mine == nil || theirs == nil || mine.UID != theirs.UID {
		return fmt.Errorf("the Job %s/%s exists and belongs to %s; expected it to be ours or not to exist: %w", job.Namespace, job.Name, ownerName(&have), err)
	}
	return nil
}

// DeleteJob deletes the Job of a UID, and its pods: with foreground these
// first. One that has gone already is no error.
func (a *Actor) DeleteJob(ctx context.Context, namespace, name, uid string, foreground bool) error {
	policy := metav1.DeletePropagationBackground
	if foreground {
		policy = metav1.DeletePropagationForeground
	}
	id := types.UID(uid)
	err := a.client.Delete(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}},
		client.Preconditions{UID: &id}, client.PropagationPolicy(policy))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return wrapJob("deleting", namespace, name, err)
}

func wrapJob(doing, namespace, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s Job %s/%s: %w", doing, namespace, name, err)
}
