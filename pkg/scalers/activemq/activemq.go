// Package activemq measures queues of ActiveMQ Classic and of ActiveMQ Artemis
// by Jolokia, the HTTP bridge to the brokers' JMX beans.
//
// It owns the addresses of the beans and how several are read at once. It
// refuses what is not the number of one queue.
package activemq

import (
	"context"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind { return []scaler.Kind{classicKind(), artemisKind()} }

func classicKind() scaler.Kind {
	return scaler.Kind{
		Name:        "activemq",
		Title:       "ActiveMQ",
		About:       "The size of a queue of ActiveMQ Classic: messages that are not acknowledged yet, also those that consumers have got.",
		Since:       "2.6",
		Permissions: "A user of the web console who may read the queue's bean by Jolokia.",
		Cost:        "One HTTP request a poll for all queues of a broker that are read with the same credentials.",
		ByHand:      `curl -su admin -H 'Origin: http://activemq.shop:8161' 'http://activemq.shop:8161/api/jolokia/read/org.apache.activemq:type=Broker,brokerName=localhost,destinationType=Queue,destinationName=orders/QueueSize'`,
		Examples: []scaler.Example{
			{
				Title: "One queue",
				Metadata: map[string]string{
					"managementEndpoint": "activemq.shop:8161", "brokerName": "localhost", "destinationName": "orders", "targetQueueSize": "50",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
			{
				Title: "Over TLS, behind a path of its own",
				Metadata: map[string]string{
					"restAPITemplate": "https://mq.example.com/shop/api/jolokia/read/org.apache.activemq:type=Broker,brokerName=<<brokerName>>,destinationType=Queue,destinationName=<<destinationName>>/QueueSize",
					"brokerName":      "localhost", "destinationName": "orders", "activationTargetQueueSize": "5",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
		},
		New: func() scaler.Config { return &classic{} },
	}
}

// classic is a trigger on a queue of ActiveMQ Classic.
type classic struct {
	bean
	destination string
	target      int64
	activation  int64
}

// Params implements scaler.Config.
func (c *classic) Params() param.Set {
	return param.Set{
		param.Text("managementEndpoint", &c.endpoint).Example("activemq.shop:8161").Doc("Address of the web console, host:port; with restAPITemplate it may be left out."),
		param.Text("destinationName", &c.destination).Example("orders").Doc("Name of the queue; with restAPITemplate it may be left out."),
		param.Text("brokerName", &c.broker).Example("localhost").Doc("Name of the broker; with restAPITemplate it may be left out."),
		param.Int("targetQueueSize", &c.target).Default(10).Target().Doc("Messages per replica."),
		param.Int("activationTargetQueueSize", &c.activation).Min(0).Activation().Doc("Messages above which the workload is active."),
		param.Text("restAPITemplate", &c.template).
			Doc("Address that answers the queue's size, where it is not the usual one. `<<managementEndpoint>>`, `<<brokerName>>` and `<<destinationName>>`, also written `{{.BrokerName}}`, stand for those parameters."),
	}.With(c.accessParams(param.Auth, param.Env, param.Metadata))
}

// Check implements scaler.Checker.
func (c *classic) Check() param.Problems {
	c.template = strings.TrimSpace(c.template)
	return c.resolve(shape{
		parameter: "restAPITemplate", path: "/api/jolokia/read/",
		mbean:     "org.apache.activemq:type=Broker,brokerName=<<brokerName>>,destinationType=Queue,destinationName=<<destinationName>>",
		attribute: "QueueSize", queueKey: "destinationName", queueName: "destinationName",
		values: []value{{"managementEndpoint", &c.endpoint}, {"destinationName", &c.destination}, {"brokerName", &c.broker}},
	})
}

// Metric implements scaler.Config.
func (c *classic) Metric() string { return "activemq-" + c.queue }

// Open implements scaler.Config.
func (c *classic) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	return c.open(env, "ActiveMQ", &conn.HTTPAuth{})
}
