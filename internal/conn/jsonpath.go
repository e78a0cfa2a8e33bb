package conn

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"k8s.io/apimachinery/pkg/api/resource"
)

// NumberAt is the number at a GJSON path of a JSON document, also one in a
// string. Its errors do not repeat the document.
// See https://github.com/tidwall/gjson/blob/master/SYNTAX.md
func NumberAt(document []byte, path string) (float64, error) {
	if !gjson.ValidBytes(document) {
		return 0, errors.New("the answer is no JSON")
	}
	switch r := gjson.GetBytes(document, path); {
	case !r.Exists():
		return 0, errors.New("there is nothing at that path")
	case r.Type == gjson.Number:
		return r.Num, nil
	case r.Type == gjson.String:
		return Number(r.Str)
	default:
		return 0, fmt.Errorf("there is %s; expected a number", kindOf(r))
	}
}

func kindOf(r gjson.Result) string {
	switch {
	case r.IsObject():
		return "an object"
	case r.IsArray():
		return "a list"
	case r.IsBool():
		return "a boolean"
	}
	return "null"
}

// Number reads a number or a Kubernetes quantity such as 10Mi.
func Number(text string) (float64, error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return n, nil
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, errors.New("there is a text; expected a number or a quantity such as 10Mi")
	}
	return q.AsApproximateFloat64(), nil
}
