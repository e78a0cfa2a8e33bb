// Package scalertest is the conformance suite that every scaler passes.
//
// It owns what the contract of package scaler promises, as sub-tests with
// stable names, and the proxy and pool that make a source fail on purpose. It
// refuses to know any scaler: what differs comes in through Case and Fixture,
// and a hook that a source can't offer is left nil, which is logged. Open,
// Serve, Refused, BenchTriggers and the like are for the tests of its own that
// a scaler has beside the suite.
package scalertest

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// patience is when a test gives up waiting for something that must happen.
const patience = 20 * time.Second

// Case is one kind under test.
type Case struct {
	Kind scaler.Kind
	// Metadata, Auth and Env are a valid trigger, decoded without any warning.
	Metadata, Auth, Env map[string]string
	// EnvNames decodes as keda.k8s.io does.
	EnvNames bool
	// ScalerEnv changes the Env that sources get, e.g. to set Cluster or Now.
	// Its Pool and Log stay the suite's.
	ScalerEnv func(*scaler.Env)
	// Fixture prepares a source; nil for kinds that are never opened or have
	// nothing to measure. It is called once per sub-test that needs it, so
	// costly servers belong outside.
	Fixture func(t *testing.T) Fixture
}

// Fixture is a source to measure and the ways to make it fail. All hooks are
// optional; those that fail call t.Fatal themselves.
type Fixture struct {
	// Metadata and Auth go over those of the case, e.g. the server's address.
	Metadata, Auth map[string]string
	// Proxy, when the source is reached through one, gives the hooks Down, Up,
	// Hang, Garbage and Connections unless they are set.
	Proxy *Proxy

	// Set makes the source hold n.
	Set func(ctx context.Context, n float64)
	// Values are set and measured one after the other: 0, 3, 1000, 1, 0 unless given.
	Values []float64
	// Expect is what Measure returns after Set(n): n unless given.
	Expect func(n float64) float64
	// Arrive makes something arrive at an idle source: Set(1) unless given.
	Arrive func(ctx context.Context)

	// Down makes the source unreachable, Hang makes it accept and not answer,
	// Garbage makes it answer what is not its protocol; Up undoes them.
	Down, Up, Hang, Garbage func()
	// Deny makes the source refuse the credentials or the permission, also for
	// connections that are open; Allow undoes it.
	Deny, Allow func()
	// Connections counts the connections accepted so far.
	Connections func() int
	// Busy says that others connect by themselves too, such as a server that
	// watches this one, so that a connection more proves nothing.
	Busy bool

	// Siblings are further things to measure over the same connection.
	Siblings []Sibling
	// Bad goes over Metadata and names something that can't be measured, over
	// the same connection.
	Bad map[string]string

	// Leaks are goroutines of the fixture itself to ignore.
	Leaks []goleak.Option
}

// Sibling differs from its fixture in what is measured.
type Sibling struct {
	Metadata map[string]string
	Set      func(ctx context.Context, n float64)
}

// Run runs every conformance test that applies to the case.
func Run(t *testing.T, c Case) {
	t.Helper()
	run := func(name string, test func(*testing.T, Case)) {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
	run("declares", declares)
	run("examples decode", examplesDecode)
	run("valid trigger", validTrigger)
	run("empty values", emptyValues)
	run("odd values", oddValues)
	run("unknown parameter", unknownParameter)
	run("metric name", metricName)
	run("secrets", secrets)
	if _, native := c.Kind.New().(scaler.Native); native {
		run("native", resourceMetric)
		return
	}
	if c.Fixture == nil {
		t.Log("conformance: nothing is measured, the case has no Fixture")
		return
	}
	for _, m := range measured {
		t.Run(m.name, func(t *testing.T) {
			f := c.Fixture(t).complete()
			if missing := m.needs(f); missing != "" {
				t.Logf("conformance: %q is not checked, the fixture has no %s", m.name, missing)
				return
			}
			m.test(t, &bench{Case: c, Fixture: f})
		})
	}
}

func (f Fixture) complete() Fixture {
	if p := f.Proxy; p != nil {
		for hook, own := range map[*func()]func(){&f.Down: p.Down, &f.Up: p.Up, &f.Hang: p.Hang, &f.Garbage: p.Garbage} {
			if *hook == nil {
				*hook = own
			}
		}
		if f.Connections == nil {
			f.Connections = p.Accepted
		}
	}
	if f.Values == nil {
		f.Values = []float64{0, 3, 1000, 1, 0}
	}
	if f.Expect == nil {
		f.Expect = func(n float64) float64 { return n }
	}
	if f.Arrive == nil && f.Set != nil {
		set := f.Set
		f.Arrive = func(ctx context.Context) { set(ctx, 1) }
	}
	return f
}

// over returns the maps merged, the last one winning.
func over(ms ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range ms {
		maps.Copy(out, m)
	}
	return out
}

func (c Case) values(metadata, auth map[string]string) param.Values {
	return param.Values{Metadata: over(c.Metadata, metadata), Auth: over(c.Auth, auth), Env: c.Env, EnvNames: c.EnvNames}
}

// bench is one sub-test's source and surroundings.
type bench struct {
	Case
	Fixture

	pool Pool
	logs Log
}

func (b *bench) config(t *testing.T, metadata ...map[string]string) scaler.Config {
	t.Helper()
	v := b.values(over(append([]map[string]string{b.Fixture.Metadata}, metadata...)...), b.Fixture.Auth)
	c := b.Kind.New()
	if err := scaler.Decode(c, v).Err(); err != nil {
		t.Fatalf("decoding the fixture's trigger: %v", err)
	}
	return c
}

func (b *bench) env() scaler.Env {
	env := scaler.Env{Namespace: "default", Object: "conformance", Now: time.Now}
	if b.ScalerEnv != nil {
		b.ScalerEnv(&env)
	}
	env.Pool, env.Log = &b.pool, slog.New(slog.NewTextHandler(&b.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return env
}

// open opens a source that is closed with the test.
func (b *bench) open(t *testing.T, metadata ...map[string]string) scaler.Source {
	t.Helper()
	s, err := b.config(t, metadata...).Open(t.Context(), b.env())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (b *bench) set(t *testing.T, n float64) {
	t.Helper()
	b.Set(t.Context(), n)
}

// Pool is a real pool that remembers what was asked of it.
type Pool struct {
	once sync.Once
	real *pool.Pool

	mu   sync.Mutex // guards keys and held
	keys []scaler.PoolKey
	held int
}

// Acquire implements scaler.Pool.
func (p *Pool) Acquire(key scaler.PoolKey, dial func() (any, error)) (any, func(), error) {
	p.once.Do(func() { p.real = pool.New() })
	conn, release, err := p.real.Acquire(key, dial)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, key)
	if err != nil {
		return nil, nil, err
	}
	p.held++
	var once sync.Once
	return conn, func() {
		once.Do(func() {
			p.mu.Lock()
			p.held--
			p.mu.Unlock()
			release()
		})
	}, nil
}

// Held returns how many leases have not been given back.
func (p *Pool) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// Keys returns every key asked for, in order.
func (p *Pool) Keys() []scaler.PoolKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]scaler.PoolKey(nil), p.keys...)
}

// Log collects what is logged.
type Log struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String returns everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
