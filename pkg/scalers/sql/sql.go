// Package sql measures the number that a query of a relational database
// returns: PostgreSQL, CockroachDB, MySQL and MariaDB, Microsoft SQL Server.
//
// It owns one small set of connections per server, database and credentials,
// which all triggers on them share, and one connection that listens for
// PostgreSQL's notifications. It refuses results that are not one finite
// number, and reads neither files nor environment variables of its own process.
package sql

import (
	"context"
	dbsql "database/sql"
	"database/sql/driver"
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{postgresqlKind(), cockroachKind(), mysqlKind(), mssqlKind()}
}

const (
	// maxOpen is how many queries one server gets at once from all triggers
	// with the same credentials; further ones wait for their turn.
	maxOpen = 4
	// maxIdle connections stay open between polls.
	maxIdle = 2
	// idleTimeout closes them when no trigger has used them.
	idleTimeout = 5 * time.Minute
	// maxLife makes new connections after a while, so that a server that has
	// moved behind its name is found.
	maxLife = 30 * time.Minute
)

// query is what every trigger of this package has.
type query struct {
	text       string
	target     float64
	activation float64
}

func (q *query) params(target, activation string) param.Set {
	return param.Set{
		param.Text("query", &q.text).Required().Example("SELECT count(*) FROM jobs WHERE state = 'waiting'").
			Doc("Query that returns one row with one number; where that can be NULL, use COALESCE."),
		param.Float(target, &q.target).Required().Target().Doc("Value of the query per replica."),
		param.Float(activation, &q.activation).Activation().Doc("Value of the query above which the workload is active."),
	}
}

// metric is stable and tells queries apart; the query itself may hold what a
// metric's name should not show.
func (q *query) metric(kind, database string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(q.text))
	name := kind + "-"
	if database != "" {
		name += database + "-"
	}
	return name + strconv.FormatUint(uint64(h.Sum32()), 36)
}

// engine is what differs between servers once connected.
type engine struct {
	driver string
	// ask runs a query such that it can't write; nil where the server has no
	// read-only transactions.
	ask func(ctx context.Context, db *dbsql.DB, query string) (answer, error)
	// emptyIsZero says that a query without a row counts as 0.
	emptyIsZero bool
	// answered classifies an error that the server itself answered, and gives
	// the text that may be shown of it; false when the error is another.
	answered func(error) (scaler.Reason, string, bool)
}

// server is what all triggers with the same address and credentials share.
// The pool closes it.
type server struct {
	db  *dbsql.DB
	hub *hub // nil where the server has no notifications
}

// Close implements io.Closer.
func (s *server) Close() error {
	if s.hub != nil {
		s.hub.close()
	}
	return s.db.Close()
}

// target is how one server is reached.
type target struct {
	engine      engine
	host        string // host:port, for scheduling and errors
	address     string // all that is no credential
	credentials string // a digest
	token       *token // nil without one; open gives it to the source
	connect     func() (driver.Connector, *hub, error)
}

// open leases the connections to a server.
func (q *query) open(env scaler.Env, t target) (*source, error) {
	key := scaler.PoolKey{Driver: t.engine.driver, Address: t.address + " " + conn.OptionsKey(env.HTTP), Credentials: conn.Digest(t.credentials, t.token.key())}
	shared, release, err := scaler.Lease(env.Pool, key, func() (*server, error) {
		connector, h, err := t.connect()
		if err != nil {
			return nil, err
		}
		db := dbsql.OpenDB(connector)
		db.SetMaxOpenConns(maxOpen)
		db.SetMaxIdleConns(maxIdle)
		db.SetConnMaxIdleTime(idleTimeout)
		db.SetConnMaxLifetime(maxLife)
		return &server{db: db, hub: h}, nil
	})
	if err != nil {
		t.token.close()
		return nil, scaler.Misconfigured(err, "opening a %s trigger", t.engine.driver)
	}
	return &source{query: q, engine: t.engine, server: shared, host: t.host, release: func() { release(); t.token.close() }}, nil
}

// source measures one query.
type source struct {
	query   *query
	engine  engine
	server  *server
	host    string
	release func()
}

var _ scaler.Hosted = (*source)(nil)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.host }

// Close implements scaler.Source.
func (s *source) Close() error { s.release(); return nil }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r, err := s.ask(ctx)
	var known *scaler.Error
	if err == nil || errors.As(err, &known) {
		return r, err
	}
	return scaler.Reading{}, s.engine.failed(err, "asking "+s.host)
}

// answer is what is needed of a query's result.
type answer struct {
	columns int
	rows    int // more than one count as two
	cell    any // of the first row, when there is one column
}

// ask runs the query, in a transaction that can't write where there is such.
func (s *source) ask(ctx context.Context) (scaler.Reading, error) {
	ask := s.engine.ask
	if ask == nil {
		ask = askAny
	}
	a, err := ask(ctx, s.server.db, s.query.text)
	if err != nil {
		return scaler.Reading{}, err
	}
	return s.reading(a)
}

// asker is a database or a transaction.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*dbsql.Rows, error)
}

// askReadOnly runs a query in a transaction that can't write: three round
// trips. A setting of the session would save two, but MariaDB's SET STATEMENT
// lifts that within the query itself.
func askReadOnly(ctx context.Context, db *dbsql.DB, query string) (answer, error) {
	tx, err := db.BeginTx(ctx, &dbsql.TxOptions{ReadOnly: true})
	if err != nil {
		return answer{}, err
	}
	a, err := answerOf(ctx, tx, query)
	if end := tx.Rollback(); err == nil && end != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return a, err
}

// askAny runs a query as it is.
func askAny(ctx context.Context, db *dbsql.DB, query string) (answer, error) {
	return answerOf(ctx, db, query)
}

func answerOf(ctx context.Context, from asker, query string) (a answer, err error) {
	rows, err := from.QueryContext(ctx, query)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return answer{}, err
	}
	a.columns = len(columns)
	for a.columns == 1 && a.rows < 2 && rows.Next() {
		if a.rows++; a.rows == 1 {
			if err := rows.Scan(&a.cell); err != nil {
				return answer{}, err
			}
		}
	}
	return a, rows.Err()
}

// reading is the number of an answer.
func (s *source) reading(a answer) (r scaler.Reading, err error) {
	switch {
	case a.columns != 1:
		return r, scaler.Misconfigured(nil, "the query returns %d columns; expected one row with one number", a.columns)
	case a.rows == 0 && s.engine.emptyIsZero:
		return scaler.Reading{Empty: true, Note: "the query returned no row, which counts as 0"}, nil
	case a.rows == 0:
		return scaler.Reading{Empty: true}, scaler.Missing(nil, "the query returns no row; expected one row with one number")
	}
	if r.Value, err = number(a.cell); err != nil {
		return scaler.Reading{}, err
	}
	if a.rows > 1 {
		r.Note = "the query returned more than one row; the first counts"
	}
	return r, nil
}
