package sql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	dbsql "database/sql"

	"github.com/google/go-cmp/cmp"
	mssql "github.com/microsoft/go-mssqldb"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // of a test
		t.Fatal(err)
	}
	return path
}

func TestProblems(t *testing.T) {
	pg := pgMetadata("db:5432", "SELECT 1")
	pgBare := map[string]string{"query": "SELECT 1", "targetQueryValue": "5"}
	my := mysqlMetadata("db:3306", "SELECT 1")
	myBare := map[string]string{"query": "SELECT 1", "queryValue": "5"}
	ms := map[string]string{"query": "SELECT 1", "targetValue": "5", "host": "db"}
	msBare := map[string]string{"query": "SELECT 1", "targetValue": "5"}
	is := func(name, text string) map[string]string { return map[string]string{name: text} }
	tests := map[string]struct {
		kind           string
		metadata, auth map[string]string
		want           []string
	}{
		"pg right":         {"postgresql", pg, nil, nil},
		"pg nothing":       {"postgresql", nil, nil, []string{"metadata.query", "metadata.targetQueryValue"}},
		"pg no host":       {"postgresql", pgBare, nil, []string{"metadata.dbName", "metadata.host", "metadata.userName"}},
		"pg two hosts":     {"postgresql", scalertest.With(pg, "host", "a,b"), nil, []string{"metadata.host"}},
		"pg socket":        {"postgresql", scalertest.With(pg, "host", "/tmp"), nil, []string{"metadata.host"}},
		"pg IPv6":          {"postgresql", scalertest.With(pg, "host", "::1"), nil, nil},
		"pg port":          {"postgresql", scalertest.With(pg, "port", "x"), nil, []string{"metadata.port"}},
		"pg sslmode":       {"postgresql", scalertest.With(pg, "sslmode", "sure"), nil, []string{"metadata.sslmode"}},
		"pg channel":       {"postgresql", scalertest.With(pg, "listenChannel", strings.Repeat("x", 64)), nil, []string{"metadata.listenChannel"}},
		"pg no string":     {"postgresql", pgBare, is("connection", "nonsense"), []string{"authenticationRef.connection"}},
		"pg open quote":    {"postgresql", pgBare, is("connection", "host='a"), []string{"authenticationRef.connection"}},
		"pg no address":    {"postgresql", pgBare, is("connection", "user=x"), []string{"authenticationRef.connection"}},
		"pg file":          {"postgresql", pgBare, is("connection", "host=a sslrootcert=/etc/x"), []string{"authenticationRef.connection"}},
		"pg file in url":   {"postgresql", pgBare, is("connection", "postgres://a/b?passfile=/etc/x"), []string{"authenticationRef.connection"}},
		"pg service":       {"postgresql", pgBare, is("connection", "host=a service=x"), []string{"authenticationRef.connection"}},
		"pg socket string": {"postgresql", pgBare, is("connection", "host=/run/postgresql"), []string{"authenticationRef.connection"}},
		"pg system ca":     {"postgresql", pgBare, is("connection", "postgres://u@a/b?sslrootcert=system&sslmode=verify-full"), nil},
		"cockroach":        {"cockroachdb", pgBare, is("connection", "postgres://u@a/b"), nil},
		"cockroach listen": {"cockroachdb", scalertest.With(pg, "listenChannel", "x"), nil, []string{"metadata.listenChannel"}},
		"my right":         {"mysql", my, nil, nil},
		"my metricName":    {"mysql", scalertest.With(my, "metricName", "x"), nil, []string{"metadata.metricName"}},
		"my no host":       {"mysql", myBare, nil, []string{"metadata.dbName", "metadata.host", "metadata.username"}},
		"my string":        {"mysql", myBare, is("connectionString", "u:p@tcp(a:1)/b"), nil},
		"my bad string":    {"mysql", myBare, is("connectionString", "nonsense"), []string{"authenticationRef.connectionString"}},
		"my socket":        {"mysql", myBare, is("connectionString", "u:p@unix(/run/my)/b"), []string{"authenticationRef.connectionString"}},
		"ms right":         {"mssql", ms, nil, nil},
		"ms no host":       {"mssql", msBare, nil, []string{"metadata.host"}},
		"ms url":           {"mssql", msBare, is("connectionString", "sqlserver://u:p@a:1?database=b"), nil},
		"ms words":         {"mssql", msBare, is("connectionString", "Server=tcp:a,1433;Database=b;User ID=u;Password=p;TrustServerCertificate=true"), nil},
		"ms bad":           {"mssql", msBare, is("connectionString", "sqlserver://u:p@a:x"), []string{"authenticationRef.connectionString"}},
		"ms file":          {"mssql", msBare, is("connectionString", "Server=a;encrypt=true;certificate=/etc/x"), []string{"authenticationRef.connectionString"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(kind(t, tc.kind).New(), param.Values{Metadata: tc.metadata, Auth: tc.auth}) {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFirstAPI checks that in keda.k8s.io connection strings and passwords
// name variables.
func TestFirstAPI(t *testing.T) {
	env := map[string]string{"CONNECTION": "postgres://u:the-password@a/b", "PW": "the-password", "MY": "u:p@tcp(a:1)/b"}
	decode := func(kind scaler.Kind, m map[string]string) scaler.Config {
		c := kind.New()
		if err := scaler.Decode(c, param.Values{Metadata: m, Env: env, EnvNames: true}).Err(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := decode(kind(t, "postgresql"), map[string]string{"query": "SELECT 1", "targetQueryValue": "5", "connection": "CONNECTION"}).(*pgConfig)
	if c.connection.Reveal() != env["CONNECTION"] {
		t.Error("connection is not the variable's value")
	}
	c = decode(kind(t, "postgresql"), pgMetadata("a:1", "SELECT 1", "password", "PW")).(*pgConfig)
	if c.password.Reveal() != "the-password" {
		t.Error("password is not the variable's value")
	}
	m := decode(kind(t, "mysql"), map[string]string{"query": "SELECT 1", "queryValue": "5", "connectionString": "MY"}).(*mysqlConfig)
	if m.connection.Reveal() != env["MY"] {
		t.Error("connectionString is not the variable's value")
	}
}

func TestMSSQLConformance(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind:     kind(t, "mssql"),
		Metadata: map[string]string{"host": "db", "username": "keda", "database": "shop", "query": "SELECT 1", "targetValue": "5"},
		Auth:     map[string]string{"password": "the-password"},
	})
}

// TestMSSQLSettings checks what the driver is told.
func TestMSSQLSettings(t *testing.T) {
	c := kind(t, "mssql").New().(*mssqlConfig)
	v := param.Values{
		Metadata: map[string]string{"host": "db", "port": "1444", "username": "dom\\u;x=@/", "database": "a b&c;d", "query": "SELECT 1", "targetValue": "5"},
		Auth:     map[string]string{"password": "p;Server=evil@/?&#%"},
	}
	if err := scaler.Decode(c, v).Err(); err != nil {
		t.Fatal(err)
	}
	m, err := c.settings()
	if err != nil {
		t.Fatal(err)
	}
	got := []any{m.Host, m.Port, m.User, m.Password, m.Database}
	if diff := cmp.Diff([]any{"db", uint64(1444), "dom\\u;x=@/", "p;Server=evil@/?&#%", "a b&c;d"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// fake is a driver whose one result is given.
type fake struct {
	columns []string
	rows    [][]driver.Value
	err     error
}

func (f fake) Connect(context.Context) (driver.Conn, error) { return f, nil }
func (f fake) Driver() driver.Driver                        { return nil }
func (f fake) Prepare(string) (driver.Stmt, error)          { return nil, errors.New("not asked for") }
func (f fake) Close() error                                 { return nil }
func (f fake) Begin() (driver.Tx, error)                    { return nil, errors.New("not asked for") }
func (f fake) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &fakeRows{f, 0}, f.err
}

type fakeRows struct {
	fake
	at int
}

func (r *fakeRows) Columns() []string { return r.columns }
func (r *fakeRows) Next(to []driver.Value) error {
	if r.at == len(r.rows) {
		return io.EOF
	}
	copy(to, r.rows[r.at])
	r.at++
	return nil
}

// TestMSSQLResults checks results and the server's errors, without a server.
func TestMSSQLResults(t *testing.T) {
	answer := func(number int32) error { return mssql.Error{Number: number, Message: "about s3cret"} }
	one := []string{""}
	tests := map[string]struct {
		fake
		result
	}{
		"integer":     {fake{one, [][]driver.Value{{int64(7)}}, nil}, result{want: 7}},
		"decimal":     {fake{one, [][]driver.Value{{[]byte("12.50")}}, nil}, result{want: 12.5}},
		"no row":      {fake{one, nil, nil}, result{note: "no row"}},
		"NULL":        {fake{one, [][]driver.Value{{nil}}, nil}, result{reason: scaler.ReasonBadAnswer, mention: "NULL"}},
		"two columns": {fake{[]string{"a", "b"}, [][]driver.Value{{int64(1), int64(2)}}, nil}, result{reason: scaler.ReasonMisconfigured, mention: "2 columns"}},
		"no column":   {fake{nil, nil, nil}, result{reason: scaler.ReasonMisconfigured, mention: "0 columns"}},
		"conversion":  {fake{err: answer(245)}, result{reason: scaler.ReasonMisconfigured, mention: "converted"}},
		"division":    {fake{err: answer(8134)}, result{reason: scaler.ReasonBadAnswer, mention: "8134"}},
		"deadlock":    {fake{err: answer(1205)}, result{reason: scaler.ReasonUnreachable, mention: "1205"}},
		"broken":      {fake{err: io.ErrUnexpectedEOF}, result{reason: scaler.ReasonUnreachable}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			db := dbsql.OpenDB(tc.fake)
			defer func() { _ = db.Close() }()
			tc.check(t, &source{query: &query{text: "SELECT 1"}, engine: mssqlEngine(), server: &server{db: db}, release: func() {}})
		})
	}
	for number, want := range map[int32]scaler.Reason{
		18456: scaler.ReasonDenied, 229: scaler.ReasonDenied, 4060: scaler.ReasonMissing, 208: scaler.ReasonMissing,
		102: scaler.ReasonMisconfigured, 207: scaler.ReasonMisconfigured, 40613: scaler.ReasonUnreachable,
	} {
		if got := scaler.ReasonOf(mssqlEngine().failed(answer(number), "asking")); got != want {
			t.Errorf("error %d is %s, want %s", number, got, want)
		}
	}
}
