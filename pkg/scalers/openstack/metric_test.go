package openstack

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// conformance runs the suite with a service's answers behind Keystone. It
// returns what the service was asked.
func conformance(t *testing.T, kind int, metadata map[string]string, address, path string, answer func(w http.ResponseWriter, r *http.Request, n float64)) []*http.Request {
	t.Helper()
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/identity/") {
				body, _ := io.ReadAll(r.Body)
				return strings.Contains(string(body), `"password-of-keda"`)
			}
			return r.Header.Get("X-Auth-Token") == "token-of-keda"
		},
		func(w http.ResponseWriter, r *http.Request, n float64) {
			if r.URL.Path != "/identity/v3/auth/tokens" {
				answer(w, r, n)
				return
			}
			w.Header().Set("X-Subject-Token", "token-of-keda")
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprintf(w, `{"token": {"expires_at": %q}}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[kind], Metadata: metadata, Auth: asUser("authURL", "http://keystone.example"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, address, path)
			f.Auth = map[string]string{"authURL": "http://" + f.Proxy.Addr + "/identity/v3"}
			return f
		},
	})
	return slices.DeleteFunc(server.Asked(), func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/identity/") })
}

func TestMetricConformance(t *testing.T) {
	asked := conformance(t, 0, metricOf("http://gnocchi.example"), "metricsURL", "/v1/metric", func(w http.ResponseWriter, _ *http.Request, n float64) {
		_, _ = fmt.Fprintf(w, `[["2026-01-01T00:00:00+00:00", 300.0, 7], ["2026-01-01T00:05:00+00:00", 300.0, %v]]`, n)
	})
	got := asked[0].URL
	if start := got.Query().Get("start"); got.Path != "/v1/metric/003bb589/measures" || len(start) != len("2026-01-01T00:00:00") || len(got.Query()) != 3 {
		t.Errorf("asked %s", got)
	}
}

// TestSpan: the span that now is in is asked for, and the one before.
func TestSpan(t *testing.T) {
	u, err := url.Parse("http://gnocchi/v1/metric?reaggregation=mean")
	if err != nil {
		t.Fatal(err)
	}
	c := &metric{url: u, aggregation: "rate:mean", granularity: 300}
	now := time.Date(2026, 3, 1, 13, 7, 59, 0, time.FixedZone("", 3600))
	const want = "aggregation=rate%3Amean&granularity=300&reaggregation=mean&start=2026-03-01T12%3A00%3A00"
	if got := c.query(now).Encode(); got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func TestMeasures(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"last":            {200, `[["a", 300, 1], ["b", 300, 2.5]]`, 2.5, "", ""},
		"zero":            {200, `[["a", 300, 0]]`, 0, "", ""},
		"none":            {200, `[]`, 0, scaler.ReasonMissing, "no measure"},
		"null":            {200, `[["a", 300, null]]`, 0, scaler.ReasonBadAnswer, "a number"},
		"text":            {200, `[["a", 300, "hunter2"]]`, 0, scaler.ReasonBadAnswer, "a number"},
		"short":           {200, `[["a", 300]]`, 0, scaler.ReasonBadAnswer, "a number"},
		"object":          {200, `{"measures": "hunter2"}`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"bad aggregation": {400, `hunter2`, 0, scaler.ReasonMisconfigured, "archive policy"},
		"no metric":       {404, `hunter2`, 0, scaler.ReasonMissing, "no such metric"},
		"forbidden":       {403, `hunter2`, 0, scaler.ReasonDenied, "403"},
		"overloaded":      {503, `hunter2`, 0, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			at := newCloud(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			})
			r, err := at.metric(t, &scalertest.Pool{}, asUser()).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "hunter2")
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

// TestMetricParameters: IDs that are no names of metrics don't go elsewhere.
func TestMetricParameters(t *testing.T) {
	found := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: scalertest.Given(metricOf("http://a"), "metricID", ".."), Auth: asUser("authURL", "http://k")})
	if len(found) != 1 || !strings.Contains(fmt.Sprint(found), "metricID: is no ID") {
		t.Errorf("got %v", found)
	}
	at := newCloud(t, measures)
	s := at.open(t, 0, &scalertest.Pool{}, param.Values{Metadata: scalertest.Given(metricOf(at.URL), "metricID", "a/../b?c"), Auth: asUser()})
	if _, err := s.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := at.seen()[1]; !strings.HasPrefix(got, "GET /a%2F..%2Fb%3Fc/measures?") {
		t.Errorf("asked %s", got)
	}
}

// BenchmarkTriggers polls 100 triggers of one credential.
func BenchmarkTriggers(b *testing.B) {
	at := newCloud(b, measures)
	pool := &scalertest.Pool{}
	scalertest.BenchTriggers(b, at.URL, func(addr string, _ int) scaler.Source {
		return at.open(b, 0, pool, param.Values{Metadata: metricOf("http://" + addr + "/v1/metric"), Auth: asUser()})
	})
}
