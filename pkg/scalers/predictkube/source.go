package predictkube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scalers/predictkube/predictkubepb"
)

// keyHeader has the API key, in calls of PredictKube.
const keyHeader = "x-auth-api-key"

// source asks Prometheus what was, and PredictKube what will be.
type source struct {
	*conn.HTTPSource
	config  *config
	client  *conn.HTTPClient
	channel *conn.GRPC
	release func()
	api     predictkubepb.MlEngineServiceClient
}

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return s.HTTPSource.Close()
}

func (s *source) measure(ctx context.Context) (scaler.Reading, error) {
	was, err := s.observe(ctx)
	if err != nil {
		return scaler.Reading{Empty: len(was) == 0 && scaler.ReasonOf(err) == scaler.ReasonMissing}, err
	}
	now := was[len(was)-1].GetValue()
	ctx = metadata.AppendToOutgoingContext(ctx, keyHeader, s.config.key.Reveal())
	answer, err := s.api.GetPredictMetric(ctx, &predictkubepb.ReqGetPredictMetric{
		ForecastHorizon: uint64(s.config.horizon / s.config.step), Observations: was, //nolint:gosec // Check has them positive
	})
	if err != nil {
		// The service's text may repeat the key.
		plain := status.Error(status.Code(err), "the call failed")
		return scaler.Reading{}, s.channel.Error(plain, fmt.Sprintf("having PredictKube at %s predict %d values from %d", s.config.service, s.config.horizon/s.config.step, len(was)))
	}
	return scaler.Reading{Value: max(float64(answer.GetResultMetric()), now), ActivationValue: &now}, nil
}

// series is one of a matrix: values are a time in seconds since 1970, and a
// number in a text.
// https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors
type series struct {
	Values [][2]json.RawMessage `json:"values"`
}

// observe asks Prometheus for the values of historyTimeWindow until now, of
// which there is at least one.
func (s *source) observe(ctx context.Context) ([]*predictkubepb.Observation, error) {
	doing := "querying Prometheus at " + s.config.address.Host
	var answer struct {
		Status string `json:"status"`
		Data   struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	err := s.client.AskJSON(ctx, conn.NewGet(s.at(), nil), conn.Refusals{
		BadRequest: "it can't run the query; try the same by hand, it tells why",
		NotFound:   "expected the address without /api/v1",
	}, &answer, doing)
	if err != nil {
		return nil, err
	}
	var found []series
	if answer.Status != "success" || answer.Data.Type != "matrix" || json.Unmarshal(answer.Data.Result, &found) != nil {
		return nil, scaler.BadAnswer(errors.New("the answer is not that of Prometheus' query API; expected the server's address without /api/v1"), "%s", doing)
	}
	if len(found) > 1 {
		return nil, scaler.Misconfigured(fmt.Errorf("the query returned %d series; expected one, for example with sum(…)", len(found)), "%s", doing)
	}
	var out []*predictkubepb.Observation
	for _, one := range found {
		for _, v := range one.Values {
			o, err := s.observation(v)
			if err != nil {
				return nil, scaler.BadAnswer(err, "%s", doing)
			}
			if !math.IsNaN(o.GetValue()) && !math.IsInf(o.GetValue(), 0) { // such as of a division by 0
				out = append(out, o)
			}
		}
	}
	if len(out) == 0 {
		return nil, scaler.Missing(errors.New("the query has no finite value within historyTimeWindow"), "%s", doing)
	}
	return out, nil
}

func (s *source) at() *url.URL {
	c := s.config
	end := s.client.Now().Truncate(time.Second)
	at := c.address.JoinPath("api", "v1", "query_range")
	q := at.Query()
	q.Set("query", c.query)
	q.Set("start", strconv.FormatInt(end.Add(-c.past).Unix(), 10))
	q.Set("end", strconv.FormatInt(end.Unix(), 10))
	q.Set("step", strconv.FormatFloat(c.step.Seconds(), 'f', -1, 64))
	at.RawQuery = q.Encode()
	return at
}

func (s *source) observation(v [2]json.RawMessage) (*predictkubepb.Observation, error) {
	var at float64
	var text *string
	if json.Unmarshal(v[0], &at) == nil && json.Unmarshal(v[1], &text) == nil && text != nil {
		if n, err := strconv.ParseFloat(*text, 64); err == nil {
			seconds, fraction := math.Modf(at)
			return &predictkubepb.Observation{
				Timestamp: &predictkubepb.Time{Seconds: int64(seconds), Nanos: int32(math.Round(fraction*1e3)) * 1e6}, //nolint:gosec // below 1 s
				Value:     n, MetricName: s.config.Metric(),
			}, nil
		}
	}
	return nil, errors.New("a value is not what is expected: a time, and a number in a text")
}
