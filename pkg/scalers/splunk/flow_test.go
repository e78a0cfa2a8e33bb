package splunk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const program = "data('orders.waiting').sum().publish()"

func flowMetadata(more ...string) map[string]string {
	return scalertest.With(map[string]string{"query": program, "duration": "10", "queryAggregator": "max", "targetValue": "5", "activationTargetValue": "1"}, more...)
}

// flowAt is the kind with the API at an address that the test tells.
func flowAt(address *string) scaler.Kind {
	k := flowKind()
	k.New = func() scaler.Config {
		return &flow{endpoint: func(string) *url.URL { return &url.URL{Scheme: "http", Host: *address, Path: "/v2/signalflow/execute"} }}
	}
	return k
}

// started is how a stream begins.
const started = "event: control-message\ndata: {\ndata:   \"event\" : \"STREAM_START\",\ndata:   \"timestampMs\" : 1\ndata: }\n\n" +
	"event: metadata\ndata: {\"tsId\":\"AAAA\",\"properties\":{\"sf_metric\":\"_SF_COMP_01\"}}\n\n"

const ended = "event: control-message\ndata: {\"event\":\"END_OF_CHANNEL\"}\n\n"

func values(text string) string {
	return "event: data\ndata: {\ndata:   \"data\" : [ " + text + " ],\ndata:   \"logicalTimestampMs\" : 1700000000000\ndata: }\n\n"
}

func TestFlowConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("X-SF-Token") == "token-of-keda" },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = io.WriteString(w, started+values(fmt.Sprintf(`{"tsId":"AAAA","value":%v}`, n))+ended)
		})
	address := server.Addr
	scalertest.Run(t, scalertest.Case{
		Kind: flowAt(&address), Metadata: flowMetadata(), Auth: map[string]string{"accessToken": "token-of-keda", "realm": "us1"},
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, "unused", "")
			f.Metadata, address = nil, f.Proxy.Addr
			return f
		},
	})
	asked, sent := server.Asked()[0], server.Sent()[0]
	if got := asked.Method + " " + asked.URL.Path + " " + asked.Header.Get("Content-Type"); got != "POST /v2/signalflow/execute text/plain" || sent != program {
		t.Errorf("asked %s with %q", got, sent)
	}
}

func TestRealm(t *testing.T) {
	if got, want := endpoint("eu0").String(), "https://stream.eu0.signalfx.com/v2/signalflow/execute"; got != want {
		t.Errorf("asks %s; expected %s", got, want)
	}
	for realm, good := range map[string]bool{"us1": true, "us1.example.com/": false, "a@b": false, "-": false} {
		err := scaler.Decode(flowKind().New(), param.Values{Metadata: flowMetadata(), Auth: map[string]string{"accessToken": "t", "realm": realm}}).Err()
		if (err == nil) != good {
			t.Errorf("realm %q: %v", realm, err)
		}
	}
}

func openFlow(t testing.TB, address string, more ...string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, flowAt(&address).New(), param.Values{Metadata: flowMetadata(more...), Auth: map[string]string{"accessToken": "t", "realm": "us1"}}, scaler.Env{})
}

// TestFlowAnswers: all values of the stream make one number, and no stream
// without values or with a failure does.
func TestFlowAnswers(t *testing.T) {
	const one, two, three = `{"tsId":"A","value":1}`, `{"tsId":"B","value":4}`, `{"tsId":"A","value":2.5}`
	all := started + values(one+","+two) + ": a comment\n" + values(three) + ended
	for name, c := range map[string]struct {
		status int
		body   string
		how    string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"max":               {200, all, "max", 4, "", ""},
		"min":               {200, all, "min", 1, "", ""},
		"avg":               {200, all, "avg", 2.5, "", ""},
		"sum":               {200, all, "sum", 7.5, "", ""},
		"count":             {200, all, "count", 3, "", ""},
		"latest":            {200, all, "latest", 2.5, "", ""},
		"letter case":       {200, all, "MAX", 4, "", ""},
		"stream just ends":  {200, started + values(one), "max", 1, "", ""},
		"null among values": {200, started + values(`{"tsId":"A","value":null},`+two) + ended, "avg", 4, "", ""},
		"no values":         {200, started + values("") + ended, "max", 0, scaler.ReasonMissing, "no value within 10 s"},
		"a program refused": {200, started + "event: error\ndata: {\"error\":400,\"message\":\"s3cret\"}\n\n", "max", 0, scaler.ReasonMisconfigured, "program was refused"},
		"too many":          {200, "event: error\ndata: {\"error\":429,\"message\":\"s3cret\"}\n\n", "max", 0, scaler.ReasonUnreachable, "429"},
		"forbidden there":   {200, "event: error\ndata: {\"error\":403}\n\n", "max", 0, scaler.ReasonDenied, "may not run"},
		"aborted":           {200, started + values(one) + "event: control-message\ndata: {\"event\":\"CHANNEL_ABORT\"}\n\n", "max", 0, scaler.ReasonUnreachable, "ended by the server"},
		"no events":         {200, "<html>s3cret</html>", "max", 0, scaler.ReasonBadAnswer, "not SignalFlow's"},
		"no JSON":           {200, "event: data\ndata: s3cret\n\n", "max", 0, scaler.ReasonBadAnswer, "not the JSON"},
		"no number":         {200, started + values(`{"tsId":"A","value":"s3cret"}`), "max", 0, scaler.ReasonBadAnswer, "not the JSON"},
		"a line too long":   {200, "data: " + strings.Repeat("x", 2<<20), "max", 0, scaler.ReasonBadAnswer, "larger than 1 MiB"},
		"a bad request":     {400, "s3cret", "max", 0, scaler.ReasonMisconfigured, "expected a program"},
		"overloaded":        {503, "s3cret", "max", 0, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.body)
			r, err := openFlow(t, strings.TrimPrefix(server.URL, "http://"), "queryAggregator", c.how).Measure(context.Background())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "s3cret")
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %+v, %v; expected %v", r, err, c.value)
			}
		})
	}
}

// TestFlowTime: the span begins in the past, and a stream that goes on is
// closed when it has reached the present or when its time is over.
func TestFlowTime(t *testing.T) {
	at := func(value float64, after time.Duration) string {
		return fmt.Sprintf("event: data\ndata: {\"data\":[{\"tsId\":\"A\",\"value\":%v}],\"logicalTimestampMs\":%d}\n\n", value, time.Now().Add(after).UnixMilli())
	}
	for name, c := range map[string]struct {
		duration    string
		deadline    time.Duration
		events      string
		least, most time.Duration
		want        float64
	}{
		"reaches the present": {"10", time.Minute, at(1, -5*time.Second) + at(7, time.Minute) + at(9, time.Hour), 0, 5 * time.Second, 7},
		"lags behind":         {"1", time.Minute, at(7, -5*time.Second), time.Second, 20 * time.Second, 7},
		"little time":         {"100", 1500 * time.Millisecond, at(7, -5*time.Second), 400 * time.Millisecond, 1500 * time.Millisecond, 7},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan url.Values, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.URL.Query()
				_, _ = io.WriteString(w, started+c.events)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}))
			t.Cleanup(server.Close)
			ctx, cancel := context.WithTimeout(context.Background(), c.deadline)
			defer cancel()
			began := time.Now()
			r, err := openFlow(t, strings.TrimPrefix(server.URL, "http://"), "duration", c.duration, "queryAggregator", "max").Measure(ctx)
			if took := time.Since(began); err != nil || r.Value != c.want || took < c.least || took > c.most {
				t.Errorf("measured %+v, %v within %s; expected %v within %s to %s", r, err, took, c.want, c.least, c.most)
			}
			var start, span int64
			if _, err := fmt.Sscan((<-asked).Get("start")+" "+c.duration, &start, &span); err != nil {
				t.Fatal(err)
			}
			if late := time.UnixMilli(start).Add(time.Duration(span) * time.Second).Sub(began); late < -time.Second || late > 20*time.Second {
				t.Errorf("the span of time ends %s after the test's beginning", late)
			}
		})
	}
}

// BenchmarkFlowTriggers polls 100 triggers of one realm.
func BenchmarkFlowTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, started+values(`{"tsId":"A","value":7}`)+ended)
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		return openFlow(b, addr, "query", fmt.Sprintf("data('orders.%d').publish()", i))
	})
}
