package redis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// pairs makes metadata, name after name and value.
func pairs(of ...string) map[string]string {
	return scalertest.With(map[string]string{}, of...)
}

func TestProblems(t *testing.T) {
	list := func(more ...string) map[string]string { return over(pairs("listName", "jobs"), pairs(more...)) }
	stream := func(more ...string) map[string]string {
		return over(pairs("stream", "s", "address", "redis:6379"), pairs(more...))
	}
	tests := map[string]struct {
		kind           string
		metadata, auth map[string]string
		want           []string
	}{
		"right":                 {"redis", list("address", "redis:6379"), nil, nil},
		"nothing":               {"redis", nil, nil, []string{"error metadata.listName"}},
		"no address":            {"redis", list(), nil, []string{"error metadata.address"}},
		"no port in it":         {"redis", list("address", "redis"), nil, []string{"error metadata.address"}},
		"a URL":                 {"redis", list("address", "redis://u:p@redis:6379"), nil, []string{"error metadata.address"}},
		"IPv6":                  {"redis", list("address", "[::1]:6379"), nil, nil},
		"host and port":         {"redis", list("host", "redis", "port", "6379"), nil, nil},
		"host, no port":         {"redis", list("host", "redis"), nil, []string{"error metadata.port"}},
		"a bad port":            {"redis", list("host", "redis", "port", "http"), nil, []string{"error metadata.address"}},
		"address and host":      {"redis", list("address", "redis:6379", "host", "redis"), nil, []string{"warning metadata.host"}},
		"address in the secret": {"redis", list(), pairs("address", "redis:6379", "username", "u", "password", "p"), nil},
		"two of a single one":   {"redis", list("address", "a:1,b:2"), nil, []string{"warning metadata.address"}},
		"two of a cluster":      {"redis-cluster", list("addresses", "a:1, b:2"), nil, nil},
		"hosts and ports":       {"redis-cluster", list("hosts", "a,b", "ports", "1,2"), nil, nil},
		"a port too few":        {"redis-cluster", list("hosts", "a,b", "ports", "1"), nil, []string{"error metadata.port"}},
		"database of a cluster": {"redis-cluster", list("addresses", "a:1", "databaseIndex", "2"), nil, []string{"warning metadata.databaseIndex"}},
		"sentinel":              {"redis-sentinel", list("addresses", "a:1", "sentinelMaster", "m", "sentinelUsername", "u"), pairs("sentinelPassword", "p"), nil},
		"no master":             {"redis-sentinel", list("addresses", "a:1"), nil, []string{"error metadata.sentinelMaster"}},
		"master of a single":    {"redis", list("address", "a:1", "sentinelMaster", "m"), nil, []string{"warning metadata.sentinelMaster"}},
		"length 0":              {"redis", list("address", "a:1", "listLength", "0"), nil, []string{"error metadata.listLength"}},
		"negative database":     {"redis", list("address", "a:1", "databaseIndex", "-1"), nil, []string{"error metadata.databaseIndex"}},
		"TLS":                   {"redis", list("address", "a:1", "enableTLS", "true"), nil, nil},
		"TLS in the secret":     {"redis", list("address", "a:1"), pairs("tls", "enable"), nil},
		"TLS, on and off":       {"redis", list("address", "a:1", "enableTLS", "false"), pairs("tls", "enable"), []string{"error metadata.enableTLS"}},
		"certificate alone":     {"redis", list("address", "a:1"), pairs("cert", "c"), []string{"error authenticationRef"}},
		"stream":                {"redis-streams", stream(), nil, nil},
		"pending":               {"redis-streams", stream("consumerGroup", "g", "pendingEntriesCount", "3"), nil, nil},
		"lag":                   {"redis-streams", stream("consumerGroup", "g", "lagCount", "3", "activationLagCount", "1"), nil, nil},
		"lag 0":                 {"redis-streams", stream("consumerGroup", "g", "lagCount", "0"), nil, []string{"error metadata.lagCount"}},
		"lag of no group":       {"redis-streams", stream("lagCount", "3"), nil, []string{"warning metadata.lagCount"}},
		"lag and pending":       {"redis-streams", stream("consumerGroup", "g", "lagCount", "3", "pendingEntriesCount", "3"), nil, []string{"warning metadata.pendingEntriesCount"}},
		"group and length":      {"redis-streams", stream("consumerGroup", "g", "streamLength", "3"), nil, []string{"warning metadata.streamLength"}},
		"a mistyped name":       {"redis", list("address", "a:1", "listLenght", "3"), nil, []string{"warning metadata.listLenght"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(kindOf(t, tc.kind).New(), param.Values{Metadata: tc.metadata, Auth: tc.auth}) {
				got = append(got, string(p.Severity)+" "+p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPending checks that what is resolved later is no problem now.
func TestPending(t *testing.T) {
	for name, v := range map[string]param.Values{
		"authentication": {Metadata: pairs("listName", "jobs"), AllAuthPending: true},
		"address":        {Metadata: pairs("listName", "jobs"), AuthPending: map[string]bool{"address": true, "password": true}},
		"hosts":          {Metadata: pairs("listName", "jobs", "hostFromEnv", "H", "portFromEnv", "P"), EnvPending: true},
	} {
		c := &listConfig{server: server{topology: single}}
		if ps := scaler.Decode(c, v).Errors(); len(ps) > 0 {
			t.Errorf("%s: %v", name, ps)
		}
		if _, err := c.Open(t.Context(), newEnv()); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
			t.Errorf("%s: opened without an address: %v", name, err)
		}
	}
}

// TestFirstAPI checks values that name variables of the container.
func TestFirstAPI(t *testing.T) {
	env := pairs("ADDRESS", "a:1", "HOST", "b", "PORT", "2", "PASSWORD", "s3cret")
	for name, tc := range map[string]struct {
		metadata map[string]string
		target   string
		password string
	}{
		"address":         {pairs("address", "ADDRESS", "password", "PASSWORD"), "a:1", "s3cret"},
		"a plain address": {pairs("address", "redis:6379"), "redis:6379", ""},
		"host and port":   {pairs("host", "HOST", "port", "PORT"), "b:2", ""},
		"a plain host":    {pairs("host", "redis", "port", "6379"), "redis:6379", ""},
	} {
		c := &listConfig{server: server{topology: single}}
		v := param.Values{Metadata: over(tc.metadata, pairs("listName", "jobs")), Env: env, EnvNames: true}
		if ps := scaler.Decode(c, v); len(ps) > 0 {
			t.Errorf("%s: %v", name, ps)
			continue
		}
		if c.server.targets[0] != tc.target || c.server.password.Reveal() != tc.password {
			t.Errorf("%s: connects to %v", name, c.server.targets)
		}
	}
	c := &listConfig{server: server{topology: single}}
	v := param.Values{Metadata: pairs("listName", "jobs", "address", "a:1", "password", "NOT_THERE"), Env: env, EnvNames: true}
	if ps := scaler.Decode(c, v).Errors(); len(ps) != 1 || ps[0].Path != "metadata.password" {
		t.Errorf("a password that names no variable: %v", ps)
	}
}

func TestTargets(t *testing.T) {
	for name, tc := range map[string]struct {
		more               []string
		target, activation float64
	}{
		"length":  {[]string{"streamLength", "7", "activationLagCount", "2"}, 7, 2},
		"pending": {[]string{"consumerGroup", "g", "streamLength", "7"}, 5, 0},
		"lag":     {[]string{"consumerGroup", "g", "lagCount", "9", "activationLagCount", "3"}, 9, 3},
	} {
		c := &streamsConfig{server: server{topology: single}}
		if err := scaler.Decode(c, param.Values{Metadata: over(pairs("address", "a:1", "stream", "s"), pairs(tc.more...))}).Err(); err != nil {
			t.Fatal(err)
		}
		if target, activation := scaler.TargetOf(c); target != tc.target || activation != tc.activation {
			t.Errorf("%s: target %v, activation %v", name, target, activation)
		}
		if c.Metric() != "redis-streams-s" {
			t.Errorf("the metric is %s", c.Metric())
		}
	}
}

// TestPoolKey checks that triggers share a connection exactly when they may.
func TestPoolKey(t *testing.T) {
	key := func(at topology, metadata, auth map[string]string) scaler.PoolKey {
		c := &listConfig{server: server{topology: at}}
		if err := scaler.Decode(c, param.Values{Metadata: over(pairs("listName", "x", "address", "a:1"), metadata), Auth: auth}).Err(); err != nil {
			t.Fatal(err)
		}
		return c.server.poolKey(scaler.Env{})
	}
	one := key(single, nil, pairs("password", "s3cret"))
	if same := key(single, pairs("listName", "other", "listLength", "3"), pairs("password", "s3cret")); same != one {
		t.Errorf("%v and %v differ", one, same)
	}
	for name, other := range map[string]scaler.PoolKey{
		"password": key(single, nil, pairs("password", "other")),
		"user":     key(single, nil, pairs("password", "s3cret", "username", "u")),
		"server":   key(single, pairs("address", "b:1"), pairs("password", "s3cret")),
		"database": key(single, pairs("databaseIndex", "1"), pairs("password", "s3cret")),
		"topology": key(cluster, nil, pairs("password", "s3cret")),
		"TLS":      key(single, pairs("enableTLS", "true"), pairs("password", "s3cret")),
	} {
		if other == one {
			t.Errorf("another %s has the same key", name)
		}
	}
	if strings.Contains(one.Address+one.Credentials, "s3cret") {
		t.Error("the key holds a credential")
	}
}
