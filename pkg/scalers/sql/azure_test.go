package sql

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	pgserver "github.com/kedago/keda/test/servers/postgresql"
)

// asAzure is an environment with the operator's workload identity.
func asAzure(a *conntest.Azure, env scaler.Env) scaler.Env {
	env.Identity = scaler.Identity{Provider: "azure-workload"}
	env.HTTP.CAFiles = []string{a.CAFile}
	return env
}

// startAzurePG runs a PostgreSQL with a certificate of the authority's, and a
// role whose password is the nth token that the authority hands out.
func startAzurePG(t *testing.T, a *conntest.Azure) (s *pgserver.Server, password func(n int)) {
	t.Helper()
	s = pgserver.Start(t, []string{"ssl=on", "ssl_cert_file=s.crt", "ssl_key_file=s.key"}, map[string]string{"s.crt": a.Pair.Cert, "s.key": a.Pair.Key})
	s.Exec(t, "CREATE ROLE keda LOGIN")
	password = func(n int) {
		t.Helper()
		s.Exec(t, fmt.Sprintf("ALTER ROLE keda PASSWORD 'azure-token-%d'", n))
		s.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keda'")
	}
	return s, password
}

// TestPostgreSQLAzure checks tokens as passwords of a real PostgreSQL, on
// which they change as they end. The server is of a cloud of one's own, whose
// hosts can be any.
func TestPostgreSQLAzure(t *testing.T) {
	a := conntest.StartAzure(t)
	s, password := startAzurePG(t, a)
	env := asAzure(a, newEnv())
	m := pgMetadata(s.Address, "SELECT 7", "cloud", "Private", "listenChannel", "jobs")
	a.Lasting(60) // too short to be used twice
	password(1)
	src := open(t, env, "postgresql", m, nil)
	result{want: 7}.check(t, src)
	if asked := a.Asked(); len(asked) != 1 || !strings.HasPrefix(asked[0].Get("scope"), "https://ossrdbms-aad.database.windows.net/.default") {
		t.Errorf("tokens were asked for by %v", asked)
	}
	password(2)
	eventually(t, func() error {
		got, err := measure(t, src)
		if err == nil && got.Value != 7 {
			err = fmt.Errorf("got %+v", got)
		}
		return err
	})
	password(1 + len(a.Asked()))
	watching := make(chan scaler.Signal, 10)
	stop := src.(scaler.Watcher).Watch(func(s scaler.Signal) { watching <- s })
	defer stop()
	select {
	case got := <-watching:
		if got.Kind != scaler.Watching {
			t.Errorf("got %+v", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing is heard")
	}
	t.Run("words", func(t *testing.T) {
		password(1 + len(a.Asked()))
		host, port, _ := strings.Cut(s.Address, ":")
		words := map[string]string{"connection": fmt.Sprintf("host=%s port=%s user=keda dbname=postgres sslmode=disable", host, port)}
		result{want: 7}.check(t, open(t, asAzure(a, newEnv()), "postgresql", map[string]string{"query": "SELECT 7", "targetQueryValue": "5", "cloud": "Private"}, words))
	})
	t.Run("refused", func(t *testing.T) {
		a.Refuse(true)
		result{reason: scaler.ReasonDenied, mention: "token"}.check(t, open(t, asAzure(a, newEnv()), "postgresql", m, nil))
	})
}

// TestAzureServerUnproven checks that a server whose certificate is of nobody
// that is trusted is shown no token.
func TestAzureServerUnproven(t *testing.T) {
	a, other := conntest.StartAzure(t), conntest.NewAuthority(t).Issue(t, "other")
	s := pgserver.Start(t, []string{"ssl=on", "ssl_cert_file=s.crt", "ssl_key_file=s.key"}, map[string]string{"s.crt": other.Cert, "s.key": other.Key})
	src := open(t, asAzure(a, newEnv()), "postgresql", pgMetadata(s.Address, "SELECT 7", "cloud", "Private", "sslmode", "disable"), nil)
	result{reason: scaler.ReasonMisconfigured, mention: "certificate"}.check(t, src)
}

func TestIdentitiesRefused(t *testing.T) {
	a := conntest.StartAzure(t)
	mssqlAt := func(host string, more ...string) map[string]string {
		return scalertest.With(map[string]string{"query": "SELECT 1", "targetValue": "5", "host": host}, more...)
	}
	for name, tc := range map[string]struct {
		kind, provider string
		metadata       map[string]string
		mention        string // none when it opens
	}{
		"PostgreSQL":                    {"postgresql", "azure-workload", pgMetadata("shop.postgres.database.azure.com:5432", "SELECT 1"), ""},
		"PostgreSQL, Cosmos":            {"postgresql", "azure-workload", pgMetadata("c-shop.1.postgres.cosmos.azure.com:5432", "SELECT 1"), ""},
		"PostgreSQL, China":             {"postgresql", "azure-workload", pgMetadata("shop.postgres.database.chinacloudapi.cn:5432", "SELECT 1", "cloud", "AzureChinaCloud"), ""},
		"PostgreSQL, elsewhere":         {"postgresql", "azure-workload", pgMetadata("evil.example.com:5432", "SELECT 1"), "host: found a host"},
		"PostgreSQL, another cloud":     {"postgresql", "azure-workload", pgMetadata("shop.postgres.database.azure.com:5432", "SELECT 1", "cloud", "AzureChinaCloud"), "chinacloudapi.cn"},
		"PostgreSQL, unsafe":            {"postgresql", "azure-workload", pgMetadata("shop.postgres.database.azure.com:5432", "SELECT 1", "unsafeSsl", "true"), "unsafeSsl"},
		"PostgreSQL, another identity":  {"postgresql", "aws", pgMetadata("a:1", "SELECT 1"), "podIdentity aws"},
		"CockroachDB":                   {"cockroachdb", "azure-workload", pgMetadata("a:1", "SELECT 1"), "podIdentity azure-workload"},
		"MySQL":                         {"mysql", "azure-workload", mysqlMetadata("a:1", "SELECT 1"), "podIdentity azure-workload"},
		"SQL Server":                    {"mssql", "azure-workload", mssqlAt("shop.database.windows.net"), ""},
		"SQL Server, managed instance":  {"mssql", "azure-workload", mssqlAt("mi.1a2b.database.windows.net"), ""},
		"SQL Server, elsewhere":         {"mssql", "azure-workload", mssqlAt("database.windows.net.example.com"), "host: found a host"},
		"SQL Server, US Government":     {"mssql", "azure-workload", mssqlAt("shop.database.usgovcloudapi.net", "cloud", "AzureUSGovernmentCloud"), ""},
		"SQL Server, another identity":  {"mssql", "gcp", mssqlAt("a"), "podIdentity gcp"},
		"SQL Server without identities": {"mssql", "none", mssqlAt("a"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := asAzure(a, newEnv())
			env.Identity.Provider = tc.provider
			c := kind(t, tc.kind).New()
			if err := scaler.Decode(c, param.Values{Metadata: tc.metadata}).Err(); err != nil {
				t.Fatal(err)
			}
			src, err := c.Open(t.Context(), env)
			if tc.mention == "" {
				if err != nil {
					t.Fatal(err)
				}
				_ = src.Close()
			} else if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), tc.mention) {
				t.Errorf("got %v, want one mentioning %q", err, tc.mention)
			}
			if held := env.Pool.(*pool.Pool).Len(); len(held) != 0 {
				t.Errorf("the pool holds %v", held)
			}
		})
	}
}

// TestMSSQLToken checks what the driver is told of a server that is to be
// shown a token.
func TestMSSQLToken(t *testing.T) {
	before, err := msdsn.Parse("sqlserver://user:s3cret@shop.database.windows.net?encrypt=disable&trustservercertificate=true")
	if err != nil {
		t.Fatal(err)
	}
	got, err := verified(before, newEnv())
	if err != nil {
		t.Fatal(err)
	}
	c := got.TLSConfig
	if got.User+got.Password != "" || got.Encryption != msdsn.EncryptionRequired || c.ServerName != "shop.database.windows.net" || c.InsecureSkipVerify || !c.DynamicRecordSizingDisabled {
		t.Errorf("got %+v, TLS %+v", got, c)
	}
	a := conntest.StartAzure(t)
	src := open(t, asAzure(a, newEnv()), "mssql", map[string]string{"query": "SELECT 1", "targetValue": "5", "host": "127.0.0.1", "port": "1", "cloud": "Private"}, nil)
	if _, err := measure(t, src); scaler.ReasonOf(err) != scaler.ReasonUnreachable {
		t.Errorf("got %v", err)
	}
}
