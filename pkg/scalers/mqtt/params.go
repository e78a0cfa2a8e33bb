package mqtt

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	modeValue   = "value"
	modeRate    = "rate"
	modeBacklog = "backlog"

	version5 = "5"
)

// config is one trigger's parameters. It stays unchanged once decoded.
type config struct {
	host       string
	topic      string
	mode       string
	location   string
	value      float64
	activation float64
	ifNone     float64
	hasIfNone  bool
	window     time.Duration
	version    string
	clientID   string
	username   string
	password   param.Hidden
	tls        conn.TLS

	address string // set by Check
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("host", &c.host).From(param.Metadata, param.Auth, param.Env).Required().Example("mqtt://mqtt.svc:1883").
			Doc("Address of the broker, mqtt://host:port or mqtts://host:port. User and password belong in the authenticationRef."),
		param.Text("topic", &c.topic).From(param.Metadata, param.Env).Required().Example("shop/orders/waiting").
			Doc("Topic to subscribe to. With the mode rate it may have the wildcards + and #."),
		param.Text("mode", &c.mode).OneOf(modeValue, modeRate, modeBacklog).Default(modeValue).
			Doc("What is measured: value is the number in the last or retained message, rate is how many messages a second arrive, " +
				"backlog is a number of waiting messages that the broker publishes, such as below `$SYS`, which is never below 0."),
		param.Text("valueLocation", &c.location).Example("queues.orders.waiting").
			Doc("Where the number is in a JSON message, as a gjson path; the message is the number when unset."),
		param.Float("value", &c.value).Required().Target().Example("10").Doc("Target per replica, in the unit of the mode."),
		param.Float("activationValue", &c.activation).Activation().Doc("Value above which the workload is active."),
		param.Float("valueIfNone", &c.ifNone).IsSet(&c.hasIfNone).
			Doc("What counts while no message has come yet; that is a failure when unset."),
		param.Duration("window", &c.window, time.Second).Min(1).Max(3600).Default("1m").Doc("Time over which the rate is measured."),
		param.Text("protocolVersion", &c.version).OneOf("3.1.1", version5).Default("3.1.1").Doc("Version of MQTT that is spoken."),
		param.Text("clientID", &c.clientID).From(param.Metadata, param.Auth).
			Doc("Client identifier, for brokers that allow only known ones; nobody else may use it. It is random when unset."),
		param.Text("username", &c.username).From(param.Auth, param.Env).Doc("User."),
		param.Secret("password", &c.password).From(param.Auth, param.Env).Doc("Password."),
	}.With(c.tls.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	c.checkHost(&ps)
	c.checkTopic(&ps)
	if c.mode == modeRate && c.location != "" {
		ps.Warnf("metadata.valueLocation", "has no effect with mode rate")
	}
	return ps
}

func (c *config) checkHost(ps *param.Problems) {
	if c.host == "" { // its value is not known here
		return
	}
	u, err := url.Parse(strings.TrimSpace(c.host))
	bad := err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != ""
	if bad {
		ps.Errorf("metadata.host", "found a value; expected mqtt://host:port or mqtts://host:port, without user and password")
		return
	}
	port := "1883"
	switch u.Scheme {
	case "mqtt", "tcp":
	case "mqtts", "ssl", "tls":
		port = "8883"
		c.tls.Enable()
	default:
		ps.Errorf("metadata.host", "found a value; expected the scheme mqtt or mqtts")
		return
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		ps.Errorf("metadata.host", "found a value; expected a port from 1 to 65535")
		return
	}
	c.address = net.JoinHostPort(u.Hostname(), port)
}

func (c *config) checkTopic(ps *param.Problems) {
	switch {
	case c.topic == "":
		return // its value is not known here
	case strings.HasPrefix(c.topic, "$share/"):
		ps.Errorf("metadata.topic", "found a shared subscription, which would take messages away from the consumers; expected the topic itself")
	case !validFilter(c.topic):
		ps.Errorf("metadata.topic", "found %q; expected a topic of at most 65535 bytes, in which + stands for a whole level and # for all levels at the end", short(c.topic))
	case c.mode != modeRate && strings.ContainsAny(c.topic, "+#"):
		ps.Errorf("metadata.topic", "found %q, which names several topics; expected one, since mode is %s", short(c.topic), c.mode)
	}
}

func short(s string) string {
	const most = 80
	return s[:min(len(s), most)]
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "mqtt-" + c.topic }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	if c.address == "" {
		return nil, scaler.Misconfigured(nil, "the address of the MQTT broker is not known")
	}
	key := scaler.PoolKey{
		Driver:      "mqtt",
		Address:     c.address + " " + c.version + " " + conn.OptionsKey(env.HTTP),
		Credentials: conn.Digest(c.username, c.password.Reveal(), c.clientID, c.tls.Digest()),
	}
	if strings.ContainsAny(c.topic, "+#") { // over one connection, filters that overlap would bring messages twice
		key.Address += " " + c.topic
	}
	b, release, err := scaler.Lease(env.Pool, key, func() (*broker, error) { return newBroker(c, env) })
	if err != nil {
		return nil, scaler.Misconfigured(err, "opening an mqtt trigger")
	}
	now := env.Now
	if now == nil {
		now = time.Now
	}
	s := &source{config: c, broker: b, key: key.Address + " " + key.Credentials, release: release, now: now}
	s.topic = b.join(c.topic, s)
	return s, nil
}
