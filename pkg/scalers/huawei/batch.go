package huawei

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// mostMetrics and mostPoints are what one request may be for.
	mostMetrics, mostPoints = 500, 3000
	answerLimit             = 4 << 20
)

// source reads one metric.
type source struct {
	config *config
	client *conn.HTTPClient
	at     *url.URL
	who    string // stands for the access key, revealing nothing
}

var (
	_ scaler.Hosted  = (*source)(nil)
	_ scaler.Batcher = (*source)(nil)
)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.at.Host }

// Close implements scaler.Source.
func (s *source) Close() error { return s.client.Close() }

// BatchKey implements scaler.Batcher: what one request has once.
func (s *source) BatchKey() string {
	return fmt.Sprintf("huawei-cloudeye %s %s %s %d %d", s.at, s.who, s.config.filter, s.config.period, s.config.window)
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher. One request is for many metrics. One
// that Cloud Eye does not take, such as a namespace of no service, fails the
// request, so then each metric is asked for by itself.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	points := s.config.window/s.config.period + 1
	size := int(max(1, min(mostMetrics, mostPoints/points)))
	for i, part := range slices.Collect(slices.Chunk(sources, size)) {
		copy(results[i*size:], s.measure(ctx, part))
	}
	return results
}

func (s *source) measure(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	found, err := s.ask(ctx, sources)
	if err != nil && len(sources) > 1 && scaler.ReasonOf(err) == scaler.ReasonMisconfigured {
		for i, one := range sources {
			results[i] = one.(*source).measure(ctx, []scaler.Source{one})[0]
		}
		return results
	}
	for i, one := range sources {
		if err != nil {
			results[i].Err = err
			continue
		}
		c := one.(*source)
		results[i].Reading, results[i].Err = newest(found[c.config.metric().key()], c.config.filter, c.doing())
	}
	return results
}

func (s *source) doing() string {
	return fmt.Sprintf("reading the metric %.100q of %.100q of Cloud Eye at %s", s.config.name, s.config.namespace, s.at.Host)
}

type dimension struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// metric names one, in requests and answers:
// https://support.huaweicloud.com/intl/en-us/api-ces/ces_03_0034.html
type metric struct {
	Namespace  string      `json:"namespace"`
	Dimensions []dimension `json:"dimensions"`
	Name       string      `json:"metric_name"`
}

func (m metric) key() string {
	text := []string{m.Namespace, m.Name}
	for _, d := range m.Dimensions {
		text = append(text, d.Name, d.Value)
	}
	return strings.Join(text, "\x00")
}

func (c *config) metric() metric {
	return metric{Namespace: c.namespace, Name: c.name, Dimensions: []dimension{{c.dimension, c.dimensionValue}}}
}

// point is a value of a period, under the name of the filter.
type point map[string]json.RawMessage

// ask asks for the points of all, by the metric's key.
func (s *source) ask(ctx context.Context, sources []scaler.Source) (map[string][]point, error) {
	now := s.client.Now().Truncate(time.Minute)
	body := struct {
		Metrics []metric `json:"metrics"`
		From    int64    `json:"from"`
		To      int64    `json:"to"`
		Period  string   `json:"period"`
		Filter  string   `json:"filter"`
	}{From: now.Add(-time.Duration(s.config.window) * time.Second).UnixMilli(), To: now.UnixMilli(), Period: s.config.periodText(), Filter: s.config.filter}
	asked := map[string]bool{}
	for _, one := range sources {
		if m := one.(*source).config.metric(); !asked[m.key()] {
			asked[m.key()] = true
			body.Metrics = append(body.Metrics, m)
		}
	}
	doing := s.doing()
	if len(body.Metrics) > 1 {
		doing = fmt.Sprintf("reading %d metrics of Cloud Eye at %s", len(body.Metrics), s.at.Host)
	}
	req, err := conn.NewPostJSON(s.at, http.Header{"X-Project-Id": {s.config.project}}, body)
	if err != nil {
		return nil, scaler.Misconfigured(err, "%s", doing)
	}
	var answer struct {
		Metrics []struct {
			metric
			Points []point `json:"datapoints"`
		} `json:"metrics"`
	}
	err = s.client.AskJSON(ctx, req, conn.Refusals{
		BadRequest: "it does not take the namespace, metricName, dimension or metricPeriod",
		NotFound:   "there is no such project in the region",
	}, &answer, doing)
	if err != nil {
		return nil, err
	}
	found := map[string][]point{}
	for _, m := range answer.Metrics {
		found[m.key()] = m.Points
	}
	return found, nil
}

// newest is the value of the last point there is.
func newest(points []point, filter, doing string) (scaler.Reading, error) {
	if len(points) == 0 {
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the metric has no point in the time of metricCollectionTime, or there is no such metric"), "%s", doing)
	}
	bad := scaler.BadAnswer(fmt.Errorf("a point is not what is expected: a timestamp, and a number for %s", filter), "%s", doing)
	var value float64
	last := int64(-1)
	for _, p := range points {
		var at *int64
		var v *float64
		if json.Unmarshal(p["timestamp"], &at) != nil || json.Unmarshal(p[filter], &v) != nil || at == nil || v == nil {
			return scaler.Reading{}, bad
		}
		if *at > last {
			last, value = *at, *v
		}
	}
	return scaler.Reading{Value: value}, nil
}
