package rabbitmq

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	rabbitmqserver "github.com/kedago/keda/test/servers/rabbitmq"
)

const (
	user     = "keda"
	password = "the-password"
)

func open(t testing.TB, p scaler.Pool, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: auth}, scaler.Env{Pool: p, Now: time.Now})
}

func allow(t testing.TB, s *rabbitmqserver.Server, pass string) {
	s.API(t, http.MethodPut, "/api/users/"+user, map[string]string{"password": pass, "tags": "management"})
	s.API(t, http.MethodPut, "/api/permissions/%2F/"+user, map[string]string{"configure": "^$", "write": "^$", "read": "^$"})
}

// TestRabbitMQ runs everything on one server.
func TestRabbitMQ(t *testing.T) {
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "127.0.0.1")
	s := rabbitmqserver.Start(t, &rabbitmqserver.TLS{CA: ca.PEM, Cert: pair.Cert, Key: pair.Key})
	allow(t, s, password)
	t.Run("conformance amqp", func(t *testing.T) { conformance(t, s, "amqp", s.AMQP) })
	t.Run("conformance http", func(t *testing.T) { conformance(t, s, "http", s.HTTP) })
	t.Run("amqp", func(t *testing.T) { byAMQP(t, s) })
	t.Run("amqp over TLS", func(t *testing.T) { overTLS(t, s, ca) })
	t.Run("http", func(t *testing.T) { byHTTP(t, s) })
	t.Run("modes", func(t *testing.T) { modes(t, s) })
	t.Run("tokens", func(t *testing.T) { tokens(t, s) })
	t.Run("many queues", func(t *testing.T) { manyQueues(t, s) })
}

func conformance(t *testing.T, s *rabbitmqserver.Server, scheme, address string) {
	queue := scheme + "-conformance"
	for _, q := range []string{queue, queue + "-2", queue + "-3"} {
		s.Declare(t, q)
		s.Set(t, q, 0)
	}
	set := func(q string) func(context.Context, float64) {
		return func(_ context.Context, n float64) { s.Set(t, q, int(n)) }
	}
	scalertest.Run(t, scalertest.Case{
		Kind:     Kinds()[0],
		Metadata: map[string]string{"host": scheme + "://" + address, "queueName": queue, "mode": "QueueLength", "value": "5"},
		Auth:     map[string]string{"username": user, "password": password},
		Fixture: func(t *testing.T) scalertest.Fixture {
			p := scalertest.NewProxy(t, address)
			return scalertest.Fixture{
				Proxy: p, Metadata: map[string]string{"host": scheme + "://" + p.Addr}, Set: set(queue),
				Deny:  func() { allow(t, s, "another"); p.Down(); p.Up() },
				Allow: func() { allow(t, s, password) },
				Siblings: []scalertest.Sibling{
					{Metadata: map[string]string{"queueName": queue + "-2"}, Set: set(queue + "-2")},
					{Metadata: map[string]string{"queueName": queue + "-3"}, Set: set(queue + "-3")},
				},
				Bad: map[string]string{"queueName": "no-such-queue"},
			}
		},
	})
}

var login = map[string]string{"username": user, "password": password}

func refused(t *testing.T, s scaler.Source, want scaler.Reason, mention string) {
	t.Helper()
	_, err := s.Measure(t.Context())
	scalertest.Refused(t, err, want, mention, password)
}

func byAMQP(t *testing.T, s *rabbitmqserver.Server) {
	s.Declare(t, "orders")
	s.Set(t, "orders", 4)
	at := map[string]string{"host": "amqp://" + user + ":" + password + "@" + s.AMQP, "queueName": "orders"}
	p := pool.New()
	src := open(t, p, at, nil)
	if r, err := src.Measure(t.Context()); err != nil || r.Value != 4 {
		t.Errorf("got %+v, %v", r, err)
	}
	if host := src.(scaler.Hosted).Host(); host != s.AMQP {
		t.Errorf("host %q", host)
	}
	refused(t, open(t, p, scalertest.With(at, "queueName", "absent"), nil), scaler.ReasonMissing, "absent")
	// The channel of the absent queue is closed, that of the others is not.
	if r, err := src.Measure(t.Context()); err != nil || r.Value != 4 {
		t.Errorf("after a queue that is missing: %+v, %v", r, err)
	}
	if n := p.Len()["rabbitmq"]; n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	refused(t, open(t, p, scalertest.With(at, "vhostName", "absent"), nil), scaler.ReasonMissing, "absent")
	s.API(t, http.MethodPut, "/api/vhosts/closed", map[string]string{})
	refused(t, open(t, p, scalertest.With(at, "vhostName", "closed"), nil), scaler.ReasonDenied, "closed")
	refused(t, open(t, p, scalertest.With(at, "host", "amqp://"+s.AMQP), map[string]string{"username": user, "password": "wrong-one"}), scaler.ReasonDenied, s.AMQP)
	refused(t, open(t, p, scalertest.With(at, "host", "amqp://"+s.HTTP), login), scaler.ReasonUnreachable, s.HTTP)
	refused(t, open(t, p, scalertest.With(at, "host", "amqp://127.0.0.1:1"), login), scaler.ReasonUnreachable, "127.0.0.1:1")

	// The server ends the connection; the next poll makes another.
	before := src.(*amqpSource).conn.current
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := src.Measure(t.Context()); err != nil || r.Value != 4 {
		t.Errorf("after the connection ended: %+v, %v", r, err)
	}
	if src.(*amqpSource).conn.current == before {
		t.Error("the connection is the old one")
	}
}

func overTLS(t *testing.T, s *rabbitmqserver.Server, ca conntest.Authority) {
	s.Declare(t, "secured")
	s.Set(t, "secured", 2)
	client := ca.Issue(t, "client")
	full := scalertest.With(login, "ca", ca.PEM, "cert", client.Cert, "key", client.Key)
	at := map[string]string{"host": "amqps://" + s.AMQPS, "queueName": "secured"}
	if r, err := open(t, pool.New(), at, full).Measure(t.Context()); err != nil || r.Value != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
	switched := scalertest.With(at, "host", "amqp://"+s.AMQPS, "tls", "enable")
	if r, err := open(t, pool.New(), switched, full).Measure(t.Context()); err != nil || r.Value != 2 {
		t.Errorf("with tls: enable got %+v, %v", r, err)
	}
	refused(t, open(t, pool.New(), at, scalertest.With(login, "cert", client.Cert, "key", client.Key)), scaler.ReasonMisconfigured, "certificate")
	if r, err := open(t, pool.New(), at, scalertest.With(login, "ca", ca.PEM)).Measure(t.Context()); err == nil {
		t.Errorf("without a client certificate got %+v", r)
	}
	// With a certificate and no user the server has to know EXTERNAL, which this one does not.
	refused(t, open(t, pool.New(), at, map[string]string{"ca": ca.PEM, "cert": client.Cert, "key": client.Key}), scaler.ReasonDenied, "certificate")
}

func byHTTP(t *testing.T, s *rabbitmqserver.Server) {
	for q, n := range map[string]int{"re.one": 3, "re.two": 6, "re+three": 10} {
		s.Declare(t, q)
		s.Set(t, q, n)
	}
	at := map[string]string{"host": "http://" + user + ":" + password + "@" + s.HTTP, "queueName": `^re\.`, "useRegex": "true"}
	tests := map[string]struct {
		metadata map[string]string
		want     float64
	}{
		"sum":             {at, 9},
		"average":         {scalertest.With(at, "operation", "avg"), 4.5},
		"maximum":         {scalertest.With(at, "operation", "max"), 6},
		"pages of one":    {scalertest.With(at, "pageSize", "1", "queueName", "^re"), 19},
		"unanchored":      {scalertest.With(at, "queueName", "thre"), 10},
		"nothing matches": {scalertest.With(at, "queueName", "^nothing"), 0},
		"a dot is a dot":  {scalertest.With(at, "queueName", "re.one", "useRegex", "false"), 3},
		"a plus":          {scalertest.With(at, "queueName", "re+three", "useRegex", "false"), 10},
		"virtual host":    {scalertest.With(at, "vhostName", "/"), 9},
		"in the path":     {scalertest.With(at, "host", "http://"+user+":"+password+"@"+s.HTTP+"/%2F"), 9},
		"first API":       {map[string]string{"apiHost": "http://" + user + ":" + password + "@" + s.HTTP, "queueName": "re.one", "includeUnacked": "true"}, 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if r, err := open(t, pool.New(), tc.metadata, nil).Measure(t.Context()); err != nil || r.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
	refused(t, open(t, pool.New(), scalertest.With(at, "useRegex", "false", "queueName", "re.none"), nil), scaler.ReasonMissing, "re.none")
	refused(t, open(t, pool.New(), scalertest.With(at, "vhostName", "absent"), nil), scaler.ReasonMissing, "absent")
	refused(t, open(t, pool.New(), scalertest.With(at, "host", "http://"+s.HTTP+"/"), map[string]string{"username": user, "password": "wrong-one"}), scaler.ReasonDenied, "401")
	refused(t, open(t, pool.New(), scalertest.With(at, "host", "http://"+s.HTTP+"/"), nil), scaler.ReasonDenied, "401")
	refused(t, open(t, pool.New(), scalertest.With(at, "queueName", "("), nil), scaler.ReasonMisconfigured, "regular expression")
}

// modes checks unacknowledged messages and rates.
func modes(t *testing.T, s *rabbitmqserver.Server) {
	s.Declare(t, "held")
	s.Set(t, "held", 5)
	at := map[string]string{"host": "http://" + s.HTTP, "queueName": "held", "mode": "QueueLength", "value": "5"}
	value := func(metadata map[string]string) scaler.Reading {
		t.Helper()
		r, err := open(t, pool.New(), metadata, login).Measure(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, mode := range []string{modeRatio, modeTime} {
		if r := value(scalertest.With(at, "mode", mode, "activationValue", "2")); r.Active == nil || !*r.Active || r.Value != 2 {
			t.Errorf("%s while nothing is delivered: %+v", mode, r)
		}
	}
	ch := s.Channel(t)
	for range 2 {
		if _, ok, err := ch.Get("held", false); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	s.Await(t, "held", func(q rabbitmqserver.Queue) bool { return q.Unacked == 2 && q.Ready == 3 })
	for want, metadata := range map[float64]map[string]string{
		5: at,
		3: scalertest.With(at, "excludeUnacknowledged", "true"),
	} {
		if r := value(metadata); r.Value != want {
			t.Errorf("%v: got %+v, want %v", metadata, r, want)
		}
	}
	if r := value(map[string]string{"host": "amqp://" + s.AMQP, "queueName": "held"}); r.Value != 3 {
		t.Errorf("by AMQP: %+v", r)
	}
	if r := value(map[string]string{"host": "amqp://" + s.AMQP, "apiHost": "http://" + s.HTTP, "queueName": "held", "includeUnacked": "true"}); r.Value != 5 {
		t.Errorf("first API with includeUnacked: %+v", r)
	}
	if r := value(map[string]string{"apiHost": "http://" + s.HTTP, "queueName": "held"}); r.Value != 3 {
		t.Errorf("first API without includeUnacked: %+v", r)
	}
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	rates(t, s, at, value)
}

// rates keeps messages coming and going until the server shows how fast.
func rates(t *testing.T, s *rabbitmqserver.Server, at map[string]string, value func(map[string]string) scaler.Reading) {
	ch := s.Channel(t)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err := ch.PublishWithContext(t.Context(), "", "held", false, false, amqp.Publishing{}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ch.Get("held", true); err != nil {
			t.Fatal(err)
		}
		in, out := value(scalertest.With(at, "mode", "MessageRate")), value(scalertest.With(at, "mode", "DeliverGetRate"))
		if in.ActivationValue == nil || *in.ActivationValue < 4 {
			t.Fatalf("the backlog does not count for activation: %+v", in)
		}
		if in.Value > 0 && out.Value > 0 {
			return
		}
	}
	t.Error("the rates stay 0")
}

// manyQueues counts what 100 triggers on one virtual host cost.
func manyQueues(t *testing.T, s *rabbitmqserver.Server) {
	const n = 100
	ch := s.Channel(t)
	for i := range n {
		queue := fmt.Sprintf("many.%d", i)
		s.Declare(t, queue)
		for range i % 4 {
			if err := ch.PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Set(t, fmt.Sprintf("many.%d", n-1), 7) // later than all others
	var requests atomic.Int64
	front := newCounter(t, s.HTTP, &requests)
	for scheme, address := range map[string]string{"http": front, "amqp": s.AMQP} {
		p := pool.New()
		var sources []scaler.Source
		for i := range n {
			sources = append(sources, open(t, p, map[string]string{"host": scheme + "://" + address, "queueName": fmt.Sprintf("many.%d", i)}, login))
		}
		for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
			want := float64(i % 4)
			if i == n-1 {
				want = 7
			}
			if r.Err != nil || r.Reading.Value != want {
				t.Errorf("%s: queue %d: %+v, want %v", scheme, i, r, want)
			}
		}
		if total := p.Len(); len(total) != 1 || total["rabbitmq"]+total["http"] != 1 {
			t.Errorf("%s: connections %v, want one", scheme, total)
		}
	}
	if got := requests.Load(); got != 1 {
		t.Errorf("%d HTTP requests for %d queues, want 1", got, n)
	}
}
