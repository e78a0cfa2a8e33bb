package azurepipelines

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// fake is an organization with one agent pool, linux, of ID 7.
type fake struct {
	addr  string
	knows func(*http.Request) bool

	mu     sync.Mutex      // guards what follows
	jobs   map[string]int  // number of unfinished ones, by their only demand
	says   map[string]said // what paths answer in place of the usual
	denied bool
	id     int
	asked  []*http.Request
}

type said struct {
	status int
	body   string
}

// newFake starts an organization that knows who asks by knows.
func newFake(t testing.TB, knows func(*http.Request) bool, start func(*httptest.Server)) *fake {
	t.Helper()
	f := &fake{knows: knows, jobs: map[string]int{}, says: map[string]said{}, id: 7}
	s := httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	start(s)
	t.Cleanup(s.Close)
	_, f.addr, _ = strings.Cut(s.URL, "://")
	return f
}

// newTokenFake knows a personal access token.
func newTokenFake(t testing.TB) *fake {
	return newFake(t, func(r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		return user == "" && password == "the-token-of-keda"
	}, (*httptest.Server).Start)
}

func auth() map[string]string { return map[string]string{"personalAccessToken": "the-token-of-keda\n"} }

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r)
	if f.denied || !f.knows(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s, ok := f.says[r.URL.Path]; ok {
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
		return
	}
	var out any
	switch r.URL.Path {
	case "/shop/_apis/distributedtask/pools":
		pools := []any{}
		if r.URL.Query().Get("poolName") == "linux" {
			pools = append(pools, map[string]any{"id": f.id})
		}
		out = pools
	case "/shop/_apis/distributedtask/pools/7/jobrequests":
		out = f.list()
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"value": out})
}

// list has a finished job and one on the agent's version only, beside those held.
func (f *fake) list() []any {
	jobs := []any{map[string]any{"requestId": 1, "result": "succeeded", "demands": []string{"maven"}}}
	for demand, n := range f.jobs {
		for range n {
			jobs = append(jobs, map[string]any{
				"requestId": 2, "result": nil, "demands": []string{demand, "Agent.Version -gtVersion 2.163.1"},
				"matchedAgents": []any{map[string]any{"name": demand + "-template"}},
			})
		}
	}
	return jobs
}

// hold makes n jobs with one demand.
func (f *fake) hold(demand string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobs[demand] = n
}

func (f *fake) deny(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied = on
}

// number gives the pool another ID; there are jobs of 7 only.
func (f *fake) number(id int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id = id
}

// first is the first request.
func (f *fake) first() *http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[0]
}

// answer makes a path answer something else.
func (f *fake) answer(path string, status int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.says[path] = said{status, body}
}

// requests are the addresses asked for since the last call.
func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, r := range f.asked {
		out = append(out, r.Method+" "+r.URL.String())
	}
	f.asked = nil
	return out
}

func (f *fake) trigger(pairs ...string) map[string]string {
	return scalertest.Given(map[string]string{"organizationURL": "http://" + f.addr + "/shop", "poolID": "7"}, pairs...)
}

func newEnv() scaler.Env { return scaler.Env{Pool: &scalertest.Pool{}} }

func openErr(t testing.TB, env scaler.Env, metadata, auth map[string]string) (scaler.Source, error) {
	t.Helper()
	return scalertest.TryOpen(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: auth}, env)
}

func open(t testing.TB, env scaler.Env, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	s, err := openErr(t, env, metadata, auth)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
