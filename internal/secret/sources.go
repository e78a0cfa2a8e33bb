package secret

import (
	"context"
	"errors"
	"fmt"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// source takes parameters from one kind of entry of an auth object. Problems
// are put at path, the trigger's authenticationRef.
type source interface {
	resolve(ctx context.Context, j *job, path string)
}

// sources lists the resolvers in the order in which they give parameters; the
// first to give one wins. It is upstream's order from its end, as there the
// last one wins.
func sources() []source {
	return []source{
		file{},
		oauth2{},
		tokens{},
		aws{
			field: "awsParameterStore", list: "awsParameterStore.parameters",
			part: func(s *model.AuthSpec) *model.AuthAWS { return s.AWSParameters },
			open: func(e *External) func(AWSAccess) (Store, error) { return e.OpenAWSParameters },
		},
		aws{
			field: "awsSecretManager", list: "awsSecretManager.secrets",
			part: func(s *model.AuthSpec) *model.AuthAWS { return s.AWSSecrets },
			open: func(e *External) func(AWSAccess) (Store, error) { return e.OpenAWSSecrets },
		},
		gcp{},
		keyVault{},
		vault{},
		keys{field: "secretTargetRef", entries: func(s *model.AuthSpec) []model.AuthKey { return s.Secrets }, value: (*job).secretKey},
		keys{field: "configMapTargetRef", entries: func(s *model.AuthSpec) []model.AuthKey { return s.ConfigMaps }, value: (*job).configMapKey},
		environment{},
		retired{},
	}
}

// keys takes parameters from keys of Secrets or ConfigMaps.
type keys struct {
	field   string
	entries func(*model.AuthSpec) []model.AuthKey
	value   func(j *job, ctx context.Context, namespace, name, key string) (string, error)
}

func (s keys) resolve(ctx context.Context, j *job, path string) {
	for i, e := range s.entries(&j.auth) {
		field := fmt.Sprintf("%s[%d]", s.field, i)
		if j.authNamespace == "" {
			j.authProblem(path, field, e.Parameter, errNoClusterNamespace)
			continue
		}
		value, err := s.value(j, ctx, j.authNamespace, e.Name, e.Key)
		if err != nil {
			j.authProblem(path, field, e.Parameter, err)
			continue
		}
		j.give(path, field, e.Parameter, value)
	}
}

var errNoClusterNamespace = errors.New("the namespace of the operator is not known, where a ClusterTriggerAuthentication finds its objects")

// environment takes parameters from the environment of the target's container.
type environment struct{}

func (environment) resolve(ctx context.Context, j *job, path string) {
	for i, e := range j.auth.Env {
		field := fmt.Sprintf("env[%d]", i)
		env, err := j.container(ctx, e.Container)
		if err != nil {
			j.authProblem(path, field, e.Parameter, err)
			continue
		}
		value, ok, err := env.lookup(ctx, e.Name)
		switch {
		case err != nil:
			j.authProblem(path, field, e.Parameter, err)
		case !ok:
			j.authProblem(path, field, e.Parameter, &absentError{
				what: fmt.Sprintf("the container %q has no environment variable %q", env.container.Name, e.Name), near: env.nearest(e.Name),
			})
		default:
			j.give(path, field, e.Parameter, value)
		}
	}
}

// retired turns what has ended into problems.
type retired struct{}

func (retired) resolve(_ context.Context, j *job, path string) {
	for _, what := range j.auth.Retired {
		j.problems.Errorf(path, "the %s %q uses %s", j.trigger.Auth.Kind, j.trigger.Auth.Name, what)
	}
}

// give sets a parameter. An empty value is handed on as found, with a warning:
// whether it may be empty is for the scaler to say.
func (j *job) give(path, field, parameter, value string) {
	switch _, taken := j.values[parameter]; {
	case taken:
		j.problems.Warnf(path, "the %s %q gives the parameter %q again in %s; the first one counts", j.trigger.Auth.Kind, j.trigger.Auth.Name, parameter, field)
		return
	case value == "":
		j.problems.Warnf(path, "the %s %q gives an empty value for the parameter %q in %s", j.trigger.Auth.Kind, j.trigger.Auth.Name, parameter, field)
	}
	j.values[parameter] = value
}

func (j *job) authProblem(path, field, parameter string, err error) {
	if errors.Is(err, ErrUnseen) {
		j.hide(parameter)
		return
	}
	j.problems.Errorf(path, "the %s %q can't give the parameter %q: %s: %v", j.trigger.Auth.Kind, j.trigger.Auth.Name, parameter, field, err)
	hint(j.problems, err)
}

// hint adds a name that was likely meant.
func hint(ps param.Problems, err error) {
	var absent *absentError
	if errors.As(err, &absent) && absent.near != "" {
		ps.Hint("did you mean %s?", absent.near)
	}
}
