// Package nsq measures channels of NSQ topics by the HTTP interfaces of
// nsqlookupd and nsqd.
//
// It owns finding the nsqd that have a topic, and one question to each of them
// for all channels. It refuses a sum that lacks one of them.
package nsq

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "nsq",
		Title: "NSQ",
		About: "The depth of a channel: messages that wait in memory and on disk, on all nsqd that have the topic. A paused channel counts as empty; " +
			"before the channel exists, the topic's own depth counts.",
		Since:       "2.17",
		Permissions: "Reading nsqlookupd and `/stats` of each nsqd, which have no users.",
		Cost:        "One HTTP request a poll to each nsqlookupd and one to each nsqd, for all triggers with the same nsqlookupd.",
		ByHand:      `curl -s 'http://nsqlookupd.nsq:4161/lookup?topic=orders'; curl -s 'http://nsqd-0.nsq:4151/stats?format=json&topic=orders'`,
		Examples: []scaler.Example{
			{
				Title: "One channel",
				Metadata: map[string]string{
					"nsqLookupdHTTPAddresses": "nsqlookupd.nsq:4161", "topic": "orders", "channel": "mailer", "depthThreshold": "20",
				},
			},
			{
				Title: "Two nsqlookupd over TLS",
				Metadata: map[string]string{
					"nsqLookupdHTTPAddresses": "nsqlookupd-0.nsq:4161,nsqlookupd-1.nsq:4161", "topic": "orders", "channel": "mailer",
					"activationDepthThreshold": "5", "useHttps": "true",
				},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	lookups    []string
	topic      string
	channel    string
	target     int64
	activation int64
	secure     bool
	tls        conn.TLS
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	origins := []param.Origin{param.Metadata, param.Env}
	return param.Set{
		param.List("nsqLookupdHTTPAddresses", &c.lookups).From(origins...).Required().Example("nsqlookupd.nsq:4161").
			Doc("Addresses of the nsqlookupd, host:port of their HTTP interface."),
		param.Text("topic", &c.topic).From(origins...).Required().Example("orders").Doc("Name of the topic."),
		param.Text("channel", &c.channel).From(origins...).Required().Example("mailer").Doc("Name of the channel."),
		param.Int("depthThreshold", &c.target).From(origins...).Default(10).Target().Doc("Messages per replica."),
		param.Int("activationDepthThreshold", &c.activation).From(origins...).Default(0).Min(0).Activation().Doc("Messages above which the workload is active."),
		param.Bool("useHttps", &c.secure).From(origins...).Default(false).Doc("Whether nsqlookupd and nsqd are asked over TLS."),
		c.tls.UnsafeField("unsafeSsl").From(origins...),
	}.With(c.tls.CertificateParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	if len(c.lookups) == 0 {
		ps.Errorf("metadata.nsqLookupdHTTPAddresses", "has no address in it; expected addresses separated by commas")
	}
	for _, address := range c.lookups {
		if u, err := url.Parse("http://" + address); err != nil || u.Hostname() == "" || u.Host != address {
			ps.Errorf("metadata.nsqLookupdHTTPAddresses", "found %q; expected host:port, such as nsqlookupd.nsq:4161", address)
		}
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string { return "nsq-" + c.topic + "-" + c.channel }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	key := strings.Join(c.lookups, ",") + " " + conn.Digest(strconv.FormatBool(c.secure), c.tls.Digest())
	return &source{config: c, client: client, key: key}, nil
}
