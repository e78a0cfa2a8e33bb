package sql

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// failed classifies an error of the driver or the server.
func (e engine) failed(err error, doing string) error {
	if reason, text, ok := e.answered(err); ok {
		return &scaler.Error{Reason: reason, Doing: doing, Err: errors.New(text)}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return scaler.Unreachable(context.Canceled, "%s", doing)
	case errors.Is(err, context.DeadlineExceeded):
		return scaler.Unreachable(context.DeadlineExceeded, "%s", doing)
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn):
		return scaler.Unreachable(nil, "%s: the connection broke", doing)
	case errors.Is(err, mysql.ErrMalformPkt), errors.Is(err, mysql.ErrPktSync), errors.Is(err, mysql.ErrPktSyncMul):
		return scaler.BadAnswer(err, "%s", doing)
	case errors.Is(err, mysql.ErrNoTLS):
		return scaler.Misconfigured(err, "%s", doing)
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) { // its own text repeats user and database
		err = connect.Unwrap()
	}
	return conn.NetworkError(err, doing)
}

// byState maps an SQLSTATE's class to what happens next. See "Appendix A.
// PostgreSQL Error Codes"; MySQL and MariaDB share the classes.
func byState(state string) scaler.Reason {
	switch {
	case state == "42501", strings.HasPrefix(state, "28"):
		return scaler.ReasonDenied
	case state == "3D000", state == "42P01", state == "42S02":
		return scaler.ReasonMissing
	case state == "25006", state == "0A000", strings.HasPrefix(state, "42"), strings.HasPrefix(state, "3F"):
		return scaler.ReasonMisconfigured
	case strings.HasPrefix(state, "22"), strings.HasPrefix(state, "21"):
		return scaler.ReasonBadAnswer
	}
	return scaler.ReasonUnreachable
}

// show gives the server's own words where they are about names and syntax,
// and only the code where they could quote data.
func show(r scaler.Reason, code, words string) string {
	switch r {
	case scaler.ReasonBadAnswer, scaler.ReasonUnreachable:
		return "the server answers error " + code
	}
	return "the server answers error " + code + ": " + words
}

const writes = "the query wants to write; it runs in a read-only transaction"

func pgAnswered(err error) (scaler.Reason, string, bool) {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return "", "", false
	}
	if answer.Code == "25006" {
		return scaler.ReasonMisconfigured, writes, true
	}
	r := byState(answer.Code)
	return r, show(r, answer.Code, answer.Message), true
}

func mysqlAnswered(err error) (scaler.Reason, string, bool) {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) {
		return "", "", false
	}
	var r scaler.Reason
	// The numbers of "Server Error Message Reference" whose SQLSTATE says less.
	switch answer.Number {
	case 1792: // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
		return scaler.ReasonMisconfigured, writes, true
	case 1044, 1045, 1130, 1142, 1143, 1227, 1370, 1698, 1820, 3118: // access, host, privileges, expired password, locked account
		r = scaler.ReasonDenied
	case 1049, 1146, 1305: // no such database, table, function
		r = scaler.ReasonMissing
	default:
		r = byState(string(answer.SQLState[:]))
	}
	return r, show(r, itoa(int64(answer.Number)), answer.Message), true
}

func mssqlAnswered(err error) (scaler.Reason, string, bool) {
	var answer mssql.Error
	if !errors.As(err, &answer) {
		return "", "", false
	}
	r := scaler.ReasonUnreachable
	// The numbers of "Database Engine errors".
	switch answer.Number {
	case 229, 230, 262, 297, 300, 916, 18452, 18456, 18470, 18486, 18487, 18488:
		r = scaler.ReasonDenied
	case 208, 911, 2812, 4060:
		r = scaler.ReasonMissing
	case 102, 105, 109, 156, 170, 195, 201, 207, 209, 245, 319, 4104, 8114, 8120:
		r = scaler.ReasonMisconfigured
	case 220, 232, 512, 8115, 8134:
		r = scaler.ReasonBadAnswer
	}
	if answer.Number == 245 || answer.Number == 8114 { // these quote the value that is no number
		return r, "the server answers error " + itoa(int64(answer.Number)) + ": a value can't be converted", true
	}
	return r, show(r, itoa(int64(answer.Number)), answer.Message), true
}
