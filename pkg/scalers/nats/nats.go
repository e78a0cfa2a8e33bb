// Package nats measures consumers of NATS JetStream by the monitoring
// endpoint of the servers.
//
// It owns one request per server and account for all consumers on them. It
// refuses numbers of a server that does not lead the consumer: only the leader
// knows them.
package nats

import (
	"context"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// globalAccount is the account of servers without accounts.
const globalAccount = "$G"

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "nats-jetstream",
		Title: "NATS JetStream",
		About: "The lag of a consumer: messages of its stream that it has not got yet, and those that it has got and not acknowledged. " +
			"In a cluster the server that leads the consumer is asked.",
		Since:       "2.8",
		Permissions: "Reading the monitoring endpoint `/jsz`, which has no users.",
		Cost: "One HTTP request a poll for all consumers of an account. Where the address stands for several servers, such as a headless " +
			"Service, up to one request to each of them.",
		ByHand: `curl -s 'http://nats.svc:8222/jsz?acc=$G&consumers=true' | jq '.account_details[].stream_detail[].consumer_detail[] | {name, num_pending, num_ack_pending}'`,
		Examples: []scaler.Example{
			{
				Title: "One consumer",
				Metadata: map[string]string{
					"natsServerMonitoringEndpoint": "nats.svc:8222", "stream": "orders", "consumer": "workers", "lagThreshold": "10",
				},
			},
			{
				Title: "In an account, over TLS",
				Metadata: map[string]string{
					"account": "shop", "stream": "orders", "consumer": "workers", "lagThreshold": "50", "activationLagThreshold": "5", "useHttps": "true",
				},
				Auth: map[string]string{"natsServerMonitoringEndpoint": "nats.svc:8222"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	endpoint   string
	account    string
	accountID  string
	stream     string
	consumer   string
	threshold  int64
	activation int64
	secure     bool
	timeout    time.Duration
	tls        conn.TLS
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("natsServerMonitoringEndpoint", &c.endpoint).From(param.Metadata, param.Auth).Required().Example("nats.svc:8222").
			Doc("Address of the monitoring endpoint, host:port."),
		param.Text("account", &c.account).From(param.Metadata, param.Auth).Default(globalAccount).
			Doc("Account of the stream; `$G` is the one of servers without accounts."),
		param.Text("accountID", &c.accountID).From(param.Metadata, param.Auth).
			Doc("Public key of the account, where servers are in operator mode and know accounts by key."),
		param.Text("stream", &c.stream).Required().Example("orders").Doc("Stream of the consumer."),
		param.Text("consumer", &c.consumer).Required().Example("workers").Doc("Name of the consumer."),
		param.Int("lagThreshold", &c.threshold).Default(10).Target().Doc("Lag per replica, in messages."),
		param.Int("activationLagThreshold", &c.activation).Min(0).Activation().Doc("Lag above which the workload is active, in messages."),
		param.Bool("useHttps", &c.secure).Default(false).Doc("Whether the endpoint is asked over TLS."),
		conn.TimeoutParam(&c.timeout),
	}.With(c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	host, port, err := net.SplitHostPort(c.endpoint)
	if u, bad := url.Parse("http://" + c.endpoint); err != nil || bad != nil || host == "" || port == "" || u.Host != c.endpoint {
		ps.Errorf("metadata.natsServerMonitoringEndpoint", "expected host:port, such as nats.svc:8222")
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string { return "nats-jetstream-" + c.stream }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{Timeout: c.timeout, BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	key := strings.Join([]string{c.scheme(), c.endpoint, c.queried(), c.timeout.String(), c.tls.Digest()}, " ")
	return &source{config: c, client: client, key: key, lookup: net.DefaultResolver.LookupHost}, nil
}

func (c *config) scheme() string {
	if c.secure {
		return "https"
	}
	return "http"
}

// queried is how the servers know the account.
func (c *config) queried() string {
	if c.accountID != "" {
		return c.accountID
	}
	return c.account
}
