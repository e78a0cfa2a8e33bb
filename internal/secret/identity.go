package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kedago/keda/pkg/scaler"
)

// identity completes a podIdentity: the role of the workload's service account
// where that is whose role is taken on.
func (j *job) identity(ctx context.Context, path, field string, id scaler.Identity) (scaler.Identity, error) {
	if id.Owner != "workload" || id.RoleARN != "" || !slices.Contains([]string{"aws", "aws-eks"}, id.Provider) {
		return id, nil
	}
	if j.external == nil {
		return id, ErrUnseen
	}
	pod, err := j.podSpec(ctx)
	switch {
	case errors.Is(err, ErrNoPods):
		return id, fmt.Errorf("the %s %s has no pod template, so its service account is not known", j.workload.Target.Kind, j.workload.Target.Name)
	case err != nil:
		return id, err
	}
	name := pod.ServiceAccountName
	if name == "" {
		name = "default"
	}
	namespace := j.workload.Key.Namespace
	got := j.held(ctx, section{
		field: "podIdentity", access: []string{namespace}, wants: []want{{item: Item{Name: name}}},
		open: func() (Store, error) { return roleStore{j.external.ServiceAccounts, namespace}, nil },
	})[0]
	if !got.has {
		return id, got.err
	}
	if got.err != nil {
		j.earlier(path, "the workload's role", field, got.err)
	}
	id.RoleARN = got.value
	return id, nil
}

// ownIdentity completes spec.podIdentity. A role that a parameter gives will do.
func (j *job) ownIdentity(ctx context.Context, path string) {
	id, err := j.identity(ctx, path, "podIdentity", j.auth.Identity)
	if j.auth.Identity = id; err == nil || errors.Is(err, ErrUnseen) || j.values["awsRoleArn"] != "" || j.unseen.AllValues || j.unseen.Values["awsRoleArn"] {
		return
	}
	j.problems.Errorf(path, "the %s %q uses podIdentity %s, whose role is not known: %v", j.trigger.Auth.Kind, j.trigger.Auth.Name, id.Provider, err)
	j.problems.Hint("annotate the service account of the target's pods with %s, or write roleArn in the podIdentity", roleAnnotation)
}
