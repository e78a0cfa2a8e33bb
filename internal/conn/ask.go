package conn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/kedago/keda/pkg/scaler"
)

// Refusals say what a server means by the statuses 400, 404 and 500, for
// people; an empty one adds nothing. A 400 with a meaning is what only a change
// of the parameters mends.
type Refusals struct{ BadRequest, NotFound, Failed string }

// Ask sends req and returns the body of a 2xx answer.
func (c *HTTPClient) Ask(ctx context.Context, req *http.Request, r Refusals, doing string) ([]byte, error) {
	got, err := c.Do(ctx, req, doing)
	if err != nil {
		return nil, err
	}
	err = got.Err(c.now(), doing)
	var known *scaler.Error
	if !errors.As(err, &known) {
		return got.Body, err
	}
	means := ""
	switch got.Status {
	case http.StatusBadRequest:
		if means = r.BadRequest; means != "" {
			known.Reason = scaler.ReasonMisconfigured
		}
	case http.StatusNotFound:
		means = r.NotFound
	case http.StatusInternalServerError:
		means = r.Failed
	}
	if means != "" {
		known.Err = fmt.Errorf("%w: %s", known.Err, means)
	}
	return nil, known
}

// AskJSON is Ask for an answer in JSON, which it decodes.
func (c *HTTPClient) AskJSON(ctx context.Context, req *http.Request, r Refusals, into any, doing string) error {
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	body, err := c.Ask(ctx, req, r, doing)
	if err != nil {
		return err
	}
	return DecodeJSON(body, into, doing)
}

// DecodeJSON reads an answer. What the server sent is in no error.
func DecodeJSON(body []byte, into any, doing string) error {
	if err := json.Unmarshal(body, into); err != nil {
		return scaler.BadAnswer(errors.New("the answer is not the JSON expected"), "%s", doing)
	}
	return nil
}
