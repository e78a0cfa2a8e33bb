// Package solarwinds measures metrics of SolarWinds Observability.
//
// It owns the request and the choice of the measurement that counts. It
// refuses answers without a measurement, which are no zero.
package solarwinds

import (
	"context"
	"errors"
	"fmt"
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
		Name:        "solarwinds",
		Title:       "SolarWinds Observability",
		About:       "One value of a metric, aggregated over a span of time that ends now.",
		Since:       "2.18",
		Permissions: "An API token of the organization; a token with full access is not needed, reading metrics is enough.",
		Cost:        "One HTTP request a poll, which counts against the organization's API rate limit; equal triggers are asked once.",
		ByHand:      `curl -sG https://api.na-01.cloud.solarwinds.com/v1/metrics/shop.orders.waiting/measurements -H "Authorization: Bearer $TOKEN" -d seriesType=SCALAR -d aggregateBy=AVG -d startTime=$(date -u -d '-60 sec' +%FT%TZ)`,
		Examples: []scaler.Example{{
			Title: "CPU of a deployment's pods",
			Metadata: map[string]string{
				"host":            "https://api.na-01.cloud.solarwinds.com",
				"metricName":      "k8s.pod.cpu.usage.seconds.rate",
				"aggregation":     "AVG",
				"intervalS":       "60",
				"filter":          "k8s.deployment.name:checkout",
				"targetValue":     "0.5",
				"activationValue": "0.1",
			},
			Auth: map[string]string{"apiToken": "the-token"},
		}},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	host        *url.URL
	name        string
	aggregation string
	interval    int64
	filter      string
	target      float64
	activation  float64
	token       param.Hidden
	hasToken    bool
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("host", &c.host).Required().Example("https://api.na-01.cloud.solarwinds.com").Doc("Address of the API, which names the data center."),
		param.Text("metricName", &c.name).Required().Example("k8s.pod.cpu.usage.seconds.rate").Doc("Name of the metric."),
		param.Text("aggregation", &c.aggregation).Required().OneOf("COUNT", "MIN", "MAX", "AVG", "SUM", "LAST").Doc("How the values of the span become one."),
		param.Int("intervalS", &c.interval).Required().Min(1).Max(366 * 24 * 3600).Doc("Span of time that is aggregated, in seconds; it ends now."),
		param.Text("filter", &c.filter).Example("k8s.deployment.name:checkout").
			Doc("Which of the metric's series count, such as `key:value`, `key:[a,b]` or `key:~part`; several are separated by spaces and all hold."),
		param.Float("targetValue", &c.target).Required().Target().Doc("Value per replica."),
		param.Float("activationValue", &c.activation).Activation().Doc("Value above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Secret("apiToken", &c.token).IsSet(&c.hasToken).Doc("API token."),
	))
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	if c.name == "." || c.name == ".." {
		ps.Errorf("metadata.metricName", "found %q; expected the name of a metric", c.name)
	}
	if !c.hasToken {
		ps.Warnf("authenticationRef.apiToken", "is missing; SolarWinds answers nobody without a token")
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return c.name }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&conn.TLS{})
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	at := c.host.JoinPath("v1/metrics", url.PathEscape(c.name), "measurements")
	header := http.Header{}
	if c.hasToken {
		header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := fmt.Sprintf("reading the metric %s of SolarWinds at %s", c.name, at.Host)
		refusals := conn.Refusals{NotFound: "expected a metric that exists, and the address of its data center"}
		var got answer
		if err := client.AskJSON(ctx, conn.NewGet(c.within(at, client.Now()), header), refusals, &got, doing); err != nil {
			return scaler.Reading{}, err
		}
		return got.read(doing)
	}), nil
}

// within adds the query of a span that ends at a time.
func (c *config) within(at *url.URL, end time.Time) *url.URL {
	out := *at
	q := out.Query()
	q.Set("seriesType", "SCALAR")
	q.Set("aggregateBy", strings.ToUpper(c.aggregation))
	q.Set("startTime", end.Add(-time.Duration(c.interval)*time.Second).UTC().Format(time.RFC3339))
	q.Set("endTime", end.UTC().Format(time.RFC3339))
	if c.filter != "" {
		q.Set("filter", c.filter)
	}
	out.RawQuery = q.Encode()
	return &out
}

// answer is a page of measurements:
// https://documentation.solarwinds.com/en/success_center/observability/content/api/api-swagger.htm
type answer struct {
	Groupings *[]struct {
		Measurements []struct {
			Value *float64 `json:"value"`
		} `json:"measurements"`
	} `json:"groupings"`
}

// read is the first measurement. Where nothing is grouped there is one.
func (a answer) read(doing string) (scaler.Reading, error) {
	if a.Groupings == nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has no groupings"), "%s", doing)
	}
	for _, g := range *a.Groupings {
		if len(g.Measurements) == 0 {
			continue
		}
		v := g.Measurements[0].Value
		if v == nil {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the measurement has no value"), "%s", doing)
		}
		return scaler.Reading{Value: *v}, nil
	}
	return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the metric has no value within the span of intervalS, or none that the filter lets through"), "%s", doing)
}
