package conn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/kedago/keda/pkg/scaler"
)

// Refusals say what a server means by the statuses 400, 404 and 500, for
// people; an empty one adds nothing.
type Refusals struct{ BadRequest, NotFound, Failed string }

// Ask sends req and returns the body of a 2xx answer. A 400 is what only a
// change of the parameters mends.
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
		known.Reason, means = scaler.ReasonMisconfigured, r.BadRequest
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

// NewGet is a GET for Ask. It takes header.
func NewGet(u *url.URL, header http.Header) *http.Request {
	if header == nil {
		header = http.Header{}
	}
	return &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: header}
}

// DecodeJSON reads an answer. What the server sent is in no error.
func DecodeJSON(body []byte, into any, doing string) error {
	if err := json.Unmarshal(body, into); err != nil {
		return scaler.BadAnswer(errors.New("the answer is not the JSON expected"), "%s", doing)
	}
	return nil
}

// NewPostJSON is NewPost with a body in JSON.
func NewPostJSON(u *url.URL, header http.Header, body any) (*http.Request, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req := NewPost(u, header, raw, "application/json")
	req.Header.Set("Accept", "application/json")
	return req, nil
}
