package conn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"

	"github.com/kedago/keda/pkg/scaler"
)

// HTTPSource is a source that asks one server for one number.
type HTTPSource struct {
	client *HTTPClient
	host   string
	ask    func(context.Context) (scaler.Reading, error)
}

var _ scaler.Hosted = (*HTTPSource)(nil)

// NewHTTPSource makes a source of a function that measures. It owns the
// client. host is the server's "host:port", for the limit of requests at once.
func NewHTTPSource(client *HTTPClient, host string, ask func(context.Context) (scaler.Reading, error)) *HTTPSource {
	return &HTTPSource{client: client, host: host, ask: ask}
}

// Host implements scaler.Hosted.
func (s *HTTPSource) Host() string { return s.host }

// Close implements scaler.Source.
func (s *HTTPSource) Close() error { return s.client.Close() }

// Measure implements scaler.Source. A number that is not finite is a bad
// answer, whoever gave it.
func (s *HTTPSource) Measure(ctx context.Context) (scaler.Reading, error) {
	r, err := s.ask(ctx)
	if err == nil && (math.IsNaN(r.Value) || math.IsInf(r.Value, 0)) {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the number is not finite"), "reading the answer of %s", s.host)
	}
	return r, err
}

// GetJSON asks for u and decodes the body of a 2xx answer. What the server
// sent is in no error.
func (c *HTTPClient) GetJSON(ctx context.Context, u *url.URL, header http.Header, into any, doing string) error {
	return c.exchange(ctx, &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: header.Clone()}, into, doing)
}

// PostJSON sends body as JSON and decodes the body of a 2xx answer.
func (c *HTTPClient) PostJSON(ctx context.Context, u *url.URL, header http.Header, body, into any, doing string) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return scaler.Misconfigured(err, "%s: encoding the request", doing)
	}
	return c.post(ctx, u, header, raw, "application/json", into, doing)
}

// PostForm sends a form and decodes the JSON body of a 2xx answer.
func (c *HTTPClient) PostForm(ctx context.Context, u *url.URL, header http.Header, form url.Values, into any, doing string) error {
	return c.post(ctx, u, header, []byte(form.Encode()), "application/x-www-form-urlencoded", into, doing)
}

func (c *HTTPClient) post(ctx context.Context, u *url.URL, header http.Header, body []byte, kind string, into any, doing string) error {
	return c.exchange(ctx, NewPost(u, header, body, kind), into, doing)
}

// NewPost is a POST that can be repeated after a redirect or a lost connection.
func NewPost(u *url.URL, header http.Header, body []byte, kind string) *http.Request {
	h := header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", kind)
	again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	first, _ := again() // it can't fail
	return &http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Header: h, Body: first, GetBody: again, ContentLength: int64(len(body))}
}

func (c *HTTPClient) exchange(ctx context.Context, req *http.Request, into any, doing string) error {
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	got, err := c.Do(ctx, req, doing)
	if err != nil {
		return err
	}
	if err := got.Err(c.now(), doing); err != nil {
		return err
	}
	if err := json.Unmarshal(got.Body, into); err != nil {
		return scaler.BadAnswer(errors.New("the answer is not the JSON expected"), "%s", doing)
	}
	return nil
}
