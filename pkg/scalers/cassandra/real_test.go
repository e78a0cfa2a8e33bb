package cassandra

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	cassandraserver "github.com/kedago/keda/test/servers/cassandra"
)

// TestWithServer runs what needs a node of the real kind on one of them.
func TestWithServer(t *testing.T) {
	server := cassandraserver.Start(t)
	server.Exec(t, "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
	server.Exec(t, "CREATE TABLE shop.numbers (name text PRIMARY KEY, n bigint, d decimal, f double)")
	server.Exec(t, "GRANT SELECT ON KEYSPACE shop TO "+cassandraserver.User)
	t.Run("conformance", func(t *testing.T) { conformanceWithServer(t, server) })
	t.Run("queries", func(t *testing.T) { queriesWithServer(t, server) })
}

func conformanceWithServer(t *testing.T, server *cassandraserver.Server) {
	const one, two = "SELECT n FROM shop.numbers WHERE name = 'one'", "SELECT n FROM shop.numbers WHERE name = 'two'"
	hold := func(name string) func(context.Context, float64) {
		return func(_ context.Context, n float64) {
			server.Exec(t, "UPDATE shop.numbers SET n = ? WHERE name = ?", int64(n), name)
		}
	}
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("cassandra.example:9042", "query", one), Auth: auth(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, server.Addr)
			hold("one")(t.Context(), 0)
			return scalertest.Fixture{
				Metadata: map[string]string{"clusterIPAddress": proxy.Addr}, Proxy: proxy, Set: hold("one"),
				Deny:     func() { server.Exec(t, "REVOKE SELECT ON KEYSPACE shop FROM "+cassandraserver.User) },
				Allow:    func() { server.Exec(t, "GRANT SELECT ON KEYSPACE shop TO "+cassandraserver.User) },
				Siblings: []scalertest.Sibling{{Metadata: map[string]string{"query": two}, Set: hold("two")}},
				Bad:      map[string]string{"query": "SELECT n FROM shop.none"},
			}
		},
	})
}

// queriesWithServer checks the protocol's versions, TLS, and types as a real
// node sends them.
func queriesWithServer(t *testing.T, server *cassandraserver.Server) {
	server.Exec(t, "INSERT INTO shop.numbers (name, n, d, f) VALUES ('a', 7, -12.75, 2.5)")
	server.Exec(t, "INSERT INTO shop.numbers (name) VALUES ('b')")
	tls := map[string]string{"tls": "enable", "ca": server.CA}
	for name, c := range map[string]struct {
		query  string
		more   []string
		auth   map[string]string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"version 3":   {"SELECT n FROM shop.numbers WHERE name = 'a'", []string{"protocolVersion", "3"}, nil, 7, "", ""},
		"version 5":   {"SELECT n FROM shop.numbers WHERE name = 'a'", []string{"protocolVersion", "5"}, nil, 7, "", ""},
		"tls":         {"SELECT n FROM shop.numbers WHERE name = 'a'", nil, tls, 7, "", ""},
		"decimal":     {"SELECT d FROM shop.numbers WHERE name = 'a'", nil, nil, -12.75, "", ""},
		"double":      {"SELECT f FROM shop.numbers WHERE name = 'a'", []string{"consistency", "LOCAL_ONE"}, nil, 2.5, "", ""},
		"count":       {"SELECT COUNT(*) FROM shop.numbers WHERE name IN ('a', 'b')", nil, nil, 2, "", ""},
		"several":     {"SELECT n FROM shop.numbers WHERE name IN ('a', 'b')", nil, nil, 7, "", "several rows"},
		"nothing":     {"SELECT n FROM shop.numbers WHERE name = 'none'", nil, nil, 0, "", "counts as 0"},
		"null":        {"SELECT n FROM shop.numbers WHERE name = 'b'", nil, nil, 0, scaler.ReasonBadAnswer, "is null"},
		"text":        {"SELECT name FROM shop.numbers WHERE name = 'a'", nil, nil, 0, scaler.ReasonBadAnswer, "none of numbers"},
		"syntax":      {"SELECT n FROM", nil, nil, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"no table":    {"SELECT n FROM shop.none", nil, nil, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"forbidden":   {"SELECT role FROM system_auth.roles", nil, nil, 0, scaler.ReasonDenied, "may not run"},
		"login":       {"SELECT n FROM shop.numbers WHERE name = 'a'", nil, map[string]string{"password": "wrong-password"}, 0, scaler.ReasonDenied, "refuses the user name or the password"},
		"consistency": {"SELECT n FROM shop.numbers WHERE name = 'a'", []string{"consistency", "TWO"}, nil, 0, scaler.ReasonUnreachable, "too few replicas are up"},
	} {
		t.Run(name, func(t *testing.T) {
			a := auth()
			maps.Copy(a, c.auth)
			r, err := open(t, &scalertest.Pool{}, param.Values{Metadata: metadata(server.Addr, append(c.more, "query", c.query)...), Auth: a}).Measure(t.Context())
			if c.reason == "" {
				if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.said) || (c.said == "") != (r.Note == "") {
					t.Errorf("measured %+v, %v; expected %v and %q", r, err, c.value, c.said)
				}
				return
			}
			scalertest.Refused(t, err, c.reason, c.said)
		})
	}
}
