package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// dialTimeout is for TCP, TLS and the AMQP handshake together.
	dialTimeout = 10 * time.Second
	// heartbeat is half of how long the server may be silent; a connection
	// that is silent for longer is closed, and the next poll makes a new one.
	heartbeat = 5 * time.Second
	// atOnce is how many channels ask at the same time.
	atOnce = 4
)

// connection is what all triggers with the same server, virtual host and
// credentials share. The pool closes it.
type connection struct {
	dial   func(context.Context) (net.Conn, error)
	config amqp.Config
	token  *token // nil where a password or a certificate says who we are
	now    func() time.Time
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	slots  chan struct{}

	mu      sync.Mutex // guards what follows; never held over I/O
	current *live
	dialing *attempt
}

// live is an open AMQP connection.
type live struct {
	*amqp.Connection
	raw net.Conn
	end time.Time // of the token that opened it, zero without one

	mu   sync.Mutex // guards idle
	idle []*amqp.Channel
}

// attempt is a dial that is under way, for all that wait for it.
type attempt struct {
	done chan struct{}
	live *live
	err  error
}

// connect prepares a connection. It does no I/O.
func (c *config) connect(env scaler.Env, t *token) (*connection, error) {
	k := &connection{slots: make(chan struct{}, atOnce), token: t, now: env.Now}
	if k.now == nil {
		k.now = time.Now
	}
	plain := conn.NewNetwork(env.HTTP)
	k.dial = func(ctx context.Context) (net.Conn, error) { return plain.DialContext(ctx, "tcp", c.at.address) }
	if c.at.secure {
		settings, err := conn.AlwaysTLS(&c.tls, env.HTTP)
		if err != nil {
			return nil, err
		}
		k.dial = func(ctx context.Context) (net.Conn, error) { return plain.DialTLS(ctx, "tcp", c.at.address, settings) }
	}
	user, password := c.at.user, c.at.password.Reveal()
	if user == "" && password == "" {
		user, password = "guest", "guest" // what servers come with; they take it from their own machine only
	}
	k.config = amqp.Config{
		SASL:  []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}},
		Vhost: c.at.vhost, Heartbeat: heartbeat, Locale: "en_US",
		Properties: amqp.Table{"product": "keda", "connection_name": "keda"},
	}
	if c.at.user == "" && c.at.secure && c.tls.HasPair() { // the certificate says who we are
		k.config.SASL = []amqp.Authentication{&amqp.ExternalAuth{}}
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k, nil
}

// Close implements io.Closer. The pool calls it in the background.
func (k *connection) Close() error {
	k.cancel()
	k.mu.Lock()
	l, a := k.current, k.dialing
	k.current = nil
	k.mu.Unlock()
	if a != nil {
		<-a.done
		l = a.live
	}
	if l == nil {
		return nil
	}
	const polite = 2 * time.Second
	err := l.CloseDeadline(time.Now().Add(polite))
	_ = l.raw.Close()
	return err
}

// get returns the open connection, or makes one and waits for it. fresh says
// that it was made just now.
func (k *connection) get(ctx context.Context) (l *live, fresh bool, err error) {
	k.mu.Lock()
	if k.ctx.Err() != nil {
		k.mu.Unlock()
		return nil, false, net.ErrClosed
	}
	if l := k.current; l != nil && !l.IsClosed() {
		if l.end.IsZero() || k.now().Before(l.end) {
			k.mu.Unlock()
			return l, false, nil
		}
		k.current = nil
		_ = l.raw.Close() // the server would refuse what comes now
	}
	a := k.dialing
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		k.dialing = a
		go k.open(a)
	}
	k.mu.Unlock()
	select {
	case <-a.done:
		return a.live, true, a.err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// drop forgets a connection that has failed.
func (k *connection) drop(l *live) {
	_ = l.raw.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == l {
		k.current = nil
	}
}

// open makes a connection for everybody who waits for one.
func (k *connection) open(a *attempt) {
	ctx, cancel := context.WithTimeout(k.ctx, dialTimeout)
	defer cancel()
	a.live, a.err = k.handshake(ctx)
	k.mu.Lock()
	k.dialing = nil
	if a.err == nil {
		k.current = a.live
	}
	k.mu.Unlock()
	close(a.done)
}

func (k *connection) handshake(ctx context.Context) (*live, error) {
	raw, err := k.dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	config := k.config
	var end time.Time
	if k.token != nil {
		config.SASL, end, err = k.token.sasl(ctx)
	}
	var c *amqp.Connection
	if err == nil {
		c, err = amqp.Open(raw, config)
	}
	if err == nil {
		return &live{Connection: c, raw: raw, end: end}, nil
	}
	_ = raw.Close()
	var known *scaler.Error
	if ctx.Err() != nil && !errors.As(err, &known) {
		err = ctx.Err()
	}
	return nil, err
}

// ready returns how many messages of a queue are ready. A connection that was
// open before and turns out broken is made once more.
func (k *connection) ready(ctx context.Context, queue string) (int, error) {
	l, fresh, err := k.get(ctx)
	if err != nil {
		return 0, err
	}
	n, err := k.readyBy(ctx, l, queue)
	if err == nil || fresh || ctx.Err() != nil || isAnswer(err) {
		return n, err
	}
	k.drop(l)
	if l, _, err = k.get(ctx); err != nil {
		return 0, err
	}
	return k.readyBy(ctx, l, queue)
}

// isAnswer says whether an error is what the server said, and not a broken
// connection.
func isAnswer(err error) bool {
	var e *amqp.Error
	return errors.As(err, &e) && e.Server && e.Code != amqp.ConnectionForced
}

func (k *connection) readyBy(ctx context.Context, l *live, queue string) (int, error) {
	select {
	case k.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	type answer struct {
		n   int
		err error
	}
	got := make(chan answer, 1)
	go func() { // the client's calls end with the connection, not with a context
		defer func() { <-k.slots }()
		n, err := l.ask(queue)
		got <- answer{n, err}
	}()
	select {
	case a := <-got:
		return a.n, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// ask declares a queue passively. A channel that the server closed because of
// the queue is dropped.
func (l *live) ask(queue string) (int, error) {
	l.mu.Lock()
	var ch *amqp.Channel
	if n := len(l.idle); n > 0 {
		ch, l.idle = l.idle[n-1], l.idle[:n-1]
	}
	l.mu.Unlock()
	if ch == nil || ch.IsClosed() {
		var err error
		if ch, err = l.Channel(); err != nil {
			return 0, err
		}
	}
	q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.idle = append(l.idle, ch)
	l.mu.Unlock()
	return q.Messages, nil
}

// failed classifies an error of the client or the server.
func failed(err error, doing string) error {
	var answer *amqp.Error
	var known *scaler.Error // a token that could not be got
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.Canceled):
		return scaler.Unreachable(context.Canceled, "%s", doing)
	case errors.Is(err, context.DeadlineExceeded):
		return scaler.Unreachable(context.DeadlineExceeded, "%s: no answer in time", doing)
	case errors.Is(err, amqp.ErrSASL):
		return scaler.Denied(errors.New("the server takes neither a password nor a certificate from us"), "%s", doing)
	case errors.Is(err, amqp.ErrCredentials):
		return scaler.Denied(errors.New("the server refuses the user or the password"), "%s", doing)
	case errors.Is(err, amqp.ErrVhost):
		return scaler.Denied(errors.New("the server does not open the virtual host to this user"), "%s", doing)
	case errors.Is(err, amqp.ErrClosed):
		return scaler.Unreachable(errors.New("the connection broke"), "%s", doing)
	case errors.Is(err, amqp.ErrFrame), errors.Is(err, amqp.ErrSyntax), errors.Is(err, amqp.ErrUnexpectedFrame), errors.Is(err, amqp.ErrCommandInvalid):
		return scaler.BadAnswer(errors.New("the server does not speak AMQP 0-9-1"), "%s", doing)
	case errors.As(err, &answer) && !answer.Server: // the client's words for what the network did
		return scaler.Unreachable(errors.New("the connection broke"), "%s", doing)
	case errors.As(err, &answer):
		return answered(answer, doing)
	}
	return conn.NetworkError(err, doing)
}

// answered classifies a reply code, see "Reply codes" of AMQP 0-9-1. The
// server's text only names what was asked for.
func answered(e *amqp.Error, doing string) error {
	cause := fmt.Errorf("the server answers %d %s", e.Code, e.Reason)
	switch e.Code {
	case amqp.NotFound:
		if strings.Contains(e.Reason, "home node") || strings.Contains(e.Reason, "inaccessible") {
			return scaler.Unreachable(cause, "%s", doing) // the queue is there, its node is down
		}
		return scaler.Missing(cause, "%s", doing)
	case amqp.AccessRefused:
		return scaler.Denied(cause, "%s", doing)
	case amqp.NotAllowed:
		if strings.Contains(e.Reason, "not found") {
			return scaler.Missing(cause, "%s", doing)
		}
		return scaler.Denied(cause, "%s", doing)
	case amqp.ResourceLocked, amqp.PreconditionFailed, amqp.NotImplemented:
		return scaler.Misconfigured(cause, "%s", doing)
	}
	return scaler.Unreachable(cause, "%s", doing)
}
