package othermetrics

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"encoding/pem"

	"k8s.io/apimachinery/pkg/labels"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestAddress(t *testing.T) {
	for from, want := range map[string]string{
		"datadog/cluster-agent":                   "https://cluster-agent.datadog.svc",
		"monitoring/prometheus-adapter:8443":      "https://prometheus-adapter.monitoring.svc:8443",
		"https://metrics.example.org/path":        "https://metrics.example.org/path",
		"http://metrics.example.org":              "",
		"cluster-agent":                           "",
		"Monitoring/Adapter":                      "",
		"https://user:secret@metrics.example.org": "",
		"": "",
	} {
		got, err := Address(from)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; expected %q", from, got, err, want)
		}
	}
}

// other is another server of external metrics.
type other struct {
	asked  atomic.Int64
	lists  atomic.Int64
	broken atomic.Bool
	seen   atomic.Value // the last request's path, query and authorization
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.seen.Store(r.URL.Path + "?" + r.URL.RawQuery + " " + r.Header.Get("Authorization"))
	w.Header().Set("Content-Type", "application/json")
	switch {
	case o.broken.Load():
		w.WriteHeader(http.StatusInternalServerError)
	case r.URL.Path == root:
		o.lists.Add(1)
		_, _ = fmt.Fprint(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"external.metrics.k8s.io/v1beta1","resources":[{"name":"nginx.requests","namespaced":true,"kind":"ExternalMetricValueList","verbs":["get"]}]}`)
	case strings.HasSuffix(r.URL.Path, "/namespaces/shop/nginx.requests"):
		o.asked.Add(1)
		_, _ = fmt.Fprint(w, `{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","metadata":{},"items":[{"metricName":"nginx.requests","metricLabels":{"host":"a"},"timestamp":"2026-03-01T12:00:00Z","window":60,"value":"1500m"}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"no such metric"}`)
	}
}

func start(t *testing.T) (*Server, *other, *clocktesting.FakePassiveClock) {
	t.Helper()
	o := &other{}
	server := httptest.NewTLSServer(o)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakePassiveClock(time.Now())
	s, err := New(Options{Address: server.URL, CAFile: ca, Token: "ours", Clock: clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s, o, clock
}

func TestMetric(t *testing.T) {
	s, o, _ := start(t)
	selector, err := labels.Parse("host in (a,b)")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Metric(t.Context(), "shop", "nginx.requests", selector)
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v; expected one value", got, err)
	}
	if v := got[0]; v.MetricName != "nginx.requests" || v.MetricLabels["host"] != "a" || v.Value.String() != "1500m" || v.WindowSeconds == nil || *v.WindowSeconds != 60 {
		t.Errorf("the value is %+v", v)
	}
	if seen := o.seen.Load(); seen != root+"/namespaces/shop/nginx.requests?labelSelector=host+in+%28a%2Cb%29&timeout=10s Bearer ours" {
		t.Errorf("the request was %v", seen)
	}
	if _, err := s.Metric(t.Context(), "shop", "none", labels.Everything()); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown metric: %v, expected %v", err, ErrUnknown)
	}
	o.broken.Store(true)
	if _, err := s.Metric(t.Context(), "shop", "nginx.requests", labels.Everything()); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("a broken server: %v, expected a failure that is not %v", err, ErrUnknown)
	}
}

// TestStranger: a server whose certificate nobody vouches for is not asked.
func TestStranger(t *testing.T) {
	server := httptest.NewTLSServer(&other{})
	defer server.Close()
	s, err := New(Options{Address: server.URL, Clock: clocktesting.NewFakePassiveClock(time.Now()), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Metric(t.Context(), "shop", "nginx.requests", labels.Everything()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v, expected one about its certificate", err)
	}
}

// TestNames: lists are asked for in the background, and a failure keeps the
// one before.
func TestNames(t *testing.T) {
	s, o, clock := start(t)
	want := []string{"nginx.requests"}
	await := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	settled := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.listing
	}
	if got := s.Names(); len(got) != 0 {
		t.Errorf("before the first list: %v", got)
	}
	await("the list never comes", func() bool { return slices.Equal(s.Names(), want) })
	if n := o.lists.Load(); n != 1 {
		t.Errorf("%d lists within 30 s, expected 1", n)
	}
	o.broken.Store(true)
	clock.SetTime(clock.Now().Add(listEvery))
	if got := s.Names(); !slices.Equal(got, want) {
		t.Errorf("while it is asked again: %v", got)
	}
	await("the failed list never ends", settled)
	if got := s.Names(); !slices.Equal(got, want) {
		t.Errorf("after a failure: %v, expected the list before", got)
	}
}
