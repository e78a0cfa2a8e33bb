package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kedago/keda/pkg/scaler"
)

const (
	// quietFor is how long a listening connection may be silent before the
	// server is asked whether it is there; silence after that breaks it.
	quietFor = 15 * time.Second
	// refusedPause is the pause after a refusal, which a person must mend.
	refusedPause = time.Minute
)

var errSilent = errors.New("the server does not answer on the listening connection")

// session listens on one server for the keys that the hub has given it. It
// owns the listening connection.
type session struct {
	hub    *hub
	ctx    context.Context
	cancel context.CancelFunc
	kick   chan struct{}

	// The hub's lock guards what follows.
	running bool
	client  *redis.Client
	keys    map[string]*watched
	setting setting
	proven  map[byte]bool // classes of which a notification has come
}

// setting is the server's notify-keyspace-events.
type setting struct {
	flags string
	err   error // why it can't be read
}

func newSession(h *hub) *session {
	s := &session{hub: h, kick: make(chan struct{}, 1), proven: map[byte]bool{}}
	s.ctx, s.cancel = context.WithCancel(h.conn.ctx)
	return s
}

func (s *session) poke() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// run listens until the session is cancelled, again and again where the
// connection breaks.
func (s *session) run() {
	tries := 0
	for s.ctx.Err() == nil {
		began := time.Now()
		err := s.listen()
		if s.ctx.Err() != nil {
			return
		}
		if time.Since(began) > steadyAfter {
			tries = 0
		}
		pause := min(retryLeast<<min(tries, 10), retryMost)
		tries++
		s.interrupted(err)
		if scaler.ReasonOf(err) == scaler.ReasonDenied {
			pause = refusedPause
		}
		s.hub.poke() // in a cluster, the keys may be elsewhere now
		sleep(s.ctx, pause, nil)
	}
}

// interrupted tells all watchers of the session's keys.
func (s *session) interrupted(err error) {
	next := state{true, scaler.Broken, err}
	if scaler.ReasonOf(err) == scaler.ReasonDenied {
		next.kind = scaler.Refused
	}
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s.proven = map[byte]bool{}
	for _, k := range s.keys {
		h.become(k, next)
	}
}

// listen subscribes to the session's keys until the connection breaks.
func (s *session) listen() error {
	s.hub.mu.Lock()
	client := s.client
	s.hub.mu.Unlock()
	if err := s.readSetting(client); err != nil {
		return err
	}
	ps := client.Subscribe(s.ctx) // connects with the first channel
	var reader sync.WaitGroup
	defer func() {
		_ = ps.Close()
		reader.Wait()
	}()
	broken := make(chan error, 1)
	subscribed := map[string]*watched{}
	next := time.Now().Add(recheck)
	for started := false; ; {
		if err := s.subscribe(ps, subscribed); err != nil {
			return err
		}
		if !started {
			started = true
			reader.Go(func() { broken <- s.receive(ps) })
		}
		select {
		case err := <-broken:
			return err
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-s.kick:
		case <-time.After(time.Until(next)):
			next = time.Now().Add(recheck)
			if err := s.readSetting(client); err != nil {
				return err
			}
			s.informLive(subscribed)
		}
	}
}

// readSetting asks for the server's setting. A server that refuses to say it
// may send notifications all the same.
func (s *session) readSetting(client *redis.Client) error {
	ctx, cancel := context.WithTimeout(s.ctx, askTimeout)
	defer cancel()
	const doing = "reading notify-keyspace-events"
	got, err := client.Do(ctx, "config", "get", "notify-keyspace-events").StringSlice()
	read := setting{}
	var answer redis.Error
	switch {
	case errors.As(err, &answer) && (hasCode(err, "NOPERM") || hasCode(err, "ERR")):
		read.err = failed(err, doing)
	case err != nil:
		return failed(err, doing)
	case len(got) == 2:
		read.flags = got[1]
	default:
		read.err = scaler.BadAnswer(nil, doing+": the server does not have it")
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.setting = read
	return nil
}

// subscribe brings the subscriptions in step with the session's keys.
func (s *session) subscribe(ps *redis.PubSub, subscribed map[string]*watched) error {
	var come, gone []string
	s.hub.mu.Lock()
	for name, k := range s.keys {
		if subscribed[name] != k {
			subscribed[name] = k
			come = append(come, s.channel(name))
		}
	}
	for name := range subscribed {
		if s.keys[name] == nil {
			delete(subscribed, name)
			gone = append(gone, s.channel(name))
		}
	}
	s.hub.mu.Unlock()
	const doing = "subscribing to notifications"
	// An unanswered SUBSCRIBE for many keys is split, so that the server can
	// answer one before it has read all.
	for chunk := range slices.Chunk(come, 1000) {
		if err := ps.Subscribe(s.ctx, chunk...); err != nil {
			return failed(err, doing)
		}
	}
	if len(gone) > 0 {
		if err := ps.Unsubscribe(s.ctx, gone...); err != nil {
			return failed(err, doing)
		}
	}
	return nil
}

func (s *session) channel(key string) string { return s.prefix() + key }

func (s *session) prefix() string { return fmt.Sprintf("__keyspace@%d__:", s.hub.conn.database) }

// receive handles what the server sends, until the connection breaks.
func (s *session) receive(ps *redis.PubSub) error {
	const doing = "listening for notifications"
	asked := false
	for {
		got, err := ps.ReceiveTimeout(s.ctx, quietFor)
		var timeout net.Error
		switch {
		case err == nil:
			asked = false
			s.handle(got)
		case errors.As(err, &timeout) && timeout.Timeout() && s.ctx.Err() == nil:
			if asked {
				return scaler.Unreachable(errSilent, doing)
			}
			asked = true
			if err := ps.Ping(s.ctx); err != nil {
				return failed(err, doing)
			}
		case hasCode(err, "NOPERM"):
			return scaler.Denied(replyError("the server answered NOPERM: the user needs the ACL rules +subscribe and &"+s.prefix()+"*"), doing)
		default:
			return failed(err, doing)
		}
	}
}

func (s *session) handle(got any) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	switch m := got.(type) {
	case *redis.Subscription:
		if m.Kind != "subscribe" {
			return
		}
		if k := s.keys[strings.TrimPrefix(m.Channel, s.prefix())]; k != nil {
			h.become(k, s.stateOf(k))
		}
	case *redis.Message:
		k := s.keys[strings.TrimPrefix(m.Channel, s.prefix())]
		if k == nil {
			return
		}
		s.prove(k.class)
		if !slices.Contains(removals, m.Payload) {
			h.arrived(k)
		}
	}
}

// prove notes that notifications of a class come, whatever the server says of
// its setting. Called with the lock held.
func (s *session) prove(class byte) {
	if s.proven[class] {
		return
	}
	s.proven[class] = true
	for _, k := range s.keys {
		if k.class == class && k.state.known {
			s.hub.become(k, s.stateOf(k))
		}
	}
}

// informLive tells watchers what a new look at the setting has changed.
func (s *session) informLive(subscribed map[string]*watched) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.proven = map[byte]bool{}
	for name, k := range subscribed {
		if s.keys[name] == k && k.state.known {
			s.hub.become(k, s.stateOf(k))
		}
	}
}

// stateOf says whether the server sends what a subscribed key needs. Called
// with the lock held.
func (s *session) stateOf(k *watched) state {
	flags := s.setting.flags
	switch {
	case s.proven[k.class]:
		return state{true, scaler.Watching, nil}
	case s.setting.err != nil:
		return state{true, scaler.Refused, &scaler.Error{
			Reason: scaler.ReasonOf(s.setting.err), Err: s.setting.err,
			Doing: fmt.Sprintf("whether the server sends notifications is not known until the first comes; "+
				"allow CONFIG GET (ACL +config|get), and see that notify-keyspace-events has K and %c", k.class),
		}}
	case strings.Contains(flags, "K") && strings.ContainsAny(flags, "A"+string(k.class)):
		return state{true, scaler.Watching, nil}
	}
	return state{true, scaler.Refused, scaler.Misconfigured(nil,
		"the server does not send notifications: notify-keyspace-events is %q; to be told of arrivals, run CONFIG SET notify-keyspace-events %s",
		flags, needed(flags, k.class))}
}

// needed adds to a setting what is missing of it.
func needed(flags string, class byte) string {
	for _, c := range []byte{'K', class} {
		if !strings.ContainsRune(flags, rune(c)) && (c == 'K' || !strings.Contains(flags, "A")) {
			flags += string(c)
		}
	}
	return flags
}

// removals are the notifications that nothing has arrived with.
var removals = []string{
	"lpop", "rpop", "lrem", "ltrim", "srem", "spop", "zrem", "zremrangebyscore", "zremrangebyrank", "zremrangebylex", "zpopmin", "zpopmax",
	"hdel", "hexpired", "xdel", "xtrim", "xgroup-create", "xgroup-createconsumer", "xgroup-delconsumer", "xgroup-destroy",
	"del", "unlink", "expire", "expired", "evicted", "persist", "rename_from", "move_from",
}
