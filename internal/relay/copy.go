package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/relay/relaypb"
	"github.com/kedago/keda/internal/sleep"
)

const (
	// freshFor is how old an answer may be, at most, to be told without asking
	// the operator; also limited to the polling interval.
	freshFor = 10 * time.Second
	// askPatience is how long the operator may take to answer: a little longer
	// than it waits for a source.
	askPatience = 4 * time.Second
	// reconnectFirst and reconnectMost bound the pauses between attempts.
	reconnectFirst, reconnectMost = 100 * time.Millisecond, 2 * time.Second
)

// Options say where the operator is.
type Options struct {
	// Address is host:port of the operator, of which all replicas may be
	// behind one name: only the one that measures answers.
	Address string
	// Credentials authenticate both sides.
	Credentials credentials.TransportCredentials
	Clock       clock.PassiveClock
	Log         *slog.Logger
}

// Copy is what a replica knows of the operator's answers. It is safe for
// concurrent use.
type Copy struct {
	clock  clock.PassiveClock
	log    *slog.Logger
	conn   *grpc.ClientConn
	client relaypb.RelayClient

	mu        sync.RWMutex
	workloads map[string]*held
	byMetric  map[metricKey]map[string]struct{} // -> IDs
	session   int                               // counts connections
	connected bool
	complete  bool // everything was known once
	trouble   error
}

// metricKey finds a metric by its name in small letters.
type metricKey struct{ namespace, metric string }

func keyOf(namespace, metric string) metricKey { return metricKey{namespace, strings.ToLower(metric)} }

// errNeverConnected says that the operator has not been reached yet.
var errNeverConnected = errors.New("what the operator knows has not been received yet")

// NewCopy returns an empty copy. It connects in Run.
func NewCopy(o Options) (*Copy, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := grpc.NewClient("passthrough:///"+o.Address,
		grpc.WithTransportCredentials(o.Credentials),
		// Names are resolved at each attempt, and all addresses tried: who
		// measures may be another pod than a moment ago.
		grpc.WithContextDialer(func(ctx context.Context, at string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", at) }),
		grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectFirst, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectMost},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: aliveEvery, Timeout: aliveWithin, PermitWithoutStream: true}))
	if err != nil {
		return nil, fmt.Errorf("preparing the connection to the operator at %s: %w", o.Address, err)
	}
	return &Copy{
		clock: o.Clock, log: o.Log, conn: conn, client: relaypb.NewRelayClient(conn),
		workloads: map[string]*held{}, byMetric: map[metricKey]map[string]struct{}{}, trouble: errNeverConnected,
	}, nil
}

// Run follows the operator until ctx ends.
func (c *Copy) Run(ctx context.Context) error {
	defer func() { _ = c.conn.Close() }()
	pause := reconnectFirst
	for ctx.Err() == nil {
		began := c.clock.Now()
		err := c.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.lost(err)
		if c.clock.Since(began) > reconnectMost {
			pause = reconnectFirst
		}
		sleep.For(ctx, pause)
		pause = min(pause*2, reconnectMost)
	}
	return nil
}

// follow receives from one connection until it ends.
func (c *Copy) follow(ctx context.Context) error {
	stream, err := c.client.Watch(ctx, &relaypb.WatchRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		b, err := stream.Recv()
		if err != nil {
			return err
		}
		if first {
			c.begin()
		}
		c.apply(b)
	}
}

// begin starts a session with the first thing that was received in it.
func (c *Copy) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session++
	c.connected, c.trouble = true, nil
	c.log.Info("following the operator")
}

func (c *Copy) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connected {
		c.log.Warn("the operator is away; answering with what is known until that is too old", "error", err)
	}
	c.connected, c.trouble = false, err
}

// apply takes in what was sent.
func (c *Copy) apply(b *relaypb.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	for _, sent := range b.GetWorkloads() {
		c.put(fromWire(sent, now))
	}
	if b.GetComplete() {
		c.complete = true
		c.sweep()
	}
}

// put replaces a workload, or removes one without answers. An answer without
// a value leaves the one before in place until that is too old: an operator
// that has just started has measured nothing yet.
func (c *Copy) put(w Workload) {
	old := c.workloads[w.ID]
	if old != nil {
		c.remove(old)
	}
	if len(w.Answers) == 0 {
		return
	}
	for i, a := range w.Answers {
		if before, ok := old.answer(a.Metric); ok && a.At.IsZero() {
			w.Answers[i].Value, w.Answers[i].At, w.Answers[i].GoodUntil, w.Answers[i].Idle = before.Value, before.At, before.GoodUntil, before.Idle
		}
		k := keyOf(w.Namespace, a.Metric)
		if c.byMetric[k] == nil {
			c.byMetric[k] = map[string]struct{}{}
		}
		c.byMetric[k][w.ID] = struct{}{}
	}
	c.workloads[w.ID] = &held{Workload: w, session: c.session}
}

func (c *Copy) remove(h *held) {
	delete(c.workloads, h.ID)
	for _, a := range h.Answers {
		k := keyOf(h.Namespace, a.Metric)
		delete(c.byMetric[k], h.ID)
		if len(c.byMetric[k]) == 0 {
			delete(c.byMetric, k)
		}
	}
}

// sweep forgets what the operator does not know any more and what is too old
// to be told anyway. Until then it may be that the operator has not come to it.
func (c *Copy) sweep() {
	now := c.clock.Now()
	for _, h := range c.workloads {
		if h.session < c.session && !h.good(now) {
			c.remove(h)
		}
	}
}

// Ready says why the copy can't answer yet, nil once it can. It stays ready
// while the operator is away.
func (c *Copy) Ready() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.complete {
		return nil
	}
	return fmt.Errorf("waiting for the operator: %w", c.trouble)
}

// Names lists the names of all metrics, each once, in no order.
func (c *Copy) Names() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	seen := map[string]struct{}{}
	var out []string
	for _, h := range c.workloads {
		for _, a := range h.Answers {
			if _, ok := seen[a.Metric]; !ok {
				seen[a.Metric] = struct{}{}
				out = append(out, a.Metric)
			}
		}
	}
	return out
}

// Metric returns the workloads of a namespace that have a metric, each with
// that answer only. What is too old is asked of the operator, and told as it
// is when the operator is away and it is good still.
func (c *Copy) Metric(ctx context.Context, namespace, metric string) []Workload {
	known := c.lookUp(namespace, metric)
	if c.fresh(known) {
		return known
	}
	asked, err := c.ask(ctx, namespace, metric)
	if err != nil {
		return c.stillGood(known, err)
	}
	return c.withMissing(asked, known)
}

// withMissing adds what is known here and good still, but not to the operator:
// one that has just started has not come to all workloads yet, and of those
// that it knows to have gone it has told.
func (c *Copy) withMissing(asked, known []Workload) []Workload {
	now := c.clock.Now()
	for _, k := range known {
		missing := !slices.ContainsFunc(asked, func(a Workload) bool { return a.ID == k.ID })
		if missing && k.Answers[0].tellable(now) {
			k.Answers[0].Failure = ""
			asked = append(asked, k)
		}
	}
	return asked
}

// Held is Metric without asking anybody.
func (c *Copy) Held(namespace, metric string) []Workload {
	return c.stillGood(c.lookUp(namespace, metric), errors.New("nobody was asked"))
}

func (c *Copy) lookUp(namespace, metric string) []Workload {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []Workload
	for id := range c.byMetric[keyOf(namespace, metric)] {
		h := c.workloads[id]
		w := h.Workload
		if a, ok := h.answer(metric); ok {
			w.Answers = []Answer{a}
			out = append(out, w)
		}
	}
	return out
}

func (c *Copy) fresh(known []Workload) bool {
	now := c.clock.Now()
	for _, w := range known {
		a := w.Answers[0]
		if a.At.IsZero() || a.Failure != "" || a.Idle || now.Sub(a.At) > min(freshFor, w.Interval) {
			return false
		}
	}
	return len(known) > 0
}

// ask asks the operator, when there is a connection to it.
func (c *Copy) ask(ctx context.Context, namespace, metric string) ([]Workload, error) {
	c.mu.RLock()
	connected, trouble := c.connected, c.trouble
	c.mu.RUnlock()
	if !connected {
		return nil, fmt.Errorf("the operator is away: %w", trouble)
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	got, err := c.client.Ask(ctx, &relaypb.Question{Namespace: namespace, Metric: metric})
	if err != nil {
		return nil, fmt.Errorf("asking the operator: %w", err)
	}
	var out []Workload
	now := c.clock.Now()
	for _, sent := range got.GetWorkloads() {
		if w := fromWire(sent, now); len(w.Answers) == 1 {
			out = append(out, w)
		}
	}
	return c.learn(out), nil
}

// learn keeps values that were asked for, and gives an answer without one the
// value that is known here, while it may be told.
func (c *Copy) learn(asked []Workload) []Workload {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	for i := range asked {
		a := &asked[i].Answers[0]
		before, ok := c.workloads[asked[i].ID].answer(a.Metric)
		if ok && a.At.After(before.At) {
			c.workloads[asked[i].ID].replace(*a)
		}
		if ok && a.At.IsZero() && before.tellable(now) {
			*a = before
			a.Failure = ""
		}
	}
	return asked
}

// stillGood are answers from memory: with a value while it is good, else with
// a failure.
func (c *Copy) stillGood(known []Workload, why error) []Workload {
	now := c.clock.Now()
	for i := range known {
		a := &known[i].Answers[0]
		switch {
		case a.tellable(now):
			a.Failure = ""
		case a.Idle && now.Before(a.GoodUntil):
			a.Failure = fmt.Sprintf("the last value says that there is nothing to do, which may have changed, and %v", why)
		default:
			a.Failure = fmt.Sprintf("%s, and %v", cmp.Or(a.Failure, "the last value is too old"), why)
		}
	}
	return known
}
