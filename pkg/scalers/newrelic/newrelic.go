// Package newrelic measures NRQL queries of New Relic through NerdGraph, its
// GraphQL API.
//
// It owns the request and the choice of the number that counts. It refuses
// rows with more than one number, since none of them is the first.
package newrelic

import (
	"context"
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
		Name:        "new-relic",
		Title:       "New Relic",
		About:       "The number that an NRQL query gives, such as the average duration of a transaction.",
		Since:       "2.6",
		Permissions: "A user key (NRAK-…) whose user may query the account; it needs no right to change anything.",
		Cost:        "One NerdGraph request a poll; equal queries of many triggers are asked once. Queries count against the account's NRQL limits, and against compute where the contract bills it.",
		ByHand:      `curl -s https://api.newrelic.com/graphql -H "API-Key: $KEY" -H 'Content-Type: application/json' -d '{"query":"{actor{account(id:1234567){nrql(query:\"SELECT average(duration) FROM Transaction SINCE 2 minutes ago\"){results}}}}"}'`,
		Examples: []scaler.Example{
			{
				Title: "Average duration of requests",
				Metadata: map[string]string{
					"account":   "1234567",
					"nrql":      "SELECT average(duration) FROM Transaction WHERE appName = 'checkout' SINCE 2 minutes ago",
					"threshold": "0.5",
				},
				Auth: map[string]string{"queryKey": "NRAK-the-key"},
			},
			{
				Title: "An account in Europe, where no data is a failure",
				Metadata: map[string]string{
					"region":      "EU",
					"nrql":        "SELECT rate(count(*), 1 minute) FROM Transaction WHERE appName = 'checkout' SINCE 2 minutes ago",
					"threshold":   "600",
					"noDataError": "true",
				},
				Auth: map[string]string{"account": "1234567", "queryKey": "NRAK-the-key"},
			},
		},
		New: func() scaler.Config { return &config{endpoint: endpoint} },
	}}
}

type config struct {
	account     int64
	region      string
	key         param.Hidden
	nrql        string
	noDataError bool
	threshold   float64
	activation  float64
	tls         conn.TLS
	endpoint    func(region string) *url.URL
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Int("account", &c.account).From(param.Auth, param.Metadata).Required().Min(1).Example("1234567").Doc("ID of the account that is queried."),
		param.Text("nrql", &c.nrql).Required().Example("SELECT average(duration) FROM Transaction SINCE 2 minutes ago").
			Doc("Query whose first row holds one number. Without SINCE New Relic looks at the last hour."),
		param.Float("threshold", &c.threshold).Required().Target().Doc("Value of the query per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value of the query above which the workload is active."),
		param.Text("region", &c.region).From(param.Auth, param.Metadata).OneOf("US", "EU", "STAGING", "LOCAL").Default("US").Doc("Where the account's data is."),
		param.Bool("noDataError", &c.noDataError).Default(false).Doc("Whether a query that finds no data is a failure; otherwise it counts as 0."),
	}.With(param.Group("Authentication",
		param.Secret("queryKey", &c.key).From(param.Auth, param.Metadata).Required().Doc("User key of New Relic; it belongs in the authenticationRef."),
	))
}

// endpoint is NerdGraph's address:
// https://docs.newrelic.com/docs/apis/nerdgraph/get-started/introduction-new-relic-nerdgraph/
func endpoint(region string) *url.URL {
	at := &url.URL{Scheme: "https", Host: "api.newrelic.com", Path: "/graphql"}
	switch strings.ToUpper(region) {
	case "EU":
		at.Host = "api.eu.newrelic.com"
	case "STAGING":
		at.Host = "staging-api.newrelic.com"
	case "LOCAL":
		at.Scheme, at.Host = "http", "localhost:3000"
	}
	return at
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "new-relic" }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	client = client.KeepMethod()
	at, header := c.endpoint(c.region), http.Header{"Api-Key": {c.key.Reveal()}}
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := "querying New Relic at " + at.Host
		req, err := conn.NewPostJSON(at, header, c.request())
		if err != nil {
			return scaler.Reading{}, scaler.Misconfigured(err, "%s", doing)
		}
		var got answer
		if err := client.AskJSON(ctx, req, conn.Refusals{}, &got, doing); err != nil {
			return scaler.Reading{}, err
		}
		return c.read(got, doing)
	}), nil
}

// request is the GraphQL request; what the user gives is in variables only.
func (c *config) request() any {
	return struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}{
		"query($account: Int!, $nrql: Nrql!) { actor { account(id: $account) { nrql(query: $nrql) { results } } } }",
		map[string]any{"account": c.account, "nrql": c.nrql},
	}
}
