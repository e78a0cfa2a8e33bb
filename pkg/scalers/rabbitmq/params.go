package rabbitmq

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The modes, in upstream's spelling.
const (
	modeLength  = "QueueLength"
	modePublish = "MessageRate"
	modeDeliver = "DeliverGetRate"
	modeRatio   = "PublishedToDeliveredRatio"
	modeTime    = "ExpectedQueueConsumptionTime"
	// modeUnknown is what upstream's default is called.
	modeUnknown = "Unknown"
)

// config is one trigger's parameters. It stays unchanged once decoded.
type config struct {
	queue      string
	mode       string
	length     float64
	value      float64
	activation float64
	host       param.Hidden
	apiHost    param.Hidden
	protocol   string
	vhost      string
	regex      bool
	noUnacked  bool
	unacked    bool
	pageSize   int64
	operation  string
	timeout    time.Duration
	username   string
	password   param.Hidden
	resource   string
	tls        conn.TLS
	given      struct{ length, value, host, apiHost, username, password, unacked bool }

	at endpoint // set by Check
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	all := []param.Origin{param.Metadata, param.Auth, param.Env}
	return param.Set{
		param.Text("queueName", &c.queue).Required().Example("orders").Doc("Name of the queue, or the regular expression with useRegex."),
		param.Text("mode", &c.mode).OneOf(modeLength, modePublish, modeDeliver, modeRatio, modeTime, modeUnknown).Default(modeLength).
			Doc("What is measured: the number of messages, the messages published a second, those delivered or got a second, the ratio of these two, " +
				"or the seconds until the queue is empty. All but the first need the HTTP API."),
		param.Float("value", &c.value).Min(0).IsSet(&c.given.value).Example("20").Doc("Target per replica, in the unit of the mode."),
		param.Float("queueLength", &c.length).Default(20).Min(0).IsSet(&c.given.length).Doc("Messages per replica, where neither mode nor value is given."),
		param.Float("activationValue", &c.activation).Min(0).Activation().Doc("Value above which the workload is active."),
		param.Secret("host", &c.host).From(all...).NamesEnvOrIs("").IsSet(&c.given.host).Example("amqp://rabbitmq.svc:5672/shop").
			Doc("Address of the server: amqp, amqps, http or https, with the virtual host as its path and maybe user and password."),
		param.Secret("apiHost", &c.apiHost).From(all...).NamesEnvOrIs("").IsSet(&c.given.apiHost).Example("http://rabbitmq.svc:15672/shop").
			Doc("Address of the HTTP API in the first API, where host is for AMQP; used for whatever AMQP can't tell."),
		param.Text("protocol", &c.protocol).From(param.Metadata, param.Auth).OneOf("auto", "amqp", "http").Default("auto").
			Doc("How the server is asked; auto goes by the address."),
		param.Text("vhostName", &c.vhost).From(param.Metadata, param.Auth).Example("shop").Doc("Virtual host; that of the address when unset."),
		param.Bool("useRegex", &c.regex).Default(false).Doc("Whether queueName is a regular expression (PCRE, as RabbitMQ reads it). Needs the HTTP API."),
		param.Text("operation", &c.operation).OneOf("sum", "avg", "max").Default("sum").Doc("How the numbers of all queues that match are made one."),
		param.Int("pageSize", &c.pageSize).Min(1).Max(500).Default(100).Doc("Queues per page when a regular expression is listed; all pages are read."),
		param.Bool("excludeUnacknowledged", &c.noUnacked).Default(false).
			Doc("Whether messages that consumers hold unacknowledged are left out of the length. By AMQP they always are."),
		param.Bool("includeUnacked", &c.unacked).Default(false).IsSet(&c.given.unacked).
			Doc("The first API's way to count unacknowledged messages too; needs the HTTP API."),
		conn.TimeoutParam(&c.timeout),
		param.Text("username", &c.username).From(param.Auth, param.Env).IsSet(&c.given.username).Doc("User; that of the address when unset."),
		param.Secret("password", &c.password).From(param.Auth, param.Env).IsSet(&c.given.password).Doc("Password; that of the address when unset."),
		param.Text("workloadIdentityResource", &c.resource).From(param.Auth).Example("api://rabbitmq").
			Doc("Application of Microsoft Entra ID that stands for the server, api://name or its ID; with a podIdentity azure-workload, whose token for it takes the place of the password."),
		param.Text("metricName", new(string)).Deprecated("leave it out; the metric is named after the queue").Doc("Name of the metric, without effect."),
	}.With(c.tls.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	if c.mode == modeUnknown {
		c.mode = modeLength
	}
	switch {
	case c.given.value && c.given.length:
		ps.Errorf("metadata.queueLength", "can't be used with value; expected one of them")
	case c.mode != modeLength && !c.given.value:
		ps.Errorf("metadata.value", "is missing; expected a number above 0, since mode is %s", c.mode)
	}
	if target, _ := c.Target(); target <= 0 {
		ps.Errorf("metadata.value", "expected a number above 0, the target value per replica")
	}
	if _, ok := tokenScope(c.resource); c.resource != "" && !ok {
		ps.Errorf("authenticationRef.workloadIdentityResource", "found a resource that is no application of one's own; expected api://name or the application's ID")
	}
	if c.queue != strings.TrimSpace(c.queue) || strings.TrimSpace(c.queue) == "" {
		ps.Warnf("metadata.queueName", "begins or ends with white space")
	}
	if c.regex { // RabbitMQ reads PCRE, so only a warning
		if _, err := regexp.Compile(c.queue); err != nil {
			ps.Warnf("metadata.queueName", "may not be a regular expression that RabbitMQ accepts")
		}
	}
	c.checkAddress(&ps)
	return ps
}

// needsHTTP names the parameter that AMQP has no answer for, or is empty.
func (c *config) needsHTTP() string {
	switch {
	case c.mode != modeLength:
		return "mode"
	case c.regex:
		return "useRegex"
	case c.unacked:
		return "includeUnacked"
	}
	return ""
}

// readyOnly says whether unacknowledged messages are left out of the length.
// In the first API, which is told by apiHost, they are unless asked for.
func (c *config) readyOnly() bool {
	if c.given.unacked || c.given.apiHost && !c.given.host {
		return !c.unacked
	}
	return c.noUnacked
}

func (c *config) checkAddress(ps *param.Problems) {
	name, text := "host", c.host
	switch {
	case !c.given.host && !c.given.apiHost:
		ps.Errorf("metadata.host", "is missing; expected an address such as amqp://rabbitmq.svc:5672/shop, in metadata.host, metadata.hostFromEnv or the authenticationRef")
		return
	case c.given.apiHost && (!c.given.host || c.needsHTTP() != ""):
		name, text = "apiHost", c.apiHost
	}
	if text.IsZero() { // its value is not known here
		return
	}
	at, err := parseEndpoint(text.Reveal(), c.protocol, name == "apiHost")
	if err != nil {
		ps.Errorf("metadata."+name, "found a value; %v", err)
		return
	}
	if c.vhost != "" {
		at.vhost = c.vhost
	}
	if c.given.username || c.given.password {
		at.user, at.password = c.username, c.password
	}
	if at.secure {
		c.tls.Enable()
	} else if c.tls.Enabled() {
		at.secure = true
	}
	if why := c.needsHTTP(); why != "" && !at.http {
		ps.Errorf("metadata."+why, "needs the HTTP API; expected an http or https address in host")
	}
	c.at = at
}

// Target implements scaler.Targeter.
func (c *config) Target() (target, activation float64) {
	if c.given.value {
		return c.value, c.activation
	}
	return c.length, c.activation
}

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string { return "rabbitmq-" + c.queue }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	if c.at.address == "" {
		return nil, scaler.Misconfigured(nil, "the address of the RabbitMQ server is not known")
	}
	if err := c.checkIdentity(env); err != nil {
		return nil, err
	}
	if c.at.http {
		return c.openHTTP(env)
	}
	return c.openAMQP(env)
}
