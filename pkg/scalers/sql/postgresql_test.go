package sql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	pgserver "github.com/kedago/keda/test/servers/postgresql"
)

// pgMetadata is a trigger at address, less its password.
func pgMetadata(address, query string, more ...string) map[string]string {
	host, port, _ := net.SplitHostPort(address)
	return scalertest.With(map[string]string{
		"host": host, "port": port, "userName": "keda", "dbName": "postgres", "sslmode": "disable",
		"query": query, "targetQueryValue": "5",
	}, more...)
}

var pgAuth = map[string]string{"password": "the-password"}

// TestPostgreSQL runs everything on one PostgreSQL, which stands in for
// CockroachDB too.
func TestPostgreSQL(t *testing.T) {
	s := pgserver.Start(t, nil, nil)
	s.Exec(t, `CREATE ROLE keda LOGIN PASSWORD 'the-password'; CREATE TABLE depth (n numeric, secret text);
		INSERT INTO depth VALUES (0, 's3cret'); GRANT SELECT ON depth TO keda; CREATE TABLE hidden (n int);
		CREATE FUNCTION put() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO depth VALUES (1) RETURNING 1'`)
	for _, name := range []string{"postgresql", "cockroachdb"} {
		t.Run("conformance "+name, func(t *testing.T) { pgConformance(t, s, name) })
	}
	t.Run("results", func(t *testing.T) { pgResults(t, s) })
	t.Run("connection strings", func(t *testing.T) { pgStrings(t, s) })
	t.Run("connections", func(t *testing.T) { pgConnections(t, s) })
	t.Run("apart", func(t *testing.T) { pgApart(t, s) })
	t.Run("in time", func(t *testing.T) { pgInTime(t, s) })
	t.Run("channels", func(t *testing.T) { pgChannels(t, s) })
}

func pgConformance(t *testing.T, s *pgserver.Server, name string) {
	more := []string{}
	if name == "postgresql" {
		more = []string{"listenChannel", "Jobs; done"}
	}
	set := func(_ context.Context, n float64) {
		s.Exec(t, fmt.Sprintf(`UPDATE depth SET n = %v; NOTIFY "Jobs; done"`, n))
	}
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, name), Metadata: pgMetadata(s.Address, "SELECT n FROM depth", more...), Auth: pgAuth,
		Fixture: func(t *testing.T) scalertest.Fixture {
			p := scalertest.NewProxy(t, s.Address)
			host, port, _ := net.SplitHostPort(p.Addr)
			return scalertest.Fixture{
				Proxy: p, Metadata: map[string]string{"host": host, "port": port}, Set: set,
				Deny:  func() { s.Exec(t, "REVOKE SELECT ON depth FROM keda") },
				Allow: func() { s.Exec(t, "GRANT SELECT ON depth TO keda") },
			}
		},
	})
}

func pgResults(t *testing.T, s *pgserver.Server) {
	tests := map[string]result{
		"integer":         {query: "SELECT 7", want: 7},
		"bigint":          {query: "SELECT count(*) FROM depth", want: 1},
		"numeric":         {query: "SELECT 12.5::numeric", want: 12.5},
		"double":          {query: "SELECT 0.25::float8", want: 0.25},
		"text":            {query: "SELECT ' 3 '", want: 3},
		"negative":        {query: "SELECT -2", want: -2},
		"several rows":    {query: "SELECT g FROM generate_series(4, 9) g", want: 4, note: "more than one row"},
		"with semicolon":  {query: "SELECT 7;", want: 7},
		"NULL":            {query: "SELECT avg(n) FROM depth WHERE false", reason: scaler.ReasonBadAnswer, mention: "COALESCE"},
		"no row":          {query: "SELECT n FROM depth WHERE false", reason: scaler.ReasonMissing, mention: "no row"},
		"two columns":     {query: "SELECT 1, 2", reason: scaler.ReasonMisconfigured, mention: "2 columns"},
		"a word":          {query: "SELECT secret FROM depth LIMIT 1", reason: scaler.ReasonMisconfigured, mention: "no number"},
		"a boolean":       {query: "SELECT true", reason: scaler.ReasonMisconfigured, mention: "bool"},
		"a date":          {query: "SELECT now()", reason: scaler.ReasonMisconfigured, mention: "time"},
		"NaN":             {query: "SELECT 'NaN'::float8", reason: scaler.ReasonBadAnswer, mention: "NaN"},
		"endless":         {query: "SELECT 'Infinity'::numeric", reason: scaler.ReasonBadAnswer, mention: "finite"},
		"division by 0":   {query: "SELECT 1/n FROM depth", reason: scaler.ReasonBadAnswer, mention: "22012"},
		"quotes data":     {query: "SELECT secret::int FROM depth LIMIT 1", reason: scaler.ReasonBadAnswer, mention: "22P02"},
		"syntax":          {query: "SELEKT 1", reason: scaler.ReasonMisconfigured, mention: "syntax error"},
		"no table":        {query: "SELECT count(*) FROM nowhere", reason: scaler.ReasonMissing, mention: "nowhere"},
		"no column":       {query: "SELECT nothing FROM depth", reason: scaler.ReasonMisconfigured, mention: "nothing"},
		"denied":          {query: "SELECT count(*) FROM hidden", reason: scaler.ReasonDenied, mention: "hidden"},
		"writes":          {query: "DELETE FROM depth RETURNING 1", reason: scaler.ReasonMisconfigured, mention: "read-only"},
		"writes within":   {query: "SELECT put()", reason: scaler.ReasonMisconfigured, mention: "read-only"},
		"two statements":  {query: "SELECT 1; SELECT 2", reason: scaler.ReasonMisconfigured, mention: "multiple commands"},
		"takes too long":  {query: "SET LOCAL statement_timeout = 1", reason: scaler.ReasonMisconfigured, mention: "0 columns"},
		"comment only":    {query: "-- nothing", reason: scaler.ReasonMisconfigured, mention: "0 columns"},
		"bytes":           {query: "SELECT '3'::bytea", want: 3},
		"JSON":            {query: "SELECT '3'::jsonb", want: 3},
		"copies":          {query: "COPY depth TO STDOUT", reason: scaler.ReasonMisconfigured, mention: "copies"},
		"array":           {query: "SELECT ARRAY[1]", reason: scaler.ReasonMisconfigured, mention: "no number"},
		"more than float": {query: "SELECT 1e400::numeric", reason: scaler.ReasonMisconfigured},
	}
	s.Exec(t, "UPDATE depth SET n = 0")
	env := newEnv()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.check(t, open(t, env, "postgresql", pgMetadata(s.Address, tc.query), pgAuth))
		})
	}
	refused := map[string]struct {
		metadata, auth map[string]string
		want           scaler.Reason
	}{
		"password": {pgMetadata(s.Address, "SELECT 1"), map[string]string{"password": "wr0ng"}, scaler.ReasonDenied},
		"database": {pgMetadata(s.Address, "SELECT 1", "dbName", "nowhere"), pgAuth, scaler.ReasonMissing},
		"no TLS":   {pgMetadata(s.Address, "SELECT 1", "sslmode", "require"), pgAuth, scaler.ReasonUnreachable},
	}
	for name, tc := range refused {
		t.Run("wrong "+name, func(t *testing.T) {
			result{reason: tc.want}.check(t, open(t, env, "postgresql", tc.metadata, tc.auth))
		})
	}
}

func pgStrings(t *testing.T, s *pgserver.Server) {
	// What the driver would read by itself must not matter.
	pgEnvironment(t)
	host, port, _ := net.SplitHostPort(s.Address)
	tests := map[string]string{
		"url":           "postgresql://keda:the-password@" + s.Address + "/postgres?sslmode=disable",
		"short scheme":  "postgres://keda:the-password@" + s.Address + "/postgres",
		"two hosts":     "postgres://keda:the-password@127.0.0.1:1," + s.Address + "/postgres?target_session_attrs=read-write",
		"encoded":       "postgres://keda:the%2Dpassword@" + s.Address + "/postgres",
		"words":         fmt.Sprintf("host=%s port=%s user=keda password='the-password' dbname = postgres", host, port),
		"words, quoted": fmt.Sprintf(`host='%s' port=%s user=ke\da password='the\-password' dbname=postgres sslmode=prefer`, host, port),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			m := map[string]string{"query": "SELECT 7", "targetQueryValue": "5"}
			result{want: 7}.check(t, open(t, newEnv(), "postgresql", m, map[string]string{"connection": text}))
		})
	}
}

// pgEnvironment sets every variable that the driver knows, and the files that
// it knows below the home folder, to what would break a connection.
func pgEnvironment(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	for name, text := range map[string]string{
		".pgpass": "*:*:*:*:other\n", ".pg_service.conf": "[other]\nhost=192.0.2.1\nsslmode=verify-full\nsearch_path=nowhere\n", ".postgresql/root.crt": "nonsense",
		".postgresql/postgresql.crt": "nonsense", ".postgresql/postgresql.key": "nonsense",
	} {
		file := filepath.Join(home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"HOME": home, "PGSERVICE": "other", "PGSERVICEFILE": filepath.Join(home, ".pg_service.conf"), "PGPASSFILE": filepath.Join(home, ".pgpass"),
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "other", "PGUSER": "other", "PGPASSWORD": "other", "PGAPPNAME": "other",
		"PGCONNECT_TIMEOUT": "none", "PGSSLMODE": "verify-full", "PGSSLKEY": "/nowhere", "PGSSLCERT": "/nowhere", "PGSSLCERTMODE": "require", "PGSSLSNI": "other",
		"PGSSLROOTCERT": "/nowhere", "PGSSLPASSWORD": "other", "PGSSLNEGOTIATION": "direct", "PGTARGETSESSIONATTRS": "standby", "PGTZ": "nowhere",
		"PGOPTIONS": "-c nonsense=1", "PGMINPROTOCOLVERSION": "9.9", "PGMAXPROTOCOLVERSION": "nonsense", "PGCHANNELBINDING": "require", "PGREQUIREAUTH": "none",
	} {
		t.Setenv(name, value)
	}
}

// TestPGEnvironment checks that nothing that the
// driver makes of a trigger changes with all of them.
func TestPGEnvironment(t *testing.T) {
	settings, err := parsePG("host=h.example.com user=keda password=p dbname=d sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	settings["port"] = "5432"
	before, err := parseDriver(settings)
	if err != nil {
		t.Fatal(err)
	}
	pgEnvironment(t)
	after, err := parseDriver(settings)
	if err != nil {
		t.Fatal(err)
	}
	shown := func(c *pgx.ConnConfig) []any {
		return []any{
			c.Host, c.Port, c.User, c.Password, c.Database, c.ConnectTimeout, c.RuntimeParams, c.SSLNegotiation, c.ChannelBinding, c.RequireAuth,
			c.MinProtocolVersion, c.MaxProtocolVersion, len(c.Fallbacks), c.TLSConfig.ServerName, c.TLSConfig.InsecureSkipVerify, len(c.TLSConfig.Certificates),
			c.TLSConfig.RootCAs == nil, c.ValidateConnect == nil,
		}
	}
	if diff := cmp.Diff(shown(before), shown(after)); diff != "" {
		t.Errorf("the environment changes (-without +with):\n%s", diff)
	}
}

// pgApart checks that a query takes one round trip, whatever comes of it, and
// that it leaves nothing behind for the next one on its connection.
func pgApart(t *testing.T, s *pgserver.Server) {
	s.Exec(t, "UPDATE depth SET n = 0; CREATE TABLE open (n int); INSERT INTO open VALUES (7); GRANT SELECT, DELETE ON open TO keda")
	count, env := scalertest.NewCounter(t, s.Address), newEnv()
	run := func(query string) (scaler.Reading, error) {
		t.Helper()
		before := count.Asked()
		r, err := measure(t, open(t, env, "postgresql", pgMetadata(count.Addr, query), pgAuth))
		if n := count.Asked() - before; n != 1 {
			t.Errorf("%s took %d round trips", query, n)
		}
		return r, err
	}
	kept := open(t, env, "postgresql", pgMetadata(count.Addr, "SELECT pg_backend_pid()"), pgAuth)
	var pid scaler.Reading
	for range 2 { // the driver tries a new connection once more
		var err error
		if pid, err = measure(t, kept); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{
		"COMMIT", "ROLLBACK", "BEGIN", "SET TRANSACTION READ WRITE", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
		"SET default_transaction_read_only = off", "SELECT set_config('search_path', 'nowhere', false)", "SELECT 1/n FROM depth",
		"LISTEN jobs", "PREPARE p AS SELECT 1", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELEKT", "SELECT g FROM generate_series(1, 5000) g",
	} {
		_, _ = run(query)
		result{query: query, reason: scaler.ReasonMisconfigured, mention: "read-only"}.check(t, open(t, env, "postgresql", pgMetadata(count.Addr, "DELETE FROM open RETURNING 1"), pgAuth))
		if r, err := run("SELECT n FROM open"); err != nil || r.Value != 7 {
			t.Errorf("after %s: %+v, %v", query, r, err)
		}
	}
	result{want: pid.Value}.check(t, kept)
}

// pgInTime checks that a query ends with its deadline, at the server too.
func pgInTime(t *testing.T, s *pgserver.Server) {
	env := newEnv()
	const query = "SELECT count(*) FROM (SELECT pg_sleep(600)) AS slow"
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := open(t, env, "postgresql", pgMetadata(s.Address, query), pgAuth).Measure(ctx); scaler.ReasonOf(err) != scaler.ReasonUnreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	left := open(t, env, "postgresql", pgMetadata(s.Address, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS slow' AND pid != pg_backend_pid()"), pgAuth)
	eventually(t, func() error {
		r, err := measure(t, left)
		if err == nil && r.Value != 0 {
			return fmt.Errorf("the query still runs: %+v", r)
		}
		return err
	})
}

// pgConnections checks that many triggers share few connections, and that
// they are closed with the last.
func pgConnections(t *testing.T, s *pgserver.Server) {
	const triggers = 100
	p := scalertest.NewProxy(t, s.Address)
	env := newEnv()
	var sources []scaler.Source
	for i := range triggers {
		sources = append(sources, open(t, env, "postgresql", pgMetadata(p.Addr, fmt.Sprint("SELECT ", i)), pgAuth))
	}
	var wait sync.WaitGroup
	for i, src := range sources {
		wait.Go(func() { result{want: float64(i)}.check(t, src) })
	}
	wait.Wait()
	if n := p.Open(); n > maxOpen {
		t.Errorf("%d connections are open", n)
	}
	before := p.Accepted()
	for i, src := range sources {
		result{want: float64(i)}.check(t, src)
	}
	if n := p.Accepted() - before; n != 0 {
		t.Errorf("%d more connections for a second round", n)
	}
	for _, src := range sources {
		_ = src.Close()
	}
	if n := env.Pool.(*pool.Pool).Len()["postgresql"]; n != 0 {
		t.Errorf("%d connections are held by nobody", n)
	}
	eventually(t, func() error {
		if n := p.Open(); n != 0 {
			return fmt.Errorf("%d connections are open after the last trigger's end", n)
		}
		return nil
	})
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// pgChannels checks that all watchers of a server share one connection, and
// hear their own channel only.
func pgChannels(t *testing.T, s *pgserver.Server) {
	p := scalertest.NewProxy(t, s.Address)
	env := newEnv()
	signals := map[string]chan scaler.Signal{}
	for _, channel := range []string{"a", "b", "B"} {
		got := make(chan scaler.Signal, 100)
		signals[channel] = got
		w := open(t, env, "postgresql", pgMetadata(p.Addr, "SELECT 1", "listenChannel", channel), pgAuth).(scaler.Watcher)
		t.Cleanup(w.Watch(func(s scaler.Signal) { got <- s }))
	}
	next := func(channel string) scaler.SignalKind {
		t.Helper()
		select {
		case s := <-signals[channel]:
			return s.Kind
		case <-time.After(20 * time.Second):
			t.Fatalf("channel %s: no signal", channel)
			return 0
		}
	}
	for channel := range signals {
		if first, second := next(channel), next(channel); first != scaler.Watching || second != scaler.Arrived {
			t.Errorf("channel %s begins with %v, %v", channel, first, second)
		}
	}
	if n := p.Open(); n != 1 {
		t.Errorf("%d connections listen", n)
	}
	s.Exec(t, "NOTIFY b")
	s.Exec(t, "NOTIFY a") // delivered after it
	for _, channel := range []string{"b", "a"} {
		if got := next(channel); got != scaler.Arrived {
			t.Errorf("channel %s: %v", channel, got)
		}
	}
	if n := len(signals["B"]); n != 0 {
		t.Errorf("%d signals of another channel", n)
	}
	s.Exec(t, "ALTER ROLE keda NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keda'")
	if got := next("a"); got != scaler.Broken {
		t.Errorf("after the connection's end: %v", got)
	}
	s.Exec(t, "ALTER ROLE keda LOGIN")
	if first, second := next("a"), next("a"); first != scaler.Watching || second != scaler.Arrived {
		t.Errorf("after the connection's return: %v, %v", first, second)
	}
}

// TestPostgreSQLTLS checks what sslmode and certificates do.
func TestPostgreSQLTLS(t *testing.T) {
	authority := conntest.NewAuthority(t)
	pair, client := authority.Issue(t, "server"), authority.Issue(t, "keda")
	s := pgserver.Start(t, []string{"ssl=on", "ssl_ca_file=ca.pem", "ssl_cert_file=cert.pem", "ssl_key_file=key.pem"}, map[string]string{
		"ca.pem": authority.PEM, "cert.pem": pair.Cert, "key.pem": pair.Key,
		"pg_hba.conf":   "host all postgres 127.0.0.1/32 scram-sha-256\nhostssl all keda 127.0.0.1/32 scram-sha-256\nhostssl all byCert 127.0.0.1/32 cert map=m\n",
		"pg_ident.conf": "m keda byCert\n",
	})
	s.Exec(t, `CREATE ROLE keda LOGIN PASSWORD 'the-password'; CREATE ROLE "byCert" LOGIN`)
	ca := map[string]string{"password": "the-password", "ca": authority.PEM}
	tests := map[string]struct {
		more []string
		auth map[string]string
		result
	}{
		"disable":              {[]string{"sslmode", "disable"}, pgAuth, result{reason: scaler.ReasonDenied}},
		"prefer":               {[]string{"sslmode", "prefer"}, pgAuth, result{want: 7}},
		"require":              {[]string{"sslmode", "require"}, pgAuth, result{want: 7}},
		"require with ca":      {[]string{"sslmode", "require"}, ca, result{want: 7}},
		"require, other ca":    {[]string{"sslmode", "require"}, map[string]string{"password": "the-password", "ca": conntest.NewAuthority(t).PEM}, result{reason: scaler.ReasonMisconfigured, mention: "certificate"}},
		"verify-full":          {[]string{"sslmode", "verify-full"}, ca, result{want: 7}},
		"verify-full, no ca":   {[]string{"sslmode", "verify-full"}, pgAuth, result{reason: scaler.ReasonMisconfigured, mention: "certificate"}},
		"verify-full, unsafe":  {[]string{"sslmode", "verify-full", "unsafeSsl", "true"}, pgAuth, result{want: 7}},
		"verify-full, by name": {[]string{"sslmode", "verify-full", "host", "localhost"}, ca, result{reason: scaler.ReasonMisconfigured, mention: "certificate"}},
		"verify-ca, by name":   {[]string{"sslmode", "verify-ca", "host", "localhost"}, ca, result{want: 7}},
		"client certificate":   {[]string{"sslmode", "require", "userName", "byCert"}, map[string]string{"cert": client.Cert, "key": client.Key}, result{want: 7}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.check(t, open(t, newEnv(), "postgresql", pgMetadata(s.Address, "SELECT 7", tc.more...), tc.auth))
		})
	}
}
