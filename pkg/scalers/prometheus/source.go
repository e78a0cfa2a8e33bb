package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// source asks one query. It owns its share of the client.
type source struct {
	client        *conn.HTTPClient
	at            *url.URL
	header        http.Header
	zeroWhenEmpty bool
	server        dialect
}

// dialect is what differs among the servers with the query API.
type dialect struct {
	// name is the server's own, and path where its query API is.
	name, path string
	// logs says that it holds log lines: a query that does not count returns
	// them, and one that it can't read is refused with a text, not with JSON.
	logs bool
}

// answer is what /api/v1/query returns:
// https://prometheus.io/docs/prometheus/latest/querying/api/
type answer struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Data      struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings"`
}

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.at.Host }

// Close implements scaler.Source.
func (s *source) Close() error { return s.client.Close() }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	doing := "querying " + s.server.name + " at " + s.at.Host
	got, err := s.client.Do(ctx, s.request(), doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	var a answer
	decodeErr := json.Unmarshal(got.Body, &a)
	if err := refused(got.Status, a, doing); err != nil {
		return scaler.Reading{}, err
	}
	if got.Status == http.StatusBadRequest && s.server.logs {
		return scaler.Reading{}, scaler.Misconfigured(errors.New("the server refused the query or the tenant (status 400)"), "%s", doing)
	}
	if err := got.Err(s.client.Now(), doing); err != nil {
		return scaler.Reading{}, err
	}
	if decodeErr != nil || a.Status != "success" {
		return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("the answer is not that of %s's query API; expected the server's address without %s", s.server.name, s.server.path), "%s", doing)
	}
	r, err := s.read(a)
	if err != nil {
		return r, err
	}
	if len(a.Warnings) > 0 && r.Note == "" {
		r.Note = fmt.Sprintf("the result may be partial; warnings of the server: %d", len(a.Warnings))
	}
	return r, nil
}

// below is where a server's path for queries is asked for query. An address
// that ends within that path, such as at its first part, is completed.
func below(address *url.URL, path, query string) *url.URL {
	at := address.JoinPath(path)
	if given := strings.TrimSuffix(address.Path, "/"); strings.HasPrefix(path+"/", given+"/") {
		at.Path, at.RawPath = path, ""
	}
	q := at.Query()
	q.Set("query", query)
	at.RawQuery = q.Encode()
	return at
}

// request is a GET, or a POST where the query is too long for proxies.
func (s *source) request() *http.Request {
	const longest = 4 << 10
	if len(s.at.RawQuery) <= longest {
		return conn.NewGet(s.at, s.header)
	}
	at := *s.at
	at.RawQuery = ""
	return conn.NewPost(&at, s.header, []byte(s.at.RawQuery), "application/x-www-form-urlencoded")
}

// refused says what the server has against the query. Its text is shown only
// where it is the parser's, which repeats the user's query and nothing else.
func refused(status int, a answer, doing string) error {
	const most = 200
	if a.Status != "error" || status == http.StatusUnauthorized || status == http.StatusForbidden {
		return nil
	}
	switch a.ErrorType {
	case "bad_data":
		if !strings.HasPrefix(a.Error, `invalid parameter "query"`) {
			return scaler.Misconfigured(errors.New("the server refused the request"), "%s", doing)
		}
		text := strings.ToValidUTF8(a.Error[:min(most, len(a.Error))], "")
		return scaler.Misconfigured(errors.New(text), "%s", doing)
	case "execution":
		return scaler.BadAnswer(errors.New("the server could not execute the query"), "%s", doing)
	case "timeout", "canceled", "unavailable":
		return scaler.Unreachable(errors.New("the query took too long for the server or was cancelled there"), "%s", doing)
	}
	return nil
}

// read makes one number of the result.
func (s *source) read(a answer) (scaler.Reading, error) {
	const doing = "reading the result of the query"
	var value float64
	switch a.Data.ResultType {
	case model.ValScalar.String():
		var v model.Scalar
		if err := json.Unmarshal(a.Data.Result, &v); err != nil {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the scalar is malformed"), doing)
		}
		value = float64(v.Value)
	case model.ValString.String():
		var v model.String
		if err := json.Unmarshal(a.Data.Result, &v); err != nil {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the string is malformed"), doing)
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(v.Value), 64)
		if err != nil {
			return scaler.Reading{}, scaler.Misconfigured(errors.New("the result is a string that is no number"), doing)
		}
		value = n
	case model.ValVector.String():
		var v model.Vector
		if err := json.Unmarshal(a.Data.Result, &v); err != nil {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the vector is malformed"), doing)
		}
		switch {
		case len(v) == 0:
			return s.empty()
		case len(v) > 1:
			return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the query returned %d series; expected one, for example with sum(…)", len(v)), doing)
		case v[0].Histogram != nil:
			return scaler.Reading{}, scaler.Misconfigured(errors.New("the query returned a histogram; expected a number, for example with histogram_count(…)"), doing)
		}
		if _, err := conn.NumberAt(a.Data.Result, "0.value.1"); err != nil { // null would be read as 0
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the series has no value"), doing)
		}
		value = float64(v[0].Value)
	case model.ValMatrix.String():
		return scaler.Reading{}, scaler.Misconfigured(errors.New("the query returned a range of values; expected one value, for example with avg_over_time(…)"), doing)
	default:
		if a.Data.ResultType == "streams" && s.server.logs {
			return scaler.Reading{}, scaler.Misconfigured(errors.New("the query returned log lines; expected a number, for example with sum(count_over_time(…))"), doing)
		}
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the result has an unknown type"), doing)
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("the query returned %v; expected a finite number", value), doing)
	}
	return scaler.Reading{Value: value}, nil
}

// empty is what no series means.
func (s *source) empty() (scaler.Reading, error) {
	nothing := scaler.Reading{Empty: true}
	if s.zeroWhenEmpty {
		nothing.Note = "the query found no series, which counts as 0 (ignoreNullValues)"
		return nothing, nil
	}
	return nothing, scaler.Missing(errors.New("the query found no series"), "reading the result of the query")
}

var _ scaler.Hosted = (*source)(nil)
