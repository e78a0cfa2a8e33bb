package conn

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// connectTimeout is how long one connection may take to be made, in all.
const connectTimeout = 5 * time.Second

// Network makes connections to where triggers point, within the operator's
// rules of where that may be. It is safe for use by several goroutines.
type Network struct {
	dialer net.Dialer
	egress scaler.Egress // nil for trusted requests
	// via is the proxy that the operator's environment names for a request.
	via func(*http.Request) (*url.URL, error)
}

// NewNetwork returns the network of a source. All connections of a source are
// made with it, or with this package's clients that have one.
func NewNetwork(o scaler.HTTPOptions) *Network {
	n := &Network{dialer: net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}, egress: egressOf(o), via: http.ProxyFromEnvironment}
	if n.egress != nil {
		n.dialer.ControlContext = func(ctx context.Context, network, address string, _ syscall.RawConn) error {
			return n.judge(ctx, network, address)
		}
	}
	return n
}

// DialContext connects to "host:port" by TCP. A server that sends without end
// is cut off.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := n.judgeName(address); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	c, err := n.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return bounded(c, time.Now), nil
}

// DialTLS is DialContext with TLS; the server's name is the address's unless
// the settings have one. It returns after the handshake.
func (n *Network) DialTLS(ctx context.Context, network, address string, settings *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	plain, err := n.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if settings == nil {
		settings = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if settings.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		settings = settings.Clone()
		settings.ServerName = host
	}
	secure := tls.Client(plain, settings)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return secure, nil
}

// dialResolved connects without judging the name: an HTTP transport dials its
// proxy with it, and judges the name that is asked for in proxy.
func (n *Network) dialResolved(ctx context.Context, network, address string) (net.Conn, error) {
	return n.dialer.DialContext(ctx, network, address)
}

// proxy is the Proxy of an HTTP transport, which calls it for each request. A
// proxy of the administrator's reaches for us what we would not: so what is
// asked for is judged here, as far as it is an address already.
func (n *Network) proxy(req *http.Request) (*url.URL, error) {
	via, err := n.via(req)
	if err != nil || n.egress == nil {
		return via, err
	}
	host, port := req.URL.Hostname(), portOf(req.URL)
	if err := n.egress.Name(host, port); err != nil {
		return nil, err
	}
	if via == nil {
		return nil, nil //nolint:nilnil // the transport's own way to say that there is none
	}
	if at, err := netip.ParseAddrPort(net.JoinHostPort(host, port)); err == nil {
		if err := n.egress.Address(req.Context(), at); err != nil {
			return nil, err
		}
	}
	return via, nil
}

func (n *Network) judgeName(address string) error {
	if n.egress == nil {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, ""
	}
	return n.egress.Name(host, port)
}

// judge runs after name resolution and before each connection.
func (n *Network) judge(ctx context.Context, network, address string) error {
	if strings.HasPrefix(address, ":") { // no host is this machine
		address = map[bool]string{true: "[::1]", false: "127.0.0.1"}[strings.HasSuffix(network, "6")] + address
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil { // a socket file, say
		return &scaler.RefusedError{Address: address, Why: "it is of the network " + network + "; expected an IP address and a port"}
	}
	return n.egress.Address(ctx, at)
}

func egressOf(o scaler.HTTPOptions) scaler.Egress {
	switch {
	case o.Trusted:
		return nil
	case o.Egress == nil:
		return noLinkLocal{}
	}
	return o.Egress
}

func egressKey(o scaler.HTTPOptions) string {
	if e := egressOf(o); e != nil {
		return e.Key()
	}
	return "trusted"
}

// noLinkLocal is what holds where no rules were given.
type noLinkLocal struct{}

// Name implements scaler.Egress.
func (noLinkLocal) Name(string, string) error { return nil }

// Address implements scaler.Egress.
func (noLinkLocal) Address(_ context.Context, at netip.AddrPort) error {
	if at.Addr().Unmap().IsLinkLocalUnicast() {
		return &scaler.RefusedError{Address: at.String(), Why: "it is a link-local address, which triggers may not ask"}
	}
	return nil
}

// Key implements scaler.Egress.
func (noLinkLocal) Key() string { return "" }
