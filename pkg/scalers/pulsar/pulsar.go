// Package pulsar reads how many messages wait for a subscription of a topic of
// Apache Pulsar, from the admin API.
//
// It owns the request, and following it to the broker that serves the topic.
package pulsar

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "pulsar",
		Title:       "Apache Pulsar",
		About:       "How many messages of a topic a subscription has not acknowledged, over all partitions if it is partitioned.",
		Since:       "2.8",
		Permissions: "Reading the topic's statistics: the action `consume` or `produce` on the namespace.",
		Cost:        "One request per topic and poll for all its subscriptions; a broker that does not serve the topic sends it on once.",
		ByHand:      "pulsar-admin topics stats persistent://shop/orders/new",
		Examples: []scaler.Example{
			{
				Title: "Backlog of a subscription",
				Metadata: map[string]string{
					"adminURL": "http://pulsar.shop:8080", "topic": "persistent://shop/orders/new", "subscription": "packers", "msgBacklogThreshold": "20",
				},
			},
			{
				Title: "All partitions, with a token",
				Metadata: map[string]string{
					"adminURL": "https://pulsar.example.com", "topic": "persistent://shop/orders/new", "subscription": "packers",
					"isPartitionedTopic": "true", "msgBacklogThreshold": "20", "authModes": "bearer",
				},
				Auth: map[string]string{"bearerToken": "the-token"},
			},
		},
		New: func() scaler.Config {
			return &config{auth: conn.NewHTTPAuth(conn.AuthBearer, conn.AuthTLS, conn.AuthBasic, conn.AuthOAuth)}
		},
	}}
}

type config struct {
	admin        *url.URL
	topic        string
	subscription string
	threshold    int64
	activation   int64
	partitioned  bool
	tls          string
	auth         conn.HTTPAuth

	path []string // of the topic, escaped
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("adminURL", &c.admin).From(param.Metadata, param.Env).Required().Example("http://pulsar.shop:8080").
			Doc("Address of the admin API, of any broker or of a proxy, above the path `/admin/v2`."),
		param.Text("topic", &c.topic).From(param.Metadata, param.Env).Required().Example("persistent://shop/orders/new").
			Doc("Topic, as persistent://TENANT/NAMESPACE/NAME."),
		param.Text("subscription", &c.subscription).From(param.Metadata, param.Env).Required().Example("packers").Doc("Name of the subscription."),
		param.Int("msgBacklogThreshold", &c.threshold).Default(10).Min(1).Target().Doc("Messages per replica."),
		param.Int("activationMsgBacklogThreshold", &c.activation).Default(0).Min(0).Activation().Doc("Messages above which the workload is active."),
		param.Bool("isPartitionedTopic", &c.partitioned).Default(false).Doc("Whether the topic is partitioned, and all its partitions count."),
		param.Text("tls", &c.tls).OneOf("enable", "disable").
			Doc("With enable a client certificate, if there is one, is used, as with the mode tls."),
	}.With(c.authParams())
}

// authParams are those of authentication. Parameters of OAuth that are no
// secrets may be in the metadata too.
func (c *config) authParams() param.Set {
	set := c.auth.Params()
	for i, p := range set.Describe() {
		switch p.Name {
		case "oauthTokenURI", "clientID":
			set[i].From(param.Auth, param.Metadata)
		case "scopes":
			set[i].From(param.Auth, param.Metadata).Alias("scope")
		case "endpointParams":
			set[i].From(param.Auth, param.Metadata).Alias("EndpointParams")
		}
	}
	return set
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	if c.tls == "enable" {
		c.auth.UsePair()
	}
	var ps param.Problems
	if c.path = path(c.topic); c.path == nil {
		ps.Errorf("metadata.topic", "found %.200q; expected such as persistent://shop/orders/new", c.topic)
	}
	return append(ps, slices.DeleteFunc(c.auth.Check(), func(p param.Problem) bool {
		return p.Path == "authenticationRef.clientSecret" // a client certificate may stand for it: RFC 8705
	})...)
}

// path is a topic's in the admin API, or nil if it is none.
func path(topic string) []string {
	kind, rest, ok := strings.Cut(topic, "://")
	if !ok {
		kind, rest = "persistent", topic
	}
	parts := strings.SplitN(rest, "/", 3)
	if kind != "persistent" && kind != "non-persistent" || len(parts) != 3 {
		return nil
	}
	out := []string{kind}
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.ContainsRune(p, 0) {
			return nil
		}
		// A name may be escaped already, as it is in addresses.
		if plain, err := url.PathUnescape(p); err == nil && plain != p && url.PathEscape(plain) == p {
			p = plain
		}
		out = append(out, url.PathEscape(p))
	}
	return out
}

// Metric implements scaler.Config.
func (c *config) Metric() string {
	return strings.Join([]string{"pulsar", c.topic, c.subscription}, "-")
}

// bodyLimit is the largest answer read: a topic may have many subscriptions
// with many consumers.
const bodyLimit = 16 << 20

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenHTTP(env, &c.auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	at := conn.Join(c.admin, append([]string{"admin", "v2"}, c.path...)...)
	if c.partitioned {
		at = at.JoinPath("partitioned-stats")
		at.RawQuery = "perPartition=false"
	} else {
		at = at.JoinPath("stats")
	}
	s := &source{client: client.Unfollowing(), at: at, config: c, method: c.method()}
	return &conn.BatchSource[map[string]subscription]{
		Ask: s.ask, Read: s.read, Server: at.Host, Release: client.Close,
		Key: strings.Join([]string{"pulsar", at.Redacted(), c.auth.Digest(), s.method, conn.OptionsKey(env.HTTP)}, " "),
	}, nil
}

// method is how Pulsar calls the way of authentication, or empty.
func (c *config) method() string {
	switch {
	case c.auth.Uses(conn.AuthBearer):
		return "token"
	case c.auth.Uses(conn.AuthBasic):
		return "basic"
	case c.auth.Uses(conn.AuthTLS) && !c.auth.Uses(conn.AuthOAuth):
		return "tls"
	}
	return ""
}
