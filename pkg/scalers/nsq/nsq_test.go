package nsq

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	nsqserver "github.com/kedago/keda/test/servers/nsq"
)

func trigger(lookups, topic string) map[string]string {
	return map[string]string{"nsqLookupdHTTPAddresses": lookups, "topic": topic, "channel": "work"}
}

// TestConformance is with real servers. One of the two nsqd always holds one
// message of the topic.
func TestConformance(t *testing.T) {
	s := nsqserver.Start(t, 2)
	set := func(t *testing.T, topic string) func(context.Context, float64) {
		return func(_ context.Context, n float64) {
			s.Fill(t, s.Daemons[0], topic, "work", int(n))
			s.Fill(t, s.Daemons[1], topic, "work", 1)
		}
	}
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: trigger(s.Lookup, "orders"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			p := scalertest.NewProxy(t, s.Lookup)
			return scalertest.Fixture{
				Proxy: p, Metadata: map[string]string{"nsqLookupdHTTPAddresses": p.Addr}, Set: set(t, "orders"),
				Expect: func(n float64) float64 { return n + 1 },
				Siblings: []scalertest.Sibling{
					{Metadata: map[string]string{"topic": "mails"}, Set: set(t, "mails")},
					{Metadata: map[string]string{"topic": "bills"}, Set: set(t, "bills")},
				},
			}
		},
	})
}

// TestDepth is with real servers: which depth counts, by itself and among others.
func TestDepth(t *testing.T) {
	s := nsqserver.Start(t, 2)
	one, two := s.Daemons[0], s.Daemons[1]
	s.FillTopic(t, one, "fresh", 4)
	s.FillTopic(t, two, "shared", 2) // before there is a channel, which it would take over
	s.Fill(t, one, "shared", "work", 3)
	s.Fill(t, one, "paused", "work", 3)
	s.Fill(t, two, "paused", "work", 5)
	nsqserver.Do(t, one, "/channel/pause?topic=paused&channel=work", "")
	s.Fill(t, one, "moved", "work", 3)
	s.Fill(t, two, "moved", "work", 5)
	nsqserver.Do(t, s.Lookup, "/topic/tombstone?topic=moved&node="+net.JoinHostPort("127.0.0.1", port(two)), "")
	cases := []struct {
		topic string
		want  scaler.Reading
	}{
		{"fresh", scaler.Reading{Value: 4}},
		{"shared", scaler.Reading{Value: 5}},
		{"paused", scaler.Reading{Value: 5, Note: "the channel is paused on 1 of 2 nsqd, where it counts as 0"}},
		{"moved", scaler.Reading{Value: 3}},
		{"absent", scaler.Reading{Empty: true, Note: "no nsqd has the topic, which counts as 0"}},
	}
	var all []scaler.Source
	for _, c := range cases {
		source := open(t, trigger(s.Lookup, c.topic))
		all = append(all, source)
		r, err := source.Measure(t.Context())
		if diff := cmp.Diff(c.want, r); err != nil || diff != "" {
			t.Errorf("%s by itself: %v (-want +got):\n%s", c.topic, err, diff)
		}
	}
	for i, r := range all[0].(scaler.Batcher).MeasureAll(t.Context(), all) {
		if diff := cmp.Diff(cases[i].want, r.Reading); r.Err != nil || diff != "" {
			t.Errorf("%s among others: %v (-want +got):\n%s", cases[i].topic, r.Err, diff)
		}
	}
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

func open(t testing.TB, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata}, scaler.Env{})
}

// fake answers as both servers, and keeps what was asked.
type fake struct {
	lookup, stats string
	status        int

	mu    sync.Mutex // guards asked
	asked []string
}

func (f *fake) start(t testing.TB) string {
	server := httptest.NewUnstartedServer(nil)
	at := server.Listener.Addr().String()
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.URL.String()+" "+r.Header.Get("Accept"))
		f.mu.Unlock()
		if r.URL.Path == "/stats" {
			_, _ = io.WriteString(w, f.stats)
			return
		}
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, strings.ReplaceAll(f.lookup, "PORT", port(at)))
	})
	server.Start()
	t.Cleanup(server.Close)
	return at
}

const listed = `{"producers": [{"broadcast_address": "127.0.0.1", "http_port": PORT, "topics": ["t"], "tombstones": [false]}]}`

// TestAnswers: what is no number is an error, never 0.
func TestAnswers(t *testing.T) {
	good := `{"topics": [{"topic_name": "t", "depth": 9, "channels": [{"channel_name": "work", "depth": 2, "paused": false}]}]}`
	for name, c := range map[string]struct {
		status        int
		lookup, stats string
		value         float64
		reason        scaler.Reason
		said          string
	}{
		"good":               {200, listed, good, 2, "", ""},
		"no producers":       {200, `{"producers": []}`, "", 0, "", ""},
		"not found":          {404, `{"message": "TOPIC_NOT_FOUND"}`, "", 0, "", ""},
		"some other 404":     {404, `not found`, "", 0, scaler.ReasonMissing, "404"},
		"no list":            {200, `{"message": "hello"}`, "", 0, scaler.ReasonBadAnswer, "list of producers"},
		"no JSON":            {200, `<html>`, "", 0, scaler.ReasonBadAnswer, "list of producers"},
		"broken":             {500, listed, good, 0, scaler.ReasonUnreachable, "500"},
		"no port":            {200, `{"producers": [{"broadcast_address": "127.0.0.1"}]}`, "", 0, scaler.ReasonBadAnswer, "without an address"},
		"gone":               {200, listed, `{"topics": []}`, 0, "", ""},
		"stats without list": {200, listed, `{"topics": null}`, 0, scaler.ReasonBadAnswer, "list of topics"},
		"stats without JSON": {200, listed, `<html>`, 0, scaler.ReasonBadAnswer, "list of topics"},
		"no depth":           {200, listed, `{"topics": [{"topic_name": "t", "channels": []}]}`, 0, scaler.ReasonBadAnswer, "no depth"},
		"depth of none":      {200, listed, `{"topics": [{"topic_name": "t", "depth": 9, "channels": [{"channel_name": "work", "depth": null}]}]}`, 0, scaler.ReasonBadAnswer, "no depth"},
		"depth as text":      {200, listed, `{"topics": [{"topic_name": "t", "depth": "9"}]}`, 0, scaler.ReasonBadAnswer, "list of topics"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{status: c.status, lookup: c.lookup, stats: c.stats}
			r, err := open(t, trigger(f.start(t), "t")).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said)
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

// TestRequests: a topic by itself is named, several are listed by each server
// at once; what two nsqlookupd both know counts once.
func TestRequests(t *testing.T) {
	f := &fake{status: 200, lookup: listed, stats: `{"topics": [{"topic_name": "t", "depth": 9}]}`}
	at := f.start(t)
	both := open(t, trigger(at+", localhost:"+port(at), "t"))
	if r, err := both.Measure(t.Context()); err != nil || r.Value != 9 {
		t.Errorf("measured %v, %v; expected 9", r.Value, err)
	}
	const accept = " application/json; charset=utf-8"
	want := []string{"/lookup?topic=t" + accept, "/lookup?topic=t" + accept, "/stats?format=json&include_clients=false&include_mem=false&topic=t" + accept}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	f.asked = nil
	one := open(t, trigger(at, "t"))
	one.(scaler.Batcher).MeasureAll(t.Context(), []scaler.Source{one, open(t, trigger(at, "u"))})
	if diff := cmp.Diff([]string{"/nodes" + accept, "/stats?format=json&include_clients=false&include_mem=false" + accept}, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestChecks(t *testing.T) {
	for _, bad := range []string{"http://lookup:4161", "lookup:4161/path", ":4161", "look up"} {
		ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: trigger("good:4161,"+bad, "t")})
		if err := ps.Err(); err == nil || !strings.Contains(err.Error(), "host:port") {
			t.Errorf("%q: got %v; expected a problem about host:port", bad, err)
		}
	}
	if err := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: trigger(",", "t")}).Err(); err == nil || !strings.Contains(err.Error(), "no address in it") {
		t.Errorf("no address: got %v", err)
	}
	c := &config{}
	values := param.Values{Env: map[string]string{"V": "5", "B": "true"}, Metadata: map[string]string{
		"nsqLookupdHTTPAddressesFromEnv": "V", "topicFromEnv": "V", "channelFromEnv": "V", "depthThresholdFromEnv": "V",
		"activationDepthThresholdFromEnv": "V", "useHttpsFromEnv": "B", "unsafeSslFromEnv": "B",
	}}
	if err := scaler.Decode(c, values).Err(); err != nil {
		t.Fatal(err)
	}
	target, activation := scaler.TargetOf(c)
	if !c.secure || !c.tls.Unsafe() || target != 5 || activation != 5 || c.Metric() != "nsq-5-5" {
		t.Errorf("decoded %+v", c)
	}
}

// BenchmarkTriggers polls 100 topics of one nsqlookupd and one nsqd; only
// questions to nsqlookupd are counted.
func BenchmarkTriggers(b *testing.B) {
	var topics, stats []string
	for i := range 100 {
		topics = append(topics, fmt.Sprintf(`"topic-%d"`, i))
		stats = append(stats, fmt.Sprintf(`{"topic_name": "topic-%d", "depth": 1}`, i))
	}
	f := &fake{
		status: 200, stats: `{"topics": [` + strings.Join(stats, ",") + `]}`,
		lookup: `{"producers": [{"broadcast_address": "127.0.0.1", "http_port": PORT, "topics": [` + strings.Join(topics, ",") + `]}]}`,
	}
	scalertest.BenchTriggers(b, f.start(b), func(addr string, i int) scaler.Source {
		return open(b, trigger(addr, fmt.Sprint("topic-", i)))
	})
}
