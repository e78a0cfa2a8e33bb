package aws

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

const secretKey = "s3cr3t-access-key"

// keys are the credentials that tests use; moto takes any unless told not to.
func keys() map[string]string {
	return map[string]string{"awsAccessKeyID": "AKIATESTTESTTESTTEST", "awsSecretAccessKey": secretKey}
}

// admin is the configuration of clients that prepare a server.
func admin(url string) aws.Config {
	return aws.Config{
		Region: motoserver.Region, BaseEndpoint: &url, DisableRequestCompression: true, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAADMIN", "admin", ""),
	}
}

// kind returns the kind with a name.
func kind(t testing.TB, name string) scaler.Kind {
	t.Helper()
	return scalertest.Kind(t, Kinds(), name)
}

// fixture is a moto behind a proxy, with hooks that refuse credentials.
func fixture(t *testing.T, s *motoserver.Server) (scalertest.Fixture, *scalertest.Proxy) {
	proxy := scalertest.NewProxy(t, s.Addr)
	return scalertest.Fixture{
		Metadata: map[string]string{"awsEndpoint": "http://" + proxy.Addr}, Proxy: proxy,
		Deny: func() { s.Deny(t) }, Allow: func() { s.Allow(t) },
	}, proxy
}

// problems decodes a trigger and returns its problems as "severity path".
func problems(t *testing.T, kindName string, metadata, auth map[string]string) []string {
	t.Helper()
	var out []string
	for _, p := range scaler.Decode(kind(t, kindName).New(), param.Values{Metadata: metadata, Auth: auth}) {
		out = append(out, string(p.Severity)+" "+p.Path)
	}
	return out
}

// open opens a trigger that is closed with the test.
func open(t testing.TB, kindName string, env scaler.Env, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, kind(t, kindName).New(), param.Values{Metadata: metadata, Auth: auth}, env)
}

func newEnv() scaler.Env {
	return scaler.Env{Pool: &scalertest.Pool{}, Now: time.Now}
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
	if strings.Contains(err.Error(), secretKey) {
		t.Errorf("the error shows a credential: %v", err)
	}
}

// answering is a service that answers each action ("GetQueueAttributes") by
// answer, in AWS' JSON protocol.
func answering(t *testing.T, answer func(action string, n int) (status int, body string)) string {
	t.Helper()
	var mu sync.Mutex // guards counts
	counts := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		mu.Lock()
		counts[action]++
		n := counts[action]
		mu.Unlock()
		status, body := answer(action, n)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}
