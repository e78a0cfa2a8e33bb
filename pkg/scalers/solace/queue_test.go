package solace

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

var access1 = map[string]string{"username": "keda", "password": "password-of-keda"}

func queueTrigger(at, name string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"solaceSempBaseURL": at, "messageVpn": "default", "queueName": name, "messageCountTarget": "5"}, more...)
}

// semp answers for the queues of a message VPN.
type semp struct {
	mu     sync.Mutex // guards what follows
	queues map[string]float64
	state  string
	denied bool
	asked  []string
}

func (s *semp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.String()+" "+r.Header.Get("Content-Type"))
	user, password, _ := r.BasicAuth()
	name, isQueue := strings.CutPrefix(r.URL.Path, "/SEMP/v2/monitor/msgVpns/default/queues/")
	n, known := s.queues[name]
	switch {
	case s.denied || user != access1["username"] || password != access1["password"]:
		w.WriteHeader(http.StatusUnauthorized)
	case isQueue && !known:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"meta": {"error": {"code": 6, "description": "secret text", "status": "NOT_FOUND"}, "responseCode": 400}}`)
	case isQueue:
		_, _ = io.WriteString(w, numbers(n, 0, 0))
	default:
		_, _ = fmt.Fprintf(w, `{"data": {"state": %q}, "meta": {"responseCode": 200}}`, s.state)
	}
}

func (s *semp) set(name string) func(context.Context, float64) {
	return func(_ context.Context, n float64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queues[name] = n
	}
}

func (s *semp) deny(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = on
}

func start(t testing.TB, h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func numbers(count, spool, rate any) string {
	return fmt.Sprintf(`{"collections": {"msgs": {"count": %v}}, "data": {"averageRxMsgRate": %v, "msgSpoolUsage": %v}, "meta": {"responseCode": 200}}`, count, rate, spool)
}

func TestConformanceQueue(t *testing.T) {
	s := &semp{queues: map[string]float64{"orders": 0}, state: "up"}
	at := strings.TrimPrefix(start(t, s).URL, "http://")
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: queueTrigger("http://broker.example", "orders"), Auth: access1,
		Fixture: func(t *testing.T) scalertest.Fixture {
			p := scalertest.NewProxy(t, at)
			return scalertest.Fixture{
				Proxy: p, Metadata: map[string]string{"solaceSempBaseURL": "http://" + p.Addr}, Set: s.set("orders"),
				Siblings: []scalertest.Sibling{
					{Metadata: map[string]string{"queueName": "bills"}, Set: s.set("bills")},
					{Metadata: map[string]string{"queueName": "a/b c"}, Set: s.set("a/b c")},
				},
				Bad:  map[string]string{"queueName": "absent"},
				Deny: func() { s.deny(true) }, Allow: func() { s.deny(false) },
			}
		},
	})
}

func openTrigger(t testing.TB, kind int, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[kind].New(), param.Values{Metadata: metadata, Auth: access1}, scaler.Env{})
}

func refused(t *testing.T, s scaler.Source, reason scaler.Reason, said string) {
	t.Helper()
	_, err := s.Measure(t.Context())
	scalertest.Refused(t, err, reason, said, "secret")
}

// TestRequests: what is asked, and that the broker that answered last is asked
// first.
func TestRequests(t *testing.T) {
	standby, live := &semp{state: "standby"}, &semp{state: "up", queues: map[string]float64{"a/b c": 3}}
	s := openTrigger(t, 0, queueTrigger(start(t, standby).URL+"/, "+start(t, live).URL, "a/b c"))
	for range 2 {
		if r, err := s.Measure(t.Context()); err != nil || r.Value != 3 {
			t.Fatalf("measured %+v, %v; expected 3", r, err)
		}
	}
	state := "GET /SEMP/v2/monitor/msgVpns/default?select=state application/json"
	queue := "GET /SEMP/v2/monitor/msgVpns/default/queues/a%2Fb%20c?select=msgs,msgSpoolUsage,averageRxMsgRate application/json"
	if diff := cmp.Diff([]string{state}, standby.asked); diff != "" {
		t.Errorf("the standby was asked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{state, queue, state, queue}, live.asked); diff != "" {
		t.Errorf("the other one was asked (-want +got):\n%s", diff)
	}
	live.deny(true)
	refused(t, s, scaler.ReasonDenied, "2 of 2 Solace brokers")
	refused(t, openTrigger(t, 0, queueTrigger(start(t, standby).URL, "q")), scaler.ReasonUnreachable, "not up there")
}

// TestQueueAnswers: what lacks a number is an error, never 0.
func TestQueueAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		reason scaler.Reason
		said   string
	}{
		"good":        {200, numbers(4, 100, 0.5), "", ""},
		"no count":    {200, numbers("null", 100, 1), scaler.ReasonBadAnswer, "lacks"},
		"no room":     {200, numbers(4, "null", 1), scaler.ReasonBadAnswer, "lacks"},
		"text":        {200, numbers(`"4"`, 1, 1), scaler.ReasonBadAnswer, "not SEMP's JSON"},
		"empty":       {200, `{"meta": {"responseCode": 200}}`, scaler.ReasonBadAnswer, "lacks"},
		"no meta":     {200, `{"collections": {"msgs": {"count": 4}}}`, scaler.ReasonBadAnswer, "the code 0"},
		"other code":  {200, strings.Replace(numbers(4, 1, 1), "200", "503", 1), scaler.ReasonBadAnswer, "the code 503"},
		"absent":      {400, `{"meta": {"responseCode": 400, "error": {"status": "NOT_FOUND", "description": "secret"}}}`, scaler.ReasonMissing, "no such thing"},
		"no right":    {400, `{"meta": {"responseCode": 400, "error": {"status": "UNAUTHORIZED", "description": "secret"}}}`, scaler.ReasonDenied, "may not read"},
		"bad request": {400, `secret`, scaler.ReasonBadAnswer, "400"},
		"broken":      {503, numbers(4, 1, 1), scaler.ReasonUnreachable, "503"},
		"page":        {200, `<html>secret`, scaler.ReasonBadAnswer, "not SEMP's JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.Contains(r.URL.Path, "/queues/") {
					_, _ = io.WriteString(w, `{"data": {"state": "up"}, "meta": {"responseCode": 200}}`)
					return
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			}))
			s := openTrigger(t, 0, queueTrigger(server.URL, "q"))
			if c.reason != "" {
				refused(t, s, c.reason, c.said)
			} else if r, err := s.Measure(t.Context()); err != nil || r.Value != 4 {
				t.Errorf("measured %+v, %v; expected 4", r, err)
			}
		})
	}
	server := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"meta": {"responseCode": 200}}`)
	}))
	refused(t, openTrigger(t, 0, queueTrigger(server.URL, "q")), scaler.ReasonBadAnswer, "no state")
}

// TestTargets: the number that wants the most replicas counts, and what makes
// the workload active.
func TestTargets(t *testing.T) {
	const mega = 1 << 20
	all := []string{"messageSpoolUsageTarget", "2", "messageReceiveRateTarget", "10"} // and 5 messages
	for name, c := range map[string]struct {
		metadata           []string
		count, spool, rate float64
		value, target      float64
		active             bool
		metric             string
	}{
		"messages":                {nil, 12, mega, 100, 12, 5, true, "solace-q-msgcount"},
		"nothing":                 {nil, 0, 0, 0, 0, 5, false, "solace-q-msgcount"},
		"only a rate":             {nil, 0, 0, 0.5, 0, 5, true, "solace-q-msgcount"},
		"room only":               {[]string{"messageCountTarget", "", "messageSpoolUsageTarget", "2"}, 12, 3 * mega, 0, 3 * mega, 2 * mega, true, "solace-q-msgspoolusage"},
		"rate only":               {[]string{"messageCountTarget", "0", "messageReceiveRateTarget", "10"}, 12, 0, 25, 25, 10, true, "solace-q-msgrcvrate"},
		"messages lead":           {all, 15, 4 * mega, 20, 15, 5, true, "solace-q-msgcount"},
		"room leads":              {all, 5, 8 * mega, 20, 20, 5, true, "solace-q-msgcount"},
		"rate leads":              {all, 5, 4 * mega, 40, 20, 5, true, "solace-q-msgcount"},
		"below the threshold":     {[]string{"activationMessageCountTarget", "5"}, 5, mega, 3, 5, 5, false, "solace-q-msgcount"},
		"above the threshold":     {[]string{"activationMessageCountTarget", "5"}, 6, mega, 3, 6, 5, true, "solace-q-msgcount"},
		"another threshold":       {[]string{"activationMessageCountTarget", "5", "activationMessageSpoolUsageTarget", "1"}, 5, 2 * mega, 0, 5, 5, true, "solace-q-msgcount"},
		"another threshold below": {[]string{"activationMessageCountTarget", "5", "activationMessageSpoolUsageTarget", "2"}, 5, 2 * mega, 0, 5, 5, false, "solace-q-msgcount"},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := `{"data": {"state": "up"}, "meta": {"responseCode": 200}}`
				if strings.Contains(r.URL.Path, "/queues/") {
					answer = numbers(c.count, c.spool, c.rate)
				}
				_, _ = io.WriteString(w, answer)
			}))
			metadata := queueTrigger(server.URL, "q", c.metadata...)
			config := Kinds()[0].New()
			if err := scaler.Decode(config, param.Values{Metadata: metadata, Auth: access1}).Err(); err != nil {
				t.Fatal(err)
			}
			target, _ := scaler.TargetOf(config)
			r, err := openTrigger(t, 0, metadata).Measure(t.Context())
			if err != nil || r.Value != c.value || r.Active == nil || *r.Active != c.active || target != c.target || config.Metric() != c.metric {
				t.Errorf("measured %+v, %v with the target %v as %s; expected %+v", r, err, target, config.Metric(), c)
			}
			if leads := r.Value != c.count && config.Metric() == "solace-q-msgcount"; leads != (r.Note != "") {
				t.Errorf("the note is %q", r.Note)
			}
		})
	}
}

func TestQueueChecks(t *testing.T) {
	for name, c := range map[string]struct {
		metadata map[string]string
		said     string
	}{
		"no target":   {queueTrigger("http://b:1", "q", "messageCountTarget", "0"), "no target is given"},
		"no scheme":   {queueTrigger("b:1", "q"), "solaceSempBaseURL"},
		"one is bad":  {queueTrigger("http://b:1,ftp://b", "q"), "solaceSempBaseURL"},
		"credentials": {queueTrigger("http://u:secret@b:1", "q"), "solaceSempBaseURL"},
		"no address":  {queueTrigger(",", "q"), "no address in it"},
		"below 0":     {queueTrigger("http://b:1", "q", "messageCountTarget", "-1"), "messageCountTarget"},
	} {
		err := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.metadata, Auth: access1}).Err()
		if err == nil || !strings.Contains(err.Error(), c.said) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v; expected a problem with %q", name, err, c.said)
		}
	}
}

// BenchmarkTriggers polls 100 queues of one broker.
func BenchmarkTriggers(b *testing.B) {
	s := &semp{queues: map[string]float64{}, state: "up"}
	scalertest.BenchTriggers(b, start(b, s).URL, func(addr string, i int) scaler.Source {
		name := fmt.Sprint("queue-", i)
		s.queues[name] = 1
		return openTrigger(b, 0, queueTrigger("http://"+addr, name))
	})
}
