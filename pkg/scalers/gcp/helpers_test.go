package gcp

import (
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// kind returns the kind with a name.
func kind(t testing.TB, name string) scaler.Kind {
	t.Helper()
	return scalertest.Kind(t, Kinds(), name)
}

func (c *cloud) auth() map[string]string {
	return map[string]string{"GoogleApplicationCredentials": c.google.Key}
}

// fixture is the cloud behind a proxy, with hooks that refuse credentials.
func (c *cloud) fixture(t *testing.T) scalertest.Fixture {
	proxy := scalertest.NewProxy(t, strings.TrimPrefix(c.URL, "http://"))
	return scalertest.Fixture{
		Metadata: map[string]string{"endpoint": "http://" + proxy.Addr}, Auth: c.auth(), Proxy: proxy,
		Deny: func() { c.deny(true) }, Allow: func() { c.deny(false) },
	}
}

func newEnv() scaler.Env { return scaler.Env{Pool: &scalertest.Pool{}, Now: time.Now} }

// open opens a trigger that is closed with the test.
func (c *cloud) open(t testing.TB, env scaler.Env, kindName string, metadata map[string]string) scaler.Source {
	t.Helper()
	return open(t, env, kindName, scalertest.With(metadata, "endpoint", c.URL), c.auth())
}

func open(t testing.TB, env scaler.Env, kindName string, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, kind(t, kindName).New(), param.Values{Metadata: metadata, Auth: auth}, env)
}

// problems decodes a trigger and returns its problems as "severity path".
func problems(t *testing.T, kindName string, metadata map[string]string) []string {
	t.Helper()
	var out []string
	for _, p := range scaler.Decode(kind(t, kindName).New(), param.Values{Metadata: metadata}) {
		out = append(out, string(p.Severity)+" "+p.Path)
	}
	return out
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
}

// triggers opens one source per name.
func (c *cloud) triggers(t testing.TB, env scaler.Env, base map[string]string, names ...string) []scaler.Source {
	t.Helper()
	out := make([]scaler.Source, len(names))
	for i, n := range names {
		out[i] = c.open(t, env, "gcp-pubsub", scalertest.With(base, "subscriptionName", n))
	}
	return out
}
