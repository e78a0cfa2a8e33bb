package splunk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// row is one line of an export.
type row struct {
	Preview  bool                       `json:"preview"`
	Result   map[string]json.RawMessage `json:"result"`
	Messages []struct {
		Type string `json:"type"`
	} `json:"messages"`
}

// read is the number in the first row that is final.
func (c *search) read(body io.Reader, doing string) (scaler.Reading, error) {
	rows := json.NewDecoder(body)
	for answered := false; ; answered = true {
		var r row
		err := rows.Decode(&r)
		switch {
		case errors.Is(err, io.EOF) && answered:
			return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the saved search found no row"), "%s", doing)
		case err != nil:
			return scaler.Reading{}, unreadable(err, doing)
		case failed(r):
			return scaler.Reading{}, scaler.Misconfigured(errors.New("the saved search could not be run; expected one of the app Search & Reporting that the user may read"), "%s", doing)
		case r.Preview || r.Result == nil:
			continue
		}
		return c.value(r.Result, doing)
	}
}

// value is the number in the field.
func (c *search) value(result map[string]json.RawMessage, doing string) (scaler.Reading, error) {
	raw, ok := result[c.field]
	if !ok || string(raw) == "null" {
		return scaler.Reading{}, scaler.Missing(fmt.Errorf("the first row has no field %s", c.field), "%s", doing)
	}
	text := string(raw)
	if text[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer is not the JSON expected"), "%s", doing)
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the field %s of the first row is no number", c.field), "%s", doing)
	}
	return scaler.Reading{Value: n}, nil
}

// failed says whether a line tells of an error rather than of a result.
func failed(r row) bool {
	for _, m := range r.Messages {
		if m.Type == "FATAL" || m.Type == "ERROR" {
			return true
		}
	}
	return false
}

// unreadable tells what is no JSON from what did not arrive.
func unreadable(err error, doing string) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.Is(err, io.EOF) || errors.As(err, &syntax) || errors.As(err, &kind) {
		return scaler.BadAnswer(errors.New("the answer is not the JSON expected"), "%s", doing)
	}
	return conn.StreamError(err, doing)
}

// refused says what a status means here.
func refused(err error) error {
	var known *scaler.Error
	if errors.As(err, &known) && known.Reason == scaler.ReasonBadAnswer {
		known.Reason = scaler.ReasonMisconfigured
		known.Err = fmt.Errorf("%w: expected a saved search that the user may run", known.Err)
	}
	return err
}
