package dynatrace

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// points are the answer of the metrics API; a value is null where there is none:
// https://docs.dynatrace.com/docs/dynatrace-api/environment-api/metric-v2/get-data-points
type points struct {
	Result []struct {
		Data []struct {
			Values []*float64 `json:"values"`
		} `json:"data"`
	} `json:"result"`
}

// metrics asks for the metric selector.
func (a *asker) metrics(ctx context.Context) (scaler.Reading, error) {
	at := a.host.JoinPath("api/v2/metrics/query")
	q := at.Query()
	q.Set("metricSelector", a.selector)
	q.Set("from", a.from)
	at.RawQuery = q.Encode()
	var got points
	err := a.client.AskJSON(ctx, conn.NewGet(at, http.Header{"Authorization": {"Api-Token " + a.token.Reveal()}}), conn.Refusals{
		BadRequest: "expected a metricSelector and a from that Data Explorer runs",
		NotFound:   "expected a metric that exists, and the environment's address as host",
	}, &got, a.doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	return got.first(a.doing)
}

// first is the first value of the first series.
func (p points) first(doing string) (scaler.Reading, error) {
	switch {
	case p.Result == nil:
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has no result"), "%s", doing)
	case len(p.Result) == 0 || len(p.Result[0].Data) == 0:
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the metricSelector found no series within the span of from"), "%s", doing)
	}
	values := p.Result[0].Data[0].Values
	if len(values) == 0 || values[0] == nil {
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the first value of the series is none; expected a metricSelector of one value, for example with :fold(avg)"), "%s", doing)
	}
	r := scaler.Reading{Value: *values[0]}
	switch found := len(p.Result[0].Data); {
	case found > 1:
		r.Note = fmt.Sprintf("the metricSelector found %d series, of which the first counts", found)
	case len(values) > 1:
		r.Note = fmt.Sprintf("the series has %d values, of which the first counts", len(values))
	}
	return r, nil
}
