package awssm

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
)

// NewParameters returns what opens stores of the Parameter Store.
func NewParameters(o Options) func(secret.AWSAccess) (secret.Store, error) {
	return func(access secret.AWSAccess) (secret.Store, error) {
		c, err := open(o, access, "ssm", func(c aws.Config) *ssm.Client { return ssm.NewFromConfig(c) })
		if err != nil {
			return nil, err
		}
		return &parameters{c}, nil
	}
}

type parameters struct {
	client *conn.AWSClient[*ssm.Client]
}

// Close implements secret.Store.
func (s *parameters) Close() { _ = s.client.Close() }

const parameterStore = "the AWS Parameter Store"

// Fetch implements secret.Store. Each parameter is a request of its own: the
// answer to a request for several does not always tell versions apart.
func (s *parameters) Fetch(ctx context.Context, items []secret.Item) []secret.Fetched {
	out := make([]secret.Fetched, len(items))
	got := map[string]secret.Fetched{}
	for i, it := range items {
		name := selector(it)
		whole, asked := got[name]
		if !asked {
			whole = s.get(ctx, name)
			got[name] = whole
		}
		out[i] = field(whole, it.Key, doing(name, parameterStore))
	}
	return out
}

// selector is a name with its version or label, as the service writes it.
func selector(it secret.Item) string {
	if it.Version == "" {
		return it.Name
	}
	return it.Name + ":" + it.Version
}

func (s *parameters) get(ctx context.Context, name string) secret.Fetched {
	answer, err := s.client.API.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	var gone *types.ParameterNotFound
	var old *types.ParameterVersionNotFound
	switch {
	case errors.As(err, &gone):
		return secret.Fetched{Err: scaler.Missing(errors.New("there is no such parameter"), "%s", doing(name, parameterStore))}
	case errors.As(err, &old):
		return secret.Fetched{Err: scaler.Missing(errors.New("there is no such version of it"), "%s", doing(name, parameterStore))}
	case err != nil:
		return secret.Fetched{Err: conn.AWSError(err, doing(name, parameterStore))}
	case answer.Parameter == nil || answer.Parameter.Value == nil:
		return secret.Fetched{Err: scaler.BadAnswer(errors.New("the answer holds no value"), "%s", doing(name, parameterStore))}
	}
	return secret.Fetched{Value: *answer.Parameter.Value}
}
