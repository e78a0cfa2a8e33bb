package azure

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// hubTokenLife is how long a signature of ours is good for.
	hubTokenLife = time.Hour
	// hubTokenMargin is how long before its end a token is replaced.
	hubTokenMargin = 5 * time.Minute
)

// hubClient asks one hub about its partitions, over one connection that all
// triggers with the same hub and credentials share. It is safe for use by
// several goroutines, of which one at a time talks to the hub.
type hubClient struct {
	bus    *bus
	hub    string
	scope  string // what a token is asked for
	dialer *conn.Network
	tls    *tls.Config // nil for an emulator
	now    func() time.Time

	turn chan struct{} // holds one element while nobody talks to the hub
	link *hubLink      // nil without a connection; for the holder of the turn
}

func newHubClient(env scaler.Env, b *bus, hub string, cloud *conn.AzureCloud) (*hubClient, error) {
	c := &hubClient{
		bus: b, hub: hub, scope: cloud.Scope(conn.AzureEventHub), dialer: conn.NewNetwork(env.HTTP), now: env.Now,
		turn: make(chan struct{}, 1),
	}
	c.turn <- struct{}{}
	if b.plain {
		return c, nil
	}
	var err error
	if c.tls, err = conn.AlwaysTLS(&conn.TLS{}, env.HTTP); err != nil {
		return nil, err
	}
	c.tls.ServerName = hostOnly(b.host)
	return c, nil
}

// hostOnly is a host without its port.
func hostOnly(host string) string {
	u := url.URL{Host: host}
	return u.Hostname()
}

// Close ends the connection. The pool calls it once nobody uses the client.
func (c *hubClient) Close() {
	<-c.turn
	if c.link != nil {
		c.link.close()
		c.link = nil
	}
	c.turn <- struct{}{}
}

// partitions asks for all partitions.
func (c *hubClient) partitions(ctx context.Context) ([]hubPartition, error) {
	doing := fmt.Sprintf("reading the partitions of the event hub %q", c.hub)
	select {
	case <-c.turn:
	case <-ctx.Done():
		return nil, hubError(ctx, ctx.Err(), doing)
	}
	defer func() { c.turn <- struct{}{} }()
	reused := c.link != nil
	out, err := c.ask(ctx)
	if err != nil && reused && ctx.Err() == nil {
		out, err = c.ask(ctx) // the server may have ended the old connection
	}
	if err != nil {
		return nil, hubError(ctx, err, doing)
	}
	return out, nil
}

// ask is one try. After a failure the connection is in an unknown state, so it
// is not used again.
func (c *hubClient) ask(ctx context.Context) (out []hubPartition, err error) {
	defer func() {
		if err != nil && c.link != nil {
			c.link.abort()
			c.link = nil
		}
	}()
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	token, err := c.token(ctx, c.audience())
	if err != nil {
		return nil, err
	}
	return c.link.partitions(ctx, c.hub, token)
}

// connect makes sure that there is a connection on which the server knows us.
func (c *hubClient) connect(ctx context.Context) error {
	if c.link != nil && (c.link.expires.IsZero() || c.now().Before(c.link.expires.Add(-hubTokenMargin))) {
		return nil
	}
	audience := c.audience() + "/$management"
	token, err := c.token(ctx, audience)
	if err != nil {
		return err
	}
	if c.link != nil {
		return c.link.show(ctx, audience, token)
	}
	raw, err := c.dial(ctx)
	if err != nil {
		return err
	}
	c.link, err = openHubLink(ctx, raw, c.bus.host, audience, token)
	return err
}

func (c *hubClient) dial(ctx context.Context) (net.Conn, error) {
	port := "5671"
	if c.tls == nil {
		port = "5672"
	}
	u := url.URL{Host: c.bus.host}
	if p := u.Port(); p != "" {
		port = p
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if c.tls == nil {
		return c.dialer.DialContext(ctx, "tcp", address)
	}
	return c.dialer.DialTLS(ctx, "tcp", address, c.tls)
}

func (c *hubClient) audience() string { return audienceOf(c.bus, c.hub) }

// audienceOf is what a token for a hub is for: its address.
func audienceOf(b *bus, hub string) string {
	scheme := "amqps"
	if b.plain {
		scheme = "amqp"
	}
	return scheme + "://" + b.host + "/" + hub
}

// hubToken shows who we are.
type hubToken struct {
	text, kind string
	expires    time.Time // zero when it is not known
}

// expiration is in seconds since 1970, as servers want it.
func (t hubToken) expiration() string {
	if t.expires.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.expires.Unix(), 10)
}

// token gets a token for an audience: that of the identity, that of the
// connection string, or one signed with its key.
func (c *hubClient) token(ctx context.Context, audience string) (hubToken, error) {
	const signature = "servicebus.windows.net:sastoken"
	switch {
	case c.bus.token != nil:
		t, err := c.bus.token.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{c.scope}})
		return hubToken{text: t.Token, kind: "jwt", expires: t.ExpiresOn}, err
	case !c.bus.sas.IsZero():
		return hubToken{text: c.bus.sas.Reveal(), kind: signature}, nil
	}
	t := hubToken{kind: signature, expires: c.now().Add(hubTokenLife)}
	t.text = signSAS(c.bus.keyName, c.bus.key.Reveal(), audience, t.expiration())
	return t, nil
}

// signSAS makes a shared access signature, as Azure's documentation of SAS
// authentication for Event Hubs and Service Bus describes it.
func signSAS(keyName, key, audience, expiration string) string {
	resource := strings.ToLower(url.QueryEscape(audience))
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte(resource + "\n" + expiration)) // never fails
	return fmt.Sprintf("SharedAccessSignature sr=%s&sig=%s&se=%s&skn=%s", resource,
		url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))), expiration, keyName)
}
