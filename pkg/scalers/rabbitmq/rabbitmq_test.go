package rabbitmq

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// newCounter passes requests on to a server and counts them.
func newCounter(t *testing.T, upstream string, n *atomic.Int64) string {
	t.Helper()
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestProblems(t *testing.T) {
	amqp := map[string]string{"host": "amqp://rabbitmq:5672", "queueName": "q"}
	web := map[string]string{"host": "http://rabbitmq:15672", "queueName": "q"}
	first := map[string]string{"host": "RABBIT", "queueName": "q", "queueLength": "5"}
	tests := map[string]struct {
		metadata, auth, env map[string]string
		first               bool
		want                []string
	}{
		"right":                  {metadata: amqp},
		"nothing":                {want: []string{"error metadata.queueName"}},
		"no host":                {metadata: map[string]string{"queueName": "q"}, want: []string{"error metadata.host"}},
		"no scheme":              {metadata: scalertest.With(amqp, "host", "rabbitmq:5672"), want: []string{"error metadata.host"}},
		"another scheme":         {metadata: scalertest.With(amqp, "host", "kafka://rabbitmq"), want: []string{"error metadata.host"}},
		"protocol against it":    {metadata: scalertest.With(amqp, "protocol", "http"), want: []string{"error metadata.host"}},
		"rate by AMQP":           {metadata: scalertest.With(amqp, "mode", "MessageRate", "value", "1"), want: []string{"error metadata.mode"}},
		"regex by AMQP":          {metadata: scalertest.With(amqp, "useRegex", "true"), want: []string{"error metadata.useRegex"}},
		"unacked by AMQP":        {metadata: scalertest.With(amqp, "includeUnacked", "true"), want: []string{"error metadata.includeUnacked"}},
		"mode without value":     {metadata: scalertest.With(web, "mode", "MessageRate"), want: []string{"error metadata.value"}},
		"unknown mode":           {metadata: scalertest.With(web, "mode", "Length"), want: []string{"error metadata.mode"}},
		"value and length":       {metadata: scalertest.With(web, "value", "1", "queueLength", "2"), want: []string{"error metadata.queueLength"}},
		"value 0":                {metadata: scalertest.With(web, "value", "0"), want: []string{"error metadata.value"}},
		"page too large":         {metadata: scalertest.With(web, "pageSize", "501"), want: []string{"error metadata.pageSize"}},
		"identity":               {metadata: web, auth: map[string]string{"workloadIdentityResource": "https://management.azure.com"}, want: []string{"error authenticationRef.workloadIdentityResource"}},
		"certificate alone":      {metadata: web, auth: map[string]string{"cert": "c"}, want: []string{"error authenticationRef"}},
		"an API that is AMQP":    {metadata: map[string]string{"apiHost": "amqp://r", "queueName": "q"}, want: []string{"error metadata.apiHost"}},
		"first API":              {metadata: first, env: map[string]string{"RABBIT": "amqp://u:p@r:5672/v"}, first: true},
		"first API, no variable": {metadata: first, first: true, want: []string{"error metadata.host"}},
		"a mistyped name":        {metadata: scalertest.With(web, "queuename", "x"), want: []string{"warning metadata.queuename"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata, Auth: tc.auth, Env: tc.env, EnvNames: tc.first})
			for _, p := range ps {
				got = append(got, string(p.Severity)+" "+p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s%v", diff, ps)
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	tests := map[string]string{
		"amqp://r":                     "false false r:5672  /",
		"amqps://r/":                   "false true r:5671  /",
		"amqp://r:1/shop":              "false false r:1  shop",
		"amqp://r:1/a%2Fb":             "false false r:1  a/b",
		"amqp://r:1/%2F":               "false false r:1  /",
		"amqp://r:1//":                 "false false r:1  /",
		"http://r":                     "true false r:80  /",
		"https://r":                    "true true r:443  /",
		"http://r:15672/shop":          "true false r:15672  shop",
		"http://r:15672//":             "true false r:15672  /",
		"http://r:15672/%2F":           "true false r:15672  /",
		"https://r/rabbit/eu/shop":     "true true r:443 /rabbit/eu shop",
		"https://r/rabbit/":            "true true r:443 /rabbit /",
		"amqp://[::1]:5/v":             "false false [::1]:5  v",
		"amqp://us%40er:p%2Fw@r:1/v":   "false false r:1 us@er v",
		"amqp://r:99999":               "",
		"amqp://:5672":                 "",
		"amqp://user:pa ss@r:5672/%zz": "",
	}
	for text, want := range tests {
		e, err := parseEndpoint(text, "auto", false)
		got := fmt.Sprint(e.http, e.secure, " ", e.address, " ", e.path, e.user, " ", e.vhost)
		if want == "" {
			if err == nil || strings.Contains(err.Error(), "pa ss") {
				t.Errorf("%s: got %s, %v", text, got, err)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestTarget(t *testing.T) {
	for want, more := range map[float64][]string{20: nil, 5: {"queueLength", "5"}, 7.5: {"mode", "QueueLength", "value", "7.5"}} {
		c := Kinds()[0].New()
		if err := scaler.Decode(c, param.Values{Metadata: scalertest.With(map[string]string{"host": "http://r", "queueName": "q"}, more...)}).Err(); err != nil {
			t.Fatal(err)
		}
		if got, activation := scaler.TargetOf(c); got != want || activation != 0 {
			t.Errorf("target %v, activation %v; want %v", got, activation, want)
		}
	}
}

func TestReading(t *testing.T) {
	busy := stats{messages: 30, publish: 4, deliver: 2}
	tests := map[string]struct {
		mode   string
		stats  stats
		want   float64
		active bool // by itself
	}{
		"length":              {modeLength, busy, 30, false},
		"publish":             {modePublish, busy, 4, false},
		"deliver":             {modeDeliver, busy, 2, false},
		"ratio":               {modeRatio, busy, 2, false},
		"ratio, idle":         {modeRatio, stats{}, 0, false},
		"ratio, no consumer":  {modeRatio, stats{publish: 3}, 1, true},
		"time":                {modeTime, busy, 16, false},
		"time, empty":         {modeTime, stats{publish: 1, deliver: 1}, 0, false},
		"time, no consumer":   {modeTime, stats{messages: 3}, 1, true},
		"time, almost empty":  {modeTime, stats{messages: 1, deliver: 50}, 0, false},
		"length, no messages": {modeLength, stats{publish: 3}, 0, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := (&config{mode: tc.mode, activation: 1}).reading(tc.stats)
			if r.Value != tc.want || (r.Active != nil) != tc.active {
				t.Errorf("got %+v, want %v", r, tc.want)
			}
		})
	}
}

// TestAnswers checks that nothing but a full answer becomes a number.
func TestAnswers(t *testing.T) {
	page := func(items string) string { return `{"page_count":1,"items":[` + items + `]}` }
	tests := map[string]struct {
		status int
		body   string
		want   scaler.Reason
	}{
		"empty":             {200, ``, scaler.ReasonBadAnswer},
		"a web page":        {200, `<html>`, scaler.ReasonBadAnswer},
		"not a page":        {200, `{"items":[]}`, scaler.ReasonBadAnswer},
		"a bare list":       {200, `[{"name":"q","messages":3}]`, scaler.ReasonBadAnswer},
		"no such queue":     {200, page(``), scaler.ReasonMissing},
		"another queue":     {200, page(`{"name":"other","messages":3}`), scaler.ReasonMissing},
		"no statistics":     {200, page(`{"name":"q","state":"running"}`), scaler.ReasonBadAnswer},
		"a queue down":      {200, page(`{"name":"q","state":"down"}`), scaler.ReasonUnreachable},
		"text for a number": {200, page(`{"name":"q","messages":"3"}`), scaler.ReasonBadAnswer},
		"denied":            {401, `{"error":"not_authorised"}`, scaler.ReasonDenied},
		"no virtual host":   {404, `{"error":"Object Not Found"}`, scaler.ReasonMissing},
		"overloaded":        {503, ``, scaler.ReasonUnreachable},
		"right":             {200, page(`{"name":"q","messages":3}`), ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := scalertest.Serve(t, tc.status, tc.body)
			r, err := open(t, pool.New(), map[string]string{"host": s.URL, "queueName": "q"}, nil).Measure(t.Context())
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

func TestChunks(t *testing.T) {
	names := map[string]bool{}
	for i := range 1200 {
		names[fmt.Sprintf("q%d", i)] = true
	}
	names[strings.Repeat("é", 3000)] = true
	seen := 0
	for _, c := range chunks(names) {
		if seen += len(c); len(c) > maxNames {
			t.Errorf("%d names in one request", len(c))
		}
	}
	if seen != len(names) {
		t.Errorf("%d names, want %d", seen, len(names))
	}
}
