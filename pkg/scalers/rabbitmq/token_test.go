package rabbitmq

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	rabbitmqserver "github.com/kedago/keda/test/servers/rabbitmq"
)

func openAs(t *testing.T, env scaler.Env, metadata, auth map[string]string) (scaler.Source, error) {
	t.Helper()
	return scalertest.TryOpen(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: auth}, env)
}

// asAzure is an environment with the operator's workload identity.
func asAzure(a *conntest.Azure, env scaler.Env) scaler.Env {
	env.Identity = scaler.Identity{Provider: "azure-workload"}
	env.HTTP.CAFiles = []string{a.CAFile}
	return env
}

// tokens checks an Azure workload identity: by AMQP its token is the password
// of a user, by HTTP a front of the server takes it in place of one.
func tokens(t *testing.T, s *rabbitmqserver.Server) {
	s.Declare(t, "tokens")
	s.Set(t, "tokens", 3)
	resource := map[string]string{"workloadIdentityResource": "api://rabbitmq"}
	t.Run("amqp", func(t *testing.T) { tokensByAMQP(t, s, resource) })
	t.Run("http", func(t *testing.T) { tokensByHTTP(t, s, resource) })
}

func tokensByAMQP(t *testing.T, s *rabbitmqserver.Server, resource map[string]string) {
	a := conntest.StartAzure(t)
	var late atomic.Int64 // seconds by which the clock is ahead
	env := asAzure(a, scaler.Env{Pool: pool.New(), Now: func() time.Time { return time.Now().Add(time.Duration(late.Load()) * time.Second) }})
	allow(t, s, "azure-token-1")
	a.Lasting(200) // too short for the token to be used twice, long enough for the connection
	src, err := openAs(t, env, map[string]string{"host": "amqp://" + user + "@" + s.AMQP, "queueName": "tokens"}, resource)
	if err != nil {
		t.Fatal(err)
	}
	measured := func() {
		t.Helper()
		if r, err := src.Measure(t.Context()); err != nil || r.Value != 3 {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	measured()
	measured()
	if asked := a.Asked(); len(asked) != 1 || !strings.HasPrefix(asked[0].Get("scope"), "api://rabbitmq/.default") {
		t.Errorf("tokens were asked for by %v", asked)
	}
	allow(t, s, "azure-token-2")
	late.Store(150)
	before := src.(*amqpSource).conn.current
	measured()
	if now := src.(*amqpSource).conn.current; now == before || len(a.Asked()) != 2 {
		t.Errorf("a token that ends does not replace the connection; %d tokens", len(a.Asked()))
	}
	allow(t, s, "another")
	late.Store(300)
	if _, err := src.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied || strings.Contains(fmt.Sprint(err), "azure-token") {
		t.Errorf("a token that the server refuses: %v", err)
	}
	a.Refuse(true)
	if _, err := src.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied || !strings.Contains(fmt.Sprint(err), "api://rabbitmq") {
		t.Errorf("no token: %v", err)
	}
	allow(t, s, password)
}

func tokensByHTTP(t *testing.T, s *rabbitmqserver.Server, resource map[string]string) {
	a := conntest.StartAzure(t)
	upstream := &url.URL{Scheme: "http", Host: s.HTTP}
	pass := httputil.NewSingleHostReverseProxy(upstream)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.Knows(r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.SetBasicAuth(user, password)
		pass.ServeHTTP(w, r)
	}))
	defer front.Close()
	env := asAzure(a, scaler.Env{Pool: pool.New()})
	m := map[string]string{"host": "http://" + user + ":unused@" + strings.TrimPrefix(front.URL, "http://"), "queueName": "tokens"}
	for range 2 {
		src, err := openAs(t, env, m, resource)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := src.Measure(t.Context()); err != nil || r.Value != 3 {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	if n := len(a.Asked()); n != 1 {
		t.Errorf("%d tokens were asked for, want 1", n)
	}
}

func TestIdentities(t *testing.T) {
	a := conntest.StartAzure(t)
	for name, tc := range map[string]struct {
		provider, resource string
		mention            string // none when it opens
	}{
		"an application":       {"azure-workload", "api://rabbitmq", ""},
		"by its ID":            {"azure-workload", "00000000-1111-2222-3333-444444444444", ""},
		"no resource":          {"azure-workload", "", "workloadIdentityResource is missing"},
		"no identity":          {"none", "api://rabbitmq", "without a podIdentity"},
		"another identity":     {"aws", "api://rabbitmq", "podIdentity aws"},
		"nothing, as usual":    {"", "", ""},
		"a provider of no use": {"gcp", "", "podIdentity gcp"},
	} {
		for _, scheme := range []string{"amqp", "http"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				env := asAzure(a, scaler.Env{Pool: pool.New()})
				env.Identity.Provider = tc.provider
				src, err := openAs(t, env, map[string]string{"host": scheme + "://rabbitmq", "queueName": "q"}, map[string]string{"workloadIdentityResource": tc.resource})
				if tc.mention != "" {
					if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), tc.mention) {
						t.Errorf("got %v, want one mentioning %q", err, tc.mention)
					}
				} else if err != nil {
					t.Fatal(err)
				} else {
					_ = src.Close()
				}
				if held := env.Pool.(*pool.Pool).Len(); len(held) != 0 {
					t.Errorf("the pool holds %v", held)
				}
			})
		}
	}
}

// TestTokenScope checks that a trigger can't have the operator show its tokens
// for Azure's own services to any server.
func TestTokenScope(t *testing.T) {
	for resource, want := range map[string]string{
		"api://rabbitmq":                       "api://rabbitmq/.default",
		"api://rabbitmq/.default":              "api://rabbitmq/.default",
		"00000000-1111-2222-3333-444444444444": "api://00000000-1111-2222-3333-444444444444/.default",
		"https://management.azure.com":         "",
		"https://vault.azure.net/.default":     "",
		"api://AzureADTokenExchange":           "",
		"API://x":                              "",
		"api://":                               "",
		"api://a b":                            "",
		"rabbitmq":                             "",
	} {
		if got, ok := tokenScope(resource); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t; want %q", resource, got, ok, want)
		}
	}
}
