package azuremonitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// metricsAtOnce is how many metrics one request takes.
const metricsAtOnce = 20

// monitorSource measures one metric. It owns its share of the client.
type monitorSource struct {
	config *monitorConfig
	client *conn.HTTPClient
	at     *url.URL
	span   time.Duration
	key    string
}

var (
	_ scaler.Batcher = (*monitorSource)(nil)
	_ scaler.Hosted  = (*monitorSource)(nil)
)

// Host implements scaler.Hosted.
func (s *monitorSource) Host() string { return s.at.Host }

// BatchKey implements scaler.Batcher: triggers on one resource are asked for
// together when filter and span are the same.
func (s *monitorSource) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *monitorSource) Close() error { return s.client.Close() }

// Measure implements scaler.Source.
func (s *monitorSource) Measure(ctx context.Context) (scaler.Reading, error) {
	got := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return got.Reading, got.Err
}

// MeasureAll implements scaler.Batcher. Azure refuses a request of which it
// knows one metric not, so then each is asked for by itself.
func (s *monitorSource) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	var names []string
	byName := map[string][]int{}
	for i, src := range sources {
		name := strings.ToLower(src.(*monitorSource).config.metric)
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], i)
	}
	for part := range slices.Chunk(names, metricsAtOnce) {
		var these []int
		for _, name := range part {
			these = append(these, byName[name]...)
		}
		err := s.measure(ctx, sources, these, results)
		if err == nil {
			continue
		}
		alone := len(these) == 1 || scaler.ReasonOf(err) != scaler.ReasonMisconfigured
		for _, i := range these {
			own := err
			if !alone {
				own = s.measure(ctx, sources, []int{i}, results)
			}
			if own != nil {
				results[i].Err = own
			}
		}
	}
	return results
}

// measure asks once for some of the sources. It fails when the request does.
func (s *monitorSource) measure(ctx context.Context, sources []scaler.Source, these []int, results []scaler.Result) error {
	var names, aggregations []string
	for _, i := range these {
		c := sources[i].(*monitorSource).config
		if same := func(n string) bool { return strings.EqualFold(n, c.metric) }; !slices.ContainsFunc(names, same) {
			names = append(names, c.metric)
		}
		if a := strings.ToLower(c.aggregation); !slices.Contains(aggregations, a) {
			aggregations = append(aggregations, a)
		}
	}
	got, err := s.ask(ctx, names, aggregations)
	if err != nil {
		return err
	}
	for _, i := range these {
		results[i].Reading, results[i].Err = sources[i].(*monitorSource).read(got)
	}
	return nil
}

// metric is what Azure Monitor answers of one; a point has a member per
// aggregation, none where there is no value:
// https://learn.microsoft.com/rest/api/monitor/metrics/list
type metric struct {
	Name struct {
		Value string `json:"value"`
	} `json:"name"`
	Series []struct {
		Data []map[string]json.RawMessage `json:"data"`
	} `json:"timeseries"`
}

func (s *monitorSource) doing(names ...string) string {
	return fmt.Sprintf("asking Azure Monitor for %.200q of %.200s", strings.Join(names, ", "), s.config.resource)
}

func (s *monitorSource) ask(ctx context.Context, names, aggregations []string) ([]metric, error) {
	now := s.client.Now().UTC().Truncate(time.Second)
	escaped := make([]string, len(names))
	for i, n := range names {
		escaped[i] = strings.ReplaceAll(n, ",", "%2") // as the API has it
	}
	slices.Sort(escaped)
	slices.Sort(aggregations)
	at, q := *s.at, s.at.Query()
	q.Set("api-version", "2018-01-01")
	q.Set("metricnames", strings.Join(escaped, ","))
	q.Set("aggregation", strings.Join(aggregations, ","))
	q.Set("timespan", now.Add(-s.span).Format(time.RFC3339)+"/"+now.Format(time.RFC3339))
	if s.config.namespace != "" {
		q.Set("metricnamespace", s.config.namespace)
	}
	if s.config.filter != "" {
		q.Set("$filter", s.config.filter)
	}
	at.RawQuery = q.Encode()
	doing := s.doing(names...)
	body, err := s.client.AzureAsk(ctx, conn.NewGet(&at, nil), doing)
	if err != nil {
		return nil, err
	}
	var got struct {
		Value []metric `json:"value"`
	}
	if err := conn.DecodeJSON(body, &got, doing); err != nil {
		return nil, err
	}
	if len(names) == 1 && len(got.Value) == 1 { // it is that one, however it is spelt
		got.Value[0].Name.Value = names[0]
	}
	return got.Value, nil
}

// read is the newest value of the one series of the source's metric.
func (s *monitorSource) read(metrics []metric) (scaler.Reading, error) {
	doing := s.doing(s.config.metric)
	i := slices.IndexFunc(metrics, func(m metric) bool { return strings.EqualFold(m.Name.Value, s.config.metric) })
	if i < 0 {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer lacks the metric"), "%s", doing)
	}
	series := metrics[i].Series
	if len(series) > 1 {
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the metric has %d series; expected one, by a metricFilter that does not split by a dimension", len(series)), "%s", doing)
	}
	for _, one := range series {
		for _, point := range slices.Backward(one.Data) {
			n, found, err := numberIn(point, strings.ToLower(s.config.aggregation))
			if err != nil {
				return scaler.Reading{}, scaler.BadAnswer(err, "%s", doing)
			}
			if found {
				return scaler.Reading{Value: n}, nil
			}
		}
	}
	return scaler.Reading{Empty: true}, scaler.Missing(fmt.Errorf("there is no value in the last %s; expected a metricFilter that fits, and a metricAggregationInterval that reaches back to the newest value", s.span), "%s", doing)
}

// numberIn is a member of an object that is a number; found is false when it
// is absent or null.
func numberIn(object map[string]json.RawMessage, name string) (n float64, found bool, err error) {
	raw, ok := object[name]
	if !ok || string(raw) == "null" {
		return 0, false, nil
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return 0, false, fmt.Errorf("the answer's %s is no number", name)
	}
	return n, true, nil
}
