package sql

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	mariadbserver "github.com/kedago/keda/test/servers/mariadb"
)

func mysqlMetadata(address, query string, more ...string) map[string]string {
	host, port, _ := net.SplitHostPort(address)
	return scalertest.With(map[string]string{
		"host": host, "port": port, "username": "keda", "dbName": "test", "query": query, "queryValue": "5",
	}, more...)
}

// TestMySQL runs on MariaDB.
func TestMySQL(t *testing.T) {
	authority := conntest.NewAuthority(t)
	pair := authority.Issue(t, "server")
	folder := t.TempDir()
	file := func(name, text string) string { return writeFile(t, filepath.Join(folder, name), text) }
	s := mariadbserver.Start(t, "--ssl-ca="+file("ca", authority.PEM), "--ssl-cert="+file("cert", pair.Cert), "--ssl-key="+file("key", pair.Key))
	s.Exec(t, `CREATE USER keda IDENTIFIED BY 'the-password'; CREATE TABLE test.depth (n decimal(20,2), secret text);
		INSERT INTO test.depth VALUES (0, 's3cret'); GRANT SELECT, DELETE ON test.depth TO keda; CREATE TABLE test.hidden (n int);
		CREATE USER secure IDENTIFIED BY 'the-password' REQUIRE SSL; GRANT SELECT ON test.depth TO secure`)
	t.Run("conformance", func(t *testing.T) {
		scalertest.Run(t, scalertest.Case{
			Kind: kind(t, "mysql"), Metadata: mysqlMetadata(s.Address, "SELECT n FROM depth"), Auth: pgAuth,
			Fixture: func(t *testing.T) scalertest.Fixture {
				p := scalertest.NewProxy(t, s.Address)
				host, port, _ := net.SplitHostPort(p.Addr)
				return scalertest.Fixture{
					Proxy: p, Metadata: map[string]string{"host": host, "port": port},
					Set:   func(_ context.Context, n float64) { s.Exec(t, fmt.Sprintf("UPDATE test.depth SET n = %v", n)) },
					Deny:  func() { s.Exec(t, "REVOKE SELECT ON test.depth FROM keda") },
					Allow: func() { s.Exec(t, "GRANT SELECT ON test.depth TO keda") },
				}
			},
		})
	})
	t.Run("results", func(t *testing.T) { mysqlResults(t, s) })
	t.Run("TLS", func(t *testing.T) {
		tests := map[string]struct {
			more []string
			auth map[string]string
			result
		}{
			"off":     {nil, pgAuth, result{reason: scaler.ReasonDenied}},
			"with ca": {[]string{"tls", "enable"}, map[string]string{"password": "the-password", "ca": authority.PEM}, result{}},
			"no ca":   {[]string{"tls", "enable"}, pgAuth, result{reason: scaler.ReasonMisconfigured, mention: "certificate"}},
			"unsafe":  {[]string{"tls", "enable", "unsafeSsl", "true"}, pgAuth, result{}},
		}
		for name, tc := range tests {
			t.Run(name, func(t *testing.T) {
				m := mysqlMetadata(s.Address, "SELECT n FROM depth", append(tc.more, "username", "secure")...)
				tc.check(t, open(t, newEnv(), "mysql", m, tc.auth))
			})
		}
	})
}

func mysqlResults(t *testing.T, s *mariadbserver.Server) {
	s.Exec(t, "UPDATE test.depth SET n = 0")
	tests := map[string]result{
		"integer":        {query: "SELECT 7", want: 7},
		"count":          {query: "SELECT COUNT(*) FROM depth", want: 1},
		"decimal":        {query: "SELECT 12.5", want: 12.5},
		"double":         {query: "SELECT 0.25e0", want: 0.25},
		"unsigned":       {query: "SELECT CAST(18446744073709551615 AS UNSIGNED)", want: 18446744073709551615},
		"text":           {query: "SELECT '3'", want: 3},
		"several rows":   {query: "SELECT 4 UNION SELECT 9", want: 4, note: "more than one row"},
		"NULL":           {query: "SELECT AVG(n) FROM depth WHERE false", reason: scaler.ReasonBadAnswer, mention: "COALESCE"},
		"division by 0":  {query: "SELECT 1/n FROM depth", reason: scaler.ReasonBadAnswer, mention: "NULL"},
		"no row":         {query: "SELECT n FROM depth WHERE false", reason: scaler.ReasonMissing, mention: "no row"},
		"two columns":    {query: "SELECT 1, 2", reason: scaler.ReasonMisconfigured, mention: "2 columns"},
		"a word":         {query: "SELECT secret FROM depth", reason: scaler.ReasonMisconfigured, mention: "no number"},
		"a date":         {query: "SELECT NOW()", reason: scaler.ReasonMisconfigured, mention: "time"},
		"syntax":         {query: "SELEKT 1", reason: scaler.ReasonMisconfigured, mention: "syntax"},
		"no table":       {query: "SELECT COUNT(*) FROM nowhere", reason: scaler.ReasonDenied},
		"no column":      {query: "SELECT nothing FROM depth", reason: scaler.ReasonMisconfigured, mention: "nothing"},
		"denied":         {query: "SELECT COUNT(*) FROM hidden", reason: scaler.ReasonDenied, mention: "hidden"},
		"writes":         {query: "DELETE FROM depth RETURNING 1", reason: scaler.ReasonMisconfigured, mention: "read-only"},
		"writes, set so": {query: "SET STATEMENT tx_read_only=0 FOR DELETE FROM depth RETURNING 1", reason: scaler.ReasonMisconfigured, mention: "read-only"},
		"two statements": {query: "SELECT 1; SELECT 2", reason: scaler.ReasonMisconfigured, mention: "syntax"},
	}
	env := newEnv()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.check(t, open(t, env, "mysql", mysqlMetadata(s.Address, tc.query), pgAuth))
		})
	}
	t.Run("connection string", func(t *testing.T) {
		m := map[string]string{"query": "SELECT 7", "queryValue": "5"}
		auth := map[string]string{"connectionString": "keda:the-password@tcp(" + s.Address + ")/test?allowAllFiles=true&multiStatements=true"}
		result{want: 7}.check(t, open(t, env, "mysql", m, auth))
		m["query"] = "SELECT 1; SELECT 2"
		result{reason: scaler.ReasonMisconfigured, mention: "syntax"}.check(t, open(t, env, "mysql", m, auth))
	})
	t.Run("wrong password", func(t *testing.T) {
		result{reason: scaler.ReasonDenied}.check(t, open(t, env, "mysql", mysqlMetadata(s.Address, "SELECT 1"), map[string]string{"password": "wr0ng"}))
	})
	t.Run("wrong database", func(t *testing.T) {
		result{reason: scaler.ReasonDenied}.check(t, open(t, env, "mysql", mysqlMetadata(s.Address, "SELECT 1", "dbName", "nowhere"), pgAuth))
	})
}
