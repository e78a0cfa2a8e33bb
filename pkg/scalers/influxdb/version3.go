package influxdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// asker3 asks InfluxDB 3.
type asker3 struct {
	asker
	// old is set once the server turned out to have only the API of version 1
	// for InfluxQL, as InfluxDB Cloud Dedicated and Serverless do.
	old atomic.Bool
}

// request is that of https://docs.influxdata.com/influxdb3/core/query-data/execute-queries/influxdb-v3-api/
type request struct {
	Database string `json:"db"`
	Query    string `json:"q"`
	Format   string `json:"format"`
}

func (a *asker3) measure(ctx context.Context) (scaler.Reading, error) {
	if a.old.Load() {
		return a.version1(ctx)
	}
	name, missing := "query_influxql", "there is no such database, or the address is none of version 3's API"
	if a.sql() {
		name, missing = "query_sql", "there is no such database, or the server takes SQL only by gRPC, which KEDA does not speak; InfluxQL may do"
	}
	req, err := conn.NewPostJSON(a.server.JoinPath("api", "v3", name), a.header("Bearer"), request{Database: a.database, Query: a.query, Format: "json"})
	if err != nil {
		return scaler.Reading{}, scaler.Misconfigured(err, "%s", a.doing)
	}
	body, err := a.client.Ask(ctx, req, conn.Refusals{BadRequest: seeByHand, NotFound: missing}, a.doing)
	if err != nil && scaler.ReasonOf(err) == scaler.ReasonMissing && !a.sql() {
		r, again := a.version1(ctx)
		if again == nil || scaler.ReasonOf(again) != scaler.ReasonMissing {
			a.old.Store(again == nil)
			return r, again
		}
	}
	if err != nil {
		return scaler.Reading{}, err
	}
	return a.read(body)
}

// version1 asks by the API of version 1.
func (a *asker3) version1(ctx context.Context) (scaler.Reading, error) {
	at := a.server.JoinPath("query")
	at.RawQuery = url.Values{"db": {a.database}}.Encode()
	header := a.header("Bearer")
	header.Set("Accept", "application/json")
	body, err := a.client.Ask(ctx, conn.NewPostForm(at, header, url.Values{"q": {a.query}}), conn.Refusals{
		BadRequest: seeByHand, NotFound: "there is no such database",
	}, a.doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	return a.read(body)
}

// results is the form of version 1: tables of rows.
type results struct {
	Results []struct {
		Error  string `json:"error"`
		Series []struct {
			Columns []string `json:"columns"`
			Values  [][]any  `json:"values"`
		} `json:"series"`
	} `json:"results"`
	Error string `json:"error"`
}

// read takes the column out of the last row. An answer is a list of rows as
// objects, or has the form of version 1.
func (a *asker3) read(body []byte) (scaler.Reading, error) {
	var row map[string]any
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		var rows []map[string]any
		if err := conn.DecodeJSON(body, &rows, a.doing); err != nil {
			return scaler.Reading{}, err
		}
		if len(rows) > 0 {
			row = rows[len(rows)-1]
		}
	} else {
		var err error
		if row, err = lastRow(body, a.doing); err != nil {
			return scaler.Reading{}, err
		}
	}
	if row == nil {
		return scaler.Reading{Empty: true, Note: "the query returned no row, which counts as 0"}, nil
	}
	value, ok := row[a.column]
	n, isNumber := value.(float64)
	var err error
	switch {
	case !ok:
		err = fmt.Errorf("the last row has no column %q", a.column)
	case value == nil:
		err = fmt.Errorf("the column %q of the last row is null; expected a number", a.column)
	case !isNumber:
		err = fmt.Errorf("the column %q of the last row is no number", a.column)
	default:
		return scaler.Reading{Value: n}, nil
	}
	return scaler.Reading{}, scaler.BadAnswer(err, "%s", a.doing)
}

func lastRow(body []byte, doing string) (map[string]any, error) {
	var got results
	if err := json.Unmarshal(body, &got); err != nil || got.Results == nil && got.Error == "" {
		return nil, scaler.BadAnswer(errors.New("the answer is not the JSON expected"), "%s", doing)
	}
	failed := got.Error != ""
	var row map[string]any
	for _, r := range got.Results {
		failed = failed || r.Error != ""
		for _, s := range r.Series {
			if len(s.Values) == 0 {
				continue
			}
			row = map[string]any{}
			for i, v := range s.Values[len(s.Values)-1] {
				if i < len(s.Columns) {
					row[s.Columns[i]] = v
				}
			}
		}
	}
	if failed {
		return nil, scaler.Misconfigured(errors.New(seeByHand), "%s", doing)
	}
	return row, nil
}
