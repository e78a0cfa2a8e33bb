// Package mqtt measures what arrives at topics of MQTT brokers, 3.1.1 and 5.
//
// It owns one connection per broker and credentials, with one subscription per
// topic however many triggers use it. It never publishes, and refuses shared
// subscriptions, since they would take messages away from consumers.
package mqtt

import "github.com/kedago/keda/pkg/scaler"

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "mqtt",
		Title: "MQTT",
		About: "The number in the last message of a topic, how many messages a second arrive at it, or a backlog that the broker publishes itself. " +
			"Messages come by push, so the workload is active as soon as one arrives.",
		Since:       "1.0",
		Permissions: "Connecting, and subscribing to the topic (read access).",
		Cost: "One connection and one subscription per topic for all triggers with the same broker and credentials; " +
			"per poll one PINGREQ together. Every message of the topic is sent to KEDA.",
		ByHand:   "mosquitto_sub -h mqtt.svc -t shop/orders/waiting -C 1",
		Examples: examples(),
		New:      func() scaler.Config { return &config{} },
	}}
}

func examples() []scaler.Example {
	return []scaler.Example{
		{
			Title:    "The number in a retained message",
			Metadata: map[string]string{"host": "mqtt://mqtt.svc:1883", "topic": "shop/orders/waiting", "value": "10"},
		},
		{
			Title: "A field of a JSON message, over TLS with MQTT 5",
			Metadata: map[string]string{
				"host": "mqtts://mqtt.svc:8883", "topic": "shop/status", "valueLocation": "queues.orders.waiting", "value": "10",
				"valueIfNone": "0", "protocolVersion": "5",
			},
			Auth: map[string]string{"username": "keda", "password": "the-password"},
		},
		{
			Title:    "Messages a second, over all topics below one",
			Metadata: map[string]string{"host": "mqtt://mqtt.svc:1883", "topic": "sensors/+/readings", "mode": "rate", "window": "1m", "value": "50"},
		},
		{
			Title:    "Messages that the broker keeps for consumers",
			Metadata: map[string]string{"host": "mqtt://mqtt.svc:1883", "topic": "$SYS/broker/store/messages/count", "mode": "backlog", "value": "100"},
		},
	}
}
