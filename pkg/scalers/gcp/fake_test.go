package gcp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/api/monitoring/v3"
	"google.golang.org/api/storage/v1"

	"github.com/kedago/keda/internal/conn/conntest"
)

// cloud is a Cloud Monitoring and a Cloud Storage that take tokens of one
// Google only.
type cloud struct {
	t      testing.TB
	google *conntest.Google
	URL    string

	mu      sync.Mutex // guards what follows
	series  []*monitoring.TimeSeries
	kinds   map[string]metricKind
	objects map[string][]string // by bucket
	page    int                 // size of pages of objects, as large as asked for when 0
	denied  bool
	asked   []*url.URL
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{t: t, google: conntest.StartGoogle(t), objects: map[string][]string{}, kinds: map[string]metricKind{
		"subscription/num_undelivered_messages":      {"GAUGE", "INT64"},
		"subscription/oldest_unacked_message_age":    {"GAUGE", "INT64"},
		"subscription/ack_message_count":             {"DELTA", "INT64"},
		"subscription/ack_latencies":                 {"DELTA", "DISTRIBUTION"},
		"subscription/delivery_latency_health_score": {"GAUGE", "BOOL"},
		"topic/send_request_count":                   {"DELTA", "INT64"},
	}}
	s := httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// point is one of a series: ago before now.
type point struct {
	ago   time.Duration
	value any // int, float64, bool or *monitoring.Distribution
}

// put replaces a series, told apart by its metric, resource and labels
// ("response_class", "ack").
func (c *cloud) put(metric, name string, points []point, labels ...string) {
	resource, _, _ := strings.Cut(metric, "/")
	service, kind := "pubsub", "pubsub_"+resource
	if resource == "queue" {
		service, kind = "cloudtasks", "cloud_tasks_queue"
	}
	one := &monitoring.TimeSeries{
		Metric:   &monitoring.Metric{Type: service + ".googleapis.com/" + metric, Labels: map[string]string{}},
		Resource: &monitoring.MonitoredResource{Type: kind, Labels: map[string]string{"project_id": conntest.GoogleProject, resource + "_id": name}},
	}
	for i := 0; i < len(labels); i += 2 {
		if labels[i] == "location" {
			one.Resource.Labels[labels[i]] = labels[i+1]
		} else {
			one.Metric.Labels[labels[i]] = labels[i+1]
		}
	}
	for _, p := range points {
		v := &monitoring.TypedValue{}
		switch x := p.value.(type) {
		case int:
			n := int64(x)
			v.Int64Value = &n
		case float64:
			v.DoubleValue = &x
		case bool:
			v.BoolValue = &x
		case *monitoring.Distribution:
			v.DistributionValue = x
		}
		one.Points = append(one.Points, &monitoring.Point{Interval: &monitoring.TimeInterval{EndTime: time.Now().Add(-p.ago).UTC().Format(time.RFC3339Nano)}, Value: v})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	same := func(s *monitoring.TimeSeries) bool {
		return s.Metric.Type == one.Metric.Type && fmt.Sprint(s.Metric.Labels, s.Resource.Labels) == fmt.Sprint(one.Metric.Labels, one.Resource.Labels)
	}
	c.series = append(slices.DeleteFunc(c.series, same), one)
}

func (c *cloud) deny(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.denied = yes
}

// requests returns what was asked for since the last call.
func (c *cloud) requests() []*url.URL {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.asked
	c.asked = nil
	return out
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.URL)
	at := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case !c.google.Knows(r):
		fail(w, 401, "no token of ours")
	case c.denied:
		fail(w, 403, "Permission monitoring.timeSeries.list denied (or the resource may not exist).")
	case len(at) == 4 && at[0] == "v3" && at[3] == "timeSeries":
		c.timeSeries(w, at[2], r.URL.Query())
	case len(at) > 4 && at[0] == "v3" && at[3] == "metricDescriptors":
		c.descriptor(w, strings.Join(at[5:], "/"))
	case len(at) == 5 && at[0] == "storage" && at[4] == "o":
		c.list(w, at[3], r.URL.Query())
	default:
		c.t.Errorf("the cloud has no %s", r.URL.Path)
		fail(w, 404, "no such path")
	}
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": message}})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (c *cloud) descriptor(w http.ResponseWriter, metric string) {
	k, ok := c.kinds[metric]
	if !ok {
		fail(w, 404, "no such metric")
		return
	}
	answer(w, monitoring.MetricDescriptor{MetricKind: k.kind, ValueType: k.value})
}

// filterForm is the part of the filter language that is used.
var filterForm = regexp.MustCompile(`^metric\.type="((?:pubsub|cloudtasks)\.googleapis\.com/[^"]+)" AND resource\.type="([^"]+)" AND resource\.labels\.project_id="([^"]+)"` +
	` AND resource\.labels\.(subscription_id|topic_id|queue_id)=(?:"([^"]+)"|one_of\(([^)]+)\))(?: AND \((?:metric|resource)\.labels\.(\w+)="([^"]+)"\))?$`)

func (c *cloud) timeSeries(w http.ResponseWriter, project string, q url.Values) {
	f := filterForm.FindStringSubmatch(q.Get("filter"))
	if f == nil {
		fail(w, 400, "The filter can't be parsed.")
		return
	}
	names := []string{f[5]}
	if f[6] != "" {
		names = nil
		for _, n := range strings.Split(f[6], ",") {
			name, err := strconv.Unquote(n)
			if err != nil {
				fail(w, 400, "one_of can't be parsed")
				return
			}
			names = append(names, name)
		}
	}
	start, end := parsed(q.Get("interval.startTime")), parsed(q.Get("interval.endTime")).Add(time.Second)
	var out []*monitoring.TimeSeries
	for _, s := range c.series {
		if s.Metric.Type != f[1] || s.Resource.Type != f[2] || s.Resource.Labels["project_id"] != f[3] || f[3] != project ||
			!slices.Contains(names, s.Resource.Labels[f[4]]) || f[7] != "" && s.Metric.Labels[f[7]]+s.Resource.Labels[f[7]] != f[8] {
			continue
		}
		within := &monitoring.TimeSeries{Metric: s.Metric, Resource: s.Resource}
		for _, p := range s.Points {
			if at := parsed(p.Interval.EndTime); at.After(start) && !at.After(end) {
				within.Points = append(within.Points, p)
			}
		}
		if len(within.Points) > 0 {
			out = append(out, within)
		}
	}
	if aligner := q.Get("aggregation.perSeriesAligner"); aligner != "" {
		var problem string
		if out, problem = aggregated(out, c.kinds[strings.TrimPrefix(f[1], "pubsub.googleapis.com/")], aligner, q.Get("aggregation.crossSeriesReducer"), f[4]); problem != "" {
			fail(w, 400, problem)
			return
		}
	}
	answer(w, monitoring.ListTimeSeriesResponse{TimeSeries: out})
}

func parsed(text string) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, text) // zero shows as an empty answer
	return at
}

// list lists objects as Cloud Storage does: names and prefixes in one order.
func (c *cloud) list(w http.ResponseWriter, bucket string, q url.Values) {
	names, ok := c.objects[bucket]
	if !ok {
		fail(w, 404, "The specified bucket does not exist.")
		return
	}
	var entries []string // a prefix ends with the delimiter
	for _, n := range slices.Sorted(slices.Values(names)) {
		rest, ok := strings.CutPrefix(n, q.Get("prefix"))
		if !ok {
			continue
		}
		if d := q.Get("delimiter"); d != "" {
			if i := strings.Index(rest, d); i >= 0 {
				n = q.Get("prefix") + rest[:i+len(d)]
			}
		}
		if !slices.Contains(entries, n) {
			entries = append(entries, n)
		}
	}
	from, _ := strconv.Atoi(q.Get("pageToken"))
	size, _ := strconv.Atoi(q.Get("maxResults"))
	if c.page > 0 {
		size = min(size, c.page)
	}
	out := &storage.Objects{Kind: "storage#objects"}
	to := min(len(entries), from+size)
	for _, e := range entries[from:to] {
		if d := q.Get("delimiter"); d != "" && strings.HasSuffix(e, d) {
			out.Prefixes = append(out.Prefixes, e)
		} else {
			out.Items = append(out.Items, &storage.Object{Name: e})
		}
	}
	if to < len(entries) {
		out.NextPageToken = strconv.Itoa(to)
	}
	answer(w, out)
}
