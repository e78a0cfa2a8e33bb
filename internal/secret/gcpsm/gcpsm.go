// Package gcpsm reads values from Google's Secret Manager.
//
// Connections, credentials and the care about which keys a user may give are
// conn's. No error holds a value.
package gcpsm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"

	"google.golang.org/api/secretmanager/v1"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Options are the operator's settings.
type Options struct {
	// Env has the pool, the clock and the settings of HTTP clients.
	Env scaler.Env
	// Endpoint stands for the service where it is not the usual one, such as a
	// fake; empty otherwise.
	Endpoint string
}

// New returns what opens stores.
func New(o Options) func(secret.GCPAccess) (secret.Store, error) {
	return func(access secret.GCPAccess) (secret.Store, error) { return open(o, access) }
}

type store struct {
	client *conn.GCPClient[*secretmanager.Service]
}

// open takes a client from the pool, with the parameters that a trigger would
// have.
func open(o Options, access secret.GCPAccess) (*store, error) {
	group := &conn.GCP{}
	given := param.Values{Metadata: map[string]string{}, Auth: map[string]string{}}
	if o.Endpoint != "" {
		given.Metadata["endpoint"] = o.Endpoint
	}
	if !access.Key.IsZero() {
		given.Auth["GoogleApplicationCredentials"] = access.Key.Reveal()
	}
	if problems := append(group.Params().Decode(given), group.Check()...); problems.Err() != nil {
		return nil, scaler.Misconfigured(errors.New(problems.Errors()[0].Message), "credentials.clientSecret")
	}
	env := o.Env
	env.Identity = access.Identity
	service := conn.GCPService{Name: "secretmanager", Path: "/", Scopes: []string{secretmanager.CloudPlatformScope}}
	client, err := conn.OpenGCP(env, group, service, secretmanager.NewService)
	if err != nil {
		return nil, err
	}
	return &store{client}, nil
}

// Close implements secret.Store.
func (s *store) Close() { _ = s.client.Close() }

// Fetch implements secret.Store.
func (s *store) Fetch(ctx context.Context, items []secret.Item) []secret.Fetched {
	out := make([]secret.Fetched, len(items))
	got := map[secret.Item]secret.Fetched{}
	for i, it := range items {
		f, asked := got[it]
		if !asked {
			f.Value, f.Err = s.get(ctx, it)
			got[it] = f
		}
		out[i] = f
	}
	return out
}

var (
	idForm      = param.NewForm(`^[A-Za-z0-9_-]+$`, 255)
	fullForm    = param.NewForm(`^projects/[a-z0-9.:-]+/secrets/[A-Za-z0-9_-]+$`, 400)
	versionForm = param.NewForm(`^[A-Za-z0-9_-]+$`, 63)
)

// name is a version's full name. An ID alone is one of the credentials' project.
func (s *store) name(ctx context.Context, it secret.Item, doing string) (string, error) {
	version := it.Version
	if version == "" {
		version = "latest"
	}
	name := it.Name
	switch {
	case !versionForm.MatchString(version):
		return "", scaler.Misconfigured(errors.New("version: found a value that can't be any; expected a number, an alias or latest"), "%s", doing)
	case fullForm.MatchString(name):
	case !idForm.MatchString(name):
		return "", scaler.Misconfigured(errors.New("id: found a value that can't be any; expected the ID of a secret, or projects/…/secrets/…"), "%s", doing)
	default:
		project, err := s.client.Project(ctx)
		if err != nil {
			return "", err
		}
		name = "projects/" + url.PathEscape(project) + "/secrets/" + name
	}
	return name + "/versions/" + version, nil
}

// get reads one version and compares its checksum, as the service's guide asks.
func (s *store) get(ctx context.Context, it secret.Item) (string, error) {
	doing := fmt.Sprintf("reading %q from Google's Secret Manager", it.Name)
	name, err := s.name(ctx, it, doing)
	if err != nil {
		return "", err
	}
	answer, err := s.client.API.Projects.Secrets.Versions.Access(name).Context(ctx).Do()
	if err != nil {
		return "", conn.GCPError(err, doing)
	}
	if answer.Payload == nil {
		return "", scaler.BadAnswer(errors.New("the answer holds no value"), "%s", doing)
	}
	value, err := base64.StdEncoding.DecodeString(answer.Payload.Data)
	if err != nil {
		return "", scaler.BadAnswer(errors.New("the value is not in base 64"), "%s", doing)
	}
	if sum := answer.Payload.DataCrc32c; sum != 0 && sum != int64(crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli))) {
		return "", scaler.BadAnswer(errors.New("the value was damaged on its way"), "%s", doing)
	}
	return string(value), nil
}
