package conn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	defaultHTTPTimeout = 3 * time.Second
	defaultBodyLimit   = 1 << 20
)

// HTTPSettings are one scaler's own choices for its client.
type HTTPSettings struct {
	// Timeout of one request; the operator's when 0.
	Timeout time.Duration
	// BodyLimit is the largest answer read, in bytes; 1 MiB when 0.
	BodyLimit int64
	// Identity proves who asks in a cloud's way; nil without one. OpenHTTP owns
	// it, also when it fails.
	Identity HTTPIdentity
}

// TimeoutParam declares the parameter timeout of HTTP scalers.
func TimeoutParam(dst *time.Duration) *param.Field {
	return param.Duration("timeout", dst, time.Millisecond).Min(0.001).
		Doc("How long to wait for an answer, in milliseconds or as a duration such as 5s; the operator's setting when unset.")
}

// HTTPClient asks HTTP sources. Sources with the same TLS settings share its
// connections, sources with the same OAuth credentials share one token.
type HTTPClient struct {
	shared  *sharedHTTP
	auth    *HTTPAuth
	tokens  *tokenCache  // nil without OAuth
	cloud   HTTPIdentity // nil without one
	now     func() time.Time
	timeout time.Duration
	limit   int64
	release []func()
}

// Answer is an HTTP answer, read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// OpenHTTP takes a client from the pool. It does no network I/O. The caller
// closes it. auth must stay unchanged until then.
func OpenHTTP(env scaler.Env, auth *HTTPAuth, s HTTPSettings) (*HTTPClient, error) {
	c := &HTTPClient{auth: auth, cloud: s.Identity, now: env.Now, timeout: s.Timeout, limit: s.BodyLimit}
	if c.cloud != nil {
		c.release = append(c.release, c.cloud.Close)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.timeout <= 0 {
		c.timeout = env.HTTP.Timeout
	}
	if c.timeout <= 0 {
		c.timeout = defaultHTTPTimeout
	}
	if c.limit <= 0 {
		c.limit = defaultBodyLimit
	}
	key := scaler.PoolKey{Driver: "http", Address: optionsKey(env.HTTP), Credentials: auth.tlsDigest()}
	shared, release, err := scaler.Lease(env.Pool, key, func() (*sharedHTTP, error) { return newSharedHTTP(env.HTTP, auth) })
	if err != nil {
		_ = c.Close()
		return nil, scaler.Misconfigured(err, "preparing an HTTP client")
	}
	c.shared, c.release = shared, append(c.release, release)
	if !auth.Uses(AuthOAuth) {
		return c, nil
	}
	key = scaler.PoolKey{Driver: "oauth", Address: key.Address, Credentials: Digest(key.Credentials, auth.oauth.digest())}
	c.tokens, release, err = scaler.Lease(env.Pool, key, func() (*tokenCache, error) {
		return auth.oauth.newCache(shared.Client, c.timeout)
	})
	if err != nil {
		_ = c.Close()
		return nil, scaler.Misconfigured(err, "preparing an OAuth client")
	}
	c.release = append(c.release, release)
	return c, nil
}

// Close gives the shared connections back.
func (c *HTTPClient) Close() error {
	for _, r := range c.release {
		r()
	}
	return nil
}

// Do sends req with the credentials, and reads the answer to its end. It
// fails when there is no answer, or one above the size limit; the status is
// the caller's to judge, see Answer.Err. doing is for errors; it and they
// contain neither credentials nor what the server sent.
func (c *HTTPClient) Do(ctx context.Context, req *http.Request, doing string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.prepare(ctx, req)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.shared.Do(req)
	if err != nil {
		return Answer{}, networkError(err, doing)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.limit+1))
	if err != nil {
		return Answer{}, networkError(err, doing)
	}
	if int64(len(body)) > c.limit {
		return Answer{}, scaler.BadAnswer(fmt.Errorf("the answer is larger than %d bytes", c.limit), "%s", doing)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		c.refused(req)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// prepare returns req with the credentials and what else is sent always.
func (c *HTTPClient) prepare(ctx context.Context, req *http.Request) (*http.Request, error) {
	req = req.Clone(ctx)
	if u := req.URL; u.Path != "" && u.Path[0] != '/' { // as JoinPath leaves it on an address without a path
		u.Path = "/" + u.Path
		if u.RawPath != "" {
			u.RawPath = "/" + u.RawPath
		}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "keda")
	}
	if err := c.auth.apply(ctx, req, c.tokens); err != nil {
		return nil, err
	}
	if c.cloud != nil {
		if err := c.cloud.Sign(ctx, req); err != nil {
			return nil, err
		}
	}
	return req, nil
}

// refused makes the next request carry another token.
func (c *HTTPClient) refused(req *http.Request) {
	if c.tokens != nil {
		c.tokens.drop()
	}
	if c.cloud != nil {
		c.cloud.Refused(req)
	}
}

// Err is nil for a 2xx status, and otherwise the failure that the status
// stands for. It does not contain the body.
func (a Answer) Err(now time.Time, doing string) error {
	if a.Status >= 200 && a.Status < 300 {
		return nil
	}
	e := &scaler.Error{Doing: doing, Reason: scaler.ReasonBadAnswer,
		Err: errors.New(strings.TrimSpace(fmt.Sprintf("the server answered %d %s", a.Status, http.StatusText(a.Status))))}
	switch {
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusProxyAuthRequired:
		e.Reason = scaler.ReasonDenied
	case a.Status == http.StatusNotFound:
		e.Reason = scaler.ReasonMissing
	case a.Status == http.StatusTooManyRequests || a.Status >= 500:
		e.Reason = scaler.ReasonUnreachable
		e.RetryAfter = retryAfter(a.Header.Get("Retry-After"), now)
	}
	return e
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 when it is neither.
func retryAfter(text string, now time.Time) time.Duration {
	const most = time.Hour // a server's wish must not stop a workload for days
	d := time.Duration(0)
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), most)
}

// networkError classifies a failed exchange. The address is left out, since
// its query may hold a key.
func networkError(err error, doing string) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	var elsewhere *redirectError
	var refused *scaler.RefusedError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var op *net.OpError
	switch {
	case errors.As(err, &refused):
		return scaler.Misconfigured(refused, "%s", doing)
	case errors.As(err, &elsewhere), errors.As(err, &certificate), errors.As(err, &authority):
		return scaler.Misconfigured(err, "%s", doing)
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert: the server refused our certificate
		return scaler.Denied(err, "%s", doing)
	case errors.Is(err, context.DeadlineExceeded):
		return scaler.Unreachable(context.DeadlineExceeded, "%s: no answer in time", doing)
	}
	return scaler.Unreachable(err, "%s", doing)
}

// Now is the clock of the client's sources.
func (c *HTTPClient) Now() time.Time { return c.now() }
