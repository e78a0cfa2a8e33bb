// Package elasticsearch measures searches of Elasticsearch and OpenSearch.
//
// It owns the request, who is asked in which order, and what of an answer is a
// number. It refuses to read answers that the server marks as failed.
package elasticsearch

import (
	"context"
	"net/http"
	"net/url"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind { return []scaler.Kind{elasticKind(), openKind()} }

func elasticKind() scaler.Kind {
	return scaler.Kind{
		Name:        "elasticsearch",
		Title:       "Elasticsearch",
		About:       "A number in the answer of a search, such as how many documents match.",
		Since:       "2.5",
		Permissions: "The index privilege `read` on the indices searched; `read_cross_cluster` for those of other clusters.",
		Cost:        "One search a poll; equal searches of many triggers are asked once. `\"size\": 0` keeps documents out of the answer.",
		ByHand:      `curl -s -u keda 'https://elasticsearch:9200/orders/_search' -H 'Content-Type: application/json' -d '{"size":0,"query":{"term":{"state":"waiting"}}}' | jq .hits.total.value`,
		Examples: []scaler.Example{
			{
				Title: "Documents that match a query",
				Metadata: map[string]string{
					"addresses": "https://elasticsearch-1:9200,https://elasticsearch-2:9200", "index": "orders",
					"query":         `{"size": 0, "query": {"term": {"state": "waiting"}}}`,
					"valueLocation": "hits.total.value", "targetValue": "100",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
			{
				Title: "A search template on Elastic Cloud",
				Metadata: map[string]string{
					"index": "orders;returns", "searchTemplateName": "waiting", "parameters": "state:waiting;hours:6",
					"valueLocation": "aggregations.oldest.value", "targetValue": "600",
				},
				Auth: map[string]string{"cloudID": "shop:ZXhhbXBsZS5jb20kMDEyMyQ0NTY3", "apiKey": "the-key"},
			},
		},
		New: func() scaler.Config { return &elastic{} },
	}
}

type elastic struct {
	search
	tls       conn.TLS
	addresses []string
	username  string
	password  param.Hidden
	cloudID   string
	apiKey    param.Hidden
	given     struct{ addresses, username, cloudID, apiKey bool }
	servers   []*url.URL
}

// Params implements scaler.Config.
func (c *elastic) Params() param.Set {
	return c.params().With(param.Set{
		param.List("addresses", &c.addresses).From(param.Auth, param.Metadata).IsSet(&c.given.addresses).Example("https://elasticsearch-1:9200,https://elasticsearch-2:9200").
			Doc("Addresses of nodes; the first that can be reached is asked. Either this or cloudID."),
		param.Text("cloudID", &c.cloudID).From(param.Auth, param.Metadata).IsSet(&c.given.cloudID).
			Doc("Cloud ID of a deployment on Elastic Cloud; either this or addresses."),
	}, param.Group("Authentication",
		param.Text("username", &c.username).From(param.Auth, param.Metadata).IsSet(&c.given.username).Doc("User name."),
		param.Secret("password", &c.password).From(param.Auth, param.Env, param.Metadata).Doc("Password."),
		param.Secret("apiKey", &c.apiKey).From(param.Auth, param.Metadata).IsSet(&c.given.apiKey).Doc("API key, encoded as the server gave it; instead of a user name."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *elastic) Check() param.Problems {
	ps := append(c.check(), c.tls.Check()...)
	switch {
	case !c.given.addresses && !c.given.cloudID:
		ps.Errorf("metadata.addresses", "is missing; expected addresses such as https://elasticsearch:9200, or cloudID")
	case c.given.addresses && c.given.cloudID:
		ps.Errorf("metadata.cloudID", "is there beside addresses; expected one of them")
	case c.cloudID != "":
		server, err := conn.ElasticCloud(c.cloudID)
		if err != nil {
			ps.Errorf("metadata.cloudID", "%v", err)
		}
		c.servers = []*url.URL{server}
	case c.addresses != nil:
		var err error
		if c.servers, err = conn.ParseAddresses(c.addresses); err != nil {
			ps.Errorf("metadata.addresses", "%v", err)
		}
	}
	if c.given.apiKey && c.given.username {
		ps.Errorf("authenticationRef.apiKey", "is there beside username; expected one of them")
	}
	return ps
}

// Metric implements scaler.Config.
func (c *elastic) Metric() string { return c.metric("elasticsearch") }

// Open implements scaler.Config.
func (c *elastic) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	header := http.Header{}
	switch {
	case !c.apiKey.IsZero():
		header.Set("Authorization", "ApiKey "+c.apiKey.Reveal())
	case c.username != "":
		header.Set("Authorization", conn.Basic(c.username, c.password))
	}
	return c.open(env, "Elasticsearch", &c.tls, c.servers, header)
}
