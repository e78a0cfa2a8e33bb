package conn

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// SharedHTTP is for vendors' clients that want an http.Client: it has the
// connections that all plain HTTP sources share, the operator's time-out, and
// the same care about addresses and redirects. Answers above limit
// bytes fail while being read. The caller calls release
// once the client is not used any more.
func SharedHTTP(env scaler.Env, limit int64) (client *http.Client, release func(), err error) {
	shared, release, err := leasePlainHTTP(env)
	if err != nil {
		return nil, nil, scaler.Misconfigured(err, "preparing an HTTP client")
	}
	return &http.Client{
		Transport: limitedTransport{shared.Transport, limit}, Timeout: httpTimeout(env.HTTP),
		CheckRedirect: sameServer,
	}, release, nil
}

// leasePlainHTTP takes the connections that all plain HTTP sources share.
func leasePlainHTTP(env scaler.Env) (*sharedHTTP, func(), error) {
	plain := &HTTPAuth{}
	key := scaler.PoolKey{Driver: "http", Address: optionsKey(env.HTTP), Credentials: plain.tlsDigest()}
	return scaler.Lease(env.Pool, key, func() (*sharedHTTP, error) { return newSharedHTTP(env.HTTP, plain) })
}

// httpTimeout is the operator's time limit of one request.
func httpTimeout(o scaler.HTTPOptions) time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return defaultHTTPTimeout
}

// limitedTransport bounds answers.
type limitedTransport struct {
	http.RoundTripper
	limit int64
}

// RoundTrip implements http.RoundTripper.
func (t limitedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, limit: t.limit}
	return resp, nil
}

// boundedBody is a body that fails past a number of bytes.
type boundedBody struct {
	io.ReadCloser
	limit, read int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.read += int64(n); b.read > b.limit {
		return 0, fmt.Errorf("the answer is larger than %d bytes", b.limit)
	}
	return n, err
}
