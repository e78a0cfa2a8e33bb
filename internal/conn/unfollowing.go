package conn

import "net/http"

// Unfollowing returns the same client, which follows no redirect: its caller
// judges them. The client is closed once, as either.
func (c *HTTPClient) Unfollowing() *HTTPClient {
	kept := *c
	kept.shared = &sharedHTTP{&http.Client{
		Transport:     c.shared.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return &kept
}
