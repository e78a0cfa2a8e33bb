package conn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// Stream sends req as Do does, and returns the body of a 2xx answer to be read
// as it comes. The client's timeout is for the answer's beginning; ctx ends
// the rest. The caller closes the body, and makes a StreamError of what reading
// it gives.
func (c *HTTPClient) Stream(ctx context.Context, req *http.Request, doing string) (io.ReadCloser, error) {
	within, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(c.timeout, cancel)
	resp, err := c.begin(within, req, doing) //nolint:bodyclose // the caller closes it with what is returned
	inTime := late.Stop()
	if err != nil {
		cancel()
		if !inTime && ctx.Err() == nil {
			err = networkError(context.DeadlineExceeded, doing)
		}
		return nil, err
	}
	body := &streamBody{Reader: resp.Body, left: c.limit, limit: c.limit, close: func() error { cancel(); return resp.Body.Close() }}
	if err := (Answer{Status: resp.StatusCode, Header: resp.Header}).Err(c.now(), doing); err != nil {
		if resp.StatusCode == http.StatusUnauthorized {
			c.refused(req)
		}
		_ = body.Close()
		return nil, err
	}
	return body, nil
}

// begin sends req with the credentials.
func (c *HTTPClient) begin(ctx context.Context, req *http.Request, doing string) (*http.Response, error) {
	req, err := c.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	resp, err := c.shared.Do(req)
	if err != nil {
		return nil, networkError(err, doing)
	}
	return resp, nil
}

// StreamError classifies what reading a stream gave, other than io.EOF.
func StreamError(err error, doing string) error {
	var tooLarge *tooLargeError
	if errors.As(err, &tooLarge) {
		return scaler.BadAnswer(tooLarge, "%s", doing)
	}
	return networkError(err, doing)
}

type tooLargeError struct{ limit int64 }

// Error implements error.
func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.limit)
}

// streamBody is a body of limited size.
type streamBody struct {
	io.Reader
	left, limit int64
	close       func() error
}

// Read implements io.Reader.
func (b *streamBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, &tooLargeError{b.limit}
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Close implements io.Closer.
func (b *streamBody) Close() error { return b.close() }
