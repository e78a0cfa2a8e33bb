package gitlabrunner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// perPage is GitLab's largest page.
	perPage = 100
	// lastPage ends lists that never end.
	lastPage = 500
)

// round is one poll of all triggers with a token: nothing is asked twice.
type round struct {
	conn.Round
	client *conn.HTTPClient
	header http.Header
}

func (s *source) round(context.Context) (*round, error) {
	return &round{client: s.client, header: s.header}, nil
}

// page is one page of a list, and how many items the list has if the server
// says so, else below 0.
type page[T any] struct {
	items []T
	total int
}

// pages reads a list, until each has enough.
func pages[T any](ctx context.Context, r *round, at *url.URL, q url.Values, doing string, read func([]byte) ([]T, error), each func(page[T]) (more bool)) error {
	q.Set("per_page", strconv.Itoa(perPage))
	for n := 1; n <= lastPage; n++ {
		q.Set("page", strconv.Itoa(n))
		u := *at
		u.RawQuery = q.Encode()
		p, err := fetch(ctx, r, &u, doing, read)
		if err != nil || !each(p) || len(p.items) < perPage {
			return err
		}
	}
	return scaler.BadAnswer(fmt.Errorf("the list has no end after %d items", lastPage*perPage), "%s", doing)
}

// fetch asks for one page, unless this round has.
func fetch[T any](ctx context.Context, r *round, u *url.URL, doing string, read func([]byte) ([]T, error)) (page[T], error) {
	return conn.Once(ctx, &r.Round, u.String(), func() (page[T], error) { return ask(ctx, r, u, doing, read) })
}

func ask[T any](ctx context.Context, r *round, u *url.URL, doing string, read func([]byte) ([]T, error)) (page[T], error) {
	got, err := r.client.Do(ctx, conn.NewGet(u, r.header), doing)
	if err != nil {
		return page[T]{}, err
	}
	if err := failure(got, r.client.Now(), doing); err != nil {
		return page[T]{}, err
	}
	p := page[T]{total: -1}
	if n, err := strconv.Atoi(got.Header.Get("X-Total")); err == nil && n >= 0 {
		p.total = n
	}
	if p.items, err = read(got.Body); err != nil {
		return page[T]{}, scaler.BadAnswer(err, "%s", doing)
	}
	return p, nil
}

// failure is nil for a 2xx status. GitLab says when its rate limit ends:
// https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/
func failure(got conn.Answer, now time.Time, doing string) error {
	err := got.Err(now, doing)
	if err == nil || got.Header.Get("RateLimit-Remaining") != "0" {
		return err
	}
	pause := scaler.RetryAfterOf(err)
	if at, bad := strconv.ParseInt(got.Header.Get("RateLimit-Reset"), 10, 64); bad == nil && pause == 0 {
		pause = min(max(time.Unix(at, 0).Sub(now), 0), time.Hour)
	}
	return &scaler.Error{Reason: scaler.ReasonUnreachable, Doing: doing, RetryAfter: pause, Err: errors.New("GitLab's rate limit is reached")}
}

var errNotExpected = errors.New("the answer is not the JSON expected")

// readProjects returns the projects' IDs.
func readProjects(body []byte) ([]int64, error) {
	var answer []struct {
		ID int64 `json:"id"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, errNotExpected
	}
	ids := make([]int64, len(answer))
	for i, p := range answer {
		if p.ID == 0 {
			return nil, errors.New("the answer lists something that is no project")
		}
		ids[i] = p.ID
	}
	return ids, nil
}

// readJobs returns the jobs' tags.
func readJobs(body []byte) ([][]string, error) {
	var answer []struct {
		ID   int64    `json:"id"`
		Tags []string `json:"tag_list"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, errNotExpected
	}
	tags := make([][]string, len(answer))
	for i, j := range answer {
		if j.ID == 0 {
			return nil, errors.New("the answer lists something that is no job")
		}
		tags[i] = j.Tags
	}
	return tags, nil
}
