package mqtt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// dialTimeout is for TCP, TLS and CONNECT together.
const dialTimeout = 10 * time.Second

// subscribeAtOnce bounds the subscriptions under way. A broker answers each
// and sends what it retains, which it must be able to hold.
const subscribeAtOnce = 100

// broker is what all triggers with the same address and credentials share.
// The pool closes it.
type broker struct {
	address string
	dial    func(context.Context) (net.Conn, error)
	wire    wire
	login   login
	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc

	mu      sync.Mutex // guards what follows, and the topics; never held over I/O
	topics  map[string]*topic
	session *session
	dialing *attempt
	keeping bool // a goroutine watches
	wake    chan struct{}
}

// topic is one subscription, for all sources that use it.
type topic struct {
	filter  string
	sources []*source
	on      *session // which has the subscription, or is to get it
	last    []byte
	has     bool
}

// attempt is a dial that is under way, for all that wait for it.
type attempt struct {
	done    chan struct{}
	session *session
	err     error
}

// newBroker prepares a connection. It does no I/O.
func newBroker(c *config, env scaler.Env) (*broker, error) {
	b := &broker{address: c.address, wire: wire3{}, topics: map[string]*topic{}, wake: make(chan struct{}, 1)}
	if c.version == version5 {
		b.wire = wire5{}
	}
	b.login = login{clientID: c.clientID, username: c.username, password: c.password.Reveal()}
	if b.login.clientID == "" {
		random := make([]byte, 8)
		_, _ = rand.Read(random)                                // never fails
		b.login.clientID = "keda-" + hex.EncodeToString(random) // at most 23 characters, which every broker takes
	}
	plain := conn.NewNetwork(env.HTTP)
	b.dial = func(ctx context.Context) (net.Conn, error) { return plain.DialContext(ctx, "tcp", c.address) }
	settings, err := conn.ClientTLS(&c.tls, env.HTTP)
	if err != nil {
		return nil, err
	}
	if settings != nil {
		b.dial = func(ctx context.Context) (net.Conn, error) { return plain.DialTLS(ctx, "tcp", c.address, settings) }
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// Close implements io.Closer. The pool calls it in the background.
func (b *broker) Close() error {
	b.cancel()
	b.mu.Lock()
	s, a := b.session, b.dialing
	b.mu.Unlock()
	if a != nil {
		<-a.done
		s = a.session
	}
	if s != nil {
		s.bye()
	}
	return nil
}

// join adds a source to a topic's subscription, which is made when needed.
func (b *broker) join(filter string, s *source) *topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[filter]
	if t == nil {
		t = &topic{filter: filter}
		b.topics[filter] = t
	}
	t.sources = append(t.sources, s)
	if t.on != nil && t.on.over() == nil {
		s.began(t.on)
	}
	return t
}

// leave ends a source's use of a topic; the last one ends the subscription.
func (b *broker) leave(t *topic, s *source) {
	b.mu.Lock()
	t.sources = slices.DeleteFunc(t.sources, func(o *source) bool { return o == s })
	var on *session
	if len(t.sources) == 0 && b.topics[t.filter] == t {
		delete(b.topics, t.filter)
		if on = t.on; on != nil && on.over() != nil {
			on = nil
		}
	}
	b.mu.Unlock()
	if on != nil {
		go func() {
			on.unsubscribe(t.filter)
			b.mu.Lock() // somebody may have come back meanwhile
			again := b.topics[t.filter]
			if again != nil && again.on == on {
				again.on = nil
			}
			b.mu.Unlock()
			b.poke()
		}()
	}
}

// deliver hands a message to all whose filter matches.
func (b *broker) deliver(from *session, name string, payload []byte) {
	var to []*source
	b.mu.Lock()
	for _, t := range b.topics {
		if matches(t.filter, name) {
			t.last, t.has = payload, true
			to = append(to, t.sources...)
		}
	}
	b.mu.Unlock()
	for _, s := range to {
		s.arrived(from)
	}
}

// get returns the open session, or makes one and waits for it. fresh says
// that it was made just now.
func (b *broker) get(ctx context.Context) (s *session, fresh bool, err error) {
	b.mu.Lock()
	if b.ctx.Err() != nil {
		b.mu.Unlock()
		return nil, false, net.ErrClosed
	}
	if s := b.session; s != nil && s.over() == nil {
		b.mu.Unlock()
		return s, false, nil
	}
	a := b.dialing
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		b.dialing = a
		go b.open(a)
	}
	b.mu.Unlock()
	select {
	case <-a.done:
		return a.session, true, a.err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func (b *broker) open(a *attempt) {
	ctx, cancel := context.WithTimeout(b.ctx, dialTimeout)
	defer cancel()
	raw, err := b.dial(ctx)
	if err == nil {
		a.session, err = handshake(ctx, raw, b.wire, b.login, b.deliver)
	}
	a.err = err
	b.mu.Lock()
	b.dialing = nil
	if err == nil {
		b.session = a.session
	}
	b.mu.Unlock()
	close(a.done)
}

// refresh subscribes to the topics that are not yet, and makes a round trip,
// so that all messages sent before have arrived. What fails for one topic is
// in the map, what fails for all is the error.
func (b *broker) refresh(ctx context.Context, topics []*topic) (map[*topic]error, error) {
	for try := 0; ; try++ {
		s, fresh, err := b.get(ctx)
		if err != nil {
			return nil, err
		}
		refused, err := b.refreshOn(ctx, s, topics)
		var own *scaler.Error
		if err == nil || fresh || try > 0 || ctx.Err() != nil || errors.As(err, &own) {
			return refused, err
		}
	}
}

func (b *broker) refreshOn(ctx context.Context, s *session, topics []*topic) (map[*topic]error, error) {
	var come []*topic
	var filters []string
	b.mu.Lock()
	for _, t := range topics {
		if t.on != s {
			come, filters = append(come, t), append(filters, t.filter)
		}
	}
	b.mu.Unlock()
	refused := map[*topic]error{}
	for first := 0; first < len(come); first += subscribeAtOnce {
		last := min(first+subscribeAtOnce, len(come))
		answers, err := s.subscribe(ctx, filters[first:last]...)
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		for i, t := range come[first:last] {
			if answers[i] != nil {
				refused[t] = answers[i]
				continue
			}
			t.on = s
			for _, src := range t.sources {
				src.began(s)
			}
		}
		b.mu.Unlock()
	}
	return refused, s.ping(ctx)
}

// failed classifies a failure to get an answer.
func (b *broker) failed(err error, doing string) error {
	var own *scaler.Error
	switch {
	case errors.As(err, &own):
		return &scaler.Error{Reason: own.Reason, Doing: doing, Err: fmt.Errorf("%s: %w", own.Doing, own.Err)}
	case errors.Is(err, errNotMQTT):
		return scaler.BadAnswer(err, "%s", doing)
	case errors.Is(err, context.Canceled):
		return scaler.Unreachable(context.Canceled, "%s", doing)
	}
	return conn.NetworkError(err, doing)
}
