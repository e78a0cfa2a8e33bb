package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	// writeTimeout is how long a packet may take to be sent.
	writeTimeout = 10 * time.Second
	// pingEvery is how often an idle connection is tried.
	pingEvery = keepAlive * time.Second / 2
)

// session is one connection, from CONNACK until it breaks. One goroutine
// reads; messages are handed on before anything that came after them.
type session struct {
	raw     net.Conn
	wire    wire
	deliver func(*session, string, []byte)
	done    chan struct{} // closed when the connection is over

	writing sync.Mutex // serialises packets

	mu    sync.Mutex // guards what follows; never held over I/O
	err   error      // why it is over
	id    uint16
	subs  map[uint16]chan error
	pings []chan struct{}
}

// handshake connects. The context ends it.
func handshake(ctx context.Context, raw net.Conn, w wire, l login, deliver func(*session, string, []byte)) (*session, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	r := bufio.NewReader(raw)
	err := w.connect(raw, l)
	if err == nil {
		err = accepted(r, w)
	}
	if err == nil && ctx.Err() == nil {
		s := &session{raw: raw, wire: w, deliver: deliver, done: make(chan struct{}), subs: map[uint16]chan error{}}
		go s.read(r)
		go s.keep()
		return s, nil
	}
	_ = raw.Close()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, err
}

// accepted reads the answer to CONNECT.
func accepted(r *bufio.Reader, w wire) error {
	const connack = 0x20
	head, err := r.Peek(1)
	if err != nil {
		return err
	}
	if head[0] != connack { // not to wait for the rest of what is no packet
		return errNotMQTT
	}
	e, err := w.read(r)
	if err != nil {
		return err
	}
	return e.refused
}

// read hands on what comes until the connection is over.
func (s *session) read(r *bufio.Reader) {
	for {
		// The broker answers our pings, so it is never silent for longer.
		_ = s.raw.SetReadDeadline(time.Now().Add(keepAlive * time.Second))
		e, err := s.wire.read(r)
		if err == nil && e.kind == ended {
			err = e.refused
		}
		if err == nil && e.kind == connected {
			err = errNotMQTT
		}
		if err != nil {
			s.end(err)
			return
		}
		switch e.kind {
		case published:
			s.deliver(s, e.topic, e.payload)
		case subscribed:
			s.mu.Lock()
			answer := s.subs[e.id]
			delete(s.subs, e.id)
			s.mu.Unlock()
			if answer != nil {
				answer <- e.refused
			}
		case ponged:
			s.mu.Lock()
			if len(s.pings) > 0 {
				close(s.pings[0])
				s.pings = s.pings[1:]
			}
			s.mu.Unlock()
		}
	}
}

// keep pings while nobody else does.
func (s *session) keep() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
			_ = s.sendPing(make(chan struct{})) // a failure ends the session
		}
	}
}

// end closes the connection for a reason. The first one counts.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	_ = s.raw.Close()
	close(s.done)
}

// over is nil while the session lasts, and then why it does not.
func (s *session) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *session) write(packet func() error) error {
	_ = s.raw.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := packet(); err != nil {
		s.end(err)
		return s.over() // what the reader found says more than a failed write
	}
	return nil
}

// sendPing sends a ping and queues who waits for its answer, in one step, so
// that answers and waiters have the same order.
func (s *session) sendPing(answer chan struct{}) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	s.pings = append(s.pings, answer)
	s.mu.Unlock()
	return s.write(func() error { return s.wire.ping(s.raw) })
}

// ping makes a round trip. All that the broker sent before has then been
// handed on.
func (s *session) ping(ctx context.Context) error {
	answer := make(chan struct{})
	if err := s.sendPing(answer); err != nil {
		return err
	}
	select {
	case <-answer:
		return nil
	case <-s.done:
		return s.over()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// subscribe asks for subscriptions, all at once, and waits until the broker
// has taken or refused each. refused has its reason, or nil, for each.
func (s *session) subscribe(ctx context.Context, filters ...string) (refused []error, err error) {
	answers := make([]chan error, len(filters))
	var packets bytes.Buffer
	var unfit error
	s.mu.Lock()
	for i, filter := range filters {
		answers[i] = make(chan error, 1)
		id := s.nextID()
		s.subs[id] = answers[i]
		unfit = errors.Join(unfit, s.wire.subscribe(&packets, id, filter))
	}
	s.mu.Unlock()
	s.writing.Lock()
	err = s.write(func() error {
		if unfit != nil {
			return unfit
		}
		_, err := packets.WriteTo(s.raw)
		return err
	})
	s.writing.Unlock()
	if err != nil {
		return nil, err
	}
	refused = make([]error, len(filters))
	for i, answer := range answers {
		select {
		case refused[i] = <-answer:
		case <-s.done:
			return nil, s.over()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return refused, nil
}

// nextID is the next packet's identifier. The caller holds the lock.
func (s *session) nextID() uint16 {
	if s.id++; s.id == 0 { // 0 is no identifier
		s.id = 1
	}
	return s.id
}

// unsubscribe tells the broker and does not wait for its answer.
func (s *session) unsubscribe(filter string) {
	s.mu.Lock()
	id := s.nextID()
	s.mu.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.write(func() error { return s.wire.unsubscribe(s.raw, id, filter) })
}

// bye ends the session in good manners.
func (s *session) bye() {
	s.writing.Lock()
	_ = s.raw.SetWriteDeadline(time.Now().Add(time.Second))
	_ = s.wire.disconnect(s.raw)
	s.writing.Unlock()
	s.end(net.ErrClosed)
}
