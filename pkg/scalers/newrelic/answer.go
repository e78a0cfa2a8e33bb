package newrelic

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
)

// answer is NerdGraph's, which has status 200 also for queries that failed.
type answer struct {
	Data struct {
		Actor struct {
			Account *struct {
				NRQL *struct {
					Results []map[string]json.RawMessage `json:"results"`
				} `json:"nrql"`
			} `json:"account"`
		} `json:"actor"`
	} `json:"data"`
	Errors []struct {
		Extensions struct {
			Class string `json:"errorClass"`
		} `json:"extensions"`
	} `json:"errors"`
}

// read is the number of the first row.
func (c *config) read(a answer, doing string) (scaler.Reading, error) {
	if len(a.Errors) > 0 {
		return scaler.Reading{}, failed(a.Errors[0].Extensions.Class, doing)
	}
	account := a.Data.Actor.Account
	if account == nil || account.NRQL == nil || account.NRQL.Results == nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has no results"), "%s", doing)
	}
	rows := account.NRQL.Results
	if len(rows) == 0 {
		return c.nothing(doing)
	}
	numbers, others := split(rows[0])
	switch {
	case len(numbers) == 0 && len(others) == 0:
		return c.nothing(doing)
	case len(numbers) == 0:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the first row has no number, but %s; expected one, for example with count(*)", strings.Join(others, " and ")), "%s", doing)
	case len(numbers) > 1:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the first row has %d numbers; expected one, so one function after SELECT", len(numbers)), "%s", doing)
	}
	r := scaler.Reading{Value: numbers[0]}
	if len(rows) > 1 {
		r.Note = fmt.Sprintf("the query returned %d rows, of which the first counts", len(rows))
	}
	return r, nil
}

// split gives a row's numbers, and the kinds of what else has been selected.
// Functions such as percentile give an object of numbers. What FACET and
// TIMESERIES add was not selected, and null is what a function has of no data.
func split(row map[string]json.RawMessage) (numbers []float64, others []string) {
	for name, raw := range row {
		if name == "beginTimeSeconds" || name == "endTimeSeconds" || name == "facet" {
			continue
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			others = append(others, "something malformed")
			continue
		}
		switch v := v.(type) {
		case nil:
		case float64:
			numbers = append(numbers, v)
		case map[string]any:
			for _, inner := range v {
				if n, ok := inner.(float64); ok {
					numbers = append(numbers, n)
				}
			}
		case string:
			if _, facet := row["facet"]; !facet {
				others = append(others, "a text")
			}
		default:
			others = append(others, "a list or a boolean")
		}
	}
	return numbers, others
}

// nothing is what no data means.
func (c *config) nothing(doing string) (scaler.Reading, error) {
	if c.noDataError {
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the query found no data"), "%s", doing)
	}
	return scaler.Reading{Empty: true, Note: "the query found no data, which counts as 0 (noDataError is false)"}, nil
}

// failed says why a query failed. NerdGraph's text is left out, since it may
// repeat what was sent.
func failed(class, doing string) error {
	switch class = strings.ToUpper(class); {
	case strings.Contains(class, "DENIED"), strings.Contains(class, "UNAUTHORIZED"), strings.Contains(class, "FORBIDDEN"):
		return scaler.Denied(errors.New("the key may not query the account"), "%s", doing)
	case strings.Contains(class, "TIMEOUT"), strings.Contains(class, "SERVER_ERROR"), strings.Contains(class, "TOO_MANY"), strings.Contains(class, "UNAVAILABLE"):
		return scaler.Unreachable(errors.New("the query could not be run now"), "%s", doing)
	}
	return scaler.Misconfigured(errors.New("the query was refused; expected nrql that the query builder runs, and an account of the region"), "%s", doing)
}
