package gitlabrunner

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	return scalertest.With(map[string]string{"gitlabAPIURL": address, "projectID": "42", "targetQueueLength": "1"}, more...)
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("PRIVATE-TOKEN") == "token-of-keda" },
		func(w http.ResponseWriter, r *http.Request, n float64) {
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			list := []map[string]any{}
			for i := (page - 1) * 100; i < min(int(n), page*100); i++ {
				list = append(list, map[string]any{"id": i + 1, "tag_list": []string{"Docker"}})
			}
			_ = json.NewEncoder(w).Encode(list)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("http://gitlab.example", "tagList", "docker,linux"), Auth: map[string]string{"personalAccessToken": "token-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "gitlabAPIURL", "/git/") },
	})
	if got, want := server.Asked()[0].URL.String(), "/git/api/v4/projects/42/jobs?page=1&per_page=100&scope%5B%5D=pending"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func open(t testing.TB, address string, now func() time.Time, more ...string) scaler.Source {
	t.Helper()
	v := param.Values{Metadata: metadata(address, more...), Auth: map[string]string{"personalAccessToken": "t"}}
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{Pool: &scalertest.Pool{}, Now: now})
}

// serve answers by the paths and queries asked, less the size of the page.
func serve(t testing.TB, answers map[string]string, header map[string]string) (address string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := strings.ReplaceAll(strings.TrimPrefix(r.URL.RequestURI(), "/api/v4/"), "page=1&per_page=100&", "")
		mu.Lock()
		paths = append(paths, at)
		mu.Unlock()
		for k, v := range header {
			w.Header().Set(k, v)
		}
		answer, ok := answers[at]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), paths...)
	}
}

const (
	pending = "projects/42/jobs?scope%5B%5D=pending"
	group   = "groups/shop%2Fteam/projects?archived=false&include_subgroups=true&simple=true"
)

func TestTags(t *testing.T) {
	jobs := `[{"id": 1, "tag_list": ["docker", "LINUX"]}, {"id": 2, "tag_list": ["docker"]}, {"id": 3, "tag_list": []}, {"id": 4}, {"id": 5, "tag_list": ["gpu"]}]`
	for name, c := range map[string]struct {
		more []string
		want float64
	}{
		"all":                   {nil, 5},
		"tags":                  {[]string{"tagList", "Docker,linux"}, 2},
		"one tag":               {[]string{"tagList", "docker"}, 1},
		"only untagged":         {[]string{"runUntagged", "true"}, 2},
		"tagged and untagged":   {[]string{"tagList", "docker,linux,gpu", "runUntagged", "true"}, 5},
		"a tag that no job has": {[]string{"tagList", "arm"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := serve(t, map[string]string{pending: jobs}, nil)
			if r, err := open(t, address, nil, c.more...).Measure(t.Context()); err != nil || r.Value != c.want {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.want)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	inGroup := []string{"projectID", "", "groupID", "shop/team"}
	for name, c := range map[string]struct {
		more    []string
		answers map[string]string
		header  map[string]string
		value   float64
		note    string
		reason  scaler.Reason
		said    string
	}{
		"none":             {answers: map[string]string{pending: `[]`}},
		"counted by it":    {answers: map[string]string{pending: `[{"id": 1}]`}, header: map[string]string{"X-Total": "250"}, value: 250},
		"tags are not":     {more: []string{"runUntagged", "true"}, answers: map[string]string{pending: `[{"id": 1}]`}, header: map[string]string{"X-Total": "250"}, value: 1},
		"an odd total":     {answers: map[string]string{pending: `[{"id": 1}]`}, header: map[string]string{"X-Total": "many"}, value: 1},
		"two scopes":       {more: []string{"jobScopes", "pending, created"}, answers: map[string]string{pending: `[{"id": 1}]`, "projects/42/jobs?scope%5B%5D=created": `[{"id": 2}]`}, value: 2},
		"no such project":  {reason: scaler.ReasonMissing, said: "404"},
		"an object":        {answers: map[string]string{pending: `{"error": "x"}`}, reason: scaler.ReasonBadAnswer, said: "not the JSON expected"},
		"no jobs":          {answers: map[string]string{pending: `[{}]`}, reason: scaler.ReasonBadAnswer, said: "no job"},
		"a group":          {more: inGroup, answers: map[string]string{group: `[{"id": 42}, {"id": 42}]`, pending: `[{"id": 1}]`}, value: 1},
		"a group in part":  {more: inGroup, answers: map[string]string{group: `[{"id": 42}, {"id": 43}]`, pending: `[{"id": 1}]`}, value: 1, note: "1 of 2 projects"},
		"a group of none":  {more: inGroup, answers: map[string]string{group: `[]`}, note: "no project"},
		"a hidden group":   {more: inGroup, answers: map[string]string{group: `[{"id": 43}]`}, reason: scaler.ReasonMissing, said: "none of the group"},
		"no such group":    {more: inGroup, reason: scaler.ReasonMissing, said: "404"},
		"no projects":      {more: inGroup, answers: map[string]string{group: `[{"name": "x"}]`}, reason: scaler.ReasonBadAnswer, said: "no project"},
		"group no JSON":    {more: inGroup, answers: map[string]string{group: `x`}, reason: scaler.ReasonBadAnswer, said: "not the JSON expected"},
		"project bad JSON": {more: inGroup, answers: map[string]string{group: `[{"id": 42}]`, pending: `{}`}, reason: scaler.ReasonBadAnswer, said: "not the JSON expected"},
		"project by path":  {more: []string{"projectID", "shop/web"}, answers: map[string]string{"projects/shop%2Fweb/jobs?scope%5B%5D=pending": `[{"id": 1}]`}, value: 1},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := serve(t, c.answers, c.header)
			r, err := open(t, address, nil, c.more...).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said)
			} else if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.note) {
				t.Errorf("measured %+v, %v; expected %v with %q", r, err, c.value, c.note)
			}
		})
	}
}

// TestSubgroups checks that only the group itself is asked for on demand.
func TestSubgroups(t *testing.T) {
	at := strings.Replace(group, "subgroups=true", "subgroups=false", 1)
	address, asked := serve(t, map[string]string{at: `[{"id": 42}]`, pending: `[]`}, nil)
	if _, err := open(t, address, nil, "projectID", "", "groupID", "shop/team", "includeSubgroups", "false").Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{at, pending}, asked()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestRateLimit checks what is said of it.
func TestRateLimit(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	reset := strconv.FormatInt(now.Add(2*time.Minute).Unix(), 10)
	for name, c := range map[string]struct {
		status int
		header map[string]string
		reason scaler.Reason
		pause  time.Duration
	}{
		"with its end":   {http.StatusTooManyRequests, map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": reset}, scaler.ReasonUnreachable, 2 * time.Minute},
		"with a pause":   {http.StatusTooManyRequests, map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": reset, "Retry-After": "30"}, scaler.ReasonUnreachable, 30 * time.Second},
		"as forbidden":   {http.StatusForbidden, map[string]string{"RateLimit-Remaining": "0"}, scaler.ReasonUnreachable, 0},
		"a real refusal": {http.StatusForbidden, map[string]string{"RateLimit-Remaining": "9"}, scaler.ReasonDenied, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range c.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
			}))
			t.Cleanup(server.Close)
			_, err := open(t, server.URL, func() time.Time { return now }).Measure(t.Context())
			if err == nil || scaler.ReasonOf(err) != c.reason || scaler.RetryAfterOf(err) != c.pause {
				t.Errorf("got %v with a pause of %s; expected %s with %s", err, scaler.RetryAfterOf(err), c.reason, c.pause)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		more []string
		at   string
	}{
		"neither":             {[]string{"projectID", ""}, "metadata.projectID"},
		"both":                {[]string{"groupID", "1"}, "metadata.groupID"},
		"no project":          {[]string{"projectID", ".."}, "metadata.projectID"},
		"no group":            {[]string{"projectID", "", "groupID", "."}, "metadata.groupID"},
		"no scopes":           {[]string{"jobScopes", ","}, "metadata.jobScopes"},
		"a target of nothing": {[]string{"targetQueueLength", "0"}, "metadata.targetQueueLength"},
		"below nothing":       {[]string{"activationTargetQueueLength", "-1"}, "metadata.activationTargetQueueLength"},
	} {
		t.Run(name, func(t *testing.T) {
			v := param.Values{Metadata: metadata("http://x", c.more...), Auth: map[string]string{"personalAccessToken": "t"}}
			ps := scaler.Decode(Kinds()[0].New(), v).Errors()
			if len(ps) != 1 || ps[0].Path != c.at {
				t.Errorf("got %v; expected one at %s", ps, c.at)
			}
		})
	}
}

// TestBatches: triggers that differ in tags share answers, also failed ones;
// those of another token do not.
func TestBatches(t *testing.T) {
	address, asked := serve(t, map[string]string{pending: `[{"id": 1, "tag_list": ["docker"]}]`}, nil)
	batch := []scaler.Source{open(t, address, nil, "tagList", "docker"), open(t, address, nil, "tagList", "arm"), open(t, address, nil, "projectID", "43"), open(t, address, nil, "projectID", "43")}
	results := batch[0].(scaler.Batcher).MeasureAll(t.Context(), batch)
	if results[0].Err != nil || results[0].Reading.Value != 1 || results[1].Err != nil || results[1].Reading.Value != 0 {
		t.Errorf("measured %+v; expected 1 and 0", results[:2])
	}
	for _, r := range results[2:] {
		if scaler.ReasonOf(r.Err) != scaler.ReasonMissing {
			t.Errorf("measured %+v; expected Missing", r)
		}
	}
	if got := asked(); len(got) != 2 {
		t.Errorf("asked %v; expected each once", got)
	}
	s := scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata(address), Auth: map[string]string{"personalAccessToken": "another"}}, scaler.Env{})
	if a, b := batch[0].(scaler.Batcher).BatchKey(), s.(scaler.Batcher).BatchKey(); a == b || strings.Contains(b, "another") {
		t.Errorf("the keys are %q and %q; expected two, without the token", a, b)
	}
}

// BenchmarkTriggers polls 100 triggers that differ in their tags.
func BenchmarkTriggers(b *testing.B) {
	address, _ := serve(b, map[string]string{pending: `[{"id": 1, "tag_list": ["tag-1"]}]`}, nil)
	scalertest.BenchTriggers(b, address, func(addr string, i int) scaler.Source {
		return open(b, "http://"+addr, nil, "tagList", fmt.Sprint("tag-", i))
	})
}
