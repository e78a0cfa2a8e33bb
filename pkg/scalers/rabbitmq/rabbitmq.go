// Package rabbitmq measures queues of RabbitMQ, by AMQP 0-9-1 or by the HTTP
// API of its management plug-in.
//
// It owns one AMQP connection per server, virtual host and credentials, and
// one HTTP request for many queues of a virtual host. It refuses to declare,
// consume or publish: queues are only asked about.
package rabbitmq

import "github.com/kedago/keda/pkg/scaler"

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "rabbitmq",
		Title: "RabbitMQ",
		About: "The length of a queue, or how fast messages come in and go out, for one queue or all whose names match a regular expression. " +
			"AMQP gives the number of ready messages; rates, unacknowledged messages and regular expressions need the HTTP API.",
		Since: "1.0",
		Permissions: "AMQP: a user that may open the virtual host; no permission on the queue is needed for a passive declare, as of RabbitMQ 3.10. " +
			"HTTP: the tag `management` and access to the virtual host. " +
			"With a podIdentity azure-workload RabbitMQ's OAuth 2 plug-in takes the scopes of the token in their place, such as `rabbitmq.read:shop/*` and `rabbitmq.tag:management`.",
		Cost: "AMQP: one passive declare per queue and poll, over one connection that all triggers of a virtual host share. " +
			"HTTP: one request for a queue, one request for up to about a hundred queues of a virtual host together, and one per page for a regular expression.",
		ByHand:   `rabbitmqctl list_queues -p / name messages messages_ready`,
		Examples: examples(),
		New:      func() scaler.Config { return &config{} },
	}}
}

func examples() []scaler.Example {
	return []scaler.Example{
		{
			Title:    "Ready messages by AMQP",
			Metadata: map[string]string{"queueName": "orders", "mode": "QueueLength", "value": "20"},
			Auth:     map[string]string{"host": "amqp://keda:the-password@rabbitmq.svc:5672/shop"},
		},
		{
			Title: "Publish rate by the HTTP API",
			Metadata: map[string]string{
				"host": "https://rabbitmq.svc:15671/shop", "queueName": "orders", "mode": "MessageRate", "value": "100", "activationValue": "1",
			},
			Auth: map[string]string{"username": "keda", "password": "the-password"},
		},
		{
			Title: "All queues that match",
			Metadata: map[string]string{
				"hostFromEnv": "RABBITMQ_HTTP", "queueName": "^orders\\.", "useRegex": "true", "operation": "max", "pageSize": "200",
				"mode": "QueueLength", "value": "20", "excludeUnacknowledged": "true",
			},
			Env: map[string]string{"RABBITMQ_HTTP": "http://keda:the-password@rabbitmq.svc:15672/shop"},
		},
		{
			Title:    "With a token of an Azure workload identity",
			Metadata: map[string]string{"host": "https://rabbitmq.svc:15671/shop", "queueName": "orders", "value": "20"},
			Auth:     map[string]string{"workloadIdentityResource": "api://rabbitmq"},
			Identity: "azure-workload",
		},
		{
			Title:    "Seconds until the queue is empty",
			Metadata: map[string]string{"host": "http://rabbitmq.svc:15672", "vhostName": "shop", "queueName": "orders", "mode": "ExpectedQueueConsumptionTime", "value": "30"},
			Auth:     map[string]string{"username": "keda", "password": "the-password"},
		},
	}
}
