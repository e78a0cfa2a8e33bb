package gcp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/api/monitoring/v3"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func stackdriverKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "gcp-stackdriver",
		Title:       "Google Cloud Monitoring",
		About:       "The newest value of a metric that a filter of Cloud Monitoring, once called Stackdriver, finds in a project.",
		Since:       "2.7",
		Permissions: "`monitoring.timeSeries.list` in the project; the role `roles/monitoring.viewer` has it.",
		Cost: "One timeSeries.list request a poll; equal filters of many triggers are asked once. " +
			"Google bills requests to Monitoring or the series that they return, beyond what is free each month.",
		ByHand: `curl -sG -H "Authorization: Bearer $(gcloud auth print-access-token)" https://monitoring.googleapis.com/v3/projects/shop/timeSeries ` +
			`--data-urlencode 'filter=metric.type="storage.googleapis.com/network/received_bytes_count" AND resource.labels.bucket_name="uploads"' ` +
			`-d interval.startTime=2026-01-01T10:00:00Z -d interval.endTime=2026-01-01T10:02:00Z`,
		Examples: []scaler.Example{
			{
				Title: "Bytes that come into a bucket",
				Metadata: map[string]string{
					"projectId": "shop", "filter": `metric.type="storage.googleapis.com/network/received_bytes_count" AND resource.labels.bucket_name="uploads"`, "targetValue": "1000000",
					"alignmentPeriodSeconds": "60", "alignmentAligner": "rate", "alignmentReducer": "sum",
				},
				Auth: exampleAuth(),
			},
			{
				Title: "No value counting as 0, with the operator's own identity",
				Metadata: map[string]string{
					"projectId": "shop", "filter": `metric.type="custom.googleapis.com/backlog"`, "targetValue": "10", "activationTargetValue": "2", "valueIfNull": "0", "filterDuration": "5",
				},
				Identity: "gcp",
			},
		},
		New: func() scaler.Config { return &stackdriverConfig{} },
	}}
}

// stackdriverConfig is one trigger.
type stackdriverConfig struct {
	project, search    string
	target, activation float64
	ifNull             float64
	minutes, seconds   int64
	aligner, reducer   string
	gcp                conn.GCP

	has struct{ ifNull, seconds, aligner, reducer bool }
}

// notAtAll is the aligner and the reducer that change nothing.
const notAtAll = "none"

// aligners and reducers are Monitoring's, less ALIGN_ and REDUCE_.
func aligners() []string {
	return []string{
		notAtAll, "delta", "rate", "interpolate", "next_older", "min", "max", "mean", "count", "sum", "stddev", "count_true", "count_false", "fraction_true",
		"percentile_99", "percentile_95", "percentile_50", "percentile_05", "percent_change",
	}
}

func reducers() []string {
	return []string{
		notAtAll, "mean", "min", "max", "sum", "stddev", "count", "count_true", "count_false", "fraction_true",
		"percentile_99", "percentile_95", "percentile_50", "percentile_05",
	}
}

// Params implements scaler.Config.
func (c *stackdriverConfig) Params() param.Set {
	const leastPeriod = 60
	return param.Set{
		param.Text("projectId", &c.project).Required().Example("shop").Doc("Project that has the metric."),
		param.Text("filter", &c.search).Required().Example(`metric.type="custom.googleapis.com/backlog"`).
			Doc("Which metric and which series of it, in Monitoring's filter language; of several series the first counts."),
		param.Float("targetValue", &c.target).Default(5).Target().Doc("Value of the metric per replica."),
		param.Float("activationTargetValue", &c.activation).Activation().Doc("Value of the metric above which the workload is active."),
		param.Float("valueIfNull", &c.ifNull).IsSet(&c.has.ifNull).Doc("Value that counts when there is none in that time; otherwise it is a failure."),
		param.Int("filterDuration", &c.minutes).Max(mostMinutes).Example("5").Doc("How far to look back for the newest value, in minutes; 2 when unset or not above 0."),
		param.Int("alignmentPeriodSeconds", &c.seconds).Min(leastPeriod).IsSet(&c.has.seconds).Example("60").
			Doc("Length of the periods that points are put together in, in seconds; points stay as they are when unset."),
		param.Text("alignmentAligner", &c.aligner).OneOf(aligners()...).Default(notAtAll).IsSet(&c.has.aligner).Doc("What is made of the points of one series in a period."),
		param.Text("alignmentReducer", &c.reducer).OneOf(reducers()...).Default(notAtAll).IsSet(&c.has.reducer).Doc("What is made of the aligned series, which become one."),
	}.With(c.gcp.Params())
}

// Check implements scaler.Checker.
func (c *stackdriverConfig) Check() param.Problems {
	ps := c.gcp.Check()
	if !projectName.MatchString(c.project) {
		ps.Errorf("metadata.projectId", "found %.100q; expected the ID of a project", c.project)
	}
	switch {
	case !c.has.seconds:
		if c.has.aligner {
			ps.Warnf("metadata.alignmentAligner", "is not used; expected alignmentPeriodSeconds beside it")
		}
		if c.has.reducer {
			ps.Warnf("metadata.alignmentReducer", "is not used; expected alignmentPeriodSeconds beside it")
		}
	case c.reducer != notAtAll && c.aligner == notAtAll:
		ps.Errorf("metadata.alignmentAligner", "is none; expected one such as mean, since Monitoring reduces aligned series only")
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *stackdriverConfig) Metric() string { return "gcp-stackdriver-" + c.project }

// Open implements scaler.Config.
func (c *stackdriverConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenGCP(env, &c.gcp, monitoringService(), newMonitoring)
	if err != nil {
		return nil, err
	}
	s := &stackdriverSource{GCPClient: client, config: c, now: env.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// aggregation is what Monitoring does before it answers.
func (c *stackdriverConfig) aggregation() (a aggregation, period time.Duration) {
	if !c.has.seconds || c.aligner == notAtAll {
		return a, 0
	}
	a.aligner = "ALIGN_" + strings.ToUpper(c.aligner)
	if c.reducer != notAtAll {
		a.reducer = "REDUCE_" + strings.ToUpper(c.reducer)
	}
	return a, time.Duration(c.seconds) * time.Second
}

// stackdriverSource measures one filter. It owns its share of the client.
type stackdriverSource struct {
	*conn.GCPClient[*monitoringAPI]
	config *stackdriverConfig
	now    func() time.Time
}

var _ scaler.Hosted = (*stackdriverSource)(nil)

// Host implements scaler.Hosted.
func (s *stackdriverSource) Host() string { return s.GCPClient.Host }

// Measure implements scaler.Source.
func (s *stackdriverSource) Measure(ctx context.Context) (scaler.Reading, error) {
	c, now := s.config, s.now()
	q := query{
		project: c.project, metric: "of the filter in the project " + c.project, start: now.Add(-lookBack(c.minutes)), end: now,
		filter: c.search + " AND resource.labels.project_id=" + quote(c.project),
	}
	q.aggregation, q.period = c.aggregation()
	series, err := s.API.list(ctx, q)
	if err != nil {
		return scaler.Reading{}, err
	}
	return c.read(series, monitoringDoing+q.metric)
}

// read makes one number of series: the newest of the first that has any.
func (c *stackdriverConfig) read(series []*monitoring.TimeSeries, doing string) (scaler.Reading, error) {
	for _, one := range series {
		if one == nil {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer holds a series that is none"), "%s", doing)
		}
		value, err := newest(one)
		if err != nil {
			return scaler.Reading{}, scaler.BadAnswer(err, "%s", doing)
		}
		if value == nil {
			continue
		}
		n, err := number(value)
		if err != nil {
			return scaler.Reading{}, scaler.BadAnswer(err, "%s", doing)
		}
		r := scaler.Reading{Value: n}
		if len(series) > 1 {
			r.Note = fmt.Sprintf("the filter finds %d series, of which the first counts; a closer filter or an alignmentReducer gives one", len(series))
		}
		return r, nil
	}
	span := lookBack(c.minutes)
	if c.has.ifNull {
		return scaler.Reading{Value: c.ifNull, Empty: true, Note: fmt.Sprintf("Monitoring has no value in the last %s, so valueIfNull counts", span)}, nil
	}
	return scaler.Reading{Empty: true}, scaler.Missing(fmt.Errorf("there is no value in the last %s; expected a filter that finds a series, a filterDuration that reaches back to its newest value, or valueIfNull", span), "%s", doing)
}
