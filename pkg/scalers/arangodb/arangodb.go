// Package arangodb measures an AQL query of an ArangoDB database.
//
// It owns the request, the token made of the cluster's secret, and what of an
// answer is the number. It refuses queries that give more than one value.
package arangodb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "arangodb",
		Title:       "ArangoDB",
		About:       "The value that an AQL query returns, such as how many documents match.",
		Since:       "2.10",
		Permissions: "A user with read access to the database and the collections of the query.",
		Cost:        "One query a poll; equal queries of many triggers are asked once.",
		ByHand:      `curl -s -u keda http://arangodb.shop:8529/_db/shop/_api/cursor -d '{"query":"FOR o IN orders FILTER o.state == \"waiting\" COLLECT WITH COUNT INTO n RETURN {value: n}"}' | jq .result`,
		Examples: []scaler.Example{
			{
				Title: "Documents in a state",
				Metadata: map[string]string{
					"endpoints": "https://arangodb-1.shop:8529,https://arangodb-2.shop:8529", "dbName": "shop", "collection": "orders",
					"query":      `FOR o IN orders FILTER o.state == "waiting" COLLECT WITH COUNT INTO n RETURN {value: n}`,
					"queryValue": "10", "authModes": "basic",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
		},
		New: func() scaler.Config {
			return &config{auth: conn.NewHTTPAuth(conn.AuthBasic, conn.AuthBearer, conn.AuthTLS)}
		},
	}}
}

type config struct {
	auth       conn.HTTPAuth
	endpoints  []string
	database   string
	collection string
	query      string
	target     float64
	activation float64
	serverID   string
	limit      int64
	servers    []*url.URL
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.List("endpoints", &c.endpoints).From(param.Auth, param.Metadata).Required().Example("https://arangodb-1.shop:8529,https://arangodb-2.shop:8529").
			Doc("Addresses of the coordinators; the first that can be reached is asked."),
		param.Text("dbName", &c.database).From(param.Auth, param.Metadata).Required().Example("shop").Doc("Name of the database."),
		param.Text("collection", &c.collection).Required().Example("orders").Doc("Name of the collection that the query is about."),
		param.Text("query", &c.query).Required().Example("FOR o IN orders COLLECT WITH COUNT INTO n RETURN {value: n}").
			Doc("AQL query that returns one object whose `value` is a number."),
		param.Float("queryValue", &c.target).Required().Target().Doc("Value per replica."),
		param.Float("activationQueryValue", &c.activation).Activation().Doc("Value above which the workload is active."),
		param.Text("serverID", &c.serverID).From(param.Metadata, param.Auth).
			Doc("Server ID in the token that is made of the secret in bearerToken."),
		param.Int("connectionLimit", &c.limit).Doc("Without effect: all triggers share connections, of which there are at most 16 to a server."),
	}.With(c.auth.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.auth.Check()
	if c.endpoints != nil {
		list := make([]string, len(c.endpoints))
		for i, e := range c.endpoints { // ArangoDB's own names of the schemes
			e = strings.Replace(e, "tcp://", "http://", 1)
			list[i] = strings.Replace(e, "ssl://", "https://", 1)
		}
		var err error
		if c.servers, err = conn.ParseAddresses(list); err != nil {
			ps.Errorf("metadata.endpoints", "%v", err)
		}
	}
	if c.database == "." || c.database == ".." {
		ps.Errorf("metadata.dbName", "found %q; expected the name of a database", c.database)
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "arangodb" }

// request is the body of a query:
// https://docs.arangodb.com/stable/develop/http-api/queries/aql-queries/#create-a-cursor
type request struct {
	Query     string `json:"query"`
	Count     bool   `json:"count"`
	BatchSize int    `json:"batchSize"`
	TTL       int    `json:"ttl"`
}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := c.auth
	auth.MapBearer(func(given string) string { return token(given, c.serverID) })
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	// Two are enough to know that there are too many; the rest is forgotten soon.
	body := request{Query: c.query, Count: true, BatchSize: 2, TTL: 5}
	servers := conn.NewServers(c.servers)
	return conn.NewHTTPSource(client, servers.Host(), func(ctx context.Context) (r scaler.Reading, err error) {
		err = servers.Ask(ctx, func(server *url.URL) error {
			doing := "querying ArangoDB at " + server.Host
			req, err := conn.NewPostJSON(server.JoinPath("_db", url.PathEscape(c.database), "_api", "cursor"), http.Header{}, body)
			if err != nil {
				return scaler.Misconfigured(err, "%s", doing)
			}
			got, err := client.Ask(ctx, req, conn.Refusals{
				BadRequest: "it can't run the query; try the same by hand, it tells why",
				NotFound:   fmt.Sprintf("there is no database %q, or a collection of the query is not there; the trigger names %q", c.database, c.collection),
			}, doing)
			if err != nil {
				return err
			}
			r, err = read(got, doing)
			return err
		})
		return r, err
	}), nil
}

// answer is what a query gives; Count is how many results there are.
type answer struct {
	Result []struct {
		Value *float64 `json:"value"`
	} `json:"result"`
	Count int `json:"count"`
}

func read(body []byte, doing string) (scaler.Reading, error) {
	var got answer
	if err := conn.DecodeJSON(body, &got, doing); err != nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer holds no object with a number; expected one object such as {value: 3}"), "%s", doing)
	}
	switch {
	case len(got.Result) == 0:
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the query returned nothing; expected one object such as {value: 3}"), "%s", doing)
	case len(got.Result) > 1 || got.Count > 1:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the query returned %d results; expected one", max(got.Count, len(got.Result))), "%s", doing)
	case got.Result[0].Value == nil:
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the result's value is missing or null; expected a number in it, such as {value: 3}"), "%s", doing)
	}
	return scaler.Reading{Value: *got.Result[0].Value}, nil
}
