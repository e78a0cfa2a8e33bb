package activemq

import (
	"context"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func artemisKind() scaler.Kind {
	return scaler.Kind{
		Name:        "artemis-queue",
		Title:       "ActiveMQ Artemis",
		About:       "The messages in an anycast queue of ActiveMQ Artemis, also those that consumers have got and not acknowledged.",
		Since:       "1.5",
		Permissions: "A user of the console who may read the queue's bean by Jolokia.",
		Cost:        "One HTTP request a poll for all queues of a broker that are read with the same credentials.",
		ByHand:      `curl -su artemis -H 'Origin: http://artemis.shop:8161' 'http://artemis.shop:8161/console/jolokia/read/org.apache.activemq.artemis:broker=%22shop%22,component=addresses,address=%22orders%22,subcomponent=queues,routing-type=%22anycast%22,queue=%22orders%22/MessageCount'`,
		Examples: []scaler.Example{
			{
				Title: "One queue",
				Metadata: map[string]string{
					"managementEndpoint": "artemis.shop:8161", "brokerName": "shop", "brokerAddress": "orders", "queueName": "orders", "queueLength": "50",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
			{
				Title: "A queue of a multicast address, over TLS",
				Metadata: map[string]string{
					"restApiTemplate": `https://<<managementEndpoint>>/console/jolokia/read/org.apache.activemq.artemis:broker="<<brokerName>>",component=addresses,` +
						`address="<<brokerAddress>>",subcomponent=queues,routing-type="multicast",queue="<<queueName>>"/MessageCount`,
					"managementEndpoint": "artemis.shop:8443", "brokerName": "shop", "brokerAddress": "events", "queueName": "mailer",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
		},
		New: func() scaler.Config { return &artemis{} },
	}
}

// artemis is a trigger on a queue of ActiveMQ Artemis.
type artemis struct {
	bean
	address    string
	name       string
	target     int64
	activation int64
	tls        conn.TLS
}

// Params implements scaler.Config.
func (c *artemis) Params() param.Set {
	return param.Set{
		param.Text("managementEndpoint", &c.endpoint).Example("artemis.shop:8161").Doc("Address of the console, host:port; with restApiTemplate it may be left out."),
		param.Text("queueName", &c.name).Example("orders").Doc("Name of the queue; with restApiTemplate it may be left out."),
		param.Text("brokerName", &c.broker).Example("shop").Doc("Name of the broker; with restApiTemplate it may be left out."),
		param.Text("brokerAddress", &c.address).Example("orders").Doc("Address that the queue belongs to; with restApiTemplate it may be left out."),
		param.Int("queueLength", &c.target).Default(10).Target().Doc("Messages per replica."),
		param.Int("activationQueueLength", &c.activation).Min(0).Activation().Doc("Messages above which the workload is active."),
		param.Text("restApiTemplate", &c.template).
			Doc("Address that answers the queue's length, where it is not the usual one. `<<managementEndpoint>>`, `<<queueName>>`, `<<brokerName>>` and `<<brokerAddress>>` stand for those parameters."),
	}.With(c.accessParams(param.Auth, param.Metadata, param.Env), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *artemis) Check() param.Problems {
	c.template = strings.TrimSpace(c.template)
	return append(c.tls.Check(), c.resolve(shape{
		parameter: "restApiTemplate", path: "/console/jolokia/read/",
		mbean: `org.apache.activemq.artemis:broker="<<brokerName>>",component=addresses,address="<<brokerAddress>>",` +
			`subcomponent=queues,routing-type="anycast",queue="<<queueName>>"`,
		attribute: "MessageCount", queueKey: "queue", queueName: "queueName",
		values: []value{{"managementEndpoint", &c.endpoint}, {"queueName", &c.name}, {"brokerName", &c.broker}, {"brokerAddress", &c.address}},
	})...)
}

// Metric implements scaler.Config.
func (c *artemis) Metric() string { return "artemis-" + c.queue }

// Open implements scaler.Config.
func (c *artemis) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	return c.open(env, "Artemis", &auth, c.tls.Digest())
}
