package sql

import (
	"context"
	dbsql "database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/kedago/keda/pkg/scaler"
)

// pgAsk runs a query in a transaction that can't write. The beginning, the
// query and the end are sent at once, so all is one round trip.
func pgAsk(ctx context.Context, db *dbsql.DB, query string) (a answer, err error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = c.Close() }()
	err = c.Raw(func(driver any) error {
		own, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("found a connection of the type %T; expected PostgreSQL's", driver)
		}
		a, err = pgPipeline(ctx, own.Conn().PgConn(), query)
		return err
	})
	return a, err
}

// pgPipeline runs a query on a connection. After a failure the server skips
// what follows up to the next synchronisation: the query, when its transaction
// can't begin, and never the end of the transaction, which has one before it.
func pgPipeline(ctx context.Context, c *pgconn.PgConn, query string) (a answer, err error) {
	p := c.StartPipeline(ctx)
	p.SendQueryParams("BEGIN READ ONLY", nil, nil, nil, nil)
	p.SendQueryParams(query, nil, nil, nil, nil)
	p.SendPipelineSync()
	p.SendQueryParams("ROLLBACK", nil, nil, nil, nil)
	if err = p.Sync(); err == nil {
		a, err = pgAnswer(p)
	}
	if end := p.Close(); err == nil { // reads the rest of what the server has to say
		err = end
	}
	return a, err
}

func pgAnswer(p *pgconn.Pipeline) (a answer, err error) {
	begun, err := pgResult(p)
	if err != nil {
		return answer{}, err
	}
	if _, err := begun.Close(); err != nil {
		return answer{}, err
	}
	r, err := pgResult(p)
	if err != nil && strings.Contains(err.Error(), "CopyOutResponse") { // the driver has no type for this
		return answer{}, scaler.Misconfigured(nil, "the query copies out rows; expected one row with one number")
	}
	if err != nil {
		return answer{}, err
	}
	a.columns = len(r.FieldDescriptions())
	for r.NextRow() {
		if a.columns != 1 || a.rows > 1 {
			continue
		}
		if a.rows++; a.rows == 1 {
			a.cell = pgCell(r.FieldDescriptions()[0].DataTypeOID, r.Values()[0])
		}
	}
	_, err = r.Close()
	return a, err
}

// pgResult is the next result, whose rows are yet to be read.
func pgResult(p *pgconn.Pipeline) (*pgconn.ResultReader, error) {
	got, err := p.GetResults()
	if err != nil {
		return nil, err
	}
	r, ok := got.(*pgconn.ResultReader)
	if !ok {
		return nil, fmt.Errorf("the server answers with %T; expected a result", got)
	}
	return r, nil
}

// pgCell is a value of the text format. Types that are no number whatever the
// text is get their own, and the rest stays text.
func pgCell(oid uint32, raw []byte) any {
	if raw == nil {
		return nil
	}
	switch oid {
	case pgtype.BoolOID:
		return raw[0] == 't'
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return time.Time{}
	case pgtype.ByteaOID:
		if b, err := hex.DecodeString(strings.TrimPrefix(string(raw), `\x`)); err == nil {
			return b
		}
	}
	return string(raw)
}
