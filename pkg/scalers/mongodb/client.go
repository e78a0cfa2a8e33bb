package mongodb

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// maxPool is how many commands one server gets at once.
	maxPool = 4
	// idleTimeout closes connections that no trigger has used.
	idleTimeout = 5 * time.Minute
	// selectTimeout is how long a server is looked for.
	selectTimeout = 10 * time.Second
	// closeLimit bounds what is waited for at the end.
	closeLimit = 2 * time.Second
)

// client is what all triggers with the same server and credentials share.
// The driver's client is made on first use, since it connects at once and may
// ask the DNS. The pool closes it.
type client struct {
	uri    string
	tls    *tls.Config // nil when the uri alone says it
	dialer *dialer
	hub    *hub
	lazy   conn.Lazy[mongo.Client]
}

// dialer remembers that the last server was refused, as the driver goes on to
// look for one until time is over, and tells of that only.
type dialer struct {
	network *conn.Network
	refused atomic.Pointer[scaler.RefusedError]
}

var _ options.ContextDialer = (*dialer)(nil)

// DialContext implements options.ContextDialer.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.network.DialContext(ctx, network, address)
	var refused *scaler.RefusedError
	errors.As(err, &refused)
	d.refused.Store(refused)
	return c, err
}

// explain gives the refusal for an error that says nothing of it.
func (d *dialer) explain(err error) error {
	if refused := d.refused.Load(); refused != nil && mongo.IsTimeout(err) {
		return refused
	}
	return err
}

func newClient(c *config, env scaler.Env) (*client, error) {
	k := &client{uri: c.uri(), dialer: &dialer{network: conn.NewNetwork(env.HTTP)}}
	own, err := conn.AlwaysTLS(&c.tls, env.HTTP)
	if err != nil {
		return nil, err
	}
	if c.tls.Enabled() || c.tls.HasCA() || len(own.Certificates) > 0 || c.tls.Unsafe() {
		k.tls = own
	}
	k.hub = newHub(k.follow)
	k.lazy.Make, k.lazy.End, k.lazy.Closed = k.connect, disconnect, mongo.ErrClientDisconnected
	return k, nil
}

// get returns the driver's client, waiting no longer than ctx.
func (k *client) get(ctx context.Context) (*mongo.Client, error) {
	made, _, err := k.lazy.Get(ctx)
	return made, err
}

func (k *client) connect() (*mongo.Client, error) {
	o := options.Client().ApplyURI(k.uri)
	if err := o.Validate(); err != nil {
		if o.GetURI() == "" || len(o.Hosts) == 0 {
			return nil, scaler.Unreachable(nil, "looking up the servers that the SRV record names")
		}
		return nil, scaler.Misconfigured(nil, "preparing a MongoDB client: the connection string has an option that the driver refuses")
	}
	o.SetAppName("keda").SetDialer(k.dialer).SetMaxPoolSize(maxPool).SetMaxConnIdleTime(idleTimeout).SetServerSelectionTimeout(selectTimeout)
	if k.tls != nil {
		o.SetTLSConfig(k.tls)
	}
	return mongo.Connect(o)
}

// Close implements io.Closer.
func (k *client) Close() error {
	k.hub.close()
	k.lazy.Close()
	return nil
}

func disconnect(c *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = c.Disconnect(ctx)
}
