// Package ibmmq measures queues of IBM MQ by the administrative REST API.
//
// It owns the command that tells a queue's depth. It refuses answers in which
// a queue is missing.
package ibmmq

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// What is made of the depths of several queues, in upstream's spelling.
const (
	opMax = "max"
	opAvg = "avg"
	opSum = "sum"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "ibmmq",
		Title:       "IBM MQ",
		About:       "The current depth of a local queue, or the largest, the sum or the average of several.",
		Since:       "2.0",
		Permissions: "A user with the role MQWebUser, MQWebAdminRO or MQWebAdmin of the REST API who may display the queues.",
		Cost:        "One HTTP request a poll for each queue; equal triggers are asked once.",
		ByHand: `curl -su admin -H 'ibm-mq-rest-csrf-token: value' -H 'Content-Type: application/json' https://mq.shop:9443/ibmmq/rest/v2/admin/action/qmgr/QM1/mqsc ` +
			`-d '{"type":"runCommandJSON","command":"display","qualifier":"qlocal","name":"DEV.QUEUE.1","responseParameters":["CURDEPTH"]}'`,
		Examples: []scaler.Example{
			{
				Title:    "One queue",
				Metadata: map[string]string{"host": "https://mq.shop:9443/ibmmq/rest/v2/admin/action/qmgr/QM1/mqsc", "queueName": "DEV.QUEUE.1", "queueDepth": "50"},
				Auth:     map[string]string{"username": "keda", "password": "the-password"},
			},
			{
				Title: "The sum of two queues, with credentials of the workload",
				Metadata: map[string]string{
					"host": "https://mq.shop:9443/ibmmq/rest/v2/admin/action/qmgr/QM1/mqsc", "queueNames": "DEV.QUEUE.1,DEV.QUEUE.2", "operation": "sum",
					"activationQueueDepth": "5", "usernameFromEnv": "MQ_USER", "passwordFromEnv": "MQ_PASSWORD",
				},
				Env: map[string]string{"MQ_USER": "keda", "MQ_PASSWORD": "the-password"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	host       *url.URL
	queues     []string
	operation  string
	depth      int64
	activation int64
	username   string
	password   param.Hidden
	tls        conn.TLS
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	origins := []param.Origin{param.Auth, param.Env, param.Metadata}
	return param.Set{
		param.URL("host", &c.host).Required().Example("https://mq.shop:9443/ibmmq/rest/v2/admin/action/qmgr/QM1/mqsc").
			Doc("Address at which the REST API runs commands of the queue manager."),
		param.List("queueName", &c.queues).Alias("queueNames").Required().Example("DEV.QUEUE.1").Doc("Names of one or more local queues."),
		param.Text("operation", &c.operation).OneOf(opMax, opAvg, opSum).Default(opMax).Doc("What is made of the depths of several queues."),
		param.Int("queueDepth", &c.depth).Default(20).Target().Doc("Messages per replica."),
		param.Int("activationQueueDepth", &c.activation).Default(0).Min(0).Activation().Doc("Messages above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Text("username", &c.username).From(origins...).Required().Doc("User name."),
		param.Secret("password", &c.password).From(origins...).Required().Doc("Password."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	if len(c.queues) == 0 {
		ps.Errorf("metadata.queueName", "has no name in it; expected names separated by commas")
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string { return "ibmmq-" + c.queues[0] }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	return conn.NewHTTPSource(client, c.host.Host, func(ctx context.Context) (scaler.Reading, error) {
		var depths []float64
		for _, queue := range c.queues {
			found, err := c.ask(ctx, client, queue)
			if err != nil {
				return scaler.Reading{}, err
			}
			depths = append(depths, found...)
		}
		return scaler.Reading{Value: c.combine(depths)}, nil
	}), nil
}

// combine makes one number of at least one depth.
func (c *config) combine(depths []float64) float64 {
	if c.operation == opMax {
		return slices.Max(depths)
	}
	var sum float64
	for _, d := range depths {
		sum += d
	}
	if c.operation == opAvg {
		return sum / float64(len(depths))
	}
	return sum
}

// command asks for the depth of a queue:
// https://www.ibm.com/docs/en/ibm-mq/9.4?topic=mqsc-post-runcommandjson
type command struct {
	Type    string   `json:"type"`
	Command string   `json:"command"`
	Kind    string   `json:"qualifier"`
	Name    string   `json:"name"`
	Wanted  []string `json:"responseParameters"`
}

// result has one response for each queue that the name stands for.
type result struct {
	Responses []struct {
		Reason     int      `json:"reasonCode"`
		Messages   []string `json:"message"`
		Parameters *struct {
			Depth *float64 `json:"curdepth"`
		} `json:"parameters"`
	} `json:"commandResponse"`
	Reason int `json:"overallReasonCode"`
}

func (c *config) ask(ctx context.Context, client *conn.HTTPClient, queue string) ([]float64, error) {
	doing := fmt.Sprintf("reading the depth of the queue %q of IBM MQ at %s", queue, c.host.Host)
	request := http.Request{Header: http.Header{"Ibm-Mq-Rest-Csrf-Token": {"value"}}} // any value will do
	request.SetBasicAuth(c.username, c.password.Reveal())
	body := command{Type: "runCommandJSON", Command: "display", Kind: "qlocal", Name: queue, Wanted: []string{"CURDEPTH"}}
	req, err := conn.NewPostJSON(c.host, request.Header, body)
	if err != nil {
		return nil, scaler.Misconfigured(err, "%s", doing)
	}
	var got result
	if err := client.AskJSON(ctx, req, conn.Refusals{}, &got, doing); err != nil {
		return nil, err
	}
	if len(got.Responses) == 0 {
		return nil, scaler.BadAnswer(fmt.Errorf("the answer has no response, with the reason code %d", got.Reason), "%s", doing)
	}
	var out []float64
	for _, r := range got.Responses {
		if r.Parameters == nil {
			return nil, refusal(r.Reason, r.Messages, doing)
		}
		if r.Parameters.Depth == nil {
			return nil, scaler.BadAnswer(errors.New("the answer has no curdepth"), "%s", doing)
		}
		out = append(out, *r.Parameters.Depth)
	}
	return out, nil
}

// refusal gives what the queue manager says its reason:
// https://www.ibm.com/docs/en/ibm-mq/9.4?topic=codes-api-completion-reason
func refusal(code int, messages []string, doing string) error {
	const notAuthorized, unknownObject = 2035, 2085
	says := func(id string) bool {
		return slices.ContainsFunc(messages, func(m string) bool { return strings.HasPrefix(m, id) })
	}
	switch {
	case code == unknownObject || says("AMQ8147"):
		return scaler.Missing(errors.New("the queue manager has no such local queue"), "%s", doing)
	case code == notAuthorized || says("AMQ8077"):
		return scaler.Denied(errors.New("the user may not display the queue"), "%s", doing)
	}
	return scaler.BadAnswer(fmt.Errorf("the queue manager refuses the command with the reason code %d", code), "%s", doing)
}
