package splunk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// message is the data of a server-sent event of SignalFlow:
// https://dev.splunk.com/observability/docs/signalflow/messages/stream_messages_specification
type message struct {
	Event string `json:"event"`
	// Time is what the data is of, in milliseconds since 1970.
	Time int64 `json:"logicalTimestampMs"`
	Data []struct {
		Value *float64 `json:"value"`
	} `json:"data"`
}

// collect reads events until the stream ends or has reached a time, and returns
// the values in order. What was read before a failure is returned with it.
func collect(body io.Reader, until int64, doing string) ([]float64, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	var values []float64
	var kind string
	var data []byte
	known := false
	for lines.Scan() {
		name, text, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		text = bytes.TrimPrefix(text, []byte(" "))
		switch string(name) {
		case "event":
			kind = string(text)
		case "data":
			data = append(append(data, text...), '\n')
		case "":
			if len(lines.Bytes()) > 0 { // a comment
				continue
			}
			got, end, err := event(kind, data, until, doing)
			if err != nil || end {
				return append(values, got...), err
			}
			known = known || kind != ""
			values = append(values, got...)
			kind, data = "", nil
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return values, scaler.BadAnswer(errors.New("a line of the stream is larger than 1 MiB"), "%s", doing)
	case err != nil:
		return values, conn.StreamError(err, doing)
	case !known:
		return values, scaler.BadAnswer(errors.New("the answer is not SignalFlow's stream of events"), "%s", doing)
	}
	return values, nil
}

// event is what one event says, and whether it is the last.
func event(kind string, data []byte, until int64, doing string) (values []float64, end bool, err error) {
	if kind == "error" {
		return nil, true, failedProgram(data, doing)
	}
	if kind != "data" && kind != "control-message" {
		return nil, false, nil
	}
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, true, scaler.BadAnswer(errors.New("an event is not the JSON expected"), "%s", doing)
	}
	switch m.Event {
	case "END_OF_CHANNEL":
		return nil, true, nil
	case "CHANNEL_ABORT":
		return nil, true, scaler.Unreachable(errors.New("the program was ended by the server"), "%s", doing)
	}
	for _, d := range m.Data {
		if d.Value != nil {
			values = append(values, *d.Value)
		}
	}
	return values, kind == "data" && m.Time >= until, nil
}

// failedProgram says what an error event means. Its text is left out.
func failedProgram(data []byte, doing string) error {
	var e struct {
		Status int `json:"error"`
	}
	_ = json.Unmarshal(data, &e) // without a status it is the program's fault
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return scaler.Denied(errors.New("the token may not run the program"), "%s", doing)
	case e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError:
		return scaler.Unreachable(fmt.Errorf("the server could not run the program now (status %d)", e.Status), "%s", doing)
	}
	return scaler.Misconfigured(errors.New("the program was refused; expected one that the chart builder runs"), "%s", doing)
}

// aggregate makes one number of all values.
func (c *flow) aggregate(all []float64, doing string) (scaler.Reading, error) {
	if len(all) == 0 {
		return scaler.Reading{Empty: true}, scaler.Missing(fmt.Errorf("the program published no value within %d s", c.duration), "%s", doing)
	}
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	switch c.aggregator {
	case "min":
		return scaler.Reading{Value: slices.Min(all)}, nil
	case "max":
		return scaler.Reading{Value: slices.Max(all)}, nil
	case "sum":
		return scaler.Reading{Value: sum}, nil
	case "count":
		return scaler.Reading{Value: float64(len(all))}, nil
	case "latest":
		return scaler.Reading{Value: all[len(all)-1]}, nil
	}
	return scaler.Reading{Value: sum / float64(len(all))}, nil
}

// refusedProgram says what a status means here.
func refusedProgram(err error) error {
	var known *scaler.Error
	if errors.As(err, &known) && known.Reason == scaler.ReasonBadAnswer {
		known.Reason = scaler.ReasonMisconfigured
		known.Err = fmt.Errorf("%w: expected a program that the chart builder runs", known.Err)
	}
	return err
}
