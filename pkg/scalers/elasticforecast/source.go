package elasticforecast

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// forecasts are those of one job, as far as KEDA had them made. Sources on the
// job share them by the pool.
type forecasts struct {
	turn chan struct{} // holds one: who has it may use what follows

	current, previous string    // IDs
	made              time.Time // when current was asked for
}

func newForecasts() *forecasts {
	f := &forecasts{turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}

// source reads one series of a job's forecasts.
type source struct {
	*conn.HTTPSource
	config    *config
	client    *conn.HTTPClient
	header    http.Header
	servers   *conn.Servers
	forecasts *forecasts
	release   func()
}

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return s.HTTPSource.Close()
}

func (s *source) measure(ctx context.Context) (scaler.Reading, error) {
	now := s.client.Now()
	current, previous, failed, err := s.renewed(ctx, now)
	if err != nil {
		return scaler.Reading{}, err
	}
	r, err := s.read(ctx, now, current, previous)
	if err == nil && failed != nil {
		r.Note = fmt.Sprintf("the last forecast still counts, as a new one could not be made: %v", failed)
	}
	return r, err
}

// renewed has the job forecast when the last forecast is half over, and
// returns the IDs of the last two. failed says why there is no new one, while
// the last is still good.
func (s *source) renewed(ctx context.Context, now time.Time) (current, previous string, failed, err error) {
	f := s.forecasts
	select {
	case <-f.turn:
	case <-ctx.Done():
		return "", "", nil, scaler.Unreachable(ctx.Err(), "waiting for a forecast of the job %.100q", s.config.job)
	}
	defer func() { f.turn <- struct{}{} }()
	age := now.Sub(f.made)
	if f.current != "" && age >= 0 && age < s.config.lookAhead {
		return f.current, f.previous, nil, nil
	}
	id, err := s.forecast(ctx)
	switch {
	case err == nil:
		f.current, f.previous, f.made = id, f.current, now
	case f.current != "" && age >= 0 && age < 2*s.config.lookAhead:
		failed, err = err, nil
	}
	return f.current, f.previous, failed, err
}

// forecast has the job forecast, which it then does in the background, and
// returns the ID:
// https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-ml-forecast
func (s *source) forecast(ctx context.Context) (id string, err error) {
	span := fmt.Sprintf("%ds", int64(math.Ceil(2*s.config.lookAhead.Seconds())))
	body := map[string]string{"duration": span, "expires_in": span}
	err = s.servers.Ask(ctx, func(server *url.URL) error {
		doing := fmt.Sprintf("having the job %.100q forecast, at Elasticsearch on %s", s.config.job, server.Host)
		req, err := conn.NewPostJSON(server.JoinPath("_ml", "anomaly_detectors", url.PathEscape(s.config.job), "_forecast"), s.header, body)
		if err != nil {
			return scaler.Misconfigured(err, "%s", doing)
		}
		got, err := s.client.Do(ctx, req, doing)
		if err != nil {
			return err
		}
		if got.Status == http.StatusConflict {
			return scaler.Misconfigured(errors.New("the server answered 409 Conflict: the job is not open, or another one forecasts already"), "%s", doing)
		}
		if got.Status == http.StatusBadRequest {
			return scaler.Misconfigured(errors.New("the server answered 400 Bad Request: the job has no model to forecast from yet, or lookAhead is less than half of its bucket span"), "%s", doing)
		}
		if err := got.Err(s.client.Now(), doing); err != nil {
			return err
		}
		var answer struct {
			ID string `json:"forecast_id"`
		}
		if err := conn.DecodeJSON(got.Body, &answer, doing); err != nil {
			return err
		}
		if id = answer.ID; id == "" {
			return scaler.BadAnswer(errors.New("the answer has no forecast_id"), "%s", doing)
		}
		return nil
	})
	return id, err
}

// mostHits is more than the buckets of one series at the newest moment, of
// which there is one a forecast; more says that there are several series.
const mostHits = 10

// object is one of JSON.
type object = map[string]any

// query finds the newest buckets of forecasts that are not after the moment.
// What is older than a forecast is long tells nothing about it.
func (s *source) query(now time.Time, ids ...string) object {
	c := s.config
	moment := now.Add(c.lookAhead)
	filter := []object{
		{"term": object{"job_id": c.job}},
		{"terms": object{"forecast_id": ids}},
		{"term": object{"result_type": "model_forecast"}},
		{"range": object{"timestamp": object{"gt": moment.Add(-2 * c.lookAhead).UnixMilli(), "lte": moment.UnixMilli()}}},
	}
	for _, series := range [][2]string{{"partition_field_value", c.partition}, {"by_field_value", c.by}} {
		if series[1] != "" {
			filter = append(filter, object{"term": object{series[0]: series[1]}})
		}
	}
	return object{
		"size": mostHits, "query": object{"bool": object{"filter": filter}},
		"sort":    []object{{"timestamp": object{"order": "desc"}}},
		"_source": []string{"forecast_prediction", "forecast_id", "timestamp"},
	}
}

// bucket is what a forecast says of a span of time.
type bucket struct {
	Source struct {
		Prediction *float64        `json:"forecast_prediction"`
		Forecast   string          `json:"forecast_id"`
		Time       json.RawMessage `json:"timestamp"`
	} `json:"_source"`
}

func (s *source) read(ctx context.Context, now time.Time, current, previous string) (r scaler.Reading, err error) {
	ids := []string{current}
	if previous != "" {
		ids = append(ids, previous)
	}
	body, err := json.Marshal(s.query(now, ids...))
	if err != nil {
		return r, scaler.Misconfigured(err, "preparing a search")
	}
	err = s.servers.Ask(ctx, func(server *url.URL) error {
		doing := fmt.Sprintf("reading a forecast of the job %.100q, at Elasticsearch on %s", s.config.job, server.Host)
		at := server.JoinPath(url.PathEscape(".ml-anomalies-"+s.config.index), "_search")
		var answer struct {
			Hits struct {
				Hits []bucket `json:"hits"`
			} `json:"hits"`
		}
		refusals := conn.Refusals{BadRequest: "it can't search the index of results", NotFound: "there is no such index of results"}
		if err := s.client.AskJSON(ctx, conn.NewPost(at, s.header, body, "application/json"), refusals, &answer, doing); err != nil {
			return err
		}
		for _, id := range ids {
			if r, err = value(answer.Hits.Hits, id, doing); err != nil || !r.Empty {
				return err
			}
		}
		return scaler.Missing(errors.New("there is no forecast for that moment yet; Elasticsearch makes one in the background, mostly within a minute"), "%s", doing)
	})
	return r, err
}

// value is what a forecast says in its newest bucket; Empty without one.
func value(all []bucket, forecast, doing string) (scaler.Reading, error) {
	var newest []bucket
	for _, b := range all {
		if b.Source.Forecast == forecast && (newest == nil || bytes.Equal(b.Source.Time, newest[0].Source.Time)) {
			newest = append(newest, b)
		}
	}
	switch {
	case len(newest) == 0:
		return scaler.Reading{Empty: true}, nil
	case len(newest) > 1:
		return scaler.Reading{}, scaler.Misconfigured(errors.New("the forecast has several series; expected one, by partitionFieldValue, byFieldValue or both"), "%s", doing)
	case newest[0].Source.Prediction == nil:
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the forecast has no forecast_prediction"), "%s", doing)
	}
	return scaler.Reading{Value: *newest[0].Source.Prediction}, nil
}
