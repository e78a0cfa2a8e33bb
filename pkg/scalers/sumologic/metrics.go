package sumologic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/kedago/keda/pkg/scaler"
)

// found is the answer to metrics queries:
// https://api.sumologic.com/docs/#operation/runMetricsQueries
type found struct {
	Results []result `json:"queryResult"`
	Errors  *struct {
		Errors []struct{} `json:"errors"`
	} `json:"errors"`
}

// result is that of one row.
type result struct {
	Row  string `json:"rowId"`
	List struct {
		Series []struct {
			Points struct {
				Values []*float64 `json:"values"`
			} `json:"points"`
		} `json:"timeSeries"`
	} `json:"timeSeriesList"`
}

// queryMetrics runs the queries and reads the row that counts.
func (s *session) queryMetrics(ctx context.Context) (scaler.Reading, error) {
	send, row := s.metricsRequest()
	var got found
	if err := s.ask(ctx, http.MethodPost, s.endpoint("api/v1/metricsQueries"), send, &got); err != nil {
		return scaler.Reading{}, err
	}
	if got.Errors != nil && len(got.Errors.Errors) > 0 {
		return scaler.Reading{}, scaler.Misconfigured(errors.New("the query failed; expected one that the Metrics Explorer runs"), "%s", s.doing)
	}
	for _, r := range got.Results {
		if r.Row == row {
			return s.read(r)
		}
	}
	return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("the answer has no result for row %s", row), "%s", s.doing)
}

// metricsRequest is what is sent, and the row that counts.
func (s *session) metricsRequest() (send any, row string) {
	queries, row := s.config.queries, s.config.row
	if s.config.query != "" {
		row = "A"
		queries = map[string]string{row: s.config.query}
	}
	rows := make([]map[string]any, 0, len(queries))
	for _, id := range slices.Sorted(maps.Keys(queries)) {
		rows = append(rows, map[string]any{
			"rowId": id, "query": queries[id], "quantization": s.config.quantization.Milliseconds(), "rollup": s.config.rollup,
		})
	}
	from, to := s.span()
	boundary := func(t string) any { return map[string]any{"type": "Iso8601TimeRangeBoundary", "iso8601Time": t} }
	return map[string]any{
		"queries":   rows,
		"timeRange": map[string]any{"type": "BeginBoundedTimeRange", "from": boundary(from), "to": boundary(to)},
	}, row
}

// read makes one number of a row's series.
func (s *session) read(r result) (scaler.Reading, error) {
	switch n := len(r.List.Series); {
	case n == 0:
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the query found no time series"), "%s", s.doing)
	case n > 1:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the query returned %d time series; expected one, for example with | sum", n), "%s", s.doing)
	}
	var all []float64
	for _, v := range r.List.Series[0].Points.Values {
		if v != nil {
			all = append(all, *v)
		}
	}
	if len(all) == 0 {
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the time series has no value within the timerange"), "%s", s.doing)
	}
	return scaler.Reading{Value: s.config.aggregate(all)}, nil
}
