// Package openstack measures metrics of Gnocchi and objects of Swift, with
// tokens of Keystone.
//
// It owns the tokens, which all triggers of a credential share, and what of an
// answer is the number.
package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind { return []scaler.Kind{metricKind(), swiftKind()} }

func metricKind() scaler.Kind {
	return scaler.Kind{
		Name:        "openstack-metric",
		Title:       "OpenStack metric (Gnocchi)",
		About:       "The newest measure of a metric of Gnocchi, such as the mean of five minutes.",
		Since:       "2.3",
		Permissions: "The policy `get measures` of Gnocchi on the metric, and a token of Keystone v3 for a user or an application credential.",
		Cost:        "One HTTP request a poll, for two spans of the granularity; equal triggers ask once. A token of Keystone serves all triggers of a credential until it ends.",
		ByHand:      "openstack metric measures show 003bb589-166d-439d-8c31-cbf098d863de --aggregation mean --granularity 300",
		Examples: []scaler.Example{
			{
				Title: "Mean of five minutes, as a user",
				Metadata: map[string]string{
					"metricsURL": "https://gnocchi.example.com:8041/v1/metric", "metricID": "003bb589-166d-439d-8c31-cbf098d863de",
					"aggregationMethod": "mean", "granularity": "300", "threshold": "1.25",
				},
				Auth: map[string]string{"authURL": "https://keystone.example.com:5000", "userID": "1f0c2781b4114d13", "password": "the-password"},
			},
			{
				Title: "With an application credential",
				Metadata: map[string]string{
					"metricsURL": "https://gnocchi.example.com:8041/v1/metric", "metricID": "003bb589-166d-439d-8c31-cbf098d863de",
					"aggregationMethod": "max", "granularity": "60", "threshold": "20",
				},
				Auth: map[string]string{
					"authURL": "https://keystone.example.com:5000", "appCredentialID": "9f2ce2adebad4d17", "appCredentialSecret": "the-secret",
				},
			},
		},
		New: func() scaler.Config { return &metric{} },
	}
}

type metric struct {
	url         *url.URL
	id          string
	aggregation string
	granularity int64
	threshold   float64
	activation  float64
	timeout     time.Duration
	keystone    keystone
}

// Params implements scaler.Config.
func (c *metric) Params() param.Set {
	return param.Set{
		param.URL("metricsURL", &c.url).Required().Example("https://gnocchi.example.com:8041/v1/metric").
			Doc("Address below which metrics are, by their IDs."),
		param.Text("metricID", &c.id).Required().Example("003bb589-166d-439d-8c31-cbf098d863de").Doc("ID of the metric."),
		param.Text("aggregationMethod", &c.aggregation).Required().Example("mean").Doc("How measures are made one; one of the metric's archive policy."),
		param.Int("granularity", &c.granularity).Required().Min(1).Max(366 * 24 * 3600).Example("300").
			Doc("Seconds that a measure is of; one of the metric's archive policy."),
		param.Float("threshold", &c.threshold).Required().Target().Doc("Value of the metric per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value of the metric above which the workload is active."),
		timeoutParam(&c.timeout),
	}.With(c.keystone.params())
}

// Check implements scaler.Checker.
func (c *metric) Check() param.Problems {
	ps := c.keystone.check()
	if c.id == "." || c.id == ".." {
		ps.Errorf("metadata.metricID", "is no ID of a metric; expected such as 003bb589-166d-439d-8c31-cbf098d863de")
	}
	return ps
}

// Metric implements scaler.Config.
func (c *metric) Metric() string { return "openstack-metric-" + c.id }

// Open implements scaler.Config.
func (c *metric) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	who, err := c.keystone.openSession(env, c.timeout)
	if err != nil {
		return nil, err
	}
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, conn.HTTPSettings{Timeout: c.timeout, Identity: who})
	if err != nil {
		return nil, err
	}
	at := conn.Join(c.url, url.PathEscape(c.id), "measures")
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := "reading measures of Gnocchi at " + at.Host
		page := *at
		page.RawQuery = c.query(client.Now()).Encode()
		var measures [][]json.RawMessage
		err := client.AskJSON(ctx, conn.NewGet(&page, nil), conn.Refusals{
			BadRequest: "it can't aggregate so; expected an aggregationMethod and a granularity of the metric's archive policy",
			NotFound:   "there is no such metric, or its archive policy has not that aggregationMethod or granularity",
		}, &measures, doing)
		if err != nil {
			return scaler.Reading{}, err
		}
		return newest(measures, doing)
	}), nil
}

// query asks for the span that now is in, and the one before, as the newest
// may have no measure yet.
func (c *metric) query(now time.Time) url.Values {
	span := time.Duration(c.granularity) * time.Second
	q := c.url.Query()
	q.Set("aggregation", c.aggregation)
	q.Set("granularity", strconv.FormatInt(c.granularity, 10))
	q.Set("start", now.UTC().Truncate(span).Add(-span).Format("2006-01-02T15:04:05")) // UTC is what it takes a time without a zone for
	return q
}

// newest reads the last of the measures, which are lists of a time, the
// granularity and the value, in the order of time:
// https://gnocchi.osci.io/rest.html#measures
func newest(measures [][]json.RawMessage, doing string) (scaler.Reading, error) {
	if len(measures) == 0 {
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the metric has no measure in the last two spans of its granularity"), "%s", doing)
	}
	last := measures[len(measures)-1]
	var value *float64
	if len(last) != 3 || json.Unmarshal(last[2], &value) != nil || value == nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("a measure is not the list expected: a time, the granularity and a number"), "%s", doing)
	}
	return scaler.Reading{Value: *value}, nil
}
