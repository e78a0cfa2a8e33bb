// Package predictkube measures what PredictKube predicts of a metric that
// Prometheus has.
//
// It owns the questions to both, and which number counts. It refuses metrics
// that are not one series.
package predictkube

import (
	"context"
	"crypto/tls"
	"net/url"
	"time"

	"github.com/prometheus/common/model"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scalers/predictkube/predictkubepb"
)

const (
	// service is where PredictKube predicts.
	service = "api.predictkube.com:443"
	// defaultStep is what a queryStep of 0 stands for.
	defaultStep = 5 * time.Minute
	// mostPoints is how many points of a series Prometheus returns at most.
	mostPoints = 11_000
	// seriesLimit has room for them, in bytes.
	seriesLimit = 4 << 20
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "predictkube",
		Title: "PredictKube",
		About: "What PredictKube, a service of Dysnix, predicts that a query of Prometheus will give, or what it gives now if that is more. " +
			"Whether the workload is active depends on what it gives now.",
		Since:       "2.6",
		Permissions: "Reading `/api/v1/query_range` of Prometheus, and an API key of PredictKube, whose service gets the values of the query.",
		Cost:        "One query of Prometheus a poll for historyTimeWindow, whose values then go to PredictKube, which may bill by its own terms; equal triggers ask once.",
		ByHand:      `curl -sG http://prometheus.monitoring:9090/api/v1/query_range --data-urlencode 'query=sum(rate(http_requests_total{app="shop"}[2m]))' -d start=$(date -d '-7 days' +%s) -d end=$(date +%s) -d step=120`,
		Examples: []scaler.Example{{
			Title: "Requests a second in two hours",
			Metadata: map[string]string{
				"prometheusAddress": "http://prometheus.monitoring:9090", "query": `sum(rate(http_requests_total{app="shop"}[2m]))`,
				"predictHorizon": "2h", "historyTimeWindow": "7d", "queryStep": "2m", "threshold": "2000",
			},
			Auth: map[string]string{"apiKey": "the-key"},
		}},
		New: func() scaler.Config {
			return &config{service: service, secure: true, auth: conn.NewHTTPAuth(conn.AuthBasic, conn.AuthBearer, conn.AuthTLS, conn.AuthCustom)}
		},
	}}
}

type config struct {
	service string
	secure  bool

	address                         *url.URL
	query                           string
	horizonText, stepText, pastText string
	horizon, step, past             time.Duration
	threshold, activation           float64
	key                             param.Hidden
	auth                            conn.HTTPAuth
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("prometheusAddress", &c.address).Required().Example("http://prometheus.monitoring:9090").
			Doc("Address of Prometheus, with the path under which `/api/v1/query_range` is."),
		param.Text("query", &c.query).Required().Example(`sum(rate(http_requests_total{app="shop"}[2m]))`).
			Doc("Query whose result is one series."),
		param.Text("predictHorizon", &c.horizonText).Required().Example("2h").Doc("How far ahead to predict, such as 2h or 1d."),
		param.Text("historyTimeWindow", &c.pastText).Required().Example("7d").Doc("How far back the values go that the prediction is made of, such as 7d."),
		param.Text("queryStep", &c.stepText).Required().Example("2m").Doc("Time between two values, such as 2m; 0 is 5m."),
		param.Float("threshold", &c.threshold).Required().Target().Doc("Value of the query per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value that the query has now above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Secret("apiKey", &c.key).Required().Doc("API key of PredictKube."),
	), c.auth.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.auth.Check()
	for _, p := range []struct {
		name, text, example string
		span                *time.Duration
	}{{"predictHorizon", c.horizonText, "2h", &c.horizon}, {"historyTimeWindow", c.pastText, "7d", &c.past}, {"queryStep", c.stepText, "2m", &c.step}} {
		if p.text == "" {
			continue // that it is missing is said already
		}
		d, err := span(p.text)
		if err != nil || d < 0 || d == 0 && p.span != &c.step {
			ps.Errorf("metadata."+p.name, "found %.100q; expected a span of time such as %s", p.text, p.example)
		}
		*p.span = d
	}
	if c.step == 0 {
		c.step = defaultStep
	}
	switch {
	case len(ps.Errors()) > 0 || c.horizon == 0 || c.past == 0:
	case c.step < time.Second:
		ps.Errorf("metadata.queryStep", "is %v; expected at least 1s", c.step)
	case c.horizon < c.step:
		ps.Errorf("metadata.predictHorizon", "is %v, less than queryStep, which is %v; expected at least one step", c.horizon, c.step)
	case c.past < c.step:
		ps.Errorf("metadata.historyTimeWindow", "is %v, less than queryStep, which is %v; expected many steps", c.past, c.step)
	case c.past/c.step >= mostPoints:
		ps.Errorf("metadata.queryStep", "is %v, which makes more than %d values of historyTimeWindow; expected a longer one, as Prometheus gives no more", c.step, mostPoints)
	}
	return ps
}

// span reads Go's durations and those with days and weeks, such as 1d12h.
func span(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	d, err := model.ParseDuration(text)
	return time.Duration(d), err
}

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string { return "predictkube-predictkube_metric" }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	var settings *tls.Config
	if c.secure {
		var err error
		if settings, err = conn.AlwaysTLS(&conn.TLS{}, env.HTTP); err != nil {
			return nil, scaler.Misconfigured(err, "preparing the connection to PredictKube")
		}
	}
	client, err := conn.OpenHTTP(env, &c.auth, conn.HTTPSettings{BodyLimit: seriesLimit})
	if err != nil {
		return nil, err
	}
	channel, release, err := conn.OpenGRPC(env, c.service, settings, "")
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	s := &source{config: c, client: client, channel: channel, release: release, api: predictkubepb.NewMlEngineServiceClient(channel)}
	s.HTTPSource = conn.NewHTTPSource(client, c.address.Host, s.measure)
	return s, nil
}
