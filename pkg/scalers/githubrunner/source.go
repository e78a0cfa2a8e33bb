package githubrunner

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// perPage is GitHub's largest page.
	perPage = 100
	// lastPage ends lists that never end.
	lastPage = 50
	// atOnce is how many repositories are asked for at once: GitHub limits
	// requests at once too.
	atOnce = 4
)

// source is one trigger. It owns its share of the client and of the account.
type source struct {
	config  *config
	api     *url.URL
	client  *conn.HTTPClient
	account *account
	release func()
	labels  map[string]bool

	mu    sync.Mutex // guards what follows
	count float64
	asOf  time.Time // zero before the first count
}

func (s *source) host() string { return s.config.api.Host }

func (s *source) close() error {
	s.release()
	return s.client.Close()
}

// measure counts jobs. While the rate limit is reached, the last count stands.
func (s *source) measure(ctx context.Context, r *round) (scaler.Reading, error) {
	reading, err := s.jobs(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.count, s.asOf = reading.Value, s.client.Now()
		return reading, nil
	}
	var paused *pausedError
	if errors.As(err, &paused) && !s.asOf.IsZero() {
		note := fmt.Sprintf("%v; the count is that of %s UTC", paused, s.asOf.UTC().Format(time.TimeOnly))
		return scaler.Reading{Value: s.count, Note: note}, nil
	}
	return scaler.Reading{}, err
}

// jobs counts the jobs that match, of all repositories.
func (s *source) jobs(ctx context.Context, r *round) (scaler.Reading, error) {
	repos, err := s.repositories(ctx, r)
	if err != nil {
		return scaler.Reading{}, err
	}
	counted, missing, err := conn.Sum(ctx, repos, atOnce, func(ctx context.Context, repo string) (int, error) {
		return s.ofRepository(ctx, r, repo)
	})
	if err != nil {
		return scaler.Reading{}, err
	}
	reading := scaler.Reading{Value: float64(counted)}
	switch {
	case len(repos) == 0:
		reading.Empty, reading.Note = true, "the owner has no repository, or the credentials show none"
	case missing == len(repos):
		return scaler.Reading{}, scaler.Missing(errors.New("none of the repositories has GitHub Actions, exists, or is shown to the credentials"),
			"listing runs of %d repositories of %q at %s", len(repos), s.config.owner, s.host())
	case missing > 0:
		reading.Note = fmt.Sprintf("%d of %d repositories have no GitHub Actions, do not exist or are not shown to the credentials", missing, len(repos))
	}
	return reading, nil
}

// repositories are the names of those whose jobs count.
func (s *source) repositories(ctx context.Context, r *round) ([]string, error) {
	if len(s.config.repos) > 0 {
		repos := slices.Clone(s.config.repos)
		slices.Sort(repos)
		return slices.Compact(repos), nil
	}
	owners := "orgs"
	if s.config.scope == "repo" {
		owners = "users"
	}
	at := s.api.JoinPath(owners, url.PathEscape(s.config.owner), "repos")
	return list(ctx, r, at, "", fmt.Sprintf("listing repositories of %q at %s", s.config.owner, s.host()), readRepositories)
}

// ofRepository counts the jobs of one repository that match.
func (s *source) ofRepository(ctx context.Context, r *round, repo string) (int, error) {
	at := s.api.JoinPath("repos", url.PathEscape(s.config.owner), url.PathEscape(repo), "actions", "runs")
	of := fmt.Sprintf("of %q at %s", s.config.owner+"/"+repo, s.host())
	runs := map[int64]bool{} // a run may go from one status to the other between requests
	for _, status := range []string{"queued", "in_progress"} {
		ids, err := list(ctx, r, at, status, "listing runs "+of, readRuns)
		if err != nil {
			return 0, err
		}
		for _, id := range ids {
			runs[id] = true
		}
	}
	counted := 0
	for id := range runs {
		jobs, err := list(ctx, r, at.JoinPath(strconv.FormatInt(id, 10), "jobs"), "", "listing jobs of a run "+of, readJobs)
		switch {
		case err != nil && scaler.ReasonOf(err) == scaler.ReasonMissing:
			continue // the run was deleted meanwhile
		case err != nil:
			return 0, err
		}
		for _, labels := range jobs {
			if s.takes(labels) {
				counted++
			}
		}
	}
	return counted, nil
}

// takes says whether the runner could take a job with these labels.
func (s *source) takes(labels []string) bool {
	if s.config.unlabeled && len(labels) == 0 {
		return len(s.config.labels) == 0
	}
	for _, l := range labels {
		if !s.labels[strings.ToLower(l)] {
			return false
		}
	}
	return true
}
