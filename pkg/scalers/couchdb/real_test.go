package couchdb

import (
	"context"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler/scalertest"
	couchserver "github.com/kedago/keda/test/servers/couchdb"
)

// TestConformanceWithServer is TestConformance with a server of its own kind.
func TestConformanceWithServer(t *testing.T) {
	const password = "password-of-keda"
	server := couchserver.Start(t, password)
	hold := func(database string) func(context.Context, float64) {
		return func(_ context.Context, n float64) {
			server.Database(t, database, int(n), map[string]any{"state": "waiting"})
		}
	}
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Auth: map[string]string{"password": password},
		Metadata: metadata("username", couchserver.User, "dbName", "orders", "query", `{"selector": {"state": "waiting"}}`),
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, server.Addr)
			host, port, _ := strings.Cut(proxy.Addr, ":")
			return scalertest.Fixture{
				Metadata: map[string]string{"host": host, "port": port}, Proxy: proxy, Set: hold("orders"),
				Deny:     func() { server.Password(t, "another") },
				Allow:    func() { server.Password(t, password) },
				Siblings: []scalertest.Sibling{{Metadata: map[string]string{"dbName": "returns"}, Set: hold("returns")}},
				Bad:      map[string]string{"dbName": "none"},
			}
		},
	})
}
