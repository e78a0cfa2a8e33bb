package datadog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// asker asks for one trigger.
type asker struct {
	*config
	client *conn.HTTPClient
	at     *url.URL
}

// series is one of the answer; a point is the time in milliseconds since 1970
// and a value, null where there is none:
// https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points
type series struct {
	Points [][]*float64 `json:"pointlist"`
}

type answer struct {
	Status string    `json:"status"`
	Series *[]series `json:"series"`
}

// askAPI queries Datadog.
func (a *asker) askAPI(ctx context.Context) (scaler.Reading, error) {
	doing := "querying Datadog at " + a.at.Host
	to := a.client.Now().Unix() - a.windowOffset
	at := *a.at
	at.RawQuery = url.Values{
		"query": {a.query}, "from": {strconv.FormatInt(to-a.age, 10)}, "to": {strconv.FormatInt(to, 10)},
	}.Encode()
	header := http.Header{"Accept": {"application/json"}, "Dd-Api-Key": {a.apiKey.Reveal()}, "Dd-Application-Key": {a.appKey.Reveal()}}
	got, err := a.client.Do(ctx, conn.NewGet(&at, header), doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	if reset := got.Header.Get("X-Ratelimit-Reset"); reset != "" && got.Header.Get("Retry-After") == "" {
		got.Header.Set("Retry-After", reset)
	}
	switch {
	case got.Status == http.StatusUnprocessableEntity:
		return a.unavailable("Datadog has no value for the query now", doing)
	case got.Status == http.StatusBadRequest:
		return scaler.Reading{}, scaler.Misconfigured(errors.New("Datadog refused the query (status 400); expected one that the metrics explorer runs"), "%s", doing) //nolint:staticcheck // a name
	}
	if err := got.Err(a.client.Now(), doing); err != nil {
		return scaler.Reading{}, err
	}
	var parsed answer
	if err := conn.DecodeJSON(got.Body, &parsed, doing); err != nil {
		return scaler.Reading{}, err
	}
	if parsed.Status == "error" {
		return scaler.Reading{}, scaler.Misconfigured(errors.New("Datadog could not run the query; expected one that the metrics explorer runs"), "%s", doing) //nolint:staticcheck // a name
	}
	if parsed.Series == nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has no list of series"), "%s", doing)
	}
	return a.read(*parsed.Series, doing)
}

// read makes one number of all series.
func (a *asker) read(got []series, doing string) (scaler.Reading, error) {
	switch {
	case len(got) == 0:
		return a.unavailable("the query found no series within the span of age", doing)
	case len(got) > 1 && a.aggregator == "":
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the query returned %d series; expected one, or a queryAggregator", len(got)), "%s", doing)
	}
	values := make([]float64, len(got))
	for i, s := range got {
		v := s.point(int(a.pointOffset))
		if v == nil {
			return a.unavailable("a series has no value at the point that counts", doing)
		}
		values[i] = *v
	}
	if a.aggregator != "average" {
		return scaler.Reading{Value: slices.Max(values)}, nil
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return scaler.Reading{Value: sum / float64(len(values))}, nil
}

// point is the value so many points before the last that has one, or nil.
func (s series) point(before int) *float64 {
	for i := len(s.Points) - 1; i >= 0; i-- {
		if len(s.Points[i]) < 2 || s.Points[i][1] == nil {
			continue
		}
		if i -= before; i < 0 || len(s.Points[i]) < 2 {
			return nil
		}
		return s.Points[i][1]
	}
	return nil
}

// unavailable is what having no value means.
func (a *asker) unavailable(why, doing string) (scaler.Reading, error) {
	if a.filled {
		return scaler.Reading{Value: a.fill, Empty: true, Note: fmt.Sprintf("%s, which counts as %v (metricUnavailableValue)", why, a.fill)}, nil
	}
	return scaler.Reading{Empty: true}, scaler.Missing(errors.New(why), "%s", doing)
}

// askAgent asks the cluster agent, which answers as an API of external metrics.
func (a *asker) askAgent(ctx context.Context) (scaler.Reading, error) {
	doing := fmt.Sprintf("asking the cluster agent at %s for the DatadogMetric %s of namespace %s", a.at.Host, a.metricName, a.metricNamespace)
	header := http.Header{"Accept": {"application/json"}}
	if len(a.modes) > 0 {
		header.Set("Authorization", "Bearer "+a.token.Reveal())
	}
	got, err := a.client.Do(ctx, conn.NewGet(a.at, header), doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	if got.Status == http.StatusUnprocessableEntity {
		return a.unavailable("the cluster agent holds no valid value", doing)
	}
	if err := got.Err(a.client.Now(), doing); err != nil {
		return scaler.Reading{}, err
	}
	v, err := conn.NumberAt(got.Body, "items.0.value")
	if err != nil {
		return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("items.0.value of the answer: %w", err), "%s", doing)
	}
	return scaler.Reading{Value: v}, nil
}
