package app

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"github.com/kedago/keda/internal/metricsapi"
)

// ownMetrics has one metric, and one that has no value now.
type ownMetrics struct{}

func (ownMetrics) Names() []string { return []string{"s0-lag", "s0-broken"} }

func (ownMetrics) Metric(_ context.Context, _, name string, _ labels.Selector) ([]metricsapi.Value, error) {
	switch name {
	case "s0-lag":
		return []metricsapi.Value{{Value: 7}}, nil
	case "s0-broken":
		return nil, errors.New("the source fails")
	}
	return nil, metricsapi.ErrUnknownMetric
}

func TestMetricsOfAnotherServer(t *testing.T) {
	var asked []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/v1beta1"):
			_, _ = fmt.Fprint(w, `{"kind":"APIResourceList","apiVersion":"v1","resources":[{"name":"nginx.requests"}]}`)
			return
		case strings.HasSuffix(r.URL.Path, "/shop/nginx.requests"):
			_, _ = fmt.Fprint(w, `{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","items":[{"metricName":"nginx.requests","timestamp":"2026-03-01T12:00:00Z","value":"12345678901234567"}]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
		asked = append(asked, r.URL.Path+" "+r.Header.Get("Authorization"))
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{MetricsFallback: server.URL, MetricsFallbackCA: ca, Log: slog.New(slog.DiscardHandler)}
	s, err := withOthers(ownMetrics{}, &rest.Config{BearerToken: "ours"}, o)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := s.Metric(t.Context(), "shop", "s0-lag", labels.Everything())
	if err != nil || len(ours) != 1 || ours[0].Value != 7 {
		t.Errorf("ours: %+v, %v", ours, err)
	}
	if _, err := s.Metric(t.Context(), "shop", "s0-broken", labels.Everything()); err == nil || errors.Is(err, metricsapi.ErrUnknownMetric) {
		t.Errorf("ours without a value: %v", err)
	}
	if len(asked) != 0 {
		t.Errorf("the other server was asked for what is ours: %v", asked)
	}
	theirs, err := s.Metric(t.Context(), "shop", "nginx.requests", labels.Everything())
	if err != nil || len(theirs) != 1 || theirs[0].Item == nil || theirs[0].Item.Value.String() != "12345678901234567" {
		t.Errorf("theirs: %+v, %v; expected the quantity as it is", theirs, err)
	}
	if _, err := s.Metric(t.Context(), "shop", "nobodys", labels.Everything()); !errors.Is(err, metricsapi.ErrUnknownMetric) {
		t.Errorf("nobody's: %v, expected %v", err, metricsapi.ErrUnknownMetric)
	}
	if len(asked) != 2 || !strings.HasSuffix(asked[0], " Bearer ours") {
		t.Errorf("the other server was asked %v", asked)
	}
	for end := time.Now().Add(30 * time.Second); !slices.Equal(s.Names(), []string{"s0-lag", "s0-broken", "nginx.requests"}); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the names are %v", s.Names())
		}
	}
	if _, err := withOthers(ownMetrics{}, &rest.Config{}, Options{MetricsFallback: "http://plain"}); err == nil || !strings.Contains(err.Error(), "--external-metrics-fallback") {
		t.Errorf("an address without TLS: %v", err)
	}
}
