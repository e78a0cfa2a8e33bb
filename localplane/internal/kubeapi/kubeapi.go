// Package kubeapi is the little of a Kubernetes client that bringing up a plane
// needs: ask over mutual TLS, post an object, say what went wrong.
//
// It is not client-go on purpose: the supervisor stays a small program that
// waits for three health checks and makes a few nodes.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/kedago/keda/localplane/internal/certs"
)

// requestTimeout bounds one request, so that a server that accepts and never
// answers shows as a reason and not as silence.
const requestTimeout = 5 * time.Second

// Client asks servers whose certificate the plane's authority signed.
type Client struct{ http *http.Client }

// New returns a client with the identity of a pair.
func New(authority, identity certs.Pair) (*Client, error) {
	pair, err := tls.X509KeyPair(identity.Cert, identity.Key)
	if err != nil {
		return nil, fmt.Errorf("use the client certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority.Cert) {
		return nil, errors.New("use the authority: no certificate in it")
	}
	return &Client{http: &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
		}},
	}}, nil
}

// Close gives idle connections up, so that servers can end at once.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// StatusError is an answer other than success.
type StatusError struct {
	Code int
	Text string
}

func (e *StatusError) Error() string { return fmt.Sprintf("answered %d: %s", e.Code, e.Text) }

// IsConflict tells whether the object is there already.
func IsConflict(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == http.StatusConflict
}

// Get reads url into into, or only checks for success when into is nil.
func (c *Client) Get(ctx context.Context, url string, into any) error {
	return c.do(ctx, http.MethodGet, url, nil, into)
}

// Post sends object to url.
func (c *Client) Post(ctx context.Context, url string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode the object for %s: %w", url, err)
	}
	return c.do(ctx, http.MethodPost, url, body, nil)
}

func (c *Client) do(ctx context.Context, method, url string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json, */*")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %w", method, url, &StatusError{Code: response.StatusCode, Text: reason(text)})
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s %s: decode the answer: %w", method, url, err)
	}
	return nil
}

// reason picks what says why: the message of a Status object, or the failed
// lines of a health check.
func reason(text []byte) string {
	var status struct{ Message string }
	if json.Unmarshal(text, &status) == nil && status.Message != "" {
		return status.Message
	}
	var failed []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "[-]") {
			failed = append(failed, strings.TrimSpace(line))
		}
	}
	if len(failed) > 0 {
		return strings.Join(failed, ", ")
	}
	return strings.TrimSpace(string(text))
}
