package sumologic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// page is how many records are asked for at once.
	page = 1000
	// cleanup is the time of a measurement kept for deleting its job.
	cleanup = time.Second
)

// status is that of a search job:
// https://www.sumologic.com/help/docs/api/search-job/
type status struct {
	State    string   `json:"state"`
	Messages int      `json:"messageCount"`
	Records  int      `json:"recordCount"`
	Errors   []string `json:"pendingErrors"`
}

// searchLogs runs a search job and reads its records.
func (s *session) searchLogs(ctx context.Context) (scaler.Reading, error) {
	from, to := s.span()
	var job struct {
		ID string `json:"id"`
	}
	err := s.ask(ctx, http.MethodPost, s.endpoint("api/v1/search/jobs"), map[string]any{
		"query": s.config.query, "from": from, "to": to, "timeZone": s.config.zone,
	}, &job)
	if err != nil {
		return scaler.Reading{}, err
	}
	if job.ID == "" {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has no job's ID"), "%s", s.doing)
	}
	at := s.endpoint("api/v1/search/jobs", url.PathEscape(job.ID))
	r, err := s.results(ctx, at)
	// Jobs that nobody asks for end by themselves, so a failure changes nothing.
	_ = s.once(ctx, http.MethodDelete, at, nil, nil)
	return r, err
}

// results waits for the job and reads its records.
func (s *session) results(ctx context.Context, at *url.URL) (scaler.Reading, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-cleanup))
		defer cancel()
	}
	done, err := s.complete(ctx, at)
	switch {
	case err != nil:
		return scaler.Reading{}, err
	case done.Records == 0 && done.Messages > 0:
		return scaler.Reading{}, scaler.Misconfigured(errors.New("the search returns messages; expected records, for example with | count"), "%s", s.doing)
	case done.Records == 0:
		return scaler.Reading{Empty: true, Note: "the search found nothing, which counts as 0"}, nil
	}
	all, err := s.records(ctx, at, done.Records)
	if err != nil {
		return scaler.Reading{}, err
	}
	return scaler.Reading{Value: s.config.aggregate(all)}, nil
}

// complete waits until the job has all its results.
func (s *session) complete(ctx context.Context, at *url.URL) (status, error) {
	for {
		var now status
		err := s.ask(ctx, http.MethodGet, at, nil, &now)
		switch {
		case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return now, s.notInTime()
		case err != nil:
			return now, err
		case len(now.Errors) > 0:
			return now, scaler.Misconfigured(errors.New("the search failed; expected a query that the search page runs"), "%s", s.doing)
		case now.State == "DONE GATHERING RESULTS":
			return now, nil
		case now.State == "CANCELLED", now.State == "FORCE PAUSED":
			return now, scaler.Unreachable(fmt.Errorf("the search job is in the state %s", now.State), "%s", s.doing)
		case now.State == "":
			return now, scaler.BadAnswer(errors.New("the answer has no job's state"), "%s", s.doing)
		}
		if !sleep.For(ctx, s.config.every) {
			return now, s.notInTime()
		}
	}
}

func (s *session) notInTime() error {
	return scaler.Unreachable(errors.New("the search is not complete within the time of one poll; expected a shorter timerange, a faster query or a longer pollingInterval"), "%s", s.doing)
}

// records reads the field of all records that have it.
func (s *session) records(ctx context.Context, at *url.URL, total int) ([]float64, error) {
	var all []float64
	for offset := 0; offset < total; {
		u := at.JoinPath("records")
		u.RawQuery = url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(min(page, total-offset))}}.Encode()
		var got struct {
			Records []struct {
				Map map[string]string `json:"map"`
			} `json:"records"`
		}
		if err := s.ask(ctx, http.MethodGet, u, nil, &got); err != nil {
			return nil, err
		}
		if len(got.Records) == 0 {
			return nil, scaler.BadAnswer(fmt.Errorf("the search has %d records, of which only %d could be read", total, offset), "%s", s.doing)
		}
		for _, r := range got.Records {
			text, ok := r.Map[s.config.field]
			if !ok {
				continue
			}
			n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				return nil, scaler.Misconfigured(fmt.Errorf("the field %s of a record is no number", s.config.field), "%s", s.doing)
			}
			all = append(all, n)
		}
		offset += len(got.Records)
	}
	if len(all) == 0 {
		return nil, scaler.Missing(fmt.Errorf("no record has the field %s", s.config.field), "%s", s.doing)
	}
	return all, nil
}
