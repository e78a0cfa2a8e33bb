package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// roleAnnotation is where a service account has its role in AWS.
const roleAnnotation = "eks.amazonaws.com/role-arn"

// fileStore reads files of parameters. An item's Name is a path, its value
// the file's JSON object.
type fileStore struct{ files Files }

// Fetch implements Store.
func (s fileStore) Fetch(_ context.Context, items []Item) []Fetched {
	out := make([]Fetched, len(items))
	for i, it := range items {
		parameters, err := s.files.parameters(it.Name)
		if err != nil {
			out[i].Err = scaler.Misconfigured(err, "reading a file of the operator")
			continue
		}
		raw, err := json.Marshal(parameters)
		out[i] = Fetched{Value: string(raw), Err: err}
	}
	return out
}

// Close implements Store.
func (fileStore) Close() {}

// tokenStore has tokens issued. An item's Name is that of a service account.
type tokenStore struct {
	accounts  ServiceAccounts
	namespace string
}

// Fetch implements Store.
func (s tokenStore) Fetch(ctx context.Context, items []Item) []Fetched {
	out := make([]Fetched, len(items))
	for i, it := range items {
		token, good, err := issue(ctx, s.accounts, s.namespace, it.Name)
		out[i] = Fetched{Value: token.Reveal(), Err: err, Again: good, Issued: true}
	}
	return out
}

// Close implements Store.
func (tokenStore) Close() {}

// issue has a token issued, and says for how long it is used: another one is
// asked for when a fifth of its life is left.
func issue(ctx context.Context, accounts ServiceAccounts, namespace, name string) (param.Hidden, time.Duration, error) {
	doing := fmt.Sprintf("getting a token for the service account %s/%s", namespace, name)
	token, life, err := accounts.Token(ctx, namespace, name)
	switch {
	case apierrors.IsNotFound(err):
		return token, 0, scaler.Missing(errors.New("it does not exist"), "%s", doing)
	case apierrors.IsForbidden(err):
		return token, 0, scaler.Denied(fmt.Errorf("the operator may not; expected a Role in namespace %s that lets it create serviceaccounts/token of %q", namespace, name), "%s", doing)
	case err != nil:
		return token, 0, scaler.Unreachable(err, "%s", doing)
	case token.IsZero():
		return token, 0, scaler.BadAnswer(errors.New("the API server issued an empty one"), "%s", doing)
	}
	return token, max(life*4/5, time.Second), nil
}

// roleStore reads roles in AWS off service accounts. An item's Name is that of
// a service account.
type roleStore struct {
	accounts  ServiceAccounts
	namespace string
}

// Fetch implements Store.
func (s roleStore) Fetch(ctx context.Context, items []Item) []Fetched {
	out := make([]Fetched, len(items))
	for i, it := range items {
		annotations, err := s.accounts.Annotations(ctx, s.namespace, it.Name)
		out[i].Value = annotations[roleAnnotation]
		switch {
		case apierrors.IsNotFound(err):
			out[i].Err = scaler.Missing(nil, "the service account %s/%s does not exist", s.namespace, it.Name)
		case err != nil:
			out[i].Err = scaler.Unreachable(err, "the service account %s/%s can't be read", s.namespace, it.Name)
		case out[i].Value == "":
			out[i].Err = scaler.Missing(nil, "the service account %s/%s has no annotation %q", s.namespace, it.Name, roleAnnotation)
		}
	}
	return out
}

// Close implements Store.
func (roleStore) Close() {}
