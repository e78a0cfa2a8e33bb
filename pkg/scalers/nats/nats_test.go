package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// jet is a real server in this process, and its stream.
type jet struct {
	*server.Server
	monitor string
	js      jetstream.JetStream
}

func start(t testing.TB, more func(*server.Options)) *jet {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: -1, HTTPHost: "127.0.0.1", HTTPPort: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	if more != nil {
		more(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return &jet{Server: s, monitor: s.MonitorAddr().String()}
}

func (j *jet) connect(t testing.TB) {
	t.Helper()
	c, err := client.Connect(j.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if j.js, err = jetstream.New(c); err != nil {
		t.Fatal(err)
	}
}

// stream makes a stream with a consumer of the same name.
func (j *jet) stream(t testing.TB, name string, replicas int) jetstream.Consumer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, err := j.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, Replicas: replicas, Storage: jetstream.MemoryStorage})
		if err == nil {
			break
		}
		if ctx.Err() != nil || replicas == 1 {
			t.Fatal(err)
		} // a cluster needs a moment to elect its leader
	}
	c, err := j.js.CreateOrUpdateConsumer(ctx, name, jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy, MemoryStorage: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (j *jet) set(t *testing.T, name string) func(context.Context, float64) {
	return func(ctx context.Context, n float64) {
		s, err := j.js.Stream(ctx, name)
		if err == nil {
			err = s.Purge(ctx)
		}
		for range int(n) {
			if err == nil {
				_, err = j.js.Publish(ctx, name+".x", nil)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func trigger(at, name string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"natsServerMonitoringEndpoint": at, "stream": name, "consumer": name}, more...)
}

func open(t testing.TB, p scaler.Pool, metadata map[string]string) *source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata}, scaler.Env{Pool: p, Now: time.Now}).(*source)
}

func refused(t *testing.T, s scaler.Source, want scaler.Reason, mention string) {
	t.Helper()
	_, err := s.Measure(t.Context())
	scalertest.Refused(t, err, want, mention)
}

func TestConformance(t *testing.T) {
	j := start(t, nil)
	j.connect(t)
	for _, name := range []string{"one", "two", "three"} {
		j.stream(t, name, 1)
	}
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: trigger(j.monitor, "one"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			p := scalertest.NewProxy(t, j.monitor)
			return scalertest.Fixture{
				Proxy: p, Metadata: map[string]string{"natsServerMonitoringEndpoint": p.Addr}, Set: j.set(t, "one"),
				Siblings: []scalertest.Sibling{
					{Metadata: map[string]string{"stream": "two", "consumer": "two"}, Set: j.set(t, "two")},
					{Metadata: map[string]string{"stream": "three", "consumer": "three"}, Set: j.set(t, "three")},
				},
				Bad: map[string]string{"consumer": "absent"},
			}
		},
	})
}

func TestLag(t *testing.T) {
	j := start(t, nil)
	j.connect(t)
	consumer := j.stream(t, "orders", 1)
	j.set(t, "orders")(t.Context(), 5)
	s := open(t, pool.New(), trigger(j.monitor, "orders"))
	got, err := consumer.Fetch(2)
	if err != nil {
		t.Fatal(err)
	}
	var first jetstream.Msg
	for m := range got.Messages() {
		if first == nil {
			first = m
		}
	}
	if r, err := s.Measure(t.Context()); err != nil || r.Value != 5 {
		t.Errorf("with two unacknowledged: %+v, %v", r, err)
	}
	if err := first.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Measure(t.Context()); err != nil || r.Value != 4 {
		t.Errorf("with one acknowledged: %+v, %v", r, err)
	}
	refused(t, open(t, pool.New(), trigger(j.monitor, "orders", "stream", "absent")), scaler.ReasonMissing, "absent")
	if r, err := open(t, pool.New(), trigger(j.monitor, "orders", "account", "absent")).Measure(t.Context()); err == nil {
		t.Errorf("an absent account gave %+v", r)
	}
	plain := start(t, func(o *server.Options) { o.JetStream = false })
	if r, err := open(t, pool.New(), trigger(plain.monitor, "orders")).Measure(t.Context()); err == nil {
		t.Errorf("without JetStream got %+v", r)
	}
}

// TestManyConsumers counts what 100 triggers on one server cost.
func TestManyConsumers(t *testing.T) {
	j := start(t, nil)
	j.connect(t)
	p := pool.New()
	var sources []scaler.Source
	var requests atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		j.HandleJsz(w, r)
	}))
	defer front.Close()
	for i := range 100 {
		name := fmt.Sprint("s", i)
		j.stream(t, name, 1)
		j.set(t, name)(t.Context(), float64(i%3))
		sources = append(sources, open(t, p, trigger(strings.TrimPrefix(front.URL, "http://"), name)))
	}
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if r.Err != nil || r.Reading.Value != float64(i%3) {
			t.Errorf("consumer %d: %+v", i, r)
		}
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// TestCluster asks three servers by one name, as a headless Service has it.
func TestCluster(t *testing.T) {
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	var jets []*jet
	var routes []string
	for range 3 {
		routes = append(routes, freeAddress(t))
	}
	for i, route := range routes {
		jets = append(jets, start(t, func(o *server.Options) {
			o.ServerName = fmt.Sprint("nats-", i)
			o.HTTPHost = fmt.Sprint("127.0.0.", i+1)
			_, _ = fmt.Sscan(port, &o.HTTPPort)
			o.Cluster.Name, o.Cluster.Host = "c", "127.0.0.1"
			_, p, _ := net.SplitHostPort(route)
			_, _ = fmt.Sscan(p, &o.Cluster.Port)
			o.Routes = server.RoutesFromStr("nats://" + strings.Join(routes, ",nats://"))
		}))
	}
	for end := time.Now().Add(20 * time.Second); !anyLeads(jets) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	jets[0].connect(t)
	lookup := func(context.Context, string) ([]string, error) {
		return []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, nil
	}
	p := pool.New()
	var sources []scaler.Source
	for i, replicas := range []int{1, 1, 3, 3, 3} {
		name := fmt.Sprint("s", i)
		jets[0].stream(t, name, replicas)
		jets[0].set(t, name)(t.Context(), float64(i+1))
		s := open(t, p, trigger("nats.test:"+port, name))
		s.lookup = lookup
		sources = append(sources, s)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var wrong []string
		for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
			if r.Err != nil || r.Reading.Value != float64(i+1) {
				wrong = append(wrong, fmt.Sprintf("consumer %d: %+v", i, r))
			}
		}
		if wrong == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(wrong)
		}
	}
	missing := open(t, p, trigger("nats.test:"+port, "absent"))
	missing.lookup = lookup
	refused(t, missing, scaler.ReasonMissing, "absent")
	missing.lookup = func(context.Context, string) ([]string, error) {
		return []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}, nil
	}
	refused(t, missing, scaler.ReasonUnreachable, "127.0.0.4")
}

func anyLeads(jets []*jet) bool {
	for _, j := range jets {
		if j.JetStreamIsLeader() {
			return true
		}
	}
	return false
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestAnswers checks that nothing but a full answer of the leader becomes a number.
func TestAnswers(t *testing.T) {
	about := func(consumer string) string {
		return `{"server_id":"A","account_details":[{"name":"$G","id":"$G","stream_detail":[{"name":"s","consumer_detail":[` + consumer + `]}]}]}`
	}
	tests := map[string]struct {
		status int
		body   string
		want   scaler.Reason
	}{
		"right":             {200, about(`{"name":"s","num_pending":2,"num_ack_pending":1}`), ""},
		"leader":            {200, about(`{"name":"s","num_pending":2,"num_ack_pending":1,"cluster":{"leader":"a","replicas":[{"name":"b"}]}}`), ""},
		"follower":          {200, about(`{"name":"s","num_pending":2,"num_ack_pending":1,"cluster":{"leader":"b","replicas":[{"name":"b"}]}}`), scaler.ReasonUnreachable},
		"no leader":         {200, about(`{"name":"s","num_pending":2,"num_ack_pending":1,"cluster":{"replicas":[{"name":"b"}]}}`), scaler.ReasonUnreachable},
		"no counts":         {200, about(`{"name":"s"}`), scaler.ReasonBadAnswer},
		"below zero":        {200, about(`{"name":"s","num_pending":-2,"num_ack_pending":1}`), scaler.ReasonBadAnswer},
		"another consumer":  {200, about(`{"name":"t","num_pending":2,"num_ack_pending":1}`), scaler.ReasonMissing},
		"another account":   {200, strings.ReplaceAll(about(`{"name":"s","num_pending":2,"num_ack_pending":1}`), "$G", "X"), scaler.ReasonMissing},
		"JetStream is off":  {200, `{"server_id":"A","disabled":true}`, scaler.ReasonMisconfigured},
		"a web page":        {200, `<html>`, scaler.ReasonBadAnswer},
		"other JSON":        {200, `{}`, scaler.ReasonBadAnswer},
		"text for a number": {200, about(`{"name":"s","num_pending":"2"}`), scaler.ReasonBadAnswer},
		"denied":            {403, ``, scaler.ReasonDenied},
		"broken":            {500, ``, scaler.ReasonUnreachable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := scalertest.Serve(t, tc.status, tc.body)
			r, err := open(t, pool.New(), trigger(strings.TrimPrefix(s.URL, "http://"), "s")).Measure(t.Context())
			if tc.want == "" {
				if err != nil || r.Value != 3 {
					t.Errorf("got %+v, %v", r, err)
				}
				return
			}
			if err == nil || scaler.ReasonOf(err) != tc.want {
				t.Errorf("got %+v, %v; want %s", r, err, tc.want)
			}
		})
	}
}

func TestServers(t *testing.T) {
	find := func(ips []string, err error) func(context.Context, string) ([]string, error) {
		return func(context.Context, string) ([]string, error) { return ips, err }
	}
	tests := map[string]struct {
		config config
		ips    []string
		err    error
		want   []string
	}{
		"an address":      {config: config{endpoint: "10.0.0.1:8222"}, ips: []string{"x", "y"}, want: []string{"10.0.0.1:8222"}},
		"one server":      {config: config{endpoint: "nats:8222"}, ips: []string{"10.0.0.1"}, want: []string{"nats:8222"}},
		"unknown":         {config: config{endpoint: "nats:8222"}, err: errors.New("no such host"), want: []string{"nats:8222"}},
		"several servers": {config: config{endpoint: "nats:8222"}, ips: []string{"fd00::1", "10.0.0.1"}, want: []string{"10.0.0.1:8222", "[fd00::1]:8222"}},
		"over TLS":        {config: config{endpoint: "nats:8222", secure: true}, ips: []string{"10.0.0.2", "10.0.0.1"}, want: []string{"nats:8222"}},
	}
	for name, tc := range tests {
		p := &poll{source: &source{config: &tc.config, lookup: find(tc.ips, tc.err)}}
		if diff := cmp.Diff(tc.want, p.servers(t.Context())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestProblems(t *testing.T) {
	tests := map[string]struct {
		metadata map[string]string
		want     []string
	}{
		"right":       {trigger("nats:8222", "s"), nil},
		"nothing":     {nil, []string{"error metadata.natsServerMonitoringEndpoint", "error metadata.stream", "error metadata.consumer"}},
		"no port":     {trigger("nats", "s"), []string{"error metadata.natsServerMonitoringEndpoint"}},
		"a scheme":    {trigger("http://nats:8222", "s"), []string{"error metadata.natsServerMonitoringEndpoint"}},
		"threshold 0": {trigger("nats:8222", "s", "lagThreshold", "0"), []string{"error metadata.lagThreshold"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata}) {
				got = append(got, string(p.Severity)+" "+p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
