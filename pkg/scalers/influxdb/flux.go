package influxdb

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// fluxRequest asks for CSV with the columns' types:
// https://docs.influxdata.com/influxdb/v2/api/#operation/PostQuery
type fluxRequest struct {
	Query   string  `json:"query"`
	Type    string  `json:"type"`
	Dialect dialect `json:"dialect"`
}

type dialect struct {
	Annotations []string `json:"annotations"`
	Header      bool     `json:"header"`
	Delimiter   string   `json:"delimiter"`
}

// flux measures by the API of version 2.
func (a asker) flux(ctx context.Context) (scaler.Reading, error) {
	at := a.server.JoinPath("api", "v2", "query")
	q := at.Query()
	q.Set("org", a.organization)
	at.RawQuery = q.Encode()
	req, err := conn.NewPostJSON(at, a.header("Token"), fluxRequest{
		Query: a.query, Type: "flux", Dialect: dialect{Annotations: []string{"datatype"}, Header: true, Delimiter: ","},
	})
	if err != nil {
		return scaler.Reading{}, scaler.Misconfigured(err, "%s", a.doing)
	}
	req.Header.Set("Accept", "application/csv")
	body, err := a.client.Ask(ctx, req, conn.Refusals{
		BadRequest: seeByHand, Failed: seeByHand, // InfluxDB 1 has the one for the other
		NotFound: "there is no such organization or bucket, or the address is none of version 2's API",
	}, a.doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	value, more, err := firstValue(body)
	switch {
	case errors.Is(err, errNothing):
		return scaler.Reading{Empty: true}, scaler.Missing(err, "%s", a.doing)
	case err != nil:
		return scaler.Reading{}, scaler.BadAnswer(err, "%s", a.doing)
	case more:
		return scaler.Reading{Value: value, Note: "the query returned several values, of which the first counts; last() or sum() in it makes them one"}, nil
	}
	return scaler.Reading{Value: value}, nil
}

var errNothing = errors.New("the query returned nothing; expected one value")

// firstValue is that of the first row of an annotated CSV, and whether there
// are more rows. Its errors do not repeat what the server sent.
// See https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/
func firstValue(body []byte) (value float64, more bool, err error) {
	r := csv.NewReader(bytes.NewReader(body))
	r.FieldsPerRecord = -1 // tables differ
	var types, header []string
	found := false
	for {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF) && found:
			return value, false, nil
		case errors.Is(err, io.EOF):
			return 0, false, errNothing
		case err != nil:
			return 0, false, errors.New("the answer is not the CSV expected")
		case strings.HasPrefix(row[0], "#"):
			if row[0] == "#datatype" {
				types = row
			}
			header = nil // another table begins
		case !found && slices.Contains(row, "error") && slices.Contains(row, "reference"):
			return 0, false, errors.New("the server failed while it ran the query; try the same by hand, it tells why")
		case header == nil:
			header = row
		case found:
			return value, true, nil
		default:
			if value, err = valueOf(row, header, types); err != nil {
				return 0, false, err
			}
			found = true
		}
	}
}

func valueOf(row, header, types []string) (float64, error) {
	i := slices.Index(header, "_value")
	if i < 0 || len(types) != len(header) {
		return 0, errors.New("the query's result has no column _value; expected one with a number")
	}
	if len(row) != len(header) || row[i] == "" {
		return 0, errors.New("the first value is null; expected a number")
	}
	if kind := types[i]; !slices.Contains([]string{"double", "long", "unsignedLong"}, kind) {
		if !slices.Contains([]string{"string", "boolean", "duration", "base64Binary"}, kind) && !strings.HasPrefix(kind, "dateTime") {
			kind = "of an unknown type"
		}
		return 0, fmt.Errorf("the first value is %s; expected a number", kind)
	}
	n, err := strconv.ParseFloat(row[i], 64)
	if err != nil {
		return 0, errors.New("the first value is no number")
	}
	return n, nil
}
