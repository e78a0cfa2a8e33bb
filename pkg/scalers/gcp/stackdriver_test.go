package gcp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func stackdriverTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{"projectId": "shop-1", "filter": `metric.type="custom.googleapis.com/backlog"`}, pairs...)
}

// series is an answer with one series of one point.
func series(value string) string {
	return fmt.Sprintf(`{"timeSeries": [{"points": [{"interval": {"endTime": "2026-05-01T09:59:00Z"}, "value": %s}]}]}`, value)
}

func TestStackdriverConformance(t *testing.T) {
	g := conntest.StartGoogle(t)
	server := scalertest.NewNumbers(t, g.Knows, func(w http.ResponseWriter, _ *http.Request, n float64) {
		_, _ = io.WriteString(w, series(fmt.Sprintf(`{"doubleValue": %v}`, n)))
	})
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "gcp-stackdriver"), Metadata: stackdriverTrigger(), Auth: map[string]string{"GoogleApplicationCredentials": g.Key},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "endpoint", "") },
	})
}

// TestStackdriverEnv takes the key from the container's environment.
func TestStackdriverEnv(t *testing.T) {
	g := conntest.StartGoogle(t)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "gcp-stackdriver"), Metadata: stackdriverTrigger("credentialsFromEnv", "KEY"), Env: map[string]string{"KEY": g.Key},
	})
}

// opened is a trigger on a server that answers anybody, and the last request to it.
func opened(t *testing.T, answer func(http.ResponseWriter), pairs ...string) (scaler.Source, *url.URL) {
	t.Helper()
	last := &url.URL{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*last = *r.URL
		w.Header().Set("Content-Type", "application/json")
		answer(w)
	}))
	t.Cleanup(s.Close)
	env := newEnv()
	env.Now = func() time.Time { return time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC) }
	return open(t, env, "gcp-stackdriver", stackdriverTrigger(append([]string{"endpoint", s.URL}, pairs...)...), nil), last
}

func TestStackdriverRequest(t *testing.T) {
	const filter = `metric.type="custom.googleapis.com/backlog" AND resource.labels.project_id="shop-1"`
	for name, c := range map[string]struct {
		pairs []string
		start string
		want  map[string]string // aggregation
	}{
		"least":         {nil, "2026-05-01T09:58:00Z", map[string]string{}},
		"fifteen":       {[]string{"filterDuration", "15"}, "2026-05-01T09:45:00Z", map[string]string{}},
		"none of both":  {[]string{"alignmentPeriodSeconds", "60"}, "2026-05-01T09:58:00Z", map[string]string{}},
		"aligned":       {[]string{"alignmentPeriodSeconds", "90", "alignmentAligner", "Mean"}, "2026-05-01T09:58:00Z", map[string]string{"alignmentPeriod": "90s", "perSeriesAligner": "ALIGN_MEAN"}},
		"reduced, too":  {[]string{"alignmentPeriodSeconds", "60", "alignmentAligner", "percentile_99", "alignmentReducer", "sum"}, "2026-05-01T09:58:00Z", map[string]string{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_PERCENTILE_99", "crossSeriesReducer": "REDUCE_SUM"}},
		"nothing given": {[]string{"filterDuration", "0"}, "2026-05-01T09:58:00Z", map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			s, last := opened(t, func(w http.ResponseWriter) { _, _ = io.WriteString(w, series(`{"int64Value": "3"}`)) }, c.pairs...)
			if got, err := s.Measure(t.Context()); err != nil || got.Value != 3 {
				t.Fatalf("measured %+v, %v", got, err)
			}
			q := last.Query()
			if last.Path != "/v3/projects/shop-1/timeSeries" || q.Get("filter") != filter || q.Get("interval.startTime") != c.start || q.Get("interval.endTime") != "2026-05-01T10:00:00Z" {
				t.Errorf("asked %s", last)
			}
			got := map[string]string{}
			for name := range q {
				if rest, ok := strings.CutPrefix(name, "aggregation."); ok {
					got[rest] = q.Get(name)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("aggregated otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStackdriverAnswers(t *testing.T) {
	const two = `{"timeSeries": [{"points": []}, {"points": [{"interval": {"endTime": "2026-05-01T09:59:00Z"}, "value": {"int64Value": "4"}}, {"interval": {"endTime": "2026-05-01T09:58:00Z"}, "value": {"int64Value": "9"}}]}]}`
	for name, c := range map[string]struct {
		status int
		answer string
		pairs  []string
		want   scaler.Reading
		reason scaler.Reason
		said   string
	}{
		"whole number":     {200, series(`{"int64Value": "12"}`), nil, scaler.Reading{Value: 12}, "", ""},
		"number":           {200, series(`{"doubleValue": 2.5}`), nil, scaler.Reading{Value: 2.5}, "", ""},
		"yes":              {200, series(`{"boolValue": true}`), nil, scaler.Reading{Value: 1}, "", ""},
		"first with any":   {200, two, nil, scaler.Reading{Value: 4, Note: "the filter finds 2 series, of which the first counts; a closer filter or an alignmentReducer gives one"}, "", ""},
		"none":             {200, `{}`, nil, scaler.Reading{}, scaler.ReasonMissing, "no value in the last 2m0s"},
		"none, a value":    {200, `{}`, []string{"valueIfNull", "1.5"}, scaler.Reading{Value: 1.5, Empty: true, Note: "Monitoring has no value in the last 2m0s, so valueIfNull counts"}, "", ""},
		"no points":        {200, `{"timeSeries": [{"points": []}]}`, []string{"valueIfNull", "0"}, scaler.Reading{Empty: true, Note: "Monitoring has no value in the last 2m0s, so valueIfNull counts"}, "", ""},
		"some, and value":  {200, series(`{"doubleValue": 2}`), []string{"valueIfNull", "9"}, scaler.Reading{Value: 2}, "", ""},
		"distribution":     {200, series(`{"distributionValue": {"count": "3"}}`), nil, scaler.Reading{}, scaler.ReasonBadAnswer, "no number"},
		"text":             {200, series(`{"stringValue": "3"}`), []string{"valueIfNull", "9"}, scaler.Reading{}, scaler.ReasonBadAnswer, "no number"},
		"not a number":     {200, series(`{"doubleValue": "NaN"}`), nil, scaler.Reading{}, scaler.ReasonBadAnswer, ""},
		"no series at all": {200, `{"timeSeries": [null]}`, nil, scaler.Reading{}, scaler.ReasonBadAnswer, "is none"},
		"no JSON":          {200, `<html>`, nil, scaler.Reading{}, scaler.ReasonBadAnswer, ""},
		"partial":          {200, `{"executionErrors": [{"code": 14}]}`, []string{"valueIfNull", "9"}, scaler.Reading{}, scaler.ReasonUnreachable, "not complete"},
		"filter":           {400, `{"error": {"code": 400, "message": "Could not parse filter"}}`, nil, scaler.Reading{}, scaler.ReasonMisconfigured, ""},
		"no role":          {403, `{"error": {"code": 403, "message": "Permission denied"}}`, []string{"valueIfNull", "9"}, scaler.Reading{}, scaler.ReasonDenied, ""},
		"too much asked":   {429, `{"error": {"code": 429}}`, nil, scaler.Reading{}, scaler.ReasonUnreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := opened(t, func(w http.ResponseWriter) { w.WriteHeader(c.status); _, _ = io.WriteString(w, c.answer) }, c.pairs...)
			got, err := s.Measure(context.Background())
			if c.reason != "" {
				refused(t, err, c.reason, c.said)
				return
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestStackdriverChecks(t *testing.T) {
	for name, c := range map[string]struct {
		pairs []string
		want  []string
	}{
		"project":             {[]string{"projectId", "a b"}, []string{"error metadata.projectId"}},
		"aligner":             {[]string{"alignmentPeriodSeconds", "60", "alignmentAligner", "middle"}, []string{"error metadata.alignmentAligner"}},
		"reducer":             {[]string{"alignmentPeriodSeconds", "60", "alignmentAligner", "mean", "alignmentReducer", "delta"}, []string{"error metadata.alignmentReducer"}},
		"reducer only":        {[]string{"alignmentPeriodSeconds", "60", "alignmentReducer", "sum"}, []string{"error metadata.alignmentAligner"}},
		"period too short":    {[]string{"alignmentPeriodSeconds", "59"}, []string{"error metadata.alignmentPeriodSeconds"}},
		"without a period":    {[]string{"alignmentAligner", "mean", "alignmentReducer", "sum"}, []string{"warning metadata.alignmentAligner", "warning metadata.alignmentReducer"}},
		"all there is":        {[]string{"alignmentPeriodSeconds", "60", "alignmentAligner", "RATE", "alignmentReducer", "none", "valueIfNull", "0", "targetValue", "0.5"}, nil},
		"target below 0":      {[]string{"targetValue", "-1"}, []string{"error metadata.targetValue"}},
		"credentials of none": {[]string{"credentialsFromEnv", "KEY"}, []string{"error metadata.credentialsFromEnv"}},
	} {
		if got := problems(t, "gcp-stackdriver", stackdriverTrigger(c.pairs...)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v; want %v", name, got, c.want)
		}
	}
}

// BenchmarkStackdriver polls 100 triggers of one project.
func BenchmarkStackdriver(b *testing.B) {
	g := conntest.StartGoogle(b)
	s := scalertest.Serve(b, http.StatusOK, series(`{"int64Value": "3"}`))
	env := newEnv()
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return open(b, env, "gcp-stackdriver", stackdriverTrigger("endpoint", "http://"+addr), map[string]string{"GoogleApplicationCredentials": g.Key})
	})
}
