package sql

import (
	"math"
	"strconv"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
)

// number reads the one cell of a result. Exact decimals reach us as text. The
// cell itself is not shown in errors, it is the user's data.
func number(cell any) (float64, error) {
	switch v := cell.(type) {
	case nil:
		return 0, scaler.BadAnswer(nil, "the query returns NULL; expected a number, such as COALESCE(…, 0) gives")
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	case float64:
		return finite(v)
	case float32:
		return finite(float64(v))
	case []byte:
		return parse(string(v))
	case string:
		return parse(v)
	}
	return 0, scaler.Misconfigured(nil, "the query returns a %T; expected a number", cell)
}

func parse(text string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return 0, scaler.Misconfigured(nil, "the query returns a text that is no number; expected a number")
	}
	return finite(n)
}

func finite(n float64) (float64, error) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, scaler.BadAnswer(nil, "the query returns %v; expected a finite number", n)
	}
	return n, nil
}
