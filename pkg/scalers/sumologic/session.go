package sumologic

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
)

// session is one measurement. It keeps the cookies, by which Sumo Logic finds
// a search job again.
type session struct {
	client  *conn.HTTPClient
	config  *config
	doing   string
	cookies []*http.Cookie
}

// ask sends a request, again where the server is overloaded and there is time,
// and decodes the answer into into unless that is nil.
func (s *session) ask(ctx context.Context, method string, at *url.URL, send, into any) error {
	pause := s.config.pause
	for try := int64(1); ; try++ {
		err := s.once(ctx, method, at, send, into)
		if err == nil || try >= s.config.tries || !retriable(err) {
			return err
		}
		if later := scaler.RetryAfterOf(err); later > pause {
			pause = later
		}
		if !sleep.For(ctx, pause) {
			return err
		}
		pause *= 2
	}
}

// overloaded marks a status that a later request may not get.
type overloaded struct{ error }

// Unwrap gives the error that says it.
func (e overloaded) Unwrap() error { return e.error }

func retriable(err error) bool {
	_, ok := err.(overloaded) //nolint:errorlint // it is never wrapped
	return ok
}

func (s *session) once(ctx context.Context, method string, at *url.URL, send, into any) error {
	header := http.Header{"Accept": {"application/json"}, "Authorization": {conn.Basic(s.config.accessID, s.config.accessKey)}}
	req := &http.Request{Method: method, URL: at, Host: at.Host, Header: header}
	if send != nil {
		raw, err := json.Marshal(send)
		if err != nil {
			return scaler.Misconfigured(err, "%s: encoding the request", s.doing)
		}
		req = conn.NewPost(at, header, raw, "application/json")
	}
	for _, c := range s.cookies {
		req.AddCookie(c)
	}
	got, err := s.client.Do(ctx, req, s.doing)
	if err != nil {
		return err
	}
	s.cookies = append(s.cookies, (&http.Response{Header: got.Header}).Cookies()...)
	if err := refused(got, s.client.Now(), s.doing); err != nil {
		return err
	}
	if into == nil {
		return nil
	}
	return conn.DecodeJSON(got.Body, into, s.doing)
}

// refused says what a status means here.
func refused(got conn.Answer, now time.Time, doing string) error {
	err := got.Err(now, doing)
	switch {
	case err == nil:
		return nil
	case got.Status == http.StatusBadRequest:
		return scaler.Misconfigured(err, "the query is not accepted")
	case got.Status == http.StatusTooManyRequests || got.Status >= http.StatusInternalServerError:
		return overloaded{err}
	}
	return err
}

// endpoint is an address below the API's.
func (s *session) endpoint(path ...string) *url.URL {
	return conn.Join(s.config.address, path...)
}

// span is what is queried, in the form of both APIs.
func (s *session) span() (from, to string) {
	now := s.client.Now().UTC()
	return now.Add(-s.config.timerange).Format(time.RFC3339), now.Format(time.RFC3339)
}
