package mqtt

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	mosquittoserver "github.com/kedago/keda/test/servers/mosquitto"
)

const (
	user     = "keda"
	password = "the-password"
)

var login1 = map[string]string{"username": user, "password": password}

// clock is a clock that tests turn.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func openAt(t testing.TB, p scaler.Pool, now func() time.Time, metadata, auth map[string]string) *source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: auth}, scaler.Env{Pool: p, Now: now}).(*source)
}

func open(t testing.TB, p scaler.Pool, metadata, auth map[string]string) *source {
	t.Helper()
	return openAt(t, p, time.Now, metadata, auth)
}

func expect(t *testing.T, s scaler.Source, want float64) {
	t.Helper()
	if r, err := s.Measure(t.Context()); err != nil || r.Value != want {
		t.Errorf("got %+v, %v; want %v", r, err, want)
	}
}

func refused(t *testing.T, s scaler.Source, want scaler.Reason, mention string) {
	t.Helper()
	_, err := s.Measure(t.Context())
	scalertest.Refused(t, err, want, mention, password)
}

// TestMosquitto runs everything on one broker, in both versions of MQTT.
func TestMosquitto(t *testing.T) {
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "127.0.0.1")
	s := mosquittoserver.Start(t, &mosquittoserver.TLS{CA: ca.PEM, Cert: pair.Cert, Key: pair.Key})
	s.SetPassword(t, user, password)
	for _, version := range []string{"3.1.1", "5"} {
		at := map[string]string{"host": "mqtt://" + s.Address, "protocolVersion": version, "value": "5"}
		t.Run("conformance "+version, func(t *testing.T) { conformance(t, s, version) })
		t.Run("values "+version, func(t *testing.T) { values(t, s, at) })
		t.Run("rate "+version, func(t *testing.T) { rate(t, s, at) })
		t.Run("refusals "+version, func(t *testing.T) { refusals(t, s, at, ca) })
		t.Run("shared "+version, func(t *testing.T) { shared(t, s, at) })
	}
}

func conformance(t *testing.T, s *mosquittoserver.Server, version string) {
	topic := "conformance/" + version
	set := func(topic string) func(context.Context, float64) {
		return func(_ context.Context, n float64) {
			s.Publish(t, topic, strconv.FormatFloat(n, 'f', -1, 64), true)
		}
	}
	scalertest.Run(t, scalertest.Case{
		Kind:     Kinds()[0],
		Metadata: map[string]string{"host": "mqtt://" + s.Address, "topic": topic, "value": "5", "protocolVersion": version},
		Auth:     login1,
		Fixture: func(t *testing.T) scalertest.Fixture {
			p := scalertest.NewProxy(t, s.Address)
			return scalertest.Fixture{
				Proxy: p, Metadata: map[string]string{"host": "mqtt://" + p.Addr}, Set: set(topic),
				Deny:  func() { s.SetPassword(t, user, "another"); p.Down(); p.Up() },
				Allow: func() { s.SetPassword(t, user, password) },
				Siblings: []scalertest.Sibling{
					{Metadata: map[string]string{"topic": topic + "/b"}, Set: set(topic + "/b")},
					{Metadata: map[string]string{"topic": topic + "/c"}, Set: set(topic + "/c")},
				},
				Bad: map[string]string{"topic": topic + "/never"},
			}
		},
	})
}

func values(t *testing.T, s *mosquittoserver.Server, at map[string]string) {
	root := "values/" + at["protocolVersion"] + "/"
	open := func(topic string, more ...string) *source {
		return open(t, pool.New(), scalertest.With(scalertest.With(at, "topic", topic), more...), login1)
	}
	none := open(root + "none")
	refused(t, none, scaler.ReasonMissing, "no message")
	expect(t, open(root+"none", "valueIfNone", "3"), 3)
	s.Publish(t, root+"none", "7", false) // not retained: only who listens gets it
	expect(t, none, 7)
	refused(t, open(root+"none"), scaler.ReasonMissing, "no message")

	s.Publish(t, root+"json", `{"queues":{"orders":{"waiting":12,"name":"s3cret"}},"text":" 2.5 "}`, true)
	expect(t, open(root+"json", "valueLocation", "queues.orders.waiting"), 12)
	expect(t, open(root+"json", "valueLocation", "text"), 2.5)
	refused(t, open(root+"json", "valueLocation", "queues.mails"), scaler.ReasonBadAnswer, "nothing at")
	refused(t, open(root+"json", "valueLocation", "queues"), scaler.ReasonBadAnswer, "no number")
	refused(t, open(root+"json", "valueLocation", "queues.orders.name"), scaler.ReasonBadAnswer, "no finite number")
	refused(t, open(root+"json"), scaler.ReasonBadAnswer, "no finite number")
	for _, bad := range []string{"NaN", "Inf", "many", "1,5", "{}"} {
		s.Publish(t, root+"bad", bad, true)
		refused(t, open(root+"bad"), scaler.ReasonBadAnswer, "no finite number")
	}
	s.Publish(t, root+"bad", "-4", true)
	expect(t, open(root+"bad"), -4)
	refused(t, open(root+"bad", "mode", "backlog"), scaler.ReasonBadAnswer, "below 0")

	// What the broker itself publishes; the first of it may take a second.
	backlog := open("$SYS/broker/clients/connected", "mode", "backlog")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		r, err := backlog.Measure(t.Context())
		if err == nil && r.Value >= 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the broker's own number: %+v, %v", r, err)
		}
	}
}

func rate(t *testing.T, s *mosquittoserver.Server, at map[string]string) {
	root := "rate/" + at["protocolVersion"] + "/"
	c := &clock{now: time.Unix(1_700_000_000, 0)}
	at = scalertest.With(at, "mode", "rate", "window", "60")
	src := openAt(t, pool.New(), c.Now, scalertest.With(at, "topic", root+"+/readings"), login1)
	expect(t, src, 0)
	for i := range 30 {
		s.Publish(t, fmt.Sprint(root, i, "/readings"), "x", false)
		s.Publish(t, fmt.Sprint(root, i, "/other"), "x", false)
	}
	expect(t, src, 30) // all have arrived, and less than a second counts as one
	c.advance(10 * time.Second)
	if r, err := src.Measure(t.Context()); err != nil || r.Value != 3 || !strings.Contains(r.Note, "10s") {
		t.Errorf("after 10 s: %+v, %v", r, err)
	}
	c.advance(40 * time.Second)
	s.Publish(t, root+"x/readings", "x", false)
	expect(t, src, 31.0/50)
	c.advance(15 * time.Second) // the first 30 are out of the window
	expect(t, src, 1.0/60)
	c.advance(time.Hour)
	expect(t, src, 0)
}

func refusals(t *testing.T, s *mosquittoserver.Server, at map[string]string, ca conntest.Authority) {
	at = scalertest.With(at, "topic", "refusals/"+at["protocolVersion"])
	s.Publish(t, at["topic"], "4", true)
	refused(t, open(t, pool.New(), at, map[string]string{"username": user, "password": "wrong-one"}), scaler.ReasonDenied, "refuses the user")
	refused(t, open(t, pool.New(), at, nil), scaler.ReasonDenied, "refuses the user")
	refused(t, open(t, pool.New(), scalertest.With(at, "host", "mqtt://127.0.0.1:1"), login1), scaler.ReasonUnreachable, "127.0.0.1:1")

	client := ca.Issue(t, "client")
	full := scalertest.With(login1, "ca", ca.PEM, "cert", client.Cert, "key", client.Key)
	expect(t, open(t, pool.New(), scalertest.With(at, "host", "mqtts://"+s.Secure), full), 4)
	expect(t, open(t, pool.New(), scalertest.With(at, "host", "mqtt://"+s.Secure, "tls", "enable"), full), 4)
	refused(t, open(t, pool.New(), scalertest.With(at, "host", "mqtts://"+s.Secure), scalertest.With(login1, "cert", client.Cert, "key", client.Key)), scaler.ReasonMisconfigured, "certificate")
	if r, err := open(t, pool.New(), scalertest.With(at, "host", "mqtts://"+s.Secure), scalertest.With(login1, "ca", ca.PEM)).Measure(t.Context()); err == nil {
		t.Errorf("without a client certificate got %+v", r)
	}
}

// shared counts connections and subscriptions of many triggers.
func shared(t *testing.T, s *mosquittoserver.Server, at map[string]string) {
	count := scalertest.NewCounter(t, s.Address)
	front := scalertest.NewProxy(t, count.Addr)
	p := pool.New()
	var sources []scaler.Source
	const n = 100
	for i := range n {
		topic := fmt.Sprint("shared/", at["protocolVersion"], "/", i%50) // each for two
		s.Publish(t, topic, strconv.Itoa(i%50), true)
		sources = append(sources, open(t, p, scalertest.With(at, "host", "mqtt://"+front.Addr, "topic", topic), login1))
	}
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if r.Err != nil || r.Reading.Value != float64(i%50) {
			t.Errorf("trigger %d: %+v", i, r)
		}
	}
	if got := front.Accepted(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
	if got := count.Asked(); got != 3 {
		t.Errorf("the first poll takes %d round trips; want 3, to connect, to subscribe to all, and to know that all has come", got)
	}
	b := sources[0].(*source).broker
	topics := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.topics)
	}
	if topics() != 50 {
		t.Errorf("%d subscriptions, want 50", topics())
	}
	_ = sources[0].Close()
	if topics() != 50 {
		t.Error("a subscription ended while a trigger uses it")
	}
	_ = sources[50].Close()
	if topics() != 49 {
		t.Error("a subscription did not end with its last trigger")
	}
	s.Publish(t, sources[1].(*source).config.topic, "9", true)
	expect(t, sources[1], 9)
}
