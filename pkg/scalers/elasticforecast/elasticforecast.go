// Package elasticforecast measures what a machine learning job of
// Elasticsearch forecasts for a moment to come.
//
// It owns the forecasts: it has the job make them, and make new ones before
// they end. It refuses a number that may be of any of several series.
package elasticforecast

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "elastic-forecast",
		Title: "Elasticsearch forecast",
		About: "What a machine learning job of Elasticsearch forecasts for a moment to come, so that replicas are there before the load. " +
			"KEDA has the job forecast twice as far as lookAhead, and again when half of that is over.",
		Since: "2.20",
		Permissions: "The cluster privilege `manage_ml`, and the index privilege `read` on `.ml-anomalies-*`. " +
			"The job must be open, and the licence must include machine learning.",
		Cost: "One search a poll, and one request each lookAhead to have the job forecast, which takes a machine learning node some seconds; " +
			"triggers on one job with one lookAhead share its forecasts.",
		ByHand: `curl -s -u keda 'https://elasticsearch:9200/.ml-anomalies-*/_search' -H 'Content-Type: application/json' -d '{"size":1,"sort":{"timestamp":"desc"},"query":{"bool":{"filter":[{"term":{"job_id":"orders"}},{"term":{"result_type":"model_forecast"}},{"range":{"timestamp":{"lte":"now+10m"}}}]}}}' | jq '.hits.hits[0]._source.forecast_prediction'`,
		Examples: []scaler.Example{
			{
				Title: "Orders in ten minutes",
				Metadata: map[string]string{
					"addresses": "https://elasticsearch-1:9200,https://elasticsearch-2:9200", "jobID": "orders", "lookAhead": "10m", "targetValue": "100",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
			{
				Title: "One series of a job on Elastic Cloud",
				Metadata: map[string]string{
					"jobID": "requests", "lookAhead": "5m", "targetValue": "500", "partitionFieldValue": "checkout", "byFieldValue": "POST",
				},
				Auth: map[string]string{"cloudID": "shop:ZXhhbXBsZS5jb20kMDEyMyQ0NTY3", "apiKey": "the-key"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	tls        conn.TLS
	addresses  []string
	username   string
	password   param.Hidden
	cloudID    string
	apiKey     param.Hidden
	given      struct{ addresses, username, password, cloudID, apiKey bool }
	servers    []*url.URL
	job        string
	lookAhead  time.Duration
	target     float64
	activation float64
	index      string
	partition  string
	by         string
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.List("addresses", &c.addresses).From(param.Auth, param.Metadata).IsSet(&c.given.addresses).Example("https://elasticsearch-1:9200,https://elasticsearch-2:9200").
			Doc("Addresses of nodes; the first that can be reached is asked. Either this or cloudID."),
		param.Text("cloudID", &c.cloudID).From(param.Auth, param.Metadata).IsSet(&c.given.cloudID).
			Doc("Cloud ID of a deployment on Elastic Cloud; either this or addresses."),
		param.Text("jobID", &c.job).Required().Example("orders").Doc("ID of the anomaly detection job that forecasts."),
		param.Duration("lookAhead", &c.lookAhead, time.Second).Min(1).Default("10m").
			Doc("How far ahead the moment is, in seconds or as a duration; at least half of the job's bucket span."),
		param.Float("targetValue", &c.target).Required().Target().Doc("Value forecast per replica."),
		param.Float("activationTargetValue", &c.activation).Default(0).Activation().Doc("Value forecast above which the workload is active."),
		param.Text("index", &c.index).Default("*").Example("shared").Doc("What follows `.ml-anomalies-` in the name of the index that has the job's results."),
		param.Text("partitionFieldValue", &c.partition).Example("checkout").Doc("Series to take, of a job that has a partition field."),
		param.Text("byFieldValue", &c.by).Example("POST").Doc("Series to take, of a job that has a by field."),
	}.With(param.Group("Authentication",
		param.Text("username", &c.username).From(param.Auth, param.Metadata).IsSet(&c.given.username).Doc("User name, with addresses."),
		param.Secret("password", &c.password).From(param.Auth, param.Env, param.Metadata).IsSet(&c.given.password).Doc("Password, with addresses."),
		param.Secret("apiKey", &c.apiKey).From(param.Auth, param.Metadata).IsSet(&c.given.apiKey).Doc("API key, encoded as the server gave it, with cloudID."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := append(c.tls.Check(), c.checkServers()...)
	if bad := func(s string) bool { return strings.ContainsAny(s, "/,") || s == "." || s == ".." }; bad(c.index) || bad(c.job) {
		ps.Errorf("metadata.index", "or jobID has a /, a comma or dots only; expected one name each")
	}
	return ps
}

func (c *config) checkServers() param.Problems {
	var ps param.Problems
	g := c.given
	switch {
	case !g.addresses && !g.cloudID:
		ps.Errorf("metadata.addresses", "is missing; expected addresses such as https://elasticsearch:9200, or cloudID")
	case g.addresses && g.cloudID:
		ps.Errorf("metadata.cloudID", "is there beside addresses; expected one of them")
	case g.cloudID && (!g.apiKey || g.username):
		ps.Errorf("authenticationRef.apiKey", "is missing, or is there beside username; expected it alone, since cloudID is given")
	case g.addresses && g.apiKey:
		ps.Errorf("authenticationRef.apiKey", "is there beside addresses; expected username and password")
	case g.addresses && !g.username:
		ps.Errorf("metadata.username", "is missing; expected a value, since addresses is given")
	case g.addresses && !g.password:
		ps.Errorf("authenticationRef.password", "is missing; expected a value, since addresses is given")
	}
	var err error
	switch {
	case c.cloudID != "":
		var u *url.URL
		if u, err = conn.ElasticCloud(c.cloudID); err != nil {
			ps.Errorf("metadata.cloudID", "%v", err)
			break
		}
		u.Path = "/" // so that JoinPath keeps escapes
		c.servers = []*url.URL{u}
	case c.addresses != nil:
		if c.servers, err = conn.ParseAddresses(c.addresses); err != nil {
			ps.Errorf("metadata.addresses", "%v", err)
		}
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "elastic-forecast-" + c.job }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	if len(c.servers) == 0 {
		return nil, scaler.Misconfigured(errors.New("there is no address"), "opening an elastic-forecast trigger")
	}
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	header := http.Header{"Accept": {"application/json"}}
	if c.username != "" {
		header.Set("Authorization", conn.Basic(c.username, c.password))
	} else {
		header.Set("Authorization", "ApiKey "+c.apiKey.Reveal())
	}
	at := make([]string, len(c.servers))
	for i, u := range c.servers {
		at[i] = u.Host + u.Path
	}
	shared, release, err := scaler.Lease(env.Pool, scaler.PoolKey{
		Driver: "elastic-forecast", Address: strings.Join(at, ",") + " " + c.lookAhead.String() + " " + c.job,
		Credentials: conn.Digest(header.Get("Authorization"), c.tls.Digest()),
	}, func() (*forecasts, error) { return newForecasts(), nil })
	if err != nil {
		_ = client.Close()
		return nil, scaler.Misconfigured(err, "preparing forecasts")
	}
	s := &source{config: c, client: client, header: header, servers: conn.NewServers(c.servers), forecasts: shared, release: release}
	s.HTTPSource = conn.NewHTTPSource(client, s.servers.Host(), s.measure)
	return s, nil
}
