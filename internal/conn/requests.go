package conn

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
)

// NewGet is a GET for Ask. It leaves header as it is.
func NewGet(u *url.URL, header http.Header) *http.Request {
	return &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: copied(header)}
}

// NewPost is a POST that can be repeated after a redirect or a lost
// connection. It leaves header as it is.
func NewPost(u *url.URL, header http.Header, body []byte, kind string) *http.Request {
	h := copied(header)
	h.Set("Content-Type", kind)
	again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	first, _ := again() // it can't fail
	return &http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Header: h, Body: first, GetBody: again, ContentLength: int64(len(body))}
}

// NewPostForm is NewPost with a form.
func NewPostForm(u *url.URL, header http.Header, form url.Values) *http.Request {
	return NewPost(u, header, []byte(form.Encode()), "application/x-www-form-urlencoded")
}

// NewPostJSON is NewPost with a body in JSON, for an answer in JSON.
func NewPostJSON(u *url.URL, header http.Header, body any) (*http.Request, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req := NewPost(u, header, raw, "application/json")
	req.Header.Set("Accept", "application/json")
	return req, nil
}

func copied(h http.Header) http.Header {
	if h == nil {
		return http.Header{}
	}
	return h.Clone()
}
