// Package awssm reads values from AWS Secrets Manager and from the Parameter
// Store of AWS Systems Manager.
//
// Connections, credentials and their roles are conn's. No error holds a value.
package awssm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Options are the operator's settings.
type Options struct {
	// Env has the pool, the clock and the settings of HTTP clients.
	Env scaler.Env
	// Region is for auth objects that name none; empty when they must.
	Region string
	// Endpoint stands for the services where it is not the region's usual one,
	// such as an emulator; empty otherwise.
	Endpoint string
}

// NewSecrets returns what opens stores of AWS Secrets Manager.
func NewSecrets(o Options) func(secret.AWSAccess) (secret.Store, error) {
	return func(access secret.AWSAccess) (secret.Store, error) {
		c, err := open(o, access, "secretsmanager", func(c aws.Config) *secretsmanager.Client { return secretsmanager.NewFromConfig(c) })
		if err != nil {
			return nil, err
		}
		return &secrets{c}, nil
	}
}

// open takes a client from the pool, with the parameters that an AWS trigger
// would have.
func open[C any](o Options, access secret.AWSAccess, service string, create func(aws.Config) C) (*conn.AWSClient[C], error) {
	group := &conn.AWS{}
	given := param.Values{
		Metadata: map[string]string{"awsRegion": cmp.Or(access.Region, o.Region)},
		Auth:     map[string]string{},
	}
	if o.Endpoint != "" {
		given.Metadata["awsEndpoint"] = o.Endpoint
	}
	for name, value := range map[string]param.Hidden{"awsAccessKeyID": access.KeyID, "awsSecretAccessKey": access.Secret, "awsSessionToken": access.Session} {
		if !value.IsZero() {
			given.Auth[name] = value.Reveal()
		}
	}
	problems := append(group.Params().Decode(given), group.Check()...)
	switch {
	case given.Metadata["awsRegion"] == "":
		return nil, scaler.Misconfigured(nil, "region is missing; expected one such as eu-west-1, here or in the operator's AWS_REGION")
	case problems.Err() != nil:
		return nil, scaler.Misconfigured(nil, "region, or the credentials: found values that can't be any; expected a region such as eu-west-1")
	}
	env := o.Env
	env.Identity = access.Identity
	return conn.OpenAWS(env, group, service, create)
}

type secrets struct {
	client *conn.AWSClient[*secretsmanager.Client]
}

// Close implements secret.Store.
func (s *secrets) Close() { _ = s.client.Close() }

// version is what one request gets: items that differ in their keys only come
// from one answer.
type version struct{ name, version, stage string }

// Fetch implements secret.Store.
func (s *secrets) Fetch(ctx context.Context, items []secret.Item) []secret.Fetched {
	out := make([]secret.Fetched, len(items))
	got := map[version]secret.Fetched{}
	for i, it := range items {
		v := version{it.Name, it.Version, it.Stage}
		whole, asked := got[v]
		if !asked {
			whole = s.get(ctx, v)
			got[v] = whole
		}
		out[i] = field(whole, it.Key, doing(it.Name, "AWS Secrets Manager"))
	}
	return out
}

func doing(name, where string) string { return fmt.Sprintf("reading %q from %s", name, where) }

func (s *secrets) get(ctx context.Context, v version) (f secret.Fetched) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &v.name}
	if v.version != "" {
		in.VersionId = &v.version
	}
	if v.stage != "" {
		in.VersionStage = &v.stage
	}
	got, err := s.client.API.GetSecretValue(ctx, in)
	switch {
	case err != nil:
		f.Err = conn.AWSError(err, doing(v.name, "AWS Secrets Manager"))
	case got.SecretString != nil:
		f.Value = *got.SecretString
	default:
		f.Value = string(got.SecretBinary)
	}
	return f
}

// field takes a field of a value that is a JSON object, or all of it.
func field(f secret.Fetched, key, doing string) secret.Fetched {
	if f.Err != nil || key == "" {
		return f
	}
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(f.Value))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil || fields == nil {
		return secret.Fetched{Err: scaler.Misconfigured(fmt.Errorf("the value is no JSON object, so it has no field %q", key), "%s", doing)}
	}
	switch v := fields[key].(type) {
	case string:
		return secret.Fetched{Value: v}
	case json.Number:
		return secret.Fetched{Value: v.String()}
	case bool:
		return secret.Fetched{Value: strconv.FormatBool(v)}
	case nil:
		missing := fmt.Sprintf("it has no field %q", key)
		if near, ok := param.Nearest(key, slices.Sorted(maps.Keys(fields))); ok {
			missing += fmt.Sprintf(" (did you mean %s?)", near)
		}
		return secret.Fetched{Err: scaler.Missing(errors.New(missing), "%s", doing)}
	}
	return secret.Fetched{Err: scaler.Misconfigured(fmt.Errorf("the field %q is no text", key), "%s", doing)}
}
