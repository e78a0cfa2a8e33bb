package conn

import "net/http"

// KeepMethod returns the same client, which refuses redirects that would turn
// a POST into a GET: its body would be lost, and the answer to the GET be
// taken for a success. The client is closed once, as either.
func (c *HTTPClient) KeepMethod() *HTTPClient {
	kept := *c
	kept.shared = &sharedHTTP{&http.Client{
		Transport: c.shared.Transport,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.Method != via[0].Method {
				return &redirectError{"redirected in a way that loses what was sent, which is not followed; use the final address"}
			}
			return sameServer(req, via)
		},
	}}
	return &kept
}
