// Package solr counts what a query finds in an Apache Solr collection.
//
// It owns the request. It fetches no document, only their number.
package solr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "solr",
		Title:       "Apache Solr",
		About:       "How many documents of a collection a query finds.",
		Since:       "2.11",
		Permissions: "The permission `read` on the collection.",
		Cost:        "One query a poll, without documents in its answer; equal queries of many triggers are asked once.",
		ByHand:      `curl -sG -u keda http://solr.shop:8983/solr/orders/select --data-urlencode 'q=state:waiting' -d rows=0 | jq .response.numFound`,
		Examples: []scaler.Example{{
			Title: "Documents in a state",
			Metadata: map[string]string{
				"host": "http://solr.shop:8983", "collection": "orders", "query": "state:waiting AND type:express", "targetQueryValue": "10",
			},
			Auth: map[string]string{"username": "keda", "password": "the-password"},
		}},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	tls        conn.TLS
	host       *url.URL
	collection string
	query      string
	target     float64
	activation float64
	username   string
	password   param.Hidden

	values url.Values // of the request
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("host", &c.host).Required().Example("http://solr.shop:8983").Doc("Address of the server, above the path `/solr`."),
		param.Text("collection", &c.collection).Required().Example("orders").Doc("Collection, or core, that is searched."),
		param.Text("query", &c.query).Default("*:*").Example("state:waiting AND type:express").
			Doc("Query whose documents are counted, as in Solr's parameter `q`. Without white space it may be URL-encoded, and filters such as `&fq=type:express` may follow."),
		param.Float("targetQueryValue", &c.target).Required().Target().Doc("Documents per replica."),
		param.Float("activationTargetQueryValue", &c.activation).Activation().Doc("Documents above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Text("username", &c.username).From(param.Auth, param.Metadata).Required().Doc("User name."),
		param.Secret("password", &c.password).From(param.Auth, param.Metadata).Required().Doc("Password."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	var err error
	if c.values, err = values(c.query); err != nil {
		ps.Errorf("metadata.query", "%v", err)
	}
	if c.collection == "." || c.collection == ".." {
		ps.Errorf("metadata.collection", "found %q; expected the name of a collection", c.collection)
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "solr" }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	at := conn.Join(c.host, "solr", url.PathEscape(c.collection), "select")
	at.RawQuery = c.values.Encode()
	header := http.Header{"Authorization": {conn.Basic(c.username, c.password)}}
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := "querying Solr at " + at.Host
		var got answer
		err := client.AskJSON(ctx, conn.NewGet(at, header), conn.Refusals{
			BadRequest: "it can't run the query; try the same by hand, it tells why",
			NotFound:   fmt.Sprintf("there is no collection %q", c.collection),
		}, &got, doing)
		if err != nil {
			return scaler.Reading{}, err
		}
		return got.read(doing)
	}), nil
}

// answer is that of /select:
// https://solr.apache.org/guide/solr/latest/query-guide/response-writers.html
type answer struct {
	Header struct {
		Partial bool `json:"partialResults"`
	} `json:"responseHeader"`
	Response struct {
		Found *float64 `json:"numFound"`
		Exact *bool    `json:"numFoundExact"`
	} `json:"response"`
}

func (a answer) read(doing string) (scaler.Reading, error) {
	if a.Response.Found == nil || *a.Response.Found < 0 {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has no number in response.numFound"), "%s", doing)
	}
	r := scaler.Reading{Value: *a.Response.Found}
	switch {
	case a.Header.Partial:
		r.Note = "the server did not search everything in time, so the number is of a part"
	case a.Response.Exact != nil && !*a.Response.Exact:
		r.Note = "the server stopped counting there"
	}
	return r, nil
}
