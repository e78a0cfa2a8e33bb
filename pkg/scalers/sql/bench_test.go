package sql

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	mariadbserver "github.com/kedago/keda/test/servers/mariadb"
	pgserver "github.com/kedago/keda/test/servers/postgresql"
)

// BenchmarkTriggers polls 100 triggers with different queries on one database;
// equal queries would be asked once.
func BenchmarkTriggers(b *testing.B) {
	run := func(b *testing.B, address string, metadata func(address, query string, more ...string) map[string]string, kind string) {
		env := newEnv()
		scalertest.BenchTriggers(b, address, func(addr string, i int) scaler.Source {
			return open(b, env, kind, metadata(addr, fmt.Sprint("SELECT ", i)), pgAuth)
		})
	}
	b.Run("postgresql", func(b *testing.B) {
		s := pgserver.Start(b, nil, nil)
		s.Exec(b, "CREATE ROLE keda LOGIN PASSWORD 'the-password'")
		run(b, s.Address, pgMetadata, "postgresql")
	})
	b.Run("mysql", func(b *testing.B) {
		s := mariadbserver.Start(b)
		s.Exec(b, "CREATE USER keda IDENTIFIED BY 'the-password'; GRANT SELECT ON test.* TO keda")
		run(b, s.Address, mysqlMetadata, "mysql")
	})
}
