package azure

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
)

// accountKey is the secret part of the tests' connection strings.
const accountKey = azuriteserver.Key

// kind returns the kind with a name.
func kind(t testing.TB, name string) scaler.Kind {
	t.Helper()
	return scalertest.Kind(t, Kinds(), name)
}

func newEnv() scaler.Env {
	return scaler.Env{Pool: &scalertest.Pool{}, Now: time.Now}
}

// connected is the authentication with a connection string to one address for
// both services.
func connected(address string) map[string]string {
	return map[string]string{"connection": azuriteserver.Connection(address, address)}
}

// adminAccount is the account of a server for clients that prepare it; they
// keep no connections, which tests would take for leaks.
func adminAccount(t testing.TB, s *azuriteserver.Server, service conn.AzureService) (storageAccount, azcore.ClientOptions) {
	t.Helper()
	a, err := parseStorage(azuriteserver.Connection(s.Queue, s.Blob), service, "core.windows.net")
	if err != nil {
		t.Fatal(err)
	}
	return a, azcore.ClientOptions{Transport: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// open opens a trigger that is closed with the test.
func open(t testing.TB, kindName string, env scaler.Env, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, kind(t, kindName).New(), param.Values{Metadata: metadata, Auth: auth}, env)
}

// refused checks a failed measurement and what its error mentions.
func refused(t *testing.T, err error, reason scaler.Reason, mentions ...string) {
	t.Helper()
	if err == nil || scaler.ReasonOf(err) != reason {
		t.Fatalf("got %v; want %s", err, reason)
	}
	for _, m := range mentions {
		if !strings.Contains(err.Error(), m) {
			t.Errorf("%v does not mention %q", err, m)
		}
	}
	if strings.Contains(err.Error(), accountKey) {
		t.Errorf("the error shows a credential: %v", err)
	}
}

// problemsOf checks the problems of triggers, as "severity path".
func problemsOf(t *testing.T, kindName string, metadata, auth map[string]string, want []string) {
	t.Helper()
	var got []string
	for _, p := range scaler.Decode(kind(t, kindName).New(), param.Values{Metadata: metadata, Auth: auth}) {
		got = append(got, string(p.Severity)+" "+p.Path)
		if strings.Contains(p.Message, accountKey) {
			t.Errorf("the problem shows a credential: %s", p)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// answer is what a fake service answers.
type answer struct {
	status int
	header map[string]string
	body   string
}

// answering is a service that answers each request by reply, which gets its
// path and query.
func answering(t *testing.T, reply func(request string) answer) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := reply(r.URL.RequestURI())
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.body))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}
