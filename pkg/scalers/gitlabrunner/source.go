package gitlabrunner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// atOnce is how many projects are asked for at once.
const atOnce = 4

// source is one trigger.
type source struct {
	config *config
	client *conn.HTTPClient
	api    *url.URL
	header http.Header
}

// count counts the jobs of the project, or of the group's projects. A project
// of a group may have gone, or have no jobs to show.
func (s *source) count(ctx context.Context, r *round) (scaler.Reading, error) {
	if s.config.project != "" {
		n, err := s.ofProject(ctx, r, s.config.project)
		return scaler.Reading{Value: float64(n)}, err
	}
	projects, err := s.projects(ctx, r)
	if err != nil {
		return scaler.Reading{}, err
	}
	counted, left, err := conn.Sum(ctx, projects, atOnce, func(ctx context.Context, id int64) (int, error) {
		return s.ofProject(ctx, r, strconv.FormatInt(id, 10))
	})
	if err != nil {
		return scaler.Reading{}, err
	}
	reading := scaler.Reading{Value: float64(counted)}
	switch {
	case len(projects) == 0:
		reading.Empty, reading.Note = true, "the group has no project, or the token shows none"
	case left == len(projects):
		return scaler.Reading{}, scaler.Missing(errors.New("none of the group's projects shows its jobs to the token"),
			"listing jobs of %d projects at %s", left, s.api.Host)
	case left > 0:
		reading.Note = fmt.Sprintf("%d of %d projects do not show their jobs to the token", left, len(projects))
	}
	return reading, nil
}

// projects are the IDs of the group's projects. Archived ones run no jobs.
func (s *source) projects(ctx context.Context, r *round) ([]int64, error) {
	at := s.api.JoinPath("groups", url.PathEscape(s.config.group), "projects")
	q := url.Values{"include_subgroups": {strconv.FormatBool(s.config.subgroups)}, "simple": {"true"}, "archived": {"false"}}
	var ids []int64
	err := pages(ctx, r, at, q, fmt.Sprintf("listing projects of group %q at %s", s.config.group, at.Host), readProjects, func(p page[int64]) bool {
		ids = append(ids, p.items...)
		return true
	})
	slices.Sort(ids) // a project may move to the next page between requests
	return slices.Compact(ids), err
}

// ofProject counts the jobs of a project that match.
func (s *source) ofProject(ctx context.Context, r *round, project string) (int, error) {
	at := s.api.JoinPath("projects", url.PathEscape(project), "jobs")
	counted := 0
	for _, scope := range s.config.scopes {
		doing := fmt.Sprintf("listing jobs with scope %q of project %q at %s", scope, project, at.Host)
		err := pages(ctx, r, at, url.Values{"scope[]": {scope}}, doing, readJobs, func(p page[[]string]) bool {
			if p.total >= 0 && !s.config.filtered() {
				counted += p.total // servers that count spare us the further pages
				return false
			}
			for _, tags := range p.items {
				if s.config.takes(tags) {
					counted++
				}
			}
			return true
		})
		if err != nil {
			return 0, err
		}
	}
	return counted, nil
}
