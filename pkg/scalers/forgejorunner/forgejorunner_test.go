package forgejorunner

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func metadata(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"address": address, "labels": "docker,ubuntu 24"}, more...)
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "token token-of-keda" },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			jobs := make([]map[string]any, int(n))
			for i := range jobs {
				jobs[i] = map[string]any{"id": i + 1, "status": "waiting", "runs_on": []string{"docker"}}
			}
			_ = json.NewEncoder(w).Encode(jobs)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("http://forgejo.example"), Auth: map[string]string{"token": "token-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "address", "/git/") },
	})
	if got, want := server.Asked()[0].URL.String(), "/git/api/v1/user/actions/runners/jobs?labels=docker%2Cubuntu+24"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func open(t testing.TB, address string, more ...string) scaler.Source {
	t.Helper()
	v := param.Values{Metadata: metadata(address, more...), Auth: map[string]string{"token": "t"}}
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{})
}

// TestScopes checks whose jobs are asked for.
func TestScopes(t *testing.T) {
	for name, c := range map[string]struct {
		more []string
		want string
	}{
		"user":                    {nil, "/api/v1/user/actions/runners/jobs"},
		"server":                  {[]string{"global", "true"}, "/api/v1/admin/runners/jobs"},
		"organization":            {[]string{"global", "true", "org", "a/b"}, "/api/v1/orgs/a%2Fb/actions/runners/jobs"},
		"repository":              {[]string{"org", "x", "owner", "me", "repo", "my repo"}, "/api/v1/repos/me/my%20repo/actions/runners/jobs"},
		"owner without repo":      {[]string{"owner", "me"}, "/api/v1/user/actions/runners/jobs"},
		"owner without repo, org": {[]string{"owner", "me", "org", "x"}, "/api/v1/orgs/x/actions/runners/jobs"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.EscapedPath()
				_, _ = io.WriteString(w, `[{"id": 1}]`)
			}))
			t.Cleanup(server.Close)
			if r, err := open(t, server.URL, c.more...).Measure(t.Context()); err != nil || r.Value != 1 || asked != c.want {
				t.Errorf("measured %v, %v at %s; expected 1 at %s", r.Value, err, asked, c.want)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"some":           {200, `[{"id": 7, "status": "waiting"}, {"id": 8}]`, 2, "", ""},
		"none":           {200, `[]`, 0, "", ""},
		"null":           {200, `null`, 0, "", ""},
		"an object":      {200, `{"message": "x"}`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"no jobs":        {200, `[{}]`, 0, scaler.ReasonBadAnswer, "no job"},
		"a page":         {200, `<html>`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"no such owner":  {404, `{}`, 0, scaler.ReasonMissing, "404"},
		"not allowed":    {403, `{"message": "token-of-keda"}`, 0, scaler.ReasonDenied, "403"},
		"server at rest": {503, ``, 0, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			r, err := open(t, server.URL).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "token-of-keda")
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		more     []string
		errors   int
		warnings int
	}{
		"repository":    {[]string{"owner", "a", "repo", "b"}, 0, 0},
		"owner alone":   {[]string{"owner", "a"}, 0, 1},
		"repo alone":    {[]string{"repo", "a"}, 0, 1},
		"no name":       {[]string{"org", ".."}, 1, 0},
		"no boolean":    {[]string{"global", "perhaps"}, 1, 0},
		"with its name": {[]string{"name", "runner"}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := param.Values{Metadata: metadata("http://x", c.more...), Auth: map[string]string{"token": "t"}}
			ps := scaler.Decode(Kinds()[0].New(), v)
			if len(ps.Errors()) != c.errors || len(ps.Warnings()) != c.warnings {
				t.Errorf("got %v; expected %d errors and %d warnings", ps, c.errors, c.warnings)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `[{"id": 1}]`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return open(b, "http://"+addr)
	})
}
