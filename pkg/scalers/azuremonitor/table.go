package azuremonitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/kedago/keda/pkg/scaler"
)

// table is the result of a Kusto query.
type table struct {
	// types are the columns' in Kusto's words.
	types []string
	rows  []json.RawMessage
}

// number is the first cell of the only row.
func (t table) number(doing string) (scaler.Reading, error) {
	switch len(t.rows) {
	case 0:
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the query has no row; expected one, such as an aggregate without by has"), "%s", doing)
	case 1:
	default:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the query has %d rows; expected one, for example with | take 1", len(t.rows)), "%s", doing)
	}
	var row []json.RawMessage
	if json.Unmarshal(t.rows[0], &row) != nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the row is no list; the query may have failed while it ran"), "%s", doing)
	}
	if len(row) == 0 || len(t.types) == 0 {
		return scaler.Reading{}, scaler.Misconfigured(errors.New("the query has no column; expected one with a number"), "%s", doing)
	}
	if !slices.Contains([]string{"int", "long", "real"}, t.types[0]) {
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the first column has the type %.20s; expected int, long or real", t.types[0]), "%s", doing)
	}
	if string(row[0]) == "null" {
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the first cell is null; expected a number, for example with coalesce(…, 0)"), "%s", doing)
	}
	var n float64
	if err := json.Unmarshal(row[0], &n); err != nil { // real also has NaN and infinities, as texts
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the first cell is no finite number"), "%s", doing)
	}
	if n < 0 {
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the first cell is %v; expected no number below 0", n), "%s", doing)
	}
	return scaler.Reading{Value: n}, nil
}
