package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

func onFake(t testing.TB, f *kafkaserver.Fake) *cluster {
	t.Helper()
	return &cluster{address: f.Addresses[0], client: kafkaserver.NewClient(t, kgo.SeedBrokers(f.Addresses...)), env: newEnv()}
}

func TestBehaviour(t *testing.T) { behaviours(t, onFake(t, kafkaserver.StartFake(t))) }

// TestOldBrokers checks brokers that take one group per request, and have no
// fetch sessions, and brokers that have no room for one.
func TestOldBrokers(t *testing.T) {
	for name, opt := range map[string]kfake.Opt{
		"1.0":         kfake.MaxVersions(kversion.V1_0_0()),
		"2.8":         kfake.MaxVersions(kversion.V2_8_0()),
		"no sessions": kfake.BrokerConfigs(map[string]string{"max.incremental.fetch.session.cache.slots": "0"}),
	} {
		t.Run(name, func(t *testing.T) {
			c := onFake(t, kafkaserver.StartFake(t, opt))
			lagOfOneTopic(t, c)
			severalTopics(t, c)
			wakesItsOwn(t, c)
		})
	}
}

// TestOneFailureIsItsOwn checks that a trigger's failure does not fail those
// measured with it.
func TestOneFailureIsItsOwn(t *testing.T) {
	c := onFake(t, kafkaserver.StartFake(t))
	good, topic := c.idle(t, 3)
	bad, group := name("missing"), name("group")
	sources := []scaler.Source{
		c.open(t, group, bad), good, c.open(t, group, topic+","+bad), c.open(t, name("group"), ""), c.open(t, group, topic),
	}
	var got []string
	for _, r := range good.MeasureAll(t.Context(), sources) {
		if r.Err != nil {
			got = append(got, string(scaler.ReasonOf(r.Err)))
		} else {
			got = append(got, fmt.Sprint(r.Reading.Value))
		}
	}
	if diff := cmp.Diff([]string{"Missing", "0", "Missing", "Missing", "3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMoves checks that leaders and coordinators that move cost no poll.
func TestMoves(t *testing.T) {
	f := kafkaserver.StartFake(t)
	c := onFake(t, f)
	s, topic := c.idle(t, 3)
	r := watch(t, s)
	r.await(t, scaler.Watching, 1)
	for n := range int32(3) {
		for p := range int32(3) {
			if err := f.MoveTopicPartition(topic, p, n); err != nil {
				t.Fatal(err)
			}
		}
		f.RehashCoordinators()
		expect(t, s, 0, 0, "")
	}
	eventually(t, s.conn.hub.allLive)
	seen := r.count(scaler.Arrived)
	c.client.Produce(t, topic, 1, 1)
	r.await(t, scaler.Arrived, seen+1)
	expect(t, s, 1, 1, "")
}

// TestGrowth checks that partitions that are added count at the latest when
// what is known of the topic is too old.
func TestGrowth(t *testing.T) {
	c := onFake(t, kafkaserver.StartFake(t))
	now := time.Now()
	c.env.Now = func() time.Time { return now }
	s, topic := c.idle(t, 1)
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = 5000
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, 3
	req.Topics = append(req.Topics, rt)
	if _, err := req.RequestWith(t.Context(), c.client.Client); err != nil {
		t.Fatal(err)
	}
	c.client.Commit(t, s.config.group, topic, 2, 0)
	all := c.open(t, s.config.group, "") // a group's own topics show it at once
	expect(t, all, 1, 1, "1 of 3 partitions have no committed offset")
	now = now.Add(maxAge)
	expect(t, s, 1, 1, "1 of 3 partitions have no committed offset")
}

func TestSASLAndACLs(t *testing.T) {
	f := kafkaserver.StartFake(t, kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "secret"), kfake.Superuser("SCRAM-SHA-256", "admin256", "secret"),
		kfake.Superuser("SCRAM-SHA-512", "admin512", "secret"), kfake.User("PLAIN", kafkaserver.Limited, "secret"))
	admin := plain.Auth{User: "admin", Pass: "secret"}.AsMechanism()
	c := &cluster{client: kafkaserver.NewClient(t, kgo.SeedBrokers(f.Addresses...), kgo.SASL(admin))}
	topic, group := name("topic"), name("group")
	c.client.CreateTopic(t, topic, 1)
	at := func(sasl, user, password string) *source {
		return open(t, newEnv(), trigger("bootstrapServers", f.Addresses[1], "topic", topic, "consumerGroup", group),
			map[string]string{"sasl": sasl, "username": user, "password": password})
	}
	expect(t, at("plaintext", "admin", "secret"), 1, 1, "no committed offset")
	expect(t, at("scram_sha256", "admin256", "secret"), 1, 1, "no committed offset")
	expect(t, at("scram_sha512", "admin512", "secret"), 1, 1, "no committed offset")
	for _, sasl := range []string{"plaintext", "scram_sha256"} {
		_, err := measure(at(sasl, "admin", "wr0ng"))
		if err == nil || !strings.Contains(err.Error(), "refuse credentials") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s with a wrong password: %v", sasl, err)
		}
	}
	grow(t, c, at("plaintext", kafkaserver.Limited, "secret"), group, topic)
}

func TestTLS(t *testing.T) {
	authority := conntest.NewAuthority(t)
	pair := authority.Issue(t, "broker")
	own, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	f := kafkaserver.StartFake(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{own}}), kfake.SeedTopics(1, "topic"))
	meta := trigger("bootstrapServers", f.Addresses[0], "tls", "enable")
	ca := map[string]string{"ca": authority.PEM}
	expect(t, open(t, newEnv(), meta, ca), 1, 1, "no committed offset")
	expect(t, open(t, newEnv(), trigger("bootstrapServers", f.Addresses[0]), map[string]string{"authMode": "tls", "ca": authority.PEM}), 1, 1, "no committed offset")
	refuse(t, open(t, newEnv(), meta, nil), scaler.ReasonMisconfigured, "certificate")
	meta["unsafeSsl"] = "true"
	expect(t, open(t, newEnv(), meta, nil), 1, 1, "no committed offset")
	refuse(t, open(t, newEnv(), trigger("bootstrapServers", f.Addresses[0]), nil), scaler.ReasonUnreachable, "TLS")
}

// TestUnknownMechanism checks a broker without the mechanism asked for;
// Apache Kafka itself shows the rest of OAuth.
func TestUnknownMechanism(t *testing.T) {
	f := kafkaserver.StartFake(t, kfake.EnableSASL())
	src := open(t, newEnv(), trigger("bootstrapServers", f.Addresses[0], "sasl", "oauthbearer"),
		map[string]string{"username": "id", "password": "s3cret", "oauthTokenEndpointUri": "http://127.0.0.1:1"})
	refuse(t, src, scaler.ReasonMisconfigured, "SASL")
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // it accepts, and never answers
	silent := open(t, newEnv(), trigger("bootstrapServers", l.Addr().String()), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = silent.Measure(ctx)
	if scaler.ReasonOf(err) != scaler.ReasonUnreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a broker that is silent: %v", err)
	}
	refuse(t, open(t, newEnv(), trigger("bootstrapServers", "127.0.0.1:1"), nil), scaler.ReasonUnreachable, "refused")
	refuse(t, open(t, newEnv(), trigger("bootstrapServers", "169.254.169.254:80"), nil), scaler.ReasonMisconfigured, "link-local")
}

// TestBrokersGoAndCome checks a watch over the end and the return of a cluster.
func TestBrokersGoAndCome(t *testing.T) {
	f := kafkaserver.StartFake(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "topic"))
	_, port, _ := net.SplitHostPort(f.Addresses[0])
	c := onFake(t, f)
	for p := range 2 {
		c.client.Commit(t, "group", "topic", p, 0)
	}
	s := c.open(t, "group", "topic")
	expect(t, s, 0, 0, "")
	r := watch(t, s)
	r.await(t, scaler.Watching, 1)
	f.Close()
	if got := r.await(t, scaler.Broken, 1); scaler.ReasonOf(got.Err) != scaler.ReasonUnreachable {
		t.Errorf("broken with %v", got.Err)
	}
	refuse(t, s, scaler.ReasonUnreachable)
	var n int
	_, _ = fmt.Sscan(port, &n)
	again := kafkaserver.StartFake(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "topic"), kfake.Ports(n))
	r.await(t, scaler.Watching, 2)
	r.await(t, scaler.Arrived, 1)
	seen := r.count(scaler.Arrived)
	kafkaserver.NewClient(t, kgo.SeedBrokers(again.Addresses...)).Produce(t, "topic", 1, 1)
	r.await(t, scaler.Arrived, seen+1)
}

func TestClose(t *testing.T) {
	f := kafkaserver.StartFake(t, kfake.SeedTopics(1, "topic"))
	env := newEnv()
	p := env.Pool.(*pool.Pool)
	before := runtime.NumGoroutine()
	a := open(t, env, trigger("bootstrapServers", f.Addresses[0]), nil)
	b := open(t, env, trigger("bootstrapServers", f.Addresses[0], "consumerGroup", "other"), nil)
	expect(t, a, 1, 1, "no committed offset")
	r := watch(t, b)
	r.await(t, scaler.Watching, 1)
	if diff := cmp.Diff(map[string]int{"kafka": 1}, p.Len()); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
	_, _ = a.Close(), b.Close()
	if n := p.Len()["kafka"]; n != 0 {
		t.Errorf("%d connections are held by nobody", n)
	}
	eventually(t, func() error {
		if n := runtime.NumGoroutine(); n > before {
			return fmt.Errorf("%d goroutines, %d before", n, before)
		}
		return nil
	})
}
