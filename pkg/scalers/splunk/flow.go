package splunk

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// spare is what is left of a measurement's time when a stream is closed.
	spare = time.Second
	// streamLimit is the largest stream read, in bytes.
	streamLimit = 8 << 20
)

// realmForm is a name within a host's, such as us1.
var realmForm = param.NewForm(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`, 63)

func flowKind() scaler.Kind {
	return scaler.Kind{
		Name:        "splunk-observability",
		Title:       "Splunk Observability Cloud",
		About:       "The values that a SignalFlow program publishes within a span of time, as one number.",
		Since:       "2.18",
		Permissions: "An organisation's access token with the authorisation scope API.",
		Cost: "One SignalFlow computation a poll, which goes on until it has reached the present, for seconds; equal triggers share it. " +
			"Eight run at once for one realm, and count against the organisation's limit of those.",
		ByHand: `curl -sN -X POST 'https://stream.us1.signalfx.com/v2/signalflow/execute' -H "X-SF-Token: $TOKEN" -H 'Content-Type: text/plain' -d "data('orders.waiting').sum().publish()"`,
		Examples: []scaler.Example{{
			Title: "Highest latency of ten seconds",
			Metadata: map[string]string{
				"query": "data('demo.trans.latency').max().publish()", "duration": "10", "queryAggregator": "max",
				"targetValue": "400.1", "activationTargetValue": "1.1",
			},
			Auth: map[string]string{"accessToken": "the-token", "realm": "us1"},
		}},
		New: func() scaler.Config { return &flow{endpoint: endpoint} },
	}
}

type flow struct {
	program    string
	duration   int64
	aggregator string
	target     float64
	activation float64
	token      param.Hidden
	realm      string
	tls        conn.TLS
	endpoint   func(realm string) *url.URL
}

// Params implements scaler.Config.
func (c *flow) Params() param.Set {
	return param.Set{
		param.Text("query", &c.program).Required().Example("data('demo.trans.latency').max().publish()").Doc("SignalFlow program; what it publishes counts."),
		param.Int("duration", &c.duration).Required().Min(1).Max(86400).Example("10").
			Doc("Span of time in seconds, up to now, whose values count. The latest of them are waited for as long at most, as far as a poll has time (about 14 s)."),
		param.Text("queryAggregator", &c.aggregator).Required().OneOf("min", "max", "avg", "sum", "count", "latest").Example("max").
			Doc("What is made of the values: the smallest, the largest, their average, their sum, how many there are, or the latest."),
		param.Float("targetValue", &c.target).Required().Target().Doc("Value per replica."),
		param.Float("activationTargetValue", &c.activation).Activation().Doc("Value above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Secret("accessToken", &c.token).Required().Doc("Access token of the organisation."),
		param.Text("realm", &c.realm).From(param.Auth).Required().Example("us1").Doc("Realm of the organisation."),
	))
}

// Check implements scaler.Checker.
func (c *flow) Check() param.Problems {
	var ps param.Problems
	if c.realm != "" && !realmForm.MatchString(c.realm) {
		ps.Errorf("authenticationRef.realm", "is no realm; expected a name such as us1")
	}
	return ps
}

// Metric implements scaler.Config.
func (c *flow) Metric() string { return "signalfx" }

// Totalled implements scaler.Totalled, as upstream has it.
func (c *flow) Totalled() {}

// endpoint is where programs are run:
// https://dev.splunk.com/observability/reference/api/signalflow/latest
func endpoint(realm string) *url.URL {
	return &url.URL{Scheme: "https", Host: "stream." + realm + ".signalfx.com", Path: "/v2/signalflow/execute"}
}

// Open implements scaler.Config.
func (c *flow) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: streamLimit})
	if err != nil {
		return nil, err
	}
	client = client.KeepMethod()
	at := c.endpoint(c.realm)
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		return c.measure(ctx, client, at)
	}), nil
}

// measure runs the program from the beginning of its span of time until it has
// reached the present, for as long as there is time, at most for the duration.
func (c *flow) measure(ctx context.Context, client *conn.HTTPClient, at *url.URL) (scaler.Reading, error) {
	doing := "running a SignalFlow program at " + at.Host
	span := time.Duration(c.duration) * time.Second
	patience := span
	if deadline, ok := ctx.Deadline(); ok {
		patience = max(min(span, time.Until(deadline)-spare), 0)
	}
	listen, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := client.Now()
	body, err := client.Stream(ctx, c.request(at, now.Add(-span)), doing)
	if err != nil {
		return scaler.Reading{}, refusedProgram(err)
	}
	defer func() { _ = body.Close() }()
	stop := context.AfterFunc(listen, func() { _ = body.Close() })
	defer stop()
	all, err := collect(body, now.UnixMilli(), doing)
	if err != nil && (ctx.Err() != nil || listen.Err() == nil) {
		return scaler.Reading{}, err
	}
	return c.aggregate(all, doing)
}

// request begins the program in the past; what is stored comes at once.
func (c *flow) request(at *url.URL, start time.Time) *http.Request {
	u := *at
	u.RawQuery = url.Values{"start": {strconv.FormatInt(start.UnixMilli(), 10)}}.Encode()
	header := http.Header{"X-Sf-Token": {c.token.Reveal()}, "Accept": {"text/event-stream"}}
	return conn.NewPost(&u, header, []byte(c.program), "text/plain")
}
