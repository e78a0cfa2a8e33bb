package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// grpcAnswerLimit is the most that one message may hold, in bytes.
const grpcAnswerLimit = 4 << 20

// GRPC is a channel to a gRPC server, shared by all sources that ask it in the
// same way. It connects on first use and again by itself. It is safe for use
// by several goroutines.
type GRPC struct {
	*grpc.ClientConn
	// trouble is why the last connection was not made or did not last, where
	// gRPC itself only says that the server is unavailable.
	trouble atomic.Pointer[grpcTrouble]
}

type grpcTrouble struct{ err error }

// OpenGRPC leases the channel to an address (see CheckGRPCAddress) from the
// pool. settings is nil without TLS; digest stands for it in the pool's key.
// It does no I/O. The caller calls release.
func OpenGRPC(env scaler.Env, address string, settings *tls.Config, digest string) (channel *GRPC, release func(), err error) {
	key := scaler.PoolKey{Driver: "grpc", Address: fmt.Sprintf("%s tls=%t %s", address, settings != nil, optionsKey(env.HTTP)), Credentials: digest}
	channel, release, err = scaler.Lease(env.Pool, key, func() (*GRPC, error) { return newGRPC(env.HTTP, address, settings) })
	if err != nil {
		return nil, nil, scaler.Misconfigured(err, "preparing the channel to %s", address)
	}
	return channel, release, nil
}

func newGRPC(o scaler.HTTPOptions, address string, settings *tls.Config) (*GRPC, error) {
	g := &GRPC{}
	creds := insecure.NewCredentials()
	if settings != nil {
		creds = credentials.NewTLS(settings)
	}
	network := NewNetwork(o)
	var err error
	g.ClientConn, err = grpc.NewClient(address,
		grpc.WithTransportCredentials(&observedCredentials{TransportCredentials: creds, note: g.note}),
		grpc.WithContextDialer(func(ctx context.Context, at string) (net.Conn, error) {
			// gRPC resolves the name, and dials what it resolves to.
			err := network.judgeName(strings.TrimPrefix(address, "dns:///"))
			var c net.Conn
			if err == nil {
				c, err = network.dialResolved(ctx, "tcp", at)
			}
			if err != nil {
				g.note(err)
			}
			return c, err
		}),
		// Several endpoints behind one name share the work.
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(grpcAnswerLimit)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Servers may end connections that ping more often than every 5 minutes.
		// That a machine has gone is noticed sooner, by TCP's own keep-alive.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 6 * time.Minute, Timeout: 20 * time.Second}),
	)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// note keeps why there is no connection; nil says that the server answers. A
// connection that gRPC closes had its trouble before.
func (g *GRPC) note(err error) {
	switch {
	case err == nil:
		g.trouble.Store(nil)
	case !errors.Is(err, net.ErrClosed):
		g.trouble.Store(&grpcTrouble{err})
	}
}

// Error classifies a failed call; nil stays nil. doing says what was asked.
func (g *GRPC) Error(err error, doing string) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	text := fmt.Errorf("%s: %.300s", s.Code(), s.Message()) // a server's text is as long as it likes
	switch s.Code() {
	case codes.Unavailable:
		if t := g.trouble.Load(); t != nil {
			return networkError(t.err, doing)
		}
		return scaler.Unreachable(text, "%s", doing)
	case codes.DeadlineExceeded:
		return scaler.Unreachable(context.DeadlineExceeded, "%s: no answer in time", doing)
	case codes.Canceled, codes.Aborted:
		return scaler.Unreachable(text, "%s", doing)
	case codes.Unauthenticated, codes.PermissionDenied:
		return scaler.Denied(text, "%s", doing)
	case codes.NotFound:
		return scaler.Missing(text, "%s", doing)
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented:
		return scaler.Misconfigured(text, "%s", doing)
	}
	return scaler.BadAnswer(text, "%s", doing)
}

// CheckGRPCAddress finds addresses of parameter name that no channel can have:
// they are host:port, or dns:///host:port.
func CheckGRPCAddress(name, address string) param.Problems {
	var ps param.Problems
	host, port, err := net.SplitHostPort(strings.TrimPrefix(address, "dns:///"))
	if err != nil || host == "" || port == "" || strings.ContainsAny(host, "/ \x00%{}@?#") {
		ps.Errorf("metadata."+name, "found %.100q; expected host:port, such as scaler.default:6000", address)
	}
	return ps
}

// observedCredentials tells why a handshake fails. With TLS 1.3 a server
// refuses a client's certificate only after it, on the first read.
type observedCredentials struct {
	credentials.TransportCredentials
	note func(error)
}

// ClientHandshake implements credentials.TransportCredentials.
func (o *observedCredentials) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := o.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		o.note(err)
		return nil, nil, err
	}
	return &observedConn{Conn: c, note: o.note, ended: make(chan struct{})}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (o *observedCredentials) Clone() credentials.TransportCredentials {
	return &observedCredentials{TransportCredentials: o.TransportCredentials.Clone(), note: o.note}
}

// refusalPause is how long a failed write waits for the read that says why.
const refusalPause = 200 * time.Millisecond

// observedConn is a connection whose reads are noted.
type observedConn struct {
	net.Conn
	note     func(error)
	answered bool // used by the one reader only
	once     sync.Once
	ended    chan struct{} // closed when a read has failed
}

// Read implements net.Conn.
func (c *observedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.answered {
		c.answered = true
		c.note(nil)
	}
	if err != nil {
		c.note(err)
		c.once.Do(func() { close(c.ended) })
	}
	return n, err
}

// Write implements net.Conn. A server that refuses a client sends an alert and
// hangs up. gRPC closes the connection once a write fails, before its reader
// may have come to the alert.
func (c *observedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil {
		timer := time.NewTimer(refusalPause)
		defer timer.Stop()
		select {
		case <-c.ended:
		case <-timer.C:
		}
	}
	return n, err
}
