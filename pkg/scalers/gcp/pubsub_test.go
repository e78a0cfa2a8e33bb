package gcp

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/monitoring/v3"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	pubsubserver "github.com/kedago/keda/test/servers/pubsub"
)

const undelivered = "subscription/num_undelivered_messages"

func TestPubsubConformance(t *testing.T) {
	c := newCloud(t)
	var names atomic.Int64
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "gcp-pubsub"), Metadata: map[string]string{"subscriptionName": "jobs", "value": "5"}, Auth: c.auth(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := c.fixture(t)
			queue := func() (string, func(context.Context, float64)) {
				name := fmt.Sprint("queue-", names.Add(1))
				return name, func(_ context.Context, n float64) { c.put(undelivered, name, []point{{0, int(n)}}) }
			}
			f.Metadata["subscriptionName"], f.Set = queue()
			for range 3 {
				name, set := queue()
				f.Siblings = append(f.Siblings, scalertest.Sibling{Metadata: map[string]string{"subscriptionName": name}, Set: set})
			}
			f.Bad = map[string]string{"subscriptionName": "absent"}
			return f
		},
	})
}

func TestPubsubFirstAPI(t *testing.T) {
	c := newCloud(t)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "gcp-pubsub"), Metadata: map[string]string{"subscriptionName": "jobs", "value": "5", "credentials": "KEY"}, EnvNames: true,
		Env: map[string]string{"KEY": c.google.Key},
	})
	for name, tc := range map[string]struct {
		first bool
		size  string
		want  float64
	}{"first API": {true, "", 5}, "first API, given": {true, "7", 7}, "today's API": {false, "", 10}} {
		m := map[string]string{"subscriptionName": "jobs", "credentials": "KEY"}
		if tc.size != "" {
			m["subscriptionSize"] = tc.size
		}
		k := kind(t, "gcp-pubsub").New()
		scaler.Decode(k, param.Values{Metadata: m, EnvNames: tc.first, Env: map[string]string{"KEY": c.google.Key}})
		if got, _ := scaler.TargetOf(k); got != tc.want {
			t.Errorf("%s: the target is %v, want %v", name, got, tc.want)
		}
	}
}

// TestPubsubEmulator follows the backlog of a real subscription: what Pub/Sub
// itself counts as waiting is what the trigger measures.
func TestPubsubEmulator(t *testing.T) {
	s := pubsubserver.Start(t)
	c := newCloud(t)
	s.Subscribe(t, "orders")
	src := c.open(t, newEnv(), "gcp-pubsub", map[string]string{"subscriptionName": "projects/" + pubsubserver.Project + "/subscriptions/orders"})
	measured := func(want float64) {
		t.Helper()
		c.put(undelivered, "orders", []point{{0, s.Waiting(t, "orders")}})
		if r, err := src.Measure(t.Context()); err != nil || r.Value != want {
			t.Errorf("got %+v, %v; want %v", r, err, want)
		}
	}
	measured(0)
	s.Publish(t, "orders", 5)
	measured(5)
	if took := s.Take(t, "orders", 2); took != 2 {
		t.Fatalf("took %d messages", took)
	}
	measured(3)
	s.Take(t, "orders", 3)
	measured(0)
}

// latencies is a distribution of 100 values: 50 in [10, 20), 45 in [20, 40), 5 in [40, 80).
func latencies() *monitoring.Distribution {
	return &monitoring.Distribution{
		Count: 100, Mean: 25, SumOfSquaredDeviation: 40000, BucketCounts: []int64{0, 50, 45, 5},
		BucketOptions: &monitoring.BucketOptions{ExponentialBuckets: &monitoring.Exponential{Scale: 10, GrowthFactor: 2, NumFiniteBuckets: 4}},
	}
}

func TestPubsubMeasures(t *testing.T) {
	c := newCloud(t)
	c.put(undelivered, "jobs", []point{{30 * time.Second, 7}, {90 * time.Second, 3}})
	c.put(undelivered, "late", []point{{4 * time.Minute, 9}})
	c.put("subscription/oldest_unacked_message_age", "jobs", []point{{0, 61}})
	c.put("subscription/ack_message_count", "jobs", []point{{30 * time.Second, 4}, {90 * time.Second, 6}}, "delivery_type", "pull")
	c.put("subscription/ack_message_count", "jobs", []point{{30 * time.Second, 20}}, "delivery_type", "push")
	c.put("subscription/ack_latencies", "jobs", []point{{30 * time.Second, latencies()}, {90 * time.Second, latencies()}})
	c.put("subscription/ack_latencies", "quiet", []point{{30 * time.Second, &monitoring.Distribution{}}})
	c.put("subscription/delivery_latency_health_score", "jobs", []point{{30 * time.Second, true}}, "criteria", "ack_latency")
	c.put("subscription/delivery_latency_health_score", "jobs", []point{{30 * time.Second, false}}, "criteria", "expired")
	c.put("subscription/num_undelivered_messages", "infinite", []point{{0, "text"}})
	c.put("topic/send_request_count", "news", []point{{0, 12}}, "response_code", "success")
	for name, tc := range map[string]struct {
		metadata map[string]string
		want     float64
		note     string
		reason   scaler.Reason
		mentions []string
	}{
		"newest of several":       {metadata: map[string]string{"subscriptionName": "jobs"}, want: 7},
		"full name":               {metadata: map[string]string{"subscriptionName": "projects/shop-1/subscriptions/jobs"}, want: 7},
		"another project's":       {metadata: map[string]string{"subscriptionName": "projects/shop-2/subscriptions/jobs"}, reason: scaler.ReasonMissing, mentions: []string{"jobs", "2m0s"}},
		"older size":              {metadata: map[string]string{"subscriptionName": "jobs", "subscriptionSize": "3", "mode": "OldestUnackedMessageAge"}, want: 7},
		"age":                     {metadata: map[string]string{"subscriptionName": "jobs", "mode": "OldestUnackedMessageAge"}, want: 61},
		"age, Google's name":      {metadata: map[string]string{"subscriptionName": "jobs", "mode": "oldest_unacked_message_age"}, want: 61},
		"topic":                   {metadata: map[string]string{"topicName": "projects/shop-1/topics/news", "mode": "SendRequestCount"}, want: 12},
		"too old":                 {metadata: map[string]string{"subscriptionName": "late"}, reason: scaler.ReasonMissing, mentions: []string{"late", "timeHorizon", "valueIfNull"}},
		"too old, longer horizon": {metadata: map[string]string{"subscriptionName": "late", "timeHorizon": "10m"}, want: 9},
		"too old, with value":     {metadata: map[string]string{"subscriptionName": "late", "valueIfNull": "1.5"}, want: 1.5, note: "valueIfNull counts"},
		"absent":                  {metadata: map[string]string{"subscriptionName": "absent"}, reason: scaler.ReasonMissing},
		"several series":          {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount"}, reason: scaler.ReasonMisconfigured, mentions: []string{"2 series", "filter"}},
		"one by filter":           {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount", "filter": `metric.labels.delivery_type="pull"`}, want: 4},
		"filter that is none":     {metadata: map[string]string{"subscriptionName": "jobs", "filter": "and and"}, reason: scaler.ReasonMisconfigured, mentions: []string{"can't be parsed"}},
		"sum of series":           {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount", "aggregation": "sum"}, want: 30},
		"count of series":         {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount", "aggregation": "Count"}, want: 30},
		"mean of series":          {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount", "aggregation": "mean"}, want: 15},
		"deviation of series":     {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount", "aggregation": "stddev"}, want: 5},
		"variance of series":      {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount", "aggregation": "variance"}, want: 25},
		"percentile of series":    {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount", "aggregation": "percentile99"}, want: 20},
		"odd percentile":          {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckMessageCount", "aggregation": "percentile90"}, reason: scaler.ReasonMisconfigured, mentions: []string{"5, 50, 95 and 99"}},
		"mean of states":          {metadata: map[string]string{"subscriptionName": "jobs", "aggregation": "mean"}, want: 5},
		"share of yes":            {metadata: map[string]string{"subscriptionName": "jobs", "mode": "delivery_latency_health_score", "aggregation": "mean"}, want: 0.5},
		"yes":                     {metadata: map[string]string{"subscriptionName": "jobs", "mode": "delivery_latency_health_score", "filter": `metric.labels.criteria="ack_latency"`}, want: 1},
		"distribution":            {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies"}, want: 100},
		"distribution, count":     {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies", "aggregation": "count"}, want: 200},
		"distribution, sum":       {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies", "aggregation": "sum"}, want: 5000},
		"distribution, mean":      {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies", "aggregation": "mean"}, want: 25},
		"distribution, deviation": {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies", "aggregation": "stddev"}, want: 20},
		"distribution, variance":  {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies", "aggregation": "variance"}, want: 400},
		"distribution, median":    {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies", "aggregation": "median"}, want: 20},
		"distribution, p95":       {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies", "aggregation": "percentile95"}, want: 40},
		"distribution, p98":       {metadata: map[string]string{"subscriptionName": "jobs", "mode": "AckLatencies", "aggregation": "percentile98"}, want: 64},
		"no values, mean":         {metadata: map[string]string{"subscriptionName": "quiet", "mode": "AckLatencies", "aggregation": "mean"}, reason: scaler.ReasonMissing},
		"no values, count":        {metadata: map[string]string{"subscriptionName": "quiet", "mode": "AckLatencies", "aggregation": "count"}, want: 0},
		"no such metric":          {metadata: map[string]string{"subscriptionName": "jobs", "mode": "Length", "aggregation": "mean"}, reason: scaler.ReasonMissing, mentions: []string{"subscription/length"}},
		"no number":               {metadata: map[string]string{"subscriptionName": "infinite"}, reason: scaler.ReasonBadAnswer, mentions: []string{"no number"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := c.open(t, newEnv(), "gcp-pubsub", tc.metadata).Measure(t.Context())
			if tc.reason != "" {
				refused(t, err, tc.reason, tc.mentions...)
				return
			}
			if err != nil || math.Abs(r.Value-tc.want) > 1e-9 || !strings.Contains(r.Note, tc.note) || r.Empty != (tc.note != "") {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

// TestPubsubCost checks that a poll of 40 triggers is one request, and that
// what a metric is is asked for once.
func TestPubsubCost(t *testing.T) {
	c := newCloud(t)
	names := make([]string, 40)
	for i := range names {
		names[i] = fmt.Sprint("queue-", i)
		c.put(undelivered, names[i], []point{{0, i}})
	}
	for name, tc := range map[string]struct {
		base  map[string]string
		first int
	}{"raw": {map[string]string{}, 1}, "aggregated": {map[string]string{"aggregation": "mean"}, 2}} {
		t.Run(name, func(t *testing.T) {
			c.requests()
			sources := c.triggers(t, newEnv(), tc.base, names...)
			want := []int{tc.first, 1, 1}
			var got []int
			for range want {
				for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
					if r.Err != nil || r.Reading.Value != float64(i) {
						t.Errorf("trigger %d: %+v", i, r)
					}
				}
				got = append(got, len(c.requests()))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
	if n := len(c.google.Asked()); n != 2 { // one per pool
		t.Errorf("%d tokens were asked for", n)
	}
}

// TestPubsubParts checks that many names go into few requests, none with a
// filter beyond the limit.
func TestPubsubParts(t *testing.T) {
	for name, tc := range map[string]struct {
		names, length, most int
	}{"short": {250, 5, 3}, "usual": {250, 30, 6}, "longest": {20, 255, 3}} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			names := make([]string, tc.names)
			for i := range names {
				names[i] = fmt.Sprintf("q%0*d", tc.length-1, i)
				c.put(undelivered, names[i], []point{{0, i + 1}})
			}
			sources := c.triggers(t, newEnv(), map[string]string{}, names...)
			for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
				if r.Err != nil || r.Reading.Value != float64(i+1) {
					t.Fatalf("trigger %d: %+v", i, r)
				}
			}
			asked := c.requests()
			for _, u := range asked {
				f := u.Query().Get("filter")
				if len(f) > filterLimit || strings.Count(f, ",")+1 > namesLimit {
					t.Errorf("a filter has %d characters and %d names", len(f), strings.Count(f, ",")+1)
				}
			}
			if len(asked) > tc.most {
				t.Errorf("%d requests; want at most %d", len(asked), tc.most)
			}
		})
	}
}

// TestPubsubBatchKey checks which triggers can share a request.
func TestPubsubBatchKey(t *testing.T) {
	c := newCloud(t)
	env := newEnv()
	key := func(metadata map[string]string) string {
		return c.open(t, env, "gcp-pubsub", metadata).(scaler.Batcher).BatchKey()
	}
	usual := key(map[string]string{"subscriptionName": "a"})
	for name, tc := range map[string]struct {
		metadata map[string]string
		same     bool
	}{
		"another name":      {map[string]string{"subscriptionName": "b"}, true},
		"another target":    {map[string]string{"subscriptionName": "a", "value": "3", "valueIfNull": "1"}, true},
		"its other name":    {map[string]string{"subscriptionName": "a", "mode": "NumUndeliveredMessages"}, true},
		"another project":   {map[string]string{"subscriptionName": "projects/shop-2/subscriptions/a"}, false},
		"another metric":    {map[string]string{"subscriptionName": "a", "mode": "OldestUnackedMessageAge"}, false},
		"a topic":           {map[string]string{"topicName": "a", "mode": "NumUndeliveredMessages"}, false},
		"a filter":          {map[string]string{"subscriptionName": "a", "filter": "x"}, false},
		"an aggregation":    {map[string]string{"subscriptionName": "a", "aggregation": "mean", "timeHorizon": "2m"}, false},
		"another horizon":   {map[string]string{"subscriptionName": "a", "timeHorizon": "3m"}, false},
		"the usual horizon": {map[string]string{"subscriptionName": "a", "timeHorizon": "2m"}, true},
	} {
		if got := key(tc.metadata); (got == usual) != tc.same {
			t.Errorf("%s: the keys are %q and %q", name, usual, got)
		}
	}
}

// TestPubsubAnswers checks that nothing but a complete answer becomes a number.
func TestPubsubAnswers(t *testing.T) {
	google := conntest.StartGoogle(t)
	series := func(rest string) string {
		return `{"timeSeries":[{"resource":{"labels":{"subscription_id":"jobs"}},"points":[` + rest + `]}]}`
	}
	good := `{"interval":{"endTime":"2026-01-01T00:00:00Z"},"value":{"int64Value":"4"}}`
	for name, tc := range map[string]struct {
		status int
		body   string
		want   float64
		reason scaler.Reason
	}{
		"good":              {200, series(good), 4, ""},
		"no points":         {200, series(""), 0, scaler.ReasonMissing},
		"no series":         {200, `{}`, 0, scaler.ReasonMissing},
		"incomplete":        {200, `{"timeSeries":[],"executionErrors":[{"code":4}]}`, 0, scaler.ReasonUnreachable},
		"another's":         {200, strings.ReplaceAll(series(good), "jobs", "mails"), 0, scaler.ReasonBadAnswer},
		"no resource":       {200, `{"timeSeries":[{"points":[` + good + `]}]}`, 0, scaler.ReasonBadAnswer},
		"no time":           {200, series(`{"value":{"int64Value":"4"}}`), 0, scaler.ReasonBadAnswer},
		"a time that is no": {200, series(`{"interval":{"endTime":"now"},"value":{"int64Value":"4"}}`), 0, scaler.ReasonBadAnswer},
		"no value":          {200, series(`{"interval":{"endTime":"2026-01-01T00:00:00Z"}}`), 0, scaler.ReasonBadAnswer},
		"NaN":               {200, series(`{"interval":{"endTime":"2026-01-01T00:00:00Z"},"value":{"doubleValue":"NaN"}}`), 0, scaler.ReasonBadAnswer},
		"infinite":          {200, series(`{"interval":{"endTime":"2026-01-01T00:00:00Z"},"value":{"doubleValue":"Infinity"}}`), 0, scaler.ReasonBadAnswer},
		"overflow":          {200, series(`{"interval":{"endTime":"2026-01-01T00:00:00Z"},"value":{"doubleValue":1e999}}`), 0, scaler.ReasonBadAnswer},
		"a text":            {200, series(`{"interval":{"endTime":"2026-01-01T00:00:00Z"},"value":{"stringValue":"4"}}`), 0, scaler.ReasonBadAnswer},
		"endless":           {200, `{"nextPageToken":"more"}`, 0, scaler.ReasonBadAnswer},
		"a page":            {200, `<html>`, 0, scaler.ReasonBadAnswer},
		"no such metric":    {404, `{"error":{"code":404,"message":"Cannot find metric(s)"}}`, 0, scaler.ReasonMissing},
		"throttled":         {429, `{"error":{"code":429}}`, 0, scaler.ReasonUnreachable},
		"down":              {503, ``, 0, scaler.ReasonUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			s := scalertest.Serve(t, tc.status, tc.body)
			src := open(t, newEnv(), "gcp-pubsub", map[string]string{"subscriptionName": "jobs", "endpoint": s.URL}, map[string]string{"GoogleApplicationCredentials": google.Key})
			r, err := src.Measure(t.Context())
			if tc.reason != "" {
				refused(t, err, tc.reason)
				return
			}
			if err != nil || r.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

func TestPubsubPages(t *testing.T) {
	google := conntest.StartGoogle(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		minute, next := "01", `"nextPageToken":"2",`
		if r.URL.Query().Get("pageToken") == "2" {
			minute, next = "00", ""
		}
		_, _ = fmt.Fprintf(w, `{%s"timeSeries":[{"resource":{"labels":{"subscription_id":"queue-%s"}},"points":[{"interval":{"endTime":"2026-01-01T00:00:00Z"},"value":{"int64Value":"1%s"}}]}]}`, next, minute, minute)
	}))
	t.Cleanup(s.Close)
	env := newEnv()
	var sources []scaler.Source
	for _, n := range []string{"queue-00", "queue-01"} {
		sources = append(sources, open(t, env, "gcp-pubsub", map[string]string{"subscriptionName": n, "endpoint": s.URL}, map[string]string{"GoogleApplicationCredentials": google.Key}))
	}
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if r.Err != nil || r.Reading.Value != float64(100+i) {
			t.Errorf("source %d: %+v", i, r)
		}
	}
}

func TestPubsubProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata map[string]string
		want     []string
	}{
		"right":            {map[string]string{"subscriptionName": "jobs"}, nil},
		"nothing":          {nil, []string{"error metadata.subscriptionName"}},
		"both":             {map[string]string{"subscriptionName": "a", "topicName": "b", "mode": "x"}, []string{"error metadata.topicName"}},
		"older size":       {map[string]string{"subscriptionName": "a", "subscriptionSize": "5"}, []string{"warning metadata.subscriptionSize"}},
		"size of a topic":  {map[string]string{"topicName": "a", "subscriptionSize": "5"}, []string{"warning metadata.subscriptionSize", "error metadata.subscriptionSize"}},
		"topic, no mode":   {map[string]string{"topicName": "a"}, []string{"error metadata.mode"}},
		"another's name":   {map[string]string{"subscriptionName": "projects/p1/topics/a"}, []string{"error metadata.subscriptionName"}},
		"injection":        {map[string]string{"subscriptionName": `a" OR "b`}, []string{"error metadata.subscriptionName"}},
		"odd project":      {map[string]string{"subscriptionName": "projects/P 1/subscriptions/a"}, []string{"error metadata.subscriptionName"}},
		"domain's project": {map[string]string{"subscriptionName": "projects/example.com:shop/subscriptions/a"}, nil},
		"odd mode":         {map[string]string{"subscriptionName": "a", "mode": `x" OR`}, []string{"error metadata.mode"}},
		"odd aggregation":  {map[string]string{"subscriptionName": "a", "aggregation": "max"}, []string{"error metadata.aggregation"}},
		"odd percentile":   {map[string]string{"subscriptionName": "a", "aggregation": "percentile101"}, []string{"error metadata.aggregation"}},
		"odd horizon":      {map[string]string{"subscriptionName": "a", "timeHorizon": "0s"}, []string{"error metadata.timeHorizon"}},
		"value 0":          {map[string]string{"subscriptionName": "a", "value": "0"}, []string{"error metadata.value"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := problems(t, "gcp-pubsub", tc.metadata)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPubsubTarget(t *testing.T) {
	for name, tc := range map[string]struct {
		config pubsubConfig
		want   []float64
	}{"value": {pubsubConfig{value: 7, activation: 2}, []float64{7, 2}}, "older size": {pubsubConfig{value: 10, size: 3}, []float64{3, 0}}} {
		target, activation := tc.config.Target()
		if !slices.Equal([]float64{target, activation}, tc.want) {
			t.Errorf("%s: got %v, %v", name, target, activation)
		}
	}
}

func TestSnake(t *testing.T) {
	for in, want := range map[string]string{
		"NumUndeliveredMessages": "num_undelivered_messages", "num_undelivered_messages": "num_undelivered_messages",
		"OldestUnackedMessageAge": "oldest_unacked_message_age", "AckMessageCountByRegion": "ack_message_count_by_region", "ByteCost": "byte_cost",
	} {
		if got := snake(in); got != want {
			t.Errorf("%s gives %s", in, got)
		}
	}
}
