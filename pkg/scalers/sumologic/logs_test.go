package sumologic

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// jobs is a server of one search job.
type jobs struct {
	created string
	states  []string // one per look, the last for ever
	records []string // one per page, the last for ever
	looks   int
	pages   int
	deleted int
	limits  []string
}

func (j *jobs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	next := func(texts []string, i *int) string {
		*i++
		return texts[min(*i, len(texts))-1]
	}
	switch {
	case r.Method == http.MethodPost:
		_, _ = io.WriteString(w, j.created)
	case r.Method == http.MethodDelete:
		j.deleted++
	case strings.HasSuffix(r.URL.Path, "/records"):
		j.limits = append(j.limits, r.URL.RawQuery)
		_, _ = io.WriteString(w, next(j.records, &j.pages))
	default:
		_, _ = io.WriteString(w, next(j.states, &j.looks))
	}
}

func done(messages, records int) string {
	return fmt.Sprintf(`{"state":"DONE GATHERING RESULTS","messageCount":%d,"recordCount":%d}`, messages, records)
}

// TestLogsAnswers: a search that is complete makes a number of its records, and
// the job is deleted whatever happens.
func TestLogsAnswers(t *testing.T) {
	const gathering = `{"state":"GATHERING RESULTS","messageCount":1,"recordCount":1}`
	const job = `{"id":"J1"}`
	record := func(text string) string { return `{"records":[{"map":{"_count":"` + text + `"}}]}` }
	for name, c := range map[string]struct {
		server jobs
		looks  int
		want   want
	}{
		"at once":            {jobs{created: job, states: []string{done(9, 1)}, records: []string{record("2.5")}}, 1, want{value: 2.5}},
		"the second time":    {jobs{created: job, states: []string{`{"state":"NOT STARTED"}`, gathering, done(9, 1)}, records: []string{record("2")}}, 3, want{value: 2}},
		"several pages":      {jobs{created: job, states: []string{done(9, 2)}, records: []string{record("2"), record("4")}}, 1, want{value: 3}},
		"without the field":  {jobs{created: job, states: []string{done(9, 2)}, records: []string{`{"records":[{"map":{}},{"map":{"_count":"4"}}]}`}}, 1, want{value: 4}},
		"nothing":            {jobs{created: job, states: []string{done(0, 0)}}, 1, want{note: "counts as 0"}},
		"messages":           {jobs{created: job, states: []string{done(9, 0)}}, 1, want{reason: scaler.ReasonMisconfigured, said: "returns messages"}},
		"no field":           {jobs{created: job, states: []string{done(9, 1)}, records: []string{`{"records":[{"map":{"x":"s3cret"}}]}`}}, 1, want{reason: scaler.ReasonMissing, said: "has the field _count"}},
		"a text":             {jobs{created: job, states: []string{done(9, 1)}, records: []string{record("s3cret")}}, 1, want{reason: scaler.ReasonMisconfigured, said: "no number"}},
		"records are gone":   {jobs{created: job, states: []string{done(9, 3)}, records: []string{record("1"), `{"records":[]}`}}, 1, want{reason: scaler.ReasonBadAnswer, said: "only 1 could be read"}},
		"cancelled":          {jobs{created: job, states: []string{`{"state":"CANCELLED"}`}}, 1, want{reason: scaler.ReasonUnreachable, said: "CANCELLED"}},
		"failed":             {jobs{created: job, states: []string{`{"state":"GATHERING RESULTS","pendingErrors":["s3cret"]}`}}, 1, want{reason: scaler.ReasonMisconfigured, said: "the search failed"}},
		"no state":           {jobs{created: job, states: []string{`{}`}}, 1, want{reason: scaler.ReasonBadAnswer, said: "no job's state"}},
		"no job":             {jobs{created: `{}`}, 0, want{reason: scaler.ReasonBadAnswer, said: "no job's ID"}},
		"wrong type":         {jobs{created: job, states: []string{`[]`}}, 1, want{reason: scaler.ReasonBadAnswer, said: "not the JSON expected"}},
		"records, no number": {jobs{created: job, states: []string{done(9, 1)}, records: []string{record("NaN")}}, 1, want{reason: scaler.ReasonBadAnswer, said: "finite"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(&c.server)
			r, err := open(t, logsTrigger(server.URL)).Measure(context.Background())
			server.Close()
			c.want.check(t, r, err)
			made := 1
			if !strings.Contains(c.server.created, "J1") {
				made = 0
			}
			if c.server.looks != c.looks || c.server.deleted != made {
				t.Errorf("looked %d times and deleted %d jobs; expected %d and %d", c.server.looks, c.server.deleted, c.looks, made)
			}
		})
	}
}

// TestManyRecords: they are read page by page.
func TestManyRecords(t *testing.T) {
	full := `{"records":[` + strings.Repeat(`{"map":{"_count":"1"}},`, page-1) + `{"map":{"_count":"1"}}]}`
	j := &jobs{created: `{"id":"J1"}`, states: []string{done(1, page+1)}, records: []string{full, `{"records":[{"map":{"_count":"5"}}]}`}}
	server := httptest.NewServer(j)
	r, err := open(t, logsTrigger(server.URL, "queryAggregator", "Sum")).Measure(context.Background())
	server.Close()
	if err != nil || r.Value != page+5 {
		t.Errorf("measured %+v, %v; expected %d", r, err, page+5)
	}
	if got, want := strings.Join(j.limits, " "), "limit=1000&offset=0 limit=1&offset=1000"; got != want {
		t.Errorf("asked for %s; expected %s", got, want)
	}
}

// TestSlowSearch: a search that is not complete in time is a failure with what
// to do about it, and the job is deleted before the measurement's time is over.
func TestSlowSearch(t *testing.T) {
	j := &jobs{created: `{"id":"J1"}`, states: []string{`{"state":"GATHERING RESULTS"}`}}
	server := httptest.NewServer(j)
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	r, err := open(t, logsTrigger(server.URL)).Measure(ctx)
	inTime := ctx.Err() == nil
	server.Close()
	want{reason: scaler.ReasonUnreachable, said: "expected a shorter timerange"}.check(t, r, err)
	if !inTime || j.deleted != 1 || j.looks < 2 {
		t.Errorf("in time: %t; deleted %d jobs after %d looks", inTime, j.deleted, j.looks)
	}
}
