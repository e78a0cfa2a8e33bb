package cassandra

import (
	"context"
	"errors"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// connectTimeout bounds one connection with its login.
	connectTimeout = 5 * time.Second
	// answerTimeout is when the driver gives an answer up; polls end before.
	answerTimeout = 15 * time.Second
)

// client is what triggers of one cluster share. It connects on first use, and
// anew after a connection is lost.
type client struct {
	config  gocql.ClusterConfig
	address string
	session conn.Lazy[gocql.Session]
}

func newClient(c *config, env scaler.Env) (*client, error) {
	dial, err := conn.TriggerDialer(&c.tls, env.HTTP)
	if err != nil {
		return nil, err
	}
	// The driver wants an IP address, and looks names up by itself; the dialer
	// goes to the trigger's address whatever the driver says.
	cluster := gocql.NewCluster("127.0.0.1")
	cluster.HostDialer = &dialer{dial: dial, address: c.address}
	cluster.DisableInitialHostLookup = true
	cluster.HostFilter = gocql.HostFilterFunc(func(h *gocql.HostInfo) bool { return h.ConnectAddress().IsLoopback() })
	cluster.Events.DisableNodeStatusEvents = true
	cluster.Events.DisableTopologyEvents = true
	cluster.Events.DisableSchemaEvents = true
	cluster.Metadata.CacheMode = gocql.Disabled
	cluster.ProtoVersion = int(c.protocol)
	cluster.NumConns = 1
	cluster.ConnectTimeout, cluster.Timeout, cluster.WriteTimeout = connectTimeout, answerTimeout, answerTimeout
	cluster.ReconnectInterval = 0 // a lost session is made anew, see do
	cluster.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1, Interval: time.Millisecond}
	cluster.Logger = silent{}
	cluster.Authenticator = gocql.PasswordAuthenticator{Username: c.username, Password: c.password.Reveal()}
	k := &client{config: *cluster, address: c.address}
	k.session.Make, k.session.End, k.session.Closed = k.make, (*gocql.Session).Close, gocql.ErrSessionClosed
	return k, nil
}

// do calls ask with a session. When the session turns out to be lost, it is
// given up, and ask is called once more with a new one.
func (k *client) do(ctx context.Context, ask func(*gocql.Session) error) error {
	for again := false; ; again = true {
		session, fresh, err := k.session.Get(ctx)
		if err != nil {
			return err
		}
		err = ask(session)
		if err == nil || isAnswer(err) || ctx.Err() != nil {
			return err
		}
		k.session.Drop(session)
		if fresh || again {
			return err
		}
	}
}

func (k *client) make() (*gocql.Session, error) {
	var seen observer
	config := k.config
	config.ConnectObserver = &seen
	session, err := config.CreateSession()
	if err != nil && seen.last() != nil {
		err = seen.last() // the driver's own error is its text only
	}
	return session, err
}

// Close implements io.Closer.
func (k *client) Close() error {
	k.session.Close()
	return nil
}

// observer keeps why the last connection failed.
type observer struct {
	mu  sync.Mutex
	err error
}

// ObserveConnect implements gocql.ConnectObserver.
func (o *observer) ObserveConnect(c gocql.ObservedConnect) {
	if c.Err == nil || errors.Is(c.Err, context.Canceled) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = c.Err
}

func (o *observer) last() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// dialer connects to one address.
type dialer struct {
	dial    conn.DialFunc
	address string
}

// DialHost implements gocql.HostDialer.
func (d *dialer) DialHost(ctx context.Context, _ *gocql.HostInfo) (*gocql.DialedHost, error) {
	c, err := d.dial(ctx, "tcp", d.address)
	if err != nil {
		return nil, &dialError{err}
	}
	return &gocql.DialedHost{Conn: c, DisableCoalesce: true}, nil
}

// dialError marks what happened before a word was said.
type dialError struct{ error }

// Unwrap gives the cause.
func (e *dialError) Unwrap() error { return e.error }

// silent is a logger for what the errors say too.
type silent struct{}

func (silent) Error(string, ...gocql.LogField)   {}
func (silent) Warning(string, ...gocql.LogField) {}
func (silent) Info(string, ...gocql.LogField)    {}
func (silent) Debug(string, ...gocql.LogField)   {}
