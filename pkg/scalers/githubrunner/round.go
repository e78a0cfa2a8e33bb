package githubrunner

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// round is one poll of all triggers of an account: nothing is asked twice.
type round struct {
	conn.Round
	client  *conn.HTTPClient
	account *account
}

func (s *source) round(context.Context) (*round, error) {
	return &round{client: s.client, account: s.account}, nil
}

// part is one page of a list: its items that matter, and how many it has.
type part[T any] struct {
	items []T
	n     int
}

// list reads a list to its end.
func list[T any](ctx context.Context, r *round, at *url.URL, status, doing string, read func([]byte) (part[T], error)) ([]T, error) {
	var all []T
	for n := 1; n <= lastPage; n++ {
		q := url.Values{"per_page": {strconv.Itoa(perPage)}}
		if status != "" {
			q.Set("status", status)
		}
		if n > 1 {
			q.Set("page", strconv.Itoa(n))
		}
		u := *at
		u.RawQuery = q.Encode()
		p, err := fetch(ctx, r, &u, doing, read)
		if err != nil {
			return nil, err
		}
		all = append(all, p.items...)
		if p.n < perPage {
			return all, nil
		}
	}
	return nil, scaler.BadAnswer(errors.New("the list has no end after "+strconv.Itoa(lastPage*perPage)+" items"), "%s", doing)
}

// fetch asks for one page, unless this round has.
func fetch[T any](ctx context.Context, r *round, u *url.URL, doing string, read func([]byte) (part[T], error)) (part[T], error) {
	return conn.Once(ctx, &r.Round, u.String(), func() (part[T], error) { return ask(ctx, r, u, doing, read) })
}

func ask[T any](ctx context.Context, r *round, u *url.URL, doing string, read func([]byte) (part[T], error)) (part[T], error) {
	var none part[T]
	a := r.account
	if err := a.paused(r.client.Now(), doing); err != nil {
		return none, err
	}
	token, err := a.bearer(ctx, r.client)
	if err != nil {
		return none, err
	}
	req := conn.NewGet(u, header(token))
	before, known := a.known(u.String())
	if known {
		req.Header.Set("If-None-Match", before.etag)
	}
	got, err := r.client.Do(ctx, req, doing)
	if err != nil {
		return none, err
	}
	a.heed(got, r.client.Now())
	if got.Status == http.StatusNotModified {
		if p, ok := before.answer.(part[T]); ok {
			return p, nil
		}
	}
	if refused(got) {
		if err := a.paused(r.client.Now(), doing); err != nil {
			return none, err
		}
	}
	if got.Status == http.StatusUnauthorized {
		a.drop()
	}
	if err := got.Err(r.client.Now(), doing); err != nil {
		return none, err
	}
	p, err := read(got.Body)
	if err != nil {
		return none, scaler.BadAnswer(err, "%s", doing)
	}
	a.keep(u.String(), got.Header.Get("ETag"), p)
	return p, nil
}

var errNotExpected = errors.New("the answer is not the JSON expected")

// readRepositories leaves out those that run no jobs.
func readRepositories(body []byte) (part[string], error) {
	var answer []struct {
		Name     string `json:"name"`
		Archived bool   `json:"archived"`
		Disabled bool   `json:"disabled"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return part[string]{}, errNotExpected
	}
	p := part[string]{n: len(answer)}
	for _, r := range answer {
		switch {
		case r.Name == "":
			return part[string]{}, errNotExpected
		case !r.Archived && !r.Disabled:
			p.items = append(p.items, r.Name)
		}
	}
	return p, nil
}

func readRuns(body []byte) (part[int64], error) {
	var answer struct {
		Runs *[]struct {
			ID     int64  `json:"id"`
			Status string `json:"status"`
		} `json:"workflow_runs"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Runs == nil {
		return part[int64]{}, errNotExpected
	}
	p := part[int64]{n: len(*answer.Runs)}
	for _, r := range *answer.Runs {
		if unfinished(r.Status) {
			p.items = append(p.items, r.ID)
		}
	}
	return p, nil
}

// readJobs returns the labels of unfinished jobs.
func readJobs(body []byte) (part[[]string], error) {
	var answer struct {
		Jobs *[]struct {
			Status string   `json:"status"`
			Labels []string `json:"labels"`
		} `json:"jobs"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Jobs == nil {
		return part[[]string]{}, errNotExpected
	}
	p := part[[]string]{n: len(*answer.Jobs)}
	for _, j := range *answer.Jobs {
		if unfinished(j.Status) {
			p.items = append(p.items, j.Labels)
		}
	}
	return p, nil
}

// unfinished says whether a run or a job needs a runner.
func unfinished(status string) bool { return status == "queued" || status == "in_progress" }
