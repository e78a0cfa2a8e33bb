// Package etcd reads a number from a key of etcd, and watches the key.
//
// It owns reading, watching and the token of a user. It refuses values that
// are no numbers: what a key does not say is never 0.
package etcd

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

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "etcd",
		Title:       "etcd",
		About:       "The number that a key of etcd holds. The key is watched, so that a change acts at once.",
		Since:       "2.9",
		Permissions: "Reading the key: a user with a role that has the permission `read` of it, where authentication is enabled.",
		Cost:        "One request per poll for all keys of a cluster, up to 128, and one stream per key over the same connection.",
		ByHand:      "etcdctl --endpoints etcd.shop:2379 get queue-length --print-value-only",
		Examples: []scaler.Example{
			{
				Title:    "A number in a key",
				Metadata: map[string]string{"endpoints": "etcd-0.etcd.shop:2379,etcd-1.etcd.shop:2379", "watchKey": "queue-length", "value": "5"},
			},
			{
				Title:    "As a user, over TLS",
				Metadata: map[string]string{"endpoints": "etcd.example.com:2379", "watchKey": "queue-length", "value": "5", "activationValue": "0.5"},
				Auth:     map[string]string{"username": "keda", "password": "the-password", "tls": "enable"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	endpoints  []string
	key        string
	target     float64
	activation float64
	progress   int64
	username   string
	password   param.Hidden
	tls        conn.TLS

	has struct{ username, password bool }
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.List("endpoints", &c.endpoints).Required().Example("etcd-0.etcd.shop:2379,etcd-1.etcd.shop:2379").
			Doc("Addresses of the cluster's members, host:port; https:// before them implies TLS."),
		param.Text("watchKey", &c.key).Required().Example("queue-length").Doc("Key that holds the number."),
		param.Float("value", &c.target).Required().Target().Doc("The number per replica."),
		param.Float("activationValue", &c.activation).Default(0).Activation().Doc("The number above which the workload is active."),
		param.Int("watchProgressNotifyInterval", &c.progress).Default(600).Min(1).Max(maxProgress).
			Doc("How often, in seconds, the servers tell that a watch still works, as their `--watch-progress-notify-interval`; after twice as long without, the key is watched anew."),
	}.With(param.Group("Authentication",
		param.Text("username", &c.username).From(param.Auth, param.Env).IsSet(&c.has.username).Doc("User name."),
		param.Secret("password", &c.password).From(param.Auth, param.Env).IsSet(&c.has.password).Doc("Password."),
	), c.tls.Params())
}

// maxProgress is a day.
const maxProgress = 24 * 60 * 60

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	if len(c.endpoints) == 0 {
		ps.Errorf("metadata.endpoints", "found an empty list; expected addresses such as etcd.shop:2379")
	}
	schemes := map[string]bool{}
	for _, e := range c.endpoints {
		scheme, _, ok := split(e)
		if !ok {
			ps.Errorf("metadata.endpoints", "found an address that is not host:port; expected such as etcd.shop:2379")
			break
		}
		schemes[scheme] = true
	}
	if len(schemes) > 1 {
		ps.Errorf("metadata.endpoints", "found addresses both with and without https://; expected one kind")
	}
	if schemes["http"] && c.tls.Enabled() {
		ps.Errorf("metadata.endpoints", "found http:// addresses, while tls is enabled; expected host:port")
	}
	switch {
	case c.has.password && !c.has.username:
		ps.Errorf("authenticationRef.username", "is missing; expected one with the password")
	case c.has.username && !c.has.password:
		ps.Errorf("authenticationRef.password", "is missing; expected one for the user name")
	}
	return ps
}

// split takes the scheme off an address; ok is false when the rest is not
// host:port.
func split(endpoint string) (scheme, address string, ok bool) {
	address = endpoint
	for _, s := range []string{"http", "https"} {
		if rest, found := strings.CutPrefix(endpoint, s+"://"); found {
			scheme, address = s, strings.TrimSuffix(rest, "/")
		}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || strings.ContainsAny(host, "/ \x00%{}@?#") {
		return "", "", false
	}
	if _, err := url.Parse("http://" + address); err != nil {
		return "", "", false
	}
	return scheme, address, true
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "etcd-" + c.key }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	secure := c.tls // a copy: a configuration may be opened again
	addresses := make([]string, 0, len(c.endpoints))
	for _, e := range c.endpoints {
		scheme, address, _ := split(e)
		if scheme == "https" {
			secure.Enable()
		}
		addresses = append(addresses, address)
	}
	key := scaler.PoolKey{
		Driver: "etcd", Address: strings.Join(addresses, ",") + " " + conn.OptionsKey(env.HTTP),
		Credentials: conn.Digest(c.username, c.password.Reveal(), secure.Digest()),
	}
	shared, release, err := scaler.Lease(env.Pool, key, func() (*cluster, error) { return newCluster(c, addresses, &secure, env.HTTP) })
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing the connection to etcd at %s", addresses[0])
	}
	s := &source{
		cluster: shared, release: release, key: c.key, host: addresses[0], quiet: 2 * time.Duration(c.progress) * time.Second,
		batch: strings.Join([]string{key.Driver, key.Address, key.Credentials}, " "),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.signals = scaler.NewSignals(s.ctx)
	return s, nil
}
