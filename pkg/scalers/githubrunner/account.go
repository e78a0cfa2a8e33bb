package githubrunner

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// maxPages is how many answers are kept to ask for changes only.
	maxPages = 5000
	// longestPause bounds what a server can ask for; GitHub's limits are per hour.
	longestPause = time.Hour
	// shortestPause is GitHub's advice when it does not say how long.
	shortestPause = time.Minute
)

// account is what triggers with the same credentials share: the token, the
// rate limit and answers that may still hold. It is safe for concurrent use.
type account struct {
	api     *url.URL
	etags   bool
	token   param.Hidden // personal, or empty
	app     int64
	install int64
	key     *rsa.PrivateKey // of the app, or nil
	flight  singleflight.Group

	mu      sync.Mutex // guards what follows; never held while asking
	pages   map[string]page
	until   time.Time // nothing may be asked before
	held    param.Hidden
	expires time.Time // of held
}

// page is an answer to a conditional request.
type page struct {
	etag   string
	answer any
}

// pausedError says that the rate limit is reached.
type pausedError struct{ until time.Time }

// Error implements error.
func (e *pausedError) Error() string {
	return "GitHub's rate limit is reached until " + e.until.UTC().Format(time.TimeOnly) + " UTC"
}

func newAccount(c *config) (*account, error) {
	a := &account{api: c.api, etags: c.etags, pages: map[string]page{}}
	if !c.isApp() {
		a.token = c.token
		return a, nil
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(c.key.Reveal()))
	if err != nil {
		return nil, errors.New("appKey is not an RSA private key in PEM form")
	}
	a.app, a.install, a.key = c.app, c.install, key
	return a, nil
}

// paused returns an error while nothing may be asked.
func (a *account) paused(now time.Time, doing string) error {
	a.mu.Lock()
	until := a.until
	a.mu.Unlock()
	if !now.Before(until) {
		return nil
	}
	return &scaler.Error{Reason: scaler.ReasonUnreachable, Doing: doing, RetryAfter: until.Sub(now), Err: &pausedError{until}}
}

// heed keeps what an answer says about the rate limit:
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
func (a *account) heed(got conn.Answer, now time.Time) {
	var pause time.Duration
	if got.Header.Get("X-RateLimit-Remaining") == "0" {
		if at, err := strconv.ParseInt(got.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			pause = time.Unix(at, 0).Sub(now)
		}
	}
	if refused(got) {
		pause = max(pause, scaler.RetryAfterOf(conn.Answer{Status: http.StatusTooManyRequests, Header: got.Header}.Err(now, "")))
		if pause <= 0 && got.Status == http.StatusTooManyRequests {
			pause = shortestPause
		}
	}
	if pause <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if until := now.Add(min(pause, longestPause)); until.After(a.until) {
		a.until = until
	}
}

// refused says whether an answer may stand for the rate limit.
func refused(got conn.Answer) bool {
	return got.Status == http.StatusForbidden || got.Status == http.StatusTooManyRequests
}

// known returns what u was answered last, if that is kept.
func (a *account) known(u string) (page, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.pages[u]
	return p, ok
}

// keep remembers an answer, and forgets others when there are too many.
func (a *account) keep(u, etag string, answer any) {
	if !a.etags || etag == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for other := range a.pages {
		if len(a.pages) < maxPages {
			break
		}
		delete(a.pages, other)
	}
	a.pages[u] = page{etag, answer}
}

// bearer is the token to ask with.
func (a *account) bearer(ctx context.Context, client *conn.HTTPClient) (param.Hidden, error) {
	if a.key == nil {
		return a.token, nil
	}
	a.mu.Lock()
	held, expires := a.held, a.expires
	a.mu.Unlock()
	if client.Now().Add(time.Minute).Before(expires) {
		return held, nil
	}
	fetched := a.flight.DoChan("", func() (any, error) { return a.exchange(context.WithoutCancel(ctx), client) })
	select {
	case r := <-fetched:
		if r.Err != nil {
			return param.Hidden{}, r.Err
		}
		return r.Val.(param.Hidden), nil
	case <-ctx.Done():
		return param.Hidden{}, scaler.Unreachable(ctx.Err(), "getting an installation token from %s", a.api.Host)
	}
}

// exchange gets an installation token for a token that the app signs itself.
func (a *account) exchange(ctx context.Context, client *conn.HTTPClient) (param.Hidden, error) {
	doing := fmt.Sprintf("getting a token of installation %d from %s", a.install, a.api.Host)
	now := client.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer:    strconv.FormatInt(a.app, 10),
		IssuedAt:  jwt.NewNumericDate(now.Add(-time.Minute)), // clocks differ
		ExpiresAt: jwt.NewNumericDate(now.Add(9 * time.Minute)),
	}).SignedString(a.key)
	if err != nil {
		return param.Hidden{}, scaler.Misconfigured(errors.New("appKey can't sign"), "%s", doing)
	}
	at := a.api.JoinPath("app", "installations", strconv.FormatInt(a.install, 10), "access_tokens")
	got, err := client.Do(ctx, conn.NewPost(at, header(param.Hide(signed)), nil, "application/json"), doing)
	if err != nil {
		return param.Hidden{}, err
	}
	a.heed(got, now)
	if got.Status == http.StatusNotFound { // not Missing, which is a repository
		return param.Hidden{}, scaler.Misconfigured(errors.New("the server answered 404 Not Found: the app has no such installation"), "%s", doing)
	}
	if err := got.Err(now, doing); err != nil {
		return param.Hidden{}, err
	}
	var answer struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
	}
	if json.Unmarshal(got.Body, &answer) != nil || answer.Token == "" {
		return param.Hidden{}, scaler.BadAnswer(errors.New("the answer holds no token"), "%s", doing)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held, a.expires = param.Hide(answer.Token), answer.Expires
	return a.held, nil
}

// drop forgets an installation token that was refused.
func (a *account) drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held, a.expires = param.Hidden{}, time.Time{}
}

// header is that of every request.
func header(token param.Hidden) http.Header {
	return http.Header{
		"Accept":               {"application/vnd.github+json"},
		"Authorization":        {"Bearer " + token.Reveal()},
		"X-Github-Api-Version": {"2022-11-28"},
	}
}
