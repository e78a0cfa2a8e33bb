package elasticsearch

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func openKind() scaler.Kind {
	return scaler.Kind{
		Name:        "opensearch",
		Title:       "OpenSearch",
		About:       "A number in the answer of a search, such as how many documents match.",
		Since:       "2.20",
		Permissions: "The action group `read` on the indices searched.",
		Cost:        "One search a poll; equal searches of many triggers are asked once. `\"size\": 0` keeps documents out of the answer.",
		ByHand:      `curl -s -u keda 'https://opensearch:9200/orders/_search' -H 'Content-Type: application/json' -d '{"size":0,"query":{"term":{"state":"waiting"}}}' | jq .hits.total.value`,
		Examples: []scaler.Example{
			{
				Title: "Documents that match a query",
				Metadata: map[string]string{
					"addresses": "https://opensearch-1:9200,https://opensearch-2:9200", "index": "orders",
					"query":         `{"size": 0, "query": {"term": {"state": "waiting"}}}`,
					"valueLocation": "hits.total.value", "targetValue": "100",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
		},
		New: func() scaler.Config { return &open{} },
	}
}

type open struct {
	search
	tls       conn.TLS
	mutual    bool
	addresses []string
	username  string
	password  param.Hidden
	given     struct{ username, password bool }
	servers   []*url.URL
}

// Params implements scaler.Config.
func (c *open) Params() param.Set {
	material := c.tls.NamedParams("caCert", "clientCert", "clientKey")
	for _, f := range material[:3] {
		f.From(param.Auth, param.Metadata)
	}
	return c.params().With(param.Set{
		param.List("addresses", &c.addresses).From(param.Auth, param.Metadata).Required().Example("https://opensearch-1:9200,https://opensearch-2:9200").
			Doc("Addresses of nodes; the first that can be reached is asked."),
	}, param.Group("Authentication",
		param.Text("username", &c.username).From(param.Auth, param.Metadata).IsSet(&c.given.username).Doc("User name, unless enableTLS is true."),
		param.Secret("password", &c.password).From(param.Auth, param.Env, param.Metadata).IsSet(&c.given.password).Doc("Password, unless enableTLS is true."),
		param.Bool("enableTLS", &c.mutual).From(param.Metadata, param.Auth).Default(false).
			Doc("Whether to authenticate by clientCert and clientKey instead of by a user name."),
	), material)
}

// Check implements scaler.Checker.
func (c *open) Check() param.Problems {
	ps := append(c.check(), c.tls.Check()...)
	if c.addresses != nil {
		var err error
		if c.servers, err = conn.ParseAddresses(c.addresses); err != nil {
			ps.Errorf("metadata.addresses", "%v", err)
		}
	}
	plain := func(u *url.URL) bool { return u.Scheme == "http" }
	switch {
	case c.mutual && !c.tls.HasPair():
		ps.Errorf("authenticationRef.clientCert", "or clientKey is missing; expected both, since enableTLS is true")
	case c.mutual && c.given.username:
		ps.Warnf("metadata.username", "has no effect, since enableTLS is true: the client certificate says who asks")
	case c.mutual && slices.ContainsFunc(c.servers, plain):
		ps.Warnf("metadata.addresses", "has an http address, where no client certificate is shown; expected https, since enableTLS is true")
	case c.given.password && !c.given.username:
		ps.Errorf("metadata.username", "is missing; expected a value, since a password is given")
	case c.given.username && !c.given.password:
		ps.Errorf("authenticationRef.password", "is missing; expected a value, since a username is given")
	}
	return ps
}

// Metric implements scaler.Config.
func (c *open) Metric() string { return c.metric("opensearch") }

// Open implements scaler.Config.
func (c *open) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	header := http.Header{}
	if c.username != "" && !c.mutual {
		header.Set("Authorization", conn.Basic(c.username, c.password))
	}
	return c.search.open(env, "OpenSearch", &c.tls, c.servers, header)
}
