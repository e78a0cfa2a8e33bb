package cassandra

import (
	"context"
	"errors"
	"fmt"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// isAnswer says whether the server answered, though with an error.
func isAnswer(err error) bool {
	var refused gocql.RequestError
	return errors.As(err, &refused)
}

// failed classifies an error of the driver or the server. The server's own
// text is not repeated.
func (k *client) failed(ctx context.Context, err error, doing string) error {
	var refused gocql.RequestError
	var dial *dialError
	switch {
	case errors.As(err, &refused):
		reason, text := meaning(refused.Code())
		return &scaler.Error{Reason: reason, Doing: doing, Err: fmt.Errorf("%s (error 0x%04X)", text, refused.Code())}
	case ctx.Err() != nil:
		return scaler.Unreachable(ctx.Err(), "%s: no answer in time", doing)
	case errors.As(err, &dial):
		return conn.NetworkError(dial.error, doing)
	case errors.Is(err, gocql.ErrFrameTooBig):
		return scaler.BadAnswer(err, "%s", doing)
	case scaler.IsNetwork(err):
		return conn.NetworkError(err, doing)
	}
	return scaler.Unreachable(errors.New("the connection was lost, or what answered is no Cassandra of this protocolVersion"), "%s", doing)
}

// meaning is what an error code of the protocol says of the trigger:
// https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec (section 9)
func meaning(code int) (scaler.Reason, string) {
	switch code {
	case gocql.ErrCodeCredentials:
		return scaler.ReasonDenied, "the server refuses the user name or the password"
	case gocql.ErrCodeUnauthorized:
		return scaler.ReasonDenied, "the user may not run the query"
	case gocql.ErrCodeSyntax, gocql.ErrCodeInvalid, gocql.ErrCodeConfig, gocql.ErrCodeFunctionFailure:
		return scaler.ReasonMisconfigured, "the server can't run the query; try the same in cqlsh, it tells why"
	case gocql.ErrCodeProtocol:
		return scaler.ReasonMisconfigured, "the server does not take requests of this protocolVersion"
	case gocql.ErrCodeUnavailable:
		return scaler.ReasonUnreachable, "too few replicas are up for the consistency asked for"
	case gocql.ErrCodeReadTimeout, gocql.ErrCodeReadFailure:
		return scaler.ReasonUnreachable, "too few replicas answered for the consistency asked for"
	case gocql.ErrCodeOverloaded, gocql.ErrCodeBootstrapping, gocql.ErrCodeServer:
		return scaler.ReasonUnreachable, "the server can't answer now"
	}
	return scaler.ReasonBadAnswer, "the server answered with an error that a query does not have"
}
