package azure

import (
	"context"
	"fmt"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The values of operation, which makes one number of those of all entities
// that a pattern matches.
const (
	busSum = "sum"
	busMax = "max"
	busAvg = "avg"
)

func servicebusKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "azure-servicebus",
		Title: "Azure Service Bus",
		About: "The active messages of a queue, of a topic's subscription, or of all whose names match a pattern. " +
			"Messages that consumers hold locked are active; scheduled, deferred by transfer and dead-lettered ones are not.",
		Since:       "1.0",
		Permissions: "A shared access policy with the right to manage, or the role Azure Service Bus Data Owner, on the queue, the topic or the namespace; on the namespace for useRegex with a queueName.",
		Cost: "One request a poll for a queue or subscription, or one for every 100 entities with useRegex. Four triggers or more for queues of one namespace, or for subscriptions of one topic, share such a listing where that saves requests and the credentials allow it. " +
			"Azure counts requests as operations, of which a namespace of the standard tier includes 13 million a month: one request every 30 seconds makes 86,400.",
		ByHand: "az servicebus queue show --name jobs --namespace-name orders --resource-group shop --query countDetails.activeMessageCount",
		Examples: []scaler.Example{
			{
				Title:    "A queue, with the connection string that the container's environment has",
				Metadata: map[string]string{"queueName": "jobs", "messageCount": "5", "connectionFromEnv": "SERVICEBUS_CONNECTION"},
				Env:      map[string]string{"SERVICEBUS_CONNECTION": exampleBus},
			},
			{
				Title:    "A subscription, with a podIdentity",
				Metadata: map[string]string{"topicName": "orders", "subscriptionName": "billing", "messageCount": "5", "activationMessageCount": "10", "namespace": "orders"},
			},
			{
				Title:    "The longest of several queues",
				Metadata: map[string]string{"queueName": "jobs-.*", "useRegex": "true", "operation": busMax, "messageCount": "5"},
				Auth:     map[string]string{"connection": exampleBus},
			},
		},
		New: func() scaler.Config { return &servicebusConfig{} },
	}}
}

type servicebusConfig struct {
	queue        string
	topic        string
	subscription string
	target       float64
	activation   float64
	regex        bool
	operation    string
	connection   param.Hidden
	namespace    string
	cloud        conn.AzureCloud
	has          struct{ connection, operation bool }
}

// Params implements scaler.Config.
func (c *servicebusConfig) Params() param.Set {
	return param.Set{
		param.Text("queueName", &c.queue).Example("jobs").Doc("Name of the queue, or with useRegex a pattern of names."),
		param.Text("topicName", &c.topic).Example("orders").Doc("Name of the topic, in place of a queue."),
		param.Text("subscriptionName", &c.subscription).Example("billing").Doc("Name of the topic's subscription, or with useRegex a pattern of names."),
		param.Float("messageCount", &c.target).Alias("queueLength").Default(5).Target().Doc("Messages per replica."),
		param.Float("activationMessageCount", &c.activation).Activation().Doc("Number of messages above which the workload is active."),
		param.Bool("useRegex", &c.regex).Default(false).Doc("Whether the queue's or subscription's name is a regular expression, which must match the whole name."),
		param.Text("operation", &c.operation).OneOf(busSum, busMax, busAvg).Default(busSum).IsSet(&c.has.operation).
			Doc("What counts with useRegex: the messages of all, those of the longest, or the average."),
		param.Secret("connection", &c.connection).From(param.Auth, param.Metadata, param.Env).NamesEnv("").IsSet(&c.has.connection).
			Doc("Connection string of the namespace, queue or topic; in place of a podIdentity."),
		param.Text("namespace", &c.namespace).Example("orders").Doc("Name of the namespace, when the authenticationRef has the podIdentity azure-workload in place of a connection."),
	}.With(c.cloud.Params())
}

// busEntityName is what names of queues and topics, and of subscriptions, are
// made of. They become part of an address.
var (
	busEntityName       = regexp.MustCompile(`^[A-Za-z0-9_~.-]+(/[A-Za-z0-9_~.$-]+)*$`)
	busSubscriptionName = regexp.MustCompile(`^[A-Za-z0-9_~.-]+$`)
)

const busLongestName = 260

func servicebusNames() busNames { return busNames{"Service Bus", "namespace"} }

// Check implements scaler.Checker.
func (c *servicebusConfig) Check() param.Problems {
	ps := append(c.cloud.Check(), checkBus(c.connection, c.namespace, c.has.connection, servicebusNames())...)
	if c.has.operation && !c.regex {
		ps.Warnf("metadata.operation", "is not used; it is for useRegex")
	}
	switch {
	case c.queue == "" && c.topic == "" && c.subscription == "":
		ps.Errorf("metadata.queueName", "is missing; expected a queue's name, or topicName and subscriptionName")
	case c.queue != "" && (c.topic != "" || c.subscription != ""):
		ps.Errorf("metadata.queueName", "is given together with topicName or subscriptionName; expected a queue, or a topic and its subscription")
	case c.queue != "":
		c.checkName(&ps, "queueName", c.queue, busEntityName)
	case c.topic == "":
		ps.Errorf("metadata.topicName", "is missing; expected the topic that has the subscription")
	case c.subscription == "":
		ps.Errorf("metadata.subscriptionName", "is missing; expected a subscription of the topic")
	default:
		checkEntity(&ps, "topicName", c.topic, busEntityName)
		c.checkName(&ps, "subscriptionName", c.subscription, busSubscriptionName)
	}
	return ps
}

// checkName checks a name, or the pattern that is in its place.
func (c *servicebusConfig) checkName(ps *param.Problems, field, name string, form *regexp.Regexp) {
	if !c.regex {
		checkEntity(ps, field, name, form)
		return
	}
	if _, err := compilePattern(name); err != nil {
		ps.Errorf("metadata."+field, "found a regular expression that can't be read: %v; expected one such as jobs-.*", err)
	}
}

func checkEntity(ps *param.Problems, field, name string, form *regexp.Regexp) {
	if len(name) > busLongestName || !form.MatchString(name) {
		ps.Errorf("metadata."+field, "found %.80q, which nothing in Service Bus can have; expected letters, digits, periods, hyphens and underscores", name)
	}
}

// compilePattern makes a pattern that matches whole names.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil { // told of the pattern as it was written
		return nil, err
	}
	return regexp.Compile("^(?:" + pattern + ")$")
}

// Metric implements scaler.Config, as upstream names it.
func (c *servicebusConfig) Metric() string {
	name, kind := c.queue, "queue"
	if c.queue == "" {
		name, kind = c.topic, "topic"
	}
	if c.regex {
		name = kind + "-regex"
	}
	return "azure-servicebus-" + name
}

// Open implements scaler.Config.
func (c *servicebusConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	s := &servicebusSource{topic: c.topic, name: c.queue, operation: c.operation, doing: fmt.Sprintf("reading the messages of the queue %q", c.queue)}
	if c.queue == "" {
		s.name, s.doing = c.subscription, fmt.Sprintf("reading the messages of the subscription %q of the topic %q", c.subscription, c.topic)
	}
	if c.regex {
		var err error
		if s.pattern, err = compilePattern(s.name); err != nil {
			return nil, scaler.Misconfigured(err, "reading the regular expression")
		}
	}
	options, release, err := conn.AzureClientOptions(env)
	if err != nil {
		return nil, err
	}
	s.release = append(s.release, release)
	b, release, err := openBus(env, c.connection, c.namespace, &c.cloud, servicebusNames())
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.release = append(s.release, release)
	key := scaler.PoolKey{
		Driver: "azure-servicebus", Credentials: b.digest(),
		Address: b.host + " timeout=" + env.HTTP.Timeout.String() + " " + conn.OptionsKey(env.HTTP),
	}
	s.client, release, err = scaler.Lease(env.Pool, key, func() (*servicebusClient, error) {
		return newServicebusClient(b, &admin.ClientOptions{ClientOptions: options}, env.Now)
	})
	if err != nil {
		_ = s.Close()
		return nil, scaler.Misconfigured(err, "preparing a client of Service Bus")
	}
	s.key, s.release = key.Driver+" "+key.Address+" "+key.Credentials, append(s.release, release)
	return s, nil
}
