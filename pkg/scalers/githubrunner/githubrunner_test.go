package githubrunner

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func metadata(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"githubApiURL": address, "owner": "example", "runnerScope": "repo", "repos": "shop", "targetWorkflowQueueLength": "1"}, more...)
}

// jobs writes one page of n queued jobs.
func jobs(w http.ResponseWriter, r *http.Request, n int) {
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	page = max(page, 1)
	type job struct {
		Status string   `json:"status"`
		Labels []string `json:"labels"`
	}
	list := []job{}
	for i := (page - 1) * 100; i < min(n, page*100); i++ {
		list = append(list, job{"queued", []string{"self-hosted", "Linux"}})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"total_count": n, "jobs": list})
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer token-of-keda" },
		func(w http.ResponseWriter, r *http.Request, n float64) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/jobs"):
				jobs(w, r, int(n))
			case r.URL.Query().Get("status") == "queued":
				_, _ = fmt.Fprint(w, `{"workflow_runs": [{"id": 7, "status": "queued"}]}`)
			default:
				_, _ = fmt.Fprint(w, `{"workflow_runs": []}`)
			}
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("https://api.github.example"), Auth: map[string]string{"personalAccessToken": "token-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "githubApiURL", "/api/v3") },
	})
	asked := server.Asked()
	var paths []string
	for _, r := range asked {
		if at := r.URL.String(); !slices.Contains(paths, at) && len(paths) < 3 {
			paths = append(paths, at)
		}
	}
	want := []string{
		"/api/v3/repos/example/shop/actions/runs?per_page=100&status=queued",
		"/api/v3/repos/example/shop/actions/runs?per_page=100&status=in_progress",
		"/api/v3/repos/example/shop/actions/runs/7/jobs?per_page=100",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if h := asked[0].Header; h.Get("Accept") != "application/vnd.github+json" || h.Get("X-GitHub-Api-Version") != "2022-11-28" || h.Get("If-None-Match") != "" {
		t.Errorf("asked with %v", h)
	}
}

// github answers from a table of paths, and may be told what to do first.
type github struct {
	*scalertest.Numbers

	mu      sync.Mutex // guards what follows
	answers map[string]string
	first   func(w http.ResponseWriter, r *http.Request) bool // true: answered
}

func start(t testing.TB, answers map[string]string) *github {
	t.Helper()
	g := &github{answers: answers}
	g.Numbers = scalertest.NewNumbers(t, func(*http.Request) bool { return true }, func(w http.ResponseWriter, r *http.Request, _ float64) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.first != nil && g.first(w, r) {
			return
		}
		answer, ok := g.answers[strings.TrimPrefix(r.URL.RequestURI(), "/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprint(w, answer)
	})
	return g
}

func (g *github) before(f func(w http.ResponseWriter, r *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.first = f
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func open(t testing.TB, v param.Values, env scaler.Env) scaler.Source {
	t.Helper()
	c := Kinds()[0].New()
	if v.Auth == nil {
		v.Auth = map[string]string{"personalAccessToken": "token-of-keda"}
	}
	return scalertest.Open(t, c, v, env)
}

const (
	queued  = "repos/example/shop/actions/runs?per_page=100&status=queued"
	running = "repos/example/shop/actions/runs?per_page=100&status=in_progress"
	ofRun   = "repos/example/shop/actions/runs/%d/jobs?per_page=100"
	none    = `{"workflow_runs": []}`
	one     = `{"workflow_runs": [{"id": 1, "status": "queued"}]}`
)

// usual is a repository with one run of these jobs.
func usual(jobs string) map[string]string {
	return map[string]string{queued: one, running: none, fmt.Sprintf(ofRun, 1): `{"jobs": ` + jobs + `}`}
}

// TestLabels checks which jobs a runner takes.
func TestLabels(t *testing.T) {
	all := `[{"status": "queued", "labels": ["self-hosted", "ARM64"]}, {"status": "in_progress", "labels": ["linux"]},
		{"status": "queued", "labels": []}, {"status": "completed", "labels": []}, {"status": "waiting", "labels": []},
		{"status": "queued", "labels": ["arm64", "gpu"]}]`
	for name, c := range map[string]struct {
		more []string
		want float64
	}{
		"default labels":               {nil, 2},
		"a label more":                 {[]string{"labels", "arm64"}, 3},
		"only its own":                 {[]string{"labels", "arm64,GPU", "noDefaultLabels", "true"}, 2},
		"no label at all":              {[]string{"noDefaultLabels", "true"}, 1},
		"unlabeled jobs to unlabeled":  {[]string{"matchUnlabeledJobsWithUnlabeledRunners", "true"}, 2},
		"no unlabeled jobs to labeled": {[]string{"labels", "arm64", "matchUnlabeledJobsWithUnlabeledRunners", "true"}, 2},
		"all":                          {[]string{"labels", "arm64,gpu"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, usual(all))
			r, err := open(t, param.Values{Metadata: metadata("http://"+s.Addr, c.more...)}, scaler.Env{}).Measure(t.Context())
			if err != nil || r.Value != c.want {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.want)
			}
		})
	}
}

// TestAnswers: what is no answer never counts as no jobs.
func TestAnswers(t *testing.T) {
	two := `{"jobs": [{"status": "queued"}, {"status": "queued"}]}`
	for name, c := range map[string]struct {
		more    []string
		answers map[string]string
		value   float64
		note    string
		reason  scaler.Reason
	}{
		"a run in both lists": {answers: map[string]string{
			queued: one, running: `{"workflow_runs": [{"id": 1, "status": "in_progress"}]}`, fmt.Sprintf(ofRun, 1): two,
		}, value: 2},
		"a finished run":        {answers: map[string]string{queued: `{"workflow_runs": [{"id": 1, "status": "completed"}]}`, running: none}},
		"a run that is deleted": {answers: map[string]string{queued: one, running: none}},
		"no runs":               {answers: map[string]string{queued: none, running: none}},
		"named twice":           {more: []string{"repos", "shop,shop"}, answers: usual(`[{"status": "queued"}]`), value: 1},
		"another is missing":    {more: []string{"repos", "shop,other"}, answers: usual(`[{"status": "queued"}]`), value: 1, note: "1 of 2 repositories"},
		"missing":               {answers: nil, reason: scaler.ReasonMissing},
		"a list":                {answers: map[string]string{queued: `[]`}, reason: scaler.ReasonBadAnswer},
		"no runs at all":        {answers: map[string]string{queued: `{}`}, reason: scaler.ReasonBadAnswer},
		"null runs":             {answers: map[string]string{queued: `{"workflow_runs": null}`}, reason: scaler.ReasonBadAnswer},
		"an error":              {answers: map[string]string{queued: `{"message": "Server Error"}`}, reason: scaler.ReasonBadAnswer},
		"no jobs at all":        {answers: map[string]string{queued: one, running: none, fmt.Sprintf(ofRun, 1): `{}`}, reason: scaler.ReasonBadAnswer},
		"all of a user": {more: []string{"repos", ""}, answers: over(usual(`[{"status": "queued"}]`), map[string]string{
			"users/example/repos?per_page=100": `[{"name": "shop"}, {"name": "old", "archived": true}]`,
		}), value: 1},
		"all of an organization": {more: []string{"repos", "", "runnerScope", "org"}, answers: over(usual(`[{"status": "queued"}]`), map[string]string{
			"orgs/example/repos?per_page=100": `[{"name": "shop"}]`,
		}), value: 1},
		"all of an enterprise": {more: []string{"repos", "", "runnerScope", "ent"}, answers: map[string]string{"orgs/example/repos?per_page=100": `[]`}, note: "no repository"},
		"an odd owner":         {more: []string{"repos", "", "owner", "a/../b"}, answers: map[string]string{"users/a%2F..%2Fb/repos?per_page=100": `[]`}, note: "no repository"},
		"no names":             {more: []string{"repos", ""}, answers: map[string]string{"users/example/repos?per_page=100": `[{}]`}, reason: scaler.ReasonBadAnswer},
		"no such owner":        {more: []string{"repos", ""}, reason: scaler.ReasonMissing},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.answers)
			r, err := open(t, param.Values{Metadata: metadata("http://"+s.Addr, c.more...)}, scaler.Env{}).Measure(t.Context())
			if c.reason != "" {
				if err == nil || scaler.ReasonOf(err) != c.reason {
					t.Errorf("measured %+v, %v; expected %s", r, err, c.reason)
				}
				return
			}
			if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.note) {
				t.Errorf("measured %+v, %v; expected %v with %q", r, err, c.value, c.note)
			}
		})
	}
}

func over(ms ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range ms {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// TestActivation: below a whole target there is nothing to activate for.
func TestActivation(t *testing.T) {
	c := Kinds()[0].New()
	v := param.Values{Metadata: metadata("http://x", "targetWorkflowQueueLength", "5"), Auth: map[string]string{"personalAccessToken": "t"}}
	if err := scaler.Decode(c, v).Err(); err != nil {
		t.Fatal(err)
	}
	if target, activation := scaler.TargetOf(c); target != 5 || activation != 4 {
		t.Errorf("the target is %v and the activation threshold %v; expected 5 and 4", target, activation)
	}
}

// TestParameters checks problems that are found without asking.
func TestParameters(t *testing.T) {
	token := map[string]string{"personalAccessToken": "t"}
	for name, c := range map[string]struct {
		more []string
		auth map[string]string
		at   string
	}{
		"no credentials":      {auth: map[string]string{}, at: "authenticationRef.personalAccessToken"},
		"an app without key":  {more: []string{"applicationID", "1", "installationID", "2"}, auth: token, at: "authenticationRef.appKey"},
		"an app without ID":   {more: []string{"installationID", "2"}, auth: map[string]string{"appKey": "k"}, at: "metadata.applicationID"},
		"no installation":     {more: []string{"applicationID", "1"}, auth: map[string]string{"appKey": "k"}, at: "metadata.installationID"},
		"owner and name":      {more: []string{"repos", "example/shop"}, auth: token, at: "metadata.repos"},
		"no repository":       {more: []string{"repos", ".."}, auth: token, at: "metadata.repos"},
		"no owner":            {more: []string{"owner", ".."}, auth: token, at: "metadata.owner"},
		"no scope":            {more: []string{"runnerScope", "team"}, auth: token, at: "metadata.runnerScope"},
		"a target of nothing": {more: []string{"targetWorkflowQueueLength", "0"}, auth: token, at: "metadata.targetWorkflowQueueLength"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: metadata("http://x", c.more...), Auth: c.auth}).Errors()
			if len(ps) != 1 || ps[0].Path != c.at {
				t.Errorf("got %v; expected one at %s", ps, c.at)
			}
		})
	}
}

// reasonIs fails unless err has a reason and says something.
func reasonIs(t *testing.T, err error, reason scaler.Reason, said string) {
	t.Helper()
	scalertest.Refused(t, err, reason, said)
}
