package seleniumgrid

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func metadata(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"url": address, "browserName": "chrome", "platformName": "linux"}, more...)
}

// state writes the answer of a Grid with these nodes and requests.
func state(nodes string, requests ...string) string {
	list := append([]string{}, requests...)
	raw, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"data": {"nodesInfo": {"nodes": [%s]}, "sessionsInfo": {"sessionQueueRequests": %s}}}`, nodes, raw)
}

// aNode writes a node with slots of one kind and running sessions in them.
func aNode(status string, most int, slots, running int, offer string) string {
	stereotypes := fmt.Sprintf(`[{"slots": %d, "stereotype": %s}]`, slots, offer)
	sessions := make([]string, running)
	for i := range sessions {
		sessions[i] = fmt.Sprintf(`{"slot": {"stereotype": %q}}`, offer)
	}
	return fmt.Sprintf(`{"status": %q, "sessionCount": %d, "maxSession": %d, "stereotypes": %q, "sessions": [%s]}`,
		status, running, most, stereotypes, strings.Join(sessions, ","))
}

const chrome = `{"browserName": "chrome", "platformName": "linux"}`

func TestConformance(t *testing.T) {
	bodies := make(chan string, 1)
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { _, password, _ := r.BasicAuth(); return password == "password-of-keda" },
		func(w http.ResponseWriter, r *http.Request, n float64) {
			body, _ := io.ReadAll(r.Body)
			select {
			case bodies <- r.Method + " " + r.URL.String() + " " + string(body):
			default:
			}
			requests := make([]string, int(n))
			for i := range requests {
				requests[i] = chrome
			}
			_, _ = io.WriteString(w, state("", requests...))
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("http://selenium.example/graphql"), Auth: map[string]string{"username": "keda", "password": "password-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "url", "/hub/graphql") },
	})
	if got, want := <-bodies, `POST /hub/graphql {"query":"`+query+`"}`; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func open(t testing.TB, v param.Values, p scaler.Pool) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{Pool: p})
}

func serve(t testing.TB, status int, answer string) string {
	t.Helper()
	server := scalertest.Serve(t, status, answer)
	return server.URL + "/graphql"
}

// TestSlots checks how many nodes are needed besides those there are.
func TestSlots(t *testing.T) {
	for name, c := range map[string]struct {
		more   []string
		answer string
		want   float64
	}{
		"nothing":                {nil, state(""), 0},
		"a request":              {nil, state("", chrome), 1},
		"a free slot":            {nil, state(aNode("UP", 1, 1, 0, chrome), chrome), 0},
		"a slot and a request":   {nil, state(aNode("UP", 1, 1, 0, chrome), chrome, chrome), 1},
		"a busy slot":            {nil, state(aNode("UP", 1, 1, 1, chrome), chrome), 2},
		"only running":           {nil, state(aNode("UP", 1, 1, 1, chrome)), 1},
		"a node that drains":     {nil, state(aNode("DRAINING", 2, 2, 1, chrome), chrome), 2},
		"fewer slots than most":  {nil, state(aNode("UP", 4, 1, 0, chrome), chrome, chrome), 1},
		"fewer at most":          {nil, state(aNode("UP", 1, 3, 0, chrome), chrome, chrome), 1},
		"another's slots":        {nil, state(aNode("UP", 1, 1, 0, `{"browserName": "firefox", "platformName": "linux"}`), chrome), 1},
		"another's sessions":     {nil, state(aNode("UP", 1, 1, 1, `{"browserName": "firefox", "platformName": "linux"}`)), 0},
		"three sessions a node":  {[]string{"nodeMaxSessions", "3"}, state("", chrome, chrome, chrome, chrome), 2},
		"as many as a new node":  {[]string{"nodeMaxSessions", "3"}, state("", chrome, chrome, chrome), 1},
		"sessions are not nodes": {[]string{"nodeMaxSessions", "3"}, state(aNode("UP", 3, 3, 3, chrome), chrome), 4},
		"two nodes":              {nil, state(aNode("UP", 2, 2, 1, chrome)+","+aNode("UP", 1, 1, 0, chrome), chrome, chrome, chrome), 2},
	} {
		t.Run(name, func(t *testing.T) {
			v := param.Values{Metadata: metadata(serve(t, http.StatusOK, c.answer), c.more...)}
			if r, err := open(t, v, &scalertest.Pool{}).Measure(t.Context()); err != nil || r.Value != c.want {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.want)
			}
		})
	}
}

// TestMatching checks which requests count, and which slots they find.
func TestMatching(t *testing.T) {
	for name, c := range map[string]struct {
		more            []string
		asked           string // what a request asks for, or a slot offers
		request, offers bool
	}{
		"the browser":           {nil, chrome, true, true},
		"in other letters":      {nil, `{"browserName": "Chrome", "platformName": "LINUX"}`, true, true},
		"another browser":       {nil, `{"browserName": "firefox", "platformName": "linux"}`, false, false},
		"no browser":            {nil, `{"platformName": "linux"}`, false, false},
		"any browser":           {[]string{"browserName", ""}, `{"platformName": "linux"}`, true, true},
		"a name in sessions":    {[]string{"sessionBrowserName", "msedge"}, `{"browserName": "msedge", "platformName": "linux"}`, false, true},
		"a version not wanted":  {nil, `{"browserName": "chrome", "platformName": "linux", "browserVersion": "131"}`, false, false},
		"the version":           {[]string{"browserVersion", "131.0.1"}, `{"browserName": "chrome", "platformName": "linux", "browserVersion": "131.0"}`, true, true},
		"another version":       {[]string{"browserVersion", "131.0.1"}, `{"browserName": "chrome", "platformName": "linux", "browserVersion": "130"}`, false, false},
		"no version":            {[]string{"browserVersion", "131.0.1"}, chrome, false, false},
		"an odd version":        {nil, `{"browserName": "chrome", "platformName": "linux", "browserVersion": 131}`, false, false},
		"an odd browser":        {nil, `{"browserName": {}, "platformName": "linux"}`, false, false},
		"an odd platform":       {nil, `{"browserName": "chrome", "platformName": []}`, false, false},
		"null is none":          {nil, `{"browserName": "chrome", "platformName": "linux", "browserVersion": null}`, true, true},
		"no platform":           {nil, `{"browserName": "chrome"}`, false, false},
		"any platform":          {[]string{"platformName", "any"}, `{"browserName": "chrome"}`, true, true},
		"of one family":         {[]string{"platformName", "Windows 11"}, `{"browserName": "chrome", "platformName": "win10"}`, true, true},
		"a family's name":       {[]string{"platformName", "Windows 11"}, `{"browserName": "chrome", "platformName": "windows"}`, false, false},
		"one Mac":               {[]string{"platformName", "macOS 14.0"}, `{"browserName": "chrome", "platformName": "Sonoma"}`, true, true},
		"an old Mac":            {[]string{"platformName", "OS X 10.6"}, `{"browserName": "chrome", "platformName": "macos 15.0"}`, true, true},
		"Mac by other names":    {[]string{"platformName", "mac"}, `{"browserName": "chrome", "platformName": "Darwin"}`, true, true},
		"Android by another":    {[]string{"platformName", "android"}, `{"browserName": "chrome", "platformName": "dalvik"}`, true, true},
		"a platform of its own": {[]string{"platformName", "fridge"}, `{"browserName": "chrome", "platformName": "Fridge"}`, true, true},
		"downloads":             {nil, `{"browserName": "chrome", "platformName": "linux", "se:downloadsEnabled": true}`, true, true},
		"no downloads here":     {[]string{"enableManagedDownloads", "false"}, `{"browserName": "chrome", "platformName": "linux", "se:downloadsEnabled": true}`, false, false},
		"none are wanted":       {[]string{"enableManagedDownloads", "false"}, `{"browserName": "chrome", "platformName": "linux", "se:downloadsEnabled": false}`, true, true},
		"a capability more": {
			[]string{"capabilities", `{"team:size": "large", "goog:chromeOptions": {"args": []}}`},
			`{"browserName": "chrome", "platformName": "linux", "team:size": "large"}`, true, true,
		},
		"a capability is missing": {[]string{"capabilities", `{"team:size": "large"}`}, chrome, false, false},
		"another value":           {[]string{"capabilities", `{"team:size": ["large"]}`}, `{"browserName": "chrome", "platformName": "linux", "team:size": ["small"]}`, false, false},
		"null capabilities":       {[]string{"capabilities", `null`}, chrome, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			for what, answer := range map[string]string{"request": state("", c.asked), "session": state(aNode("UP", 1, 1, 1, c.asked))} {
				want := 0.0
				if what == "request" && c.request || what == "session" && c.offers {
					want = 1
				}
				v := param.Values{Metadata: metadata(serve(t, http.StatusOK, answer), c.more...)}
				if r, err := open(t, v, &scalertest.Pool{}).Measure(t.Context()); err != nil || r.Value != want {
					t.Errorf("of a %s measured %v, %v; expected %v", what, r.Value, err, want)
				}
			}
		})
	}
}

// TestAnswers: what is no Grid's answer never counts as none needed.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		reason scaler.Reason
	}{
		"errors":        {200, `{"errors": [{"message": "x"}], "data": null}`, scaler.ReasonBadAnswer},
		"errors beside": {200, strings.Replace(state(""), `{"data"`, `{"errors": [{}], "data"`, 1), scaler.ReasonBadAnswer},
		"no data":       {200, `{}`, scaler.ReasonBadAnswer},
		"no queue":      {200, `{"data": {"nodesInfo": {"nodes": []}}}`, scaler.ReasonBadAnswer},
		"null nodes":    {200, `{"data": {"nodesInfo": null, "sessionsInfo": {"sessionQueueRequests": []}}}`, scaler.ReasonBadAnswer},
		"a list":        {200, `[]`, scaler.ReasonBadAnswer},
		"odd request":   {200, state("", `{`), scaler.ReasonBadAnswer},
		"odd slots":     {200, state(strings.Replace(aNode("UP", 1, 1, 0, chrome), `"stereotypes": "[`, `"stereotypes": "`, 1)), scaler.ReasonBadAnswer},
		"odd session":   {200, state(strings.Replace(aNode("UP", 1, 1, 1, chrome), `{"stereotype": "{`, `{"stereotype": "`, 1)), scaler.ReasonBadAnswer},
		"refused":       {401, `{}`, scaler.ReasonDenied},
		"not there":     {404, `{}`, scaler.ReasonMissing},
		"at rest":       {502, `password-of-keda`, scaler.ReasonUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, param.Values{Metadata: metadata(serve(t, c.status, c.answer))}, &scalertest.Pool{}).Measure(t.Context())
			scalertest.Refused(t, err, c.reason, "", "password-of-keda")
		})
	}
}

// TestAuthorization checks how the trigger proves who asks.
func TestAuthorization(t *testing.T) {
	for name, c := range map[string]struct {
		auth map[string]string
		want string
	}{
		"nothing":                   {nil, ""},
		"by user name":              {map[string]string{"username": "a", "password": "b"}, "Basic YTpi"},
		"basic":                     {map[string]string{"authType": "basic", "username": "a", "password": "b", "accessToken": "t"}, "Basic YTpi"},
		"bearer":                    {map[string]string{"authType": "Bearer", "accessToken": "t", "username": "a", "password": "b"}, "Bearer t"},
		"another":                   {map[string]string{"authType": "OAuth2", "accessToken": "t"}, "OAuth2 t"},
		"a token of no kind":        {map[string]string{"accessToken": "t"}, "Bearer t"},
		"a user name goes before":   {map[string]string{"accessToken": "t", "username": "a", "password": "b"}, "Basic YTpi"},
		"the address is of it, too": {map[string]string{"url": "set below"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := "not asked"
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r.Header.Get("Authorization")
				_, _ = io.WriteString(w, state(""))
			}))
			t.Cleanup(server.Close)
			v := param.Values{Metadata: metadata(server.URL), Auth: c.auth}
			if c.auth["url"] != "" {
				v.Auth["url"] = server.URL
				v.Metadata["url"] = "http://127.0.0.1:1"
			}
			if _, err := open(t, v, &scalertest.Pool{}).Measure(t.Context()); err != nil || got != c.want {
				t.Errorf("the header is %q, %v; expected %q", got, err, c.want)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		more []string
		auth map[string]string
		at   string
	}{
		"no JSON":           {[]string{"capabilities", "{"}, nil, "metadata.capabilities"},
		"a list":            {[]string{"capabilities", "[]"}, nil, "metadata.capabilities"},
		"no sessions":       {[]string{"nodeMaxSessions", "0"}, nil, "metadata.nodeMaxSessions"},
		"basic without":     {nil, map[string]string{"authType": "Basic", "username": "a"}, "authenticationRef.username"},
		"bearer without":    {nil, map[string]string{"authType": "Bearer"}, "authenticationRef.accessToken"},
		"a scheme with two": {nil, map[string]string{"authType": "a b", "accessToken": "t"}, "authenticationRef.authType"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: metadata("http://x", c.more...), Auth: c.auth}).Errors()
			if len(ps) != 1 || ps[0].Path != c.at {
				t.Errorf("got %v; expected one at %s", ps, c.at)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers of one Grid.
func BenchmarkTriggers(b *testing.B) {
	at := serve(b, http.StatusOK, state(aNode("UP", 4, 4, 2, chrome), chrome, chrome))
	p := pool.New()
	scalertest.BenchTriggers(b, strings.TrimSuffix(strings.TrimPrefix(at, "http://"), "/graphql"), func(addr string, i int) scaler.Source {
		return open(b, param.Values{Metadata: metadata("http://"+addr+"/graphql", "browserVersion", fmt.Sprint(i))}, p)
	})
}
