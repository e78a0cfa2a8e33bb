package azurepipelines

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const (
	poolsPath = "/shop/_apis/distributedtask/pools"
	jobsPath  = poolsPath + "/7/jobrequests"
)

func TestConformance(t *testing.T) {
	f := newTokenFake(t)
	var names atomic.Int64
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: map[string]string{"organizationURL": "https://dev.azure.com/shop", "poolID": "7", "demands": "maven"}, Auth: auth(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, f.addr)
			capability := func() (string, func(context.Context, float64)) {
				name := fmt.Sprint("capability-", names.Add(1))
				return name, func(_ context.Context, n float64) { f.hold(name, int(n)) }
			}
			out := scalertest.Fixture{
				Metadata: map[string]string{"organizationURL": "http://" + proxy.Addr + "/shop"}, Proxy: proxy,
				Deny: func() { f.deny(true) }, Allow: func() { f.deny(false) },
			}
			out.Metadata["demands"], out.Set = capability()
			for range 2 {
				name, set := capability()
				out.Siblings = append(out.Siblings, scalertest.Sibling{Metadata: map[string]string{"demands": name}, Set: set})
			}
			return out
		},
	})
}

// TestPrincipalConformance asks with an application's secret.
func TestPrincipalConformance(t *testing.T) {
	a := conntest.StartAzure(t)
	f := newFake(t, a.Knows, func(s *httptest.Server) { s.TLS = a.TLS.Clone(); s.StartTLS() })
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Auth: map[string]string{"clientSecret": "the-secret-of-keda"},
		Metadata:  map[string]string{"organizationURL": "https://dev.azure.com/shop", "poolName": "linux", "parent": "maven-template", "tenantId": "t", "clientId": "c"},
		ScalerEnv: func(e *scaler.Env) { e.HTTP.CAFiles, e.HTTP.Timeout = []string{a.CAFile}, time.Second },
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, f.addr)
			return scalertest.Fixture{
				Metadata: map[string]string{"organizationURL": "https://" + proxy.Addr + "/shop"}, Proxy: proxy,
				Set:  func(_ context.Context, n float64) { f.hold("maven", int(n)) },
				Deny: func() { f.deny(true) }, Allow: func() { f.deny(false) },
			}
		},
	})
	asked := a.Asked()
	token := asked[len(asked)-1]
	if token.Get("client_id") != "c" || token.Get("client_secret") != "the-secret-of-keda" || !strings.HasPrefix(token.Get("scope"), "499b84ac-1321-427f-aa17-267ca6975798/.default") {
		t.Errorf("asked for the token with %v", token)
	}
}

func TestRequests(t *testing.T) {
	f := newTokenFake(t)
	for name, c := range map[string]struct {
		trigger map[string]string
		want    []string
	}{
		"by ID":            {f.trigger(), []string{jobsPath + "?%24top=250"}},
		"fewer":            {f.trigger("jobsToFetch", "20"), []string{jobsPath + "?%24top=20"}},
		"unfinished":       {f.trigger("fetchUnfinishedJobsOnly", "true"), []string{jobsPath + "?completedRequestCount=0"}},
		"parent":           {f.trigger("parent", "maven-template"), []string{jobsPath}},
		"parent, no other": {f.trigger("parent", "maven-template", "fetchUnfinishedJobsOnly", "true"), []string{jobsPath + "?completedRequestCount=0"}},
		"by name":          {f.trigger("poolID", "", "poolName", "linux"), []string{poolsPath + "?poolName=linux", jobsPath + "?%24top=250"}},
		"slash at the end": {f.trigger("organizationURL", "http://"+f.addr+"/shop/"), []string{jobsPath + "?%24top=250"}},
	} {
		t.Run(name, func(t *testing.T) {
			f.requests()
			s := open(t, newEnv(), c.trigger, auth())
			var want []string
			for _, path := range c.want {
				want = append(want, "GET "+path)
			}
			for range 2 { // the pool's ID is asked for once
				if _, err := s.Measure(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			want = append(want, want[len(want)-1])
			if got := f.requests(); !slices.Equal(got, want) {
				t.Errorf("asked %q; want %q", got, want)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	f := newTokenFake(t)
	if _, err := open(t, newEnv(), f.trigger(), auth()).Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := f.first().Header
	if h.Get("Accept") != "application/json" || h.Get("X-TFS-FedAuthRedirect") != "Suppress" || h.Get("Authorization") != "Basic OnRoZS10b2tlbi1vZi1rZWRh" {
		t.Errorf("asked with %v", h)
	}
}

func TestAnswers(t *testing.T) {
	f := newTokenFake(t)
	s := open(t, newEnv(), f.trigger(), auth())
	for name, c := range map[string]struct {
		status int
		body   string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"none":           {200, `{"count": 0, "value": []}`, 0, "", ""},
		"waiting":        {200, `{"value": [{"result": null}, {}]}`, 2, "", ""},
		"finished":       {200, `{"value": [{"result": "failed"}, {"result": "succeeded"}, {"result": null}]}`, 1, "", ""},
		"no list":        {200, `{"count": 0}`, 0, scaler.ReasonBadAnswer, "no list of jobs"},
		"another list":   {200, `{"value": [{"result": 5}]}`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"page":           {200, `<html>the-token</html>`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"page to sign":   {203, `<html>Sign In</html>`, 0, scaler.ReasonDenied, "page to sign in"},
		"no such pool":   {404, `{"typeKey": "TaskAgentPoolNotFoundException", "message": "the-token"}`, 0, scaler.ReasonMissing, "TaskAgentPoolNotFoundException"},
		"no role":        {403, `{"typeKey": "AccessDeniedException"}`, 0, scaler.ReasonDenied, "AccessDeniedException"},
		"too much asked": {429, ``, 0, scaler.ReasonUnreachable, "429"},
		"broken":         {500, ``, 0, scaler.ReasonUnreachable, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			f.answer(jobsPath, c.status, c.body)
			r, err := s.Measure(t.Context())
			check(t, r, err, c.value, c.reason, c.said)
		})
	}
}

func check(t *testing.T, r scaler.Reading, err error, value float64, reason scaler.Reason, said string) {
	t.Helper()
	if reason == "" {
		if err != nil || r.Value != value {
			t.Errorf("measured %+v, %v; want %v", r, err, value)
		}
		return
	}
	scalertest.Refused(t, err, reason, said, "the-token")
}

func TestPoolByName(t *testing.T) {
	f := newTokenFake(t)
	for name, c := range map[string]struct {
		status int
		body   string
		reason scaler.Reason
		said   string
	}{
		"none":    {200, `{"value": []}`, scaler.ReasonMissing, "there is none"},
		"several": {200, `{"value": [{"id": 7}, {"id": 8}]}`, scaler.ReasonMisconfigured, "there are 2"},
		"no list": {200, `{}`, scaler.ReasonBadAnswer, "no list of pools"},
		"no ID":   {200, `{"value": [{}]}`, scaler.ReasonBadAnswer, "no ID"},
		"denied":  {401, ``, scaler.ReasonDenied, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			f.answer(poolsPath, c.status, c.body)
			r, err := open(t, newEnv(), f.trigger("poolID", "", "poolName", "linux"), auth()).Measure(t.Context())
			check(t, r, err, 0, c.reason, c.said)
		})
	}
}

// TestPoolMadeAnew: a name is looked up again once its ID is gone.
func TestPoolMadeAnew(t *testing.T) {
	f := newTokenFake(t)
	f.hold("maven", 2)
	f.number(6)
	s := open(t, newEnv(), f.trigger("poolID", "", "poolName", "linux"), auth())
	if _, err := s.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonMissing {
		t.Fatalf("got %v; want Missing", err)
	}
	f.number(7)
	r, err := s.Measure(t.Context())
	check(t, r, err, 2, "", "")
}

func TestWhoMayAsk(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		trigger  map[string]string
		auth     map[string]string
		said     string // nothing when it opens
	}{
		"nobody":               {"", map[string]string{"organizationURL": "https://dev.azure.com/shop", "poolID": "7"}, nil, "no credentials for Azure DevOps"},
		"identity":             {conn.AzureWorkload, map[string]string{"organizationURL": "https://dev.azure.com/shop", "poolID": "7"}, nil, ""},
		"identity, older host": {conn.AzureWorkload, map[string]string{"organizationURL": "https://shop.visualstudio.com", "poolID": "7"}, nil, ""},
		"identity, elsewhere":  {conn.AzureWorkload, map[string]string{"organizationURL": "https://dev.azure.com.example/shop", "poolID": "7"}, nil, "not Azure DevOps'"},
		"identity, plain":      {conn.AzureWorkload, map[string]string{"organizationURL": "http://dev.azure.com/shop", "poolID": "7"}, nil, "expected https"},
		"token elsewhere":      {conn.AzureWorkload, map[string]string{"organizationURL": "http://tfs.example/shop", "poolID": "7"}, auth(), ""},
		"another cloud's":      {"gcp", map[string]string{"organizationURL": "https://dev.azure.com/shop", "poolID": "7"}, nil, "podIdentity gcp"},
		"no tenant":            {"", map[string]string{"organizationURL": "https://dev.azure.com/shop", "poolID": "7", "clientId": "c"}, map[string]string{"clientSecret": "the-secret"}, "tenantId is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			conntest.StartAzure(t)
			env := newEnv()
			env.Identity.Provider = c.provider
			_, err := openErr(t, env, c.trigger, c.auth)
			if c.said == "" && err == nil {
				return
			}
			if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || c.said == "" || !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v; want %q", err, c.said)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	base := map[string]string{"organizationURL": "https://dev.azure.com/shop", "poolID": "7"}
	for name, c := range map[string]struct {
		trigger, auth map[string]string
		want          string
	}{
		"no pool":               {scalertest.Given(base, "poolID", ""), auth(), "error metadata.poolName"},
		"two pools":             {scalertest.Given(base, "poolName", "linux"), auth(), "warning metadata.poolID"},
		"top and unfinished":    {scalertest.Given(base, "jobsToFetch", "5", "fetchUnfinishedJobsOnly", "true"), auth(), "error metadata.jobsToFetch"},
		"top and parent":        {scalertest.Given(base, "jobsToFetch", "5", "parent", "p"), auth(), "error metadata.jobsToFetch"},
		"parent and demands":    {scalertest.Given(base, "demands", "a", "parent", "p"), auth(), "warning metadata.demands"},
		"no organization":       {scalertest.Given(base, "organizationURL", ""), auth(), "error metadata.organizationURL"},
		"two proofs":            {scalertest.Given(base, "clientId", "c", "tenantId", "t"), map[string]string{"clientSecret": "s", "clientCertificate": "c"}, "error authenticationRef.clientCertificate"},
		"password of what":      {scalertest.Given(base, "clientId", "c", "tenantId", "t"), map[string]string{"clientSecret": "s", "clientCertificatePassword": "c"}, "error authenticationRef.clientCertificate"},
		"nothing to be fetched": {scalertest.Given(base, "jobsToFetch", "0"), auth(), "error metadata.jobsToFetch"},
	} {
		ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.trigger, Auth: c.auth})
		if len(ps) != 1 || string(ps[0].Severity)+" "+ps[0].Path != c.want {
			t.Errorf("%s: got %v; want %s", name, ps, c.want)
		}
	}
}

// TestMetric: the pool as the trigger names it.
func TestMetric(t *testing.T) {
	for want, pairs := range map[string][]string{"azure-pipelines-7": nil, "azure-pipelines-linux": {"poolName", "linux"}} {
		c := Kinds()[0].New()
		scaler.Decode(c, param.Values{Metadata: scalertest.Given(map[string]string{"organizationURL": "https://dev.azure.com/shop", "poolID": "7"}, pairs...), Auth: auth()})
		if got := c.Metric(); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
}

// BenchmarkTriggers polls 100 triggers on one pool, each with demands of its own.
func BenchmarkTriggers(b *testing.B) {
	f := newFake(b, func(*http.Request) bool { return true }, (*httptest.Server).Start)
	env := newEnv()
	scalertest.BenchTriggers(b, f.addr, func(addr string, i int) scaler.Source {
		demand := fmt.Sprint("capability-", i)
		f.hold(demand, 3)
		return open(b, env, f.trigger("organizationURL", "http://"+addr+"/shop", "demands", demand), auth())
	})
}
