package gcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"google.golang.org/api/monitoring/v3"
	"google.golang.org/api/option"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// maxPages bounds an answer that never ends; a page has up to 100,000 points.
	maxPages = 20

	monitoringDoing = "asking Cloud Monitoring for the metric "
)

// monitoringService is what clients of Cloud Monitoring are made for.
func monitoringService() conn.GCPService {
	return conn.GCPService{Name: "monitoring", Path: "/", Scopes: []string{monitoring.MonitoringReadScope}}
}

// monitoringAPI is the SDK's client with what it has learned.
type monitoringAPI struct {
	service *monitoring.Service

	mu    sync.Mutex // guards kinds; never held while asking
	kinds map[string]metricKind
}

func newMonitoring(ctx context.Context, options ...option.ClientOption) (*monitoringAPI, error) {
	s, err := monitoring.NewService(ctx, options...)
	return &monitoringAPI{service: s, kinds: map[string]metricKind{}}, err
}

// metricKind says what the points of a metric are, in Monitoring's words.
type metricKind struct {
	// kind is GAUGE, DELTA or CUMULATIVE.
	kind string
	// value is BOOL, INT64, DOUBLE, STRING or DISTRIBUTION.
	value string
}

// kind asks once for the description of a metric of Google's own, which is
// the same in every project.
func (m *monitoringAPI) kind(ctx context.Context, project, metric string) (metricKind, error) {
	m.mu.Lock()
	known, ok := m.kinds[metric]
	m.mu.Unlock()
	if ok {
		return known, nil
	}
	got, err := m.service.Projects.MetricDescriptors.Get("projects/"+project+"/metricDescriptors/"+metric).
		Fields("metricKind", "valueType").Context(ctx).Do()
	if err != nil {
		return metricKind{}, conn.GCPError(err, "asking Cloud Monitoring what the metric "+metric+" is")
	}
	known = metricKind{kind: got.MetricKind, value: got.ValueType}
	m.mu.Lock()
	m.kinds[metric] = known
	m.mu.Unlock()
	return known, nil
}

// query is one request for time series.
type query struct {
	project, metric string
	// filter is in Monitoring's filter language, the metric included.
	filter     string
	start, end time.Time
	// aggregation of series, none when its aligner is empty.
	aggregation aggregation
	// period is what points are put together in, groupBy what series are kept
	// apart by; both may be empty.
	period  time.Duration
	groupBy string
}

// list returns the time series of a query, all pages together.
func (m *monitoringAPI) list(ctx context.Context, q query) ([]*monitoring.TimeSeries, error) {
	doing := monitoringDoing + q.metric
	call := m.service.Projects.TimeSeries.List("projects/"+q.project).Context(ctx).
		Filter(q.filter).
		IntervalStartTime(q.start.UTC().Format(time.RFC3339)).IntervalEndTime(q.end.UTC().Format(time.RFC3339)).
		Fields("timeSeries(resource/labels,points)", "nextPageToken", "executionErrors(code)")
	if a := q.aggregation; a.aligner != "" {
		call.AggregationAlignmentPeriod(fmt.Sprintf("%.0fs", cmp.Or(q.period, alignment).Seconds())).AggregationPerSeriesAligner(a.aligner)
		if a.reducer != "" {
			call.AggregationCrossSeriesReducer(a.reducer)
		}
		if q.groupBy != "" {
			call.AggregationGroupByFields(q.groupBy)
		}
	}
	var out []*monitoring.TimeSeries
	for range maxPages {
		page, err := call.Do()
		if err != nil {
			return nil, conn.GCPError(err, doing)
		}
		if len(page.ExecutionErrors) > 0 {
			return nil, scaler.Unreachable(fmt.Errorf("the answer is not complete; it has %d errors", len(page.ExecutionErrors)), "%s", doing)
		}
		out = append(out, page.TimeSeries...)
		if page.NextPageToken == "" {
			return out, nil
		}
		call.PageToken(page.NextPageToken)
	}
	return nil, scaler.BadAnswer(fmt.Errorf("the answer has more than %d pages", maxPages), "%s", doing)
}

// quote writes a text of the filter language.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// newest returns the newest point of a series, nil when it has none.
func newest(s *monitoring.TimeSeries) (*monitoring.TypedValue, error) {
	var value *monitoring.TypedValue
	var at time.Time
	for _, p := range s.Points {
		if p == nil || p.Interval == nil || p.Value == nil {
			return nil, errors.New("a point has no time or no value")
		}
		end, err := time.Parse(time.RFC3339, p.Interval.EndTime)
		if err != nil {
			return nil, errors.New("a point has no time that can be read")
		}
		if value == nil || end.After(at) {
			value, at = p.Value, end
		}
	}
	return value, nil
}

// number reads a value that is no distribution.
func number(v *monitoring.TypedValue) (float64, error) {
	switch {
	case v.Int64Value != nil:
		return float64(*v.Int64Value), nil
	case v.DoubleValue != nil:
		if math.IsNaN(*v.DoubleValue) || math.IsInf(*v.DoubleValue, 0) {
			return 0, fmt.Errorf("the newest value is %v; expected a finite number", *v.DoubleValue)
		}
		return *v.DoubleValue, nil
	case v.BoolValue != nil && *v.BoolValue:
		return 1, nil
	case v.BoolValue != nil:
		return 0, nil
	}
	return 0, errors.New("the newest value is no number")
}
