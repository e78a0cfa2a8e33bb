package gitlabrunner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// perPage is GitLab's largest page.
	perPage = 100
	// lastPage ends lists that never end.
	lastPage = 500
	// atOnce is how many projects are asked for at once.
	atOnce = 4
)

// asker asks one server for one trigger.
type asker struct {
	config *config
	client *conn.HTTPClient
	api    *url.URL
	header http.Header
}

// count counts the jobs of the project, or of the group's projects. A project
// of a group may have gone, or have no jobs to show.
func (a *asker) count(ctx context.Context) (scaler.Reading, error) {
	if a.config.project != "" {
		n, err := a.ofProject(ctx, a.config.project)
		return scaler.Reading{Value: float64(n)}, err
	}
	projects, err := a.projects(ctx)
	if err != nil {
		return scaler.Reading{}, err
	}
	var mu sync.Mutex // guards what follows
	counted, left := 0, 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, id := range projects {
		g.Go(func() error {
			n, err := a.ofProject(ctx, strconv.FormatInt(id, 10))
			mu.Lock()
			defer mu.Unlock()
			if err != nil && scaler.ReasonOf(err) == scaler.ReasonMissing {
				left++
				return nil
			}
			counted += n
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return scaler.Reading{}, err
	}
	r := scaler.Reading{Value: float64(counted)}
	switch {
	case len(projects) == 0:
		r.Empty, r.Note = true, "the group has no project, or the token shows none"
	case left == len(projects):
		return scaler.Reading{}, scaler.Missing(errors.New("none of the group's projects shows its jobs to the token"),
			"listing jobs of %d projects at %s", left, a.api.Host)
	case left > 0:
		r.Note = fmt.Sprintf("%d of %d projects do not show their jobs to the token", left, len(projects))
	}
	return r, nil
}

// projects are the IDs of the group's projects. Archived ones run no jobs.
func (a *asker) projects(ctx context.Context) ([]int64, error) {
	var ids []int64
	at := a.api.JoinPath("groups", url.PathEscape(a.config.group), "projects")
	q := url.Values{"include_subgroups": {strconv.FormatBool(a.config.subgroups)}, "simple": {"true"}, "archived": {"false"}}
	doing := fmt.Sprintf("listing projects of group %q at %s", a.config.group, at.Host)
	err := a.pages(ctx, at, q, doing, func(got conn.Answer) (int, error) {
		var projects []struct {
			ID int64 `json:"id"`
		}
		if err := conn.DecodeJSON(got.Body, &projects, doing); err != nil {
			return 0, err
		}
		for _, p := range projects {
			if p.ID == 0 {
				return 0, scaler.BadAnswer(errors.New("the answer lists something that is no project"), "%s", doing)
			}
			ids = append(ids, p.ID)
		}
		return len(projects), nil
	})
	slices.Sort(ids) // a project may move to the next page between requests
	return slices.Compact(ids), err
}

// ofProject counts the jobs of a project that match.
func (a *asker) ofProject(ctx context.Context, project string) (int, error) {
	at := a.api.JoinPath("projects", url.PathEscape(project), "jobs")
	counted := 0
	for _, scope := range a.config.scopes {
		doing := fmt.Sprintf("listing jobs with scope %q of project %q at %s", scope, project, at.Host)
		err := a.pages(ctx, at, url.Values{"scope[]": {scope}}, doing, func(got conn.Answer) (int, error) {
			if total, err := strconv.Atoi(got.Header.Get("X-Total")); err == nil && total >= 0 && !a.config.filtered() {
				counted += total // the servers that count spare us the pages
				return 0, nil
			}
			var jobs []struct {
				ID   int64    `json:"id"`
				Tags []string `json:"tag_list"`
			}
			if err := conn.DecodeJSON(got.Body, &jobs, doing); err != nil {
				return 0, err
			}
			for _, j := range jobs {
				switch {
				case j.ID == 0:
					return 0, scaler.BadAnswer(errors.New("the answer lists something that is no job"), "%s", doing)
				case a.config.takes(j.Tags):
					counted++
				}
			}
			return len(jobs), nil
		})
		if err != nil {
			return 0, err
		}
	}
	return counted, nil
}

// pages reads a list to its end; read returns how many items a page had.
func (a *asker) pages(ctx context.Context, at *url.URL, q url.Values, doing string, read func(conn.Answer) (int, error)) error {
	q.Set("per_page", strconv.Itoa(perPage))
	for page := 1; page <= lastPage; page++ {
		q.Set("page", strconv.Itoa(page))
		u := *at
		u.RawQuery = q.Encode()
		got, err := a.client.Do(ctx, conn.NewGet(&u, a.header.Clone()), doing)
		if err != nil {
			return err
		}
		if err := a.failure(got, doing); err != nil {
			return err
		}
		n, err := read(got)
		if err != nil || n < perPage {
			return err
		}
	}
	return scaler.BadAnswer(fmt.Errorf("the list has no end after %d items", lastPage*perPage), "%s", doing)
}

// failure is nil for a 2xx status. GitLab says when its rate limit ends:
// https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/
func (a *asker) failure(got conn.Answer, doing string) error {
	now := a.client.Now()
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
