package activemq

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	activemqserver "github.com/kedago/keda/test/servers/activemq"
)

var access = map[string]string{"username": activemqserver.User, "password": activemqserver.Password}

func classicTrigger(at, queue string) map[string]string {
	return map[string]string{"managementEndpoint": at, "destinationName": queue, "brokerName": activemqserver.Broker}
}

func artemisTrigger(at, queue string) map[string]string {
	return map[string]string{"managementEndpoint": at, "queueName": queue, "brokerName": "shop", "brokerAddress": "orders"}
}

// TestConformance is with a real broker.
func TestConformance(t *testing.T) {
	s := activemqserver.Start(t)
	set := func(t *testing.T, queue string) func(context.Context, float64) {
		return func(_ context.Context, n float64) { s.Fill(t, queue, int(n)) }
	}
	s.Fill(t, "one", 0)
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: classicTrigger(s.Addr, "one"), Auth: access,
		Fixture: func(t *testing.T) scalertest.Fixture {
			p := scalertest.NewProxy(t, s.Addr)
			return scalertest.Fixture{
				Proxy: p, Metadata: map[string]string{"managementEndpoint": p.Addr}, Set: set(t, "one"), Values: []float64{0, 3, 100, 1, 0},
				Siblings: []scalertest.Sibling{
					{Metadata: map[string]string{"destinationName": "two"}, Set: set(t, "two")},
					{Metadata: map[string]string{"destinationName": "odd/na!me x"}, Set: set(t, "odd/na!me x")},
				},
				Bad:  map[string]string{"destinationName": "absent"},
				Deny: func() { s.SetPassword(t, "another") }, Allow: func() { s.SetPassword(t, activemqserver.Password) },
			}
		},
	})
}

// TestOddNames: what Jolokia and addresses treat in their own way is found by
// one request and among several.
func TestOddNames(t *testing.T) {
	s := activemqserver.Start(t)
	for _, name := range []string{"shop/orders", "wow!", "a b", "50%25", "x!/y"} {
		s.Fill(t, plain(name), 3)
		one := open(t, 0, classicTrigger(s.Addr, name))
		if r, err := one.Measure(t.Context()); err != nil || r.Value != 3 {
			t.Errorf("%q by itself: %+v, %v", name, r, err)
		}
		s.Fill(t, "other", 1)
		both := []scaler.Source{one, open(t, 0, classicTrigger(s.Addr, "other"))}
		for i, r := range one.(scaler.Batcher).MeasureAll(t.Context(), both) {
			if want := []float64{3, 1}[i]; r.Err != nil || r.Reading.Value != want {
				t.Errorf("%q, source %d: %+v; want %v", name, i, r, want)
			}
		}
	}
	trigger := classicTrigger(s.Addr, "other")
	trigger["corsHeader"] = "http://elsewhere.example"
	refused(t, open(t, 0, trigger), scaler.ReasonDenied, "allowed origins")
}

func TestConformanceArtemis(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == activemqserver.User && password == activemqserver.Password
		},
		func(w http.ResponseWriter, r *http.Request, n float64) {
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			_, _ = fmt.Fprintf(w, `{"request":{},"value":%v,"timestamp":1790000000,"status":200}`, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[1], Metadata: artemisTrigger("artemis.example:8161", "orders"), Auth: access,
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, "managementEndpoint", "")
			f.Metadata["managementEndpoint"] = f.Proxy.Addr
			return f
		},
	})
	asked := server.Asked()[0]
	got := []string{asked.Method, asked.URL.Path, asked.Header.Get("Content-Type"), asked.Header.Get("Origin")}
	want := []string{
		"GET", `/console/jolokia/read/org.apache.activemq.artemis:broker="shop",component=addresses,address="orders",subcomponent=queues,routing-type="anycast",queue="orders"/MessageCount`,
		"application/json", "http://" + asked.Host,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func decode(kind int, metadata map[string]string) (scaler.Config, param.Problems) {
	c := Kinds()[kind].New()
	return c, scaler.Decode(c, param.Values{Metadata: metadata, Auth: access})
}

func open(t testing.TB, kind int, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[kind].New(), param.Values{Metadata: metadata, Auth: access}, scaler.Env{})
}

func refused(t *testing.T, s scaler.Source, reason scaler.Reason, said string) {
	t.Helper()
	_, err := s.Measure(t.Context())
	scalertest.Refused(t, err, reason, said, "stack of the server")
}

// TestAnswers: only a number with Jolokia's status 200 counts.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		reason scaler.Reason
		said   string
	}{
		"number":     {200, `{"status": 200, "value": 12}`, "", ""},
		"none":       {200, `{"status": 200, "value": null}`, scaler.ReasonBadAnswer, "no number"},
		"no value":   {200, `{"status": 200}`, scaler.ReasonBadAnswer, "no number"},
		"pattern":    {200, `{"status": 200, "value": {"a": {"QueueSize": 1}}}`, scaler.ReasonBadAnswer, "no number"},
		"text":       {200, `{"status": 200, "value": "12"}`, scaler.ReasonBadAnswer, "no number"},
		"absent":     {200, `{"status": 404, "error": "stack of the server"}`, scaler.ReasonMissing, "no such queue"},
		"forbidden":  {200, `{"status": 403, "error": "stack of the server"}`, scaler.ReasonDenied, "forbid"},
		"broken":     {200, `{"status": 500, "error": "stack of the server", "value": 3}`, scaler.ReasonBadAnswer, "is 500"},
		"no status":  {200, `{"value": 3}`, scaler.ReasonBadAnswer, "not Jolokia's JSON"},
		"page":       {200, `<html>stack of the server</html>`, scaler.ReasonBadAnswer, "not Jolokia's JSON"},
		"bad server": {502, `{"status": 200, "value": 3}`, scaler.ReasonUnreachable, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			s := open(t, 1, artemisTrigger(strings.TrimPrefix(server.URL, "http://"), "orders"))
			if c.reason != "" {
				refused(t, s, c.reason, c.said)
				return
			}
			if r, err := s.Measure(t.Context()); err != nil || r.Value != 12 {
				t.Errorf("measured %v, %v; expected 12", r.Value, err)
			}
		})
	}
}

// TestTogether: several queues are one POST; where the server refuses that,
// each is a GET.
func TestTogether(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		posts  int
		gets   int
		reason scaler.Reason
	}{
		"taken":       {200, `[{"status": 200, "value": 4}, {"status": 404}]`, 1, 0, ""},
		"not allowed": {405, ``, 1, 2, ""},
		"forbidden":   {403, ``, 1, 2, ""},
		"too few":     {200, `[{"status": 200, "value": 4}]`, 1, 0, scaler.ReasonBadAnswer},
		"no list":     {200, `{"status": 500}`, 1, 0, scaler.ReasonBadAnswer},
		"broken":      {503, ``, 1, 0, scaler.ReasonUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			var posts, gets int
			var sent []read
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost:
					posts++
					if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || r.URL.Path != "/api/jolokia/" {
						t.Errorf("posted to %s: %v", r.URL, err)
					}
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.answer)
				case strings.Contains(r.URL.Path, "=absent/"):
					gets++
					_, _ = io.WriteString(w, `{"status": 404}`)
				default:
					gets++
					_, _ = io.WriteString(w, `{"status": 200, "value": 4}`)
				}
			}))
			t.Cleanup(server.Close)
			at := strings.TrimPrefix(server.URL, "http://")
			sources := []scaler.Source{open(t, 0, classicTrigger(at, "here")), open(t, 0, classicTrigger(at, "absent")), open(t, 0, classicTrigger(at, "here"))}
			results := sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources)
			if posts != c.posts || gets != c.gets {
				t.Errorf("%d POSTs and %d GETs; expected %d and %d", posts, gets, c.posts, c.gets)
			}
			of := "org.apache.activemq:type=Broker,brokerName=localhost,destinationType=Queue,destinationName="
			if diff := cmp.Diff([]read{{"read", of + "here", "QueueSize"}, {"read", of + "absent", "QueueSize"}}, sent); diff != "" {
				t.Errorf("posted (-want +got):\n%s", diff)
			}
			for i, r := range results {
				want := c.reason
				if want == "" && i == 1 {
					want = scaler.ReasonMissing
				}
				if want == "" && (r.Err != nil || r.Reading.Value != 4) || want != "" && (r.Err == nil || scaler.ReasonOf(r.Err) != want) {
					t.Errorf("source %d: %+v; expected the reason %q", i, r, want)
				}
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	const named = `/read/org.apache.activemq:type=Broker,brokerName=b,destinationType=Queue,destinationName=`
	for name, c := range map[string]struct {
		kind     int
		metadata map[string]string
		at       string // with a prefix "!", what the problem mentions
		metric   string
		origin   string
	}{
		"usual":            {0, classicTrigger("mq:8161", "q"), "http://mq:8161/api/jolokia/read/org.apache.activemq:type=Broker,brokerName=localhost,destinationType=Queue,destinationName=q/QueueSize", "activemq-q", "http://mq:8161"},
		"with a path":      {0, classicTrigger("mq:8161/shop/", "a?b#c"), "http://mq:8161/shop/api/jolokia/read/org.apache.activemq:type=Broker,brokerName=localhost,destinationType=Queue,destinationName=a%3Fb%23c/QueueSize", "activemq-a?b#c", "http://mq:8161"},
		"nothing":          {0, map[string]string{}, "!destinationName", "", ""},
		"no broker":        {0, map[string]string{"managementEndpoint": "mq:1", "destinationName": "q"}, "!brokerName", "", ""},
		"https":            {0, classicTrigger("https://mq:8161", "q"), "!host:port", "", ""},
		"a user":           {0, classicTrigger("u:p@mq:8161", "q"), "!host:port", "", ""},
		"template":         {0, map[string]string{"restAPITemplate": "https://mq/x" + named + "q/QueueSize"}, "https://mq/x" + named + "q/QueueSize", "activemq-q", "http://mq"},
		"their origin":     {0, map[string]string{"restAPITemplate": "https://mq/x" + named + "q/QueueSize", "corsHeader": "https://mq"}, "https://mq/x" + named + "q/QueueSize", "activemq-q", "https://mq"},
		"placeholders":     {0, map[string]string{"restAPITemplate": "http://{{.ManagementEndpoint}}/x" + named + "<<destinationName>>/QueueSize", "managementEndpoint": "mq:1", "destinationName": "a b"}, "http://mq:1/x" + named + "a%20b/QueueSize", "activemq-a b", "http://mq:1"},
		"value missing":    {0, map[string]string{"restAPITemplate": "http://mq/x" + named + "<<destinationName>>/QueueSize"}, "!metadata.destinationName", "", ""},
		"unknown":          {0, map[string]string{"restAPITemplate": "http://mq/x" + named + "<<queue>>/QueueSize"}, "!placeholder", "", ""},
		"no bean":          {0, map[string]string{"restAPITemplate": "http://mq/size"}, "!no address of a queue's bean", "", ""},
		"no queue in it":   {0, map[string]string{"restAPITemplate": "http://mq/x" + named + "/QueueSize"}, "!no address of a queue's bean", "", ""},
		"no address":       {0, map[string]string{"restAPITemplate": "ftp://mq" + named + "q/QueueSize"}, "!no address of a queue's bean", "", ""},
		"artemis template": {1, map[string]string{"restApiTemplate": `http://mq/c/read/org.apache.activemq.artemis:broker="b",address="a",queue="<<queueName>>"/MessageCount`, "queueName": "q,1"}, `http://mq/c/read/org.apache.activemq.artemis:broker=%22b%22,address=%22a%22,queue=%22q,1%22/MessageCount`, "artemis-q,1", "http://mq"},
		"artemis nothing":  {1, map[string]string{}, "!brokerAddress", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			config, ps := decode(c.kind, c.metadata)
			if said, bad := strings.CutPrefix(c.at, "!"); bad {
				if err := ps.Err(); err == nil || !strings.Contains(err.Error(), said) {
					t.Errorf("got %v; expected a problem with %q", err, said)
				}
				return
			}
			if len(ps) > 0 {
				t.Fatal(ps)
			}
			var b *bean
			switch config := config.(type) {
			case *classic:
				b = &config.bean
			case *artemis:
				b = &config.bean
			}
			got := []string{b.at.String(), config.Metric(), b.origin}
			if diff := cmp.Diff([]string{c.at, c.metric, c.origin}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// BenchmarkTriggers polls 100 queues of one broker.
func BenchmarkTriggers(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var all []read
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
			b.Error(err)
		}
		_, _ = io.WriteString(w, "["+strings.Repeat(`{"status":200,"value":1},`, len(all)-1)+`{"status":200,"value":1}]`)
	}))
	defer server.Close()
	scalertest.BenchTriggers(b, server.URL, func(addr string, i int) scaler.Source {
		return open(b, 0, classicTrigger(addr, fmt.Sprint("queue-", i)))
	})
}
