package gcp

import (
	"cmp"
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	modeSize = "SubscriptionSize"
	// The collections of Pub/Sub's resource names.
	subscriptions = "subscriptions"
	topics        = "topics"
)

func pubsubKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "gcp-pubsub",
		Title: "Google Cloud Pub/Sub",
		About: "A metric of a subscription or a topic as Cloud Monitoring has it, by default the number of messages that wait. " +
			"Google writes these metrics once a minute and shows them a minute or two later.",
		Since:       "1.0",
		Permissions: "`monitoring.timeSeries.list`, and with aggregation `monitoring.metricDescriptors.get`; the role `roles/monitoring.viewer` has both.",
		Cost: "One timeSeries.list request a poll for about 50 triggers with the same project, credentials, mode, aggregation and timeHorizon. " +
			"Google bills requests to Monitoring or the series that they return, beyond what is free each month.",
		ByHand: `curl -sG -H "Authorization: Bearer $(gcloud auth print-access-token)" https://monitoring.googleapis.com/v3/projects/shop/timeSeries ` +
			`--data-urlencode 'filter=metric.type="pubsub.googleapis.com/subscription/num_undelivered_messages" AND resource.labels.subscription_id="orders"' ` +
			`-d interval.startTime=2026-01-01T10:00:00Z -d interval.endTime=2026-01-01T10:05:00Z`,
		Examples: []scaler.Example{
			{
				Title:    "Messages that wait in a subscription",
				Metadata: map[string]string{"subscriptionName": "orders", "value": "50"},
				Auth:     exampleAuth(),
			},
			{
				Title: "The age of the oldest message, of another project's subscription",
				Metadata: map[string]string{
					"subscriptionName": "projects/shop/subscriptions/orders", "mode": "OldestUnackedMessageAge", "value": "60", "activationValue": "30",
				},
				Identity: "gcp",
			},
			{
				Title: "How long messages of a subscription take to be acknowledged, no traffic counting as 0",
				Metadata: map[string]string{
					"subscriptionName": "projects/shop/subscriptions/orders", "mode": "AckLatencies", "aggregation": "percentile95", "value": "2000", "valueIfNull": "0",
				},
				Identity: "gcp",
			},
		},
		New: func() scaler.Config { return &pubsubConfig{} },
	}}
}

// pubsubConfig is one trigger.
type pubsubConfig struct {
	size              int64
	mode              string
	value, activation float64
	aggregation       string
	horizon           time.Duration
	ifNull            float64
	filter            string
	subscription      string
	topic             string
	gcp               conn.GCP

	has struct{ mode, ifNull, subscription, topic bool }
}

// Params implements scaler.Config.
func (c *pubsubConfig) Params() param.Set {
	const aWeek = 7 * 24 * 60 * 60
	return param.Set{
		param.Text("subscriptionName", &c.subscription).From(param.Metadata, param.Env).IsSet(&c.has.subscription).Example("orders").
			Doc("Subscription, by its name or as projects/<project>/subscriptions/<name>; the project is that of the credentials otherwise."),
		param.Text("topicName", &c.topic).From(param.Metadata, param.Env).IsSet(&c.has.topic).Example("orders").
			Doc("Topic, by its name or as projects/<project>/topics/<name>; in place of a subscription."),
		param.Text("mode", &c.mode).Default(modeSize).IsSet(&c.has.mode).Example("OldestUnackedMessageAge").
			Doc("What is measured: SubscriptionSize, OldestUnackedMessageAge, or any metric that Pub/Sub has for it, such as AckLatencies or ack_latencies."),
		param.Float("value", &c.value).Default(10).FirstDefault(5).Target().Doc("Value of the metric per replica."),
		param.Float("activationValue", &c.activation).Activation().Doc("Value of the metric above which the workload is active."),
		param.Int("subscriptionSize", &c.size).Min(0).Deprecated("use value, with the mode SubscriptionSize").
			Doc("Number of waiting messages per replica; it sets value and mode."),
		param.Text("aggregation", &c.aggregation).Example("percentile95").
			Doc("Statistic over the values of three minutes, for metrics of distributions or with several series: count, sum, mean, median, stddev, variance, or percentile with its number."),
		param.Duration("timeHorizon", &c.horizon, time.Second).Min(1).Max(aWeek).Example("3m").
			Doc("How far to look back for the newest value, as a duration; 2m when unset, with aggregation 5m."),
		param.Float("valueIfNull", &c.ifNull).IsSet(&c.has.ifNull).Doc("Value that counts when there is none in that time; otherwise it is a failure."),
		param.Text("filter", &c.filter).Example(`metric.labels.response_class="ack"`).
			Doc("Further condition for metrics with several series, in Monitoring's filter language."),
	}.With(c.gcp.Params())
}

var (
	// From Pub/Sub's rules of resource names.
	pubsubName    = param.NewForm(`^[a-zA-Z][a-zA-Z0-9._~%+-]*$`, 255)
	projectName   = param.NewForm(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]+$`, 200)
	pubsubMetrics = param.NewForm(`^[A-Za-z][A-Za-z0-9_/]*$`, 100)
)

// Check implements scaler.Checker.
func (c *pubsubConfig) Check() param.Problems {
	ps := c.gcp.Check()
	switch {
	case c.has.subscription && c.has.topic:
		ps.Errorf("metadata.topicName", "is given beside subscriptionName; expected exactly one of them")
	case !c.has.subscription && !c.has.topic:
		ps.Errorf("metadata.subscriptionName", "is missing; expected it or topicName")
	case c.has.topic && c.size > 0:
		ps.Errorf("metadata.subscriptionSize", "is given with topicName; expected subscriptionName, or mode and value")
	case c.has.topic && !c.has.mode:
		ps.Errorf("metadata.mode", "is missing; expected a metric of topics such as SendRequestCount, since SubscriptionSize is one of subscriptions")
	}
	for _, n := range []struct{ param, collection, text string }{{"subscriptionName", subscriptions, c.subscription}, {"topicName", topics, c.topic}} {
		if n.text == "" {
			continue
		}
		if _, _, ok := splitResource(n.text, n.collection); !ok {
			ps.Errorf("metadata."+n.param, "found %.100q; expected a name that Pub/Sub can have, or projects/<project>/%s/<name>", n.text, n.collection)
		}
	}
	if !pubsubMetrics.MatchString(c.mode) {
		ps.Errorf("metadata.mode", "found %.100q; expected SubscriptionSize, OldestUnackedMessageAge or another metric such as AckLatencies", c.mode)
	}
	if c.aggregation != "" {
		if _, err := readStatistic(c.aggregation); err != nil {
			ps.Errorf("metadata.aggregation", "found %.100q; %v", c.aggregation, err)
		}
	}
	return ps
}

// splitResource reads "name" or "projects/p/<collection>/name".
func splitResource(text, collection string) (project, name string, ok bool) {
	parts := strings.Split(text, "/")
	switch {
	case len(parts) == 1:
		name = text
	case len(parts) == 4 && parts[0] == "projects" && parts[2] == collection && projectName.MatchString(parts[1]):
		project, name = parts[1], parts[3]
	}
	return project, name, pubsubName.MatchString(name)
}

// Target implements scaler.Targeter.
func (c *pubsubConfig) Target() (target, activation float64) {
	if c.size > 0 {
		return float64(c.size), c.activation
	}
	return c.value, c.activation
}

// Metric implements scaler.Config.
func (c *pubsubConfig) Metric() string { return "gcp-ps-" + cmp.Or(c.subscription, c.topic) }

var (
	beforeWord = regexp.MustCompile(`([a-zA-Z0-9])([A-Z][a-z]+)`)
	afterLower = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// snake turns NumUndeliveredMessages into num_undelivered_messages.
func snake(mode string) string {
	return strings.ToLower(afterLower.ReplaceAllString(beforeWord.ReplaceAllString(mode, "${1}_${2}"), "${1}_${2}"))
}

// Open implements scaler.Config.
func (c *pubsubConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenGCP(env, &c.gcp, monitoringService(), newMonitoring)
	if err != nil {
		return nil, err
	}
	s := newMetricSource(client, env, c.target(), c.name())
	s.helps, s.choose = "a timeHorizon that reaches back to its newest value, or valueIfNull", "a filter or an aggregation such as sum"
	if c.has.ifNull {
		s.ifNull = &c.ifNull
	}
	return s, nil
}

func (c *pubsubConfig) name() string {
	_, name, _ := splitResource(cmp.Or(c.subscription, c.topic), c.collection())
	return name
}

func (c *pubsubConfig) collection() string {
	if c.has.topic {
		return topics
	}
	return subscriptions
}

// target is what triggers must have in common to be asked together.
func (c *pubsubConfig) target() target {
	t := target{resource: strings.TrimSuffix(c.collection(), "s"), filter: c.filter, horizon: c.horizon}
	t.kind = "pubsub_" + t.resource
	t.project, _, _ = splitResource(cmp.Or(c.subscription, c.topic), c.collection())
	mode := c.mode
	if c.size > 0 || strings.EqualFold(mode, modeSize) {
		mode = "num_undelivered_messages"
	}
	t.metric = "pubsub.googleapis.com/" + t.resource + "/" + snake(mode)
	if c.aggregation != "" {
		t.statistic, _ = readStatistic(c.aggregation) // checked
	}
	if t.horizon == 0 {
		t.horizon = 2 * time.Minute
		if t.statistic.name != "" {
			t.horizon = 5 * time.Minute
		}
	}
	return t
}
