package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// failed classifies an error of the driver or the server.
func failed(err error, doing string) error {
	var own *scaler.Error
	if errors.As(err, &own) {
		return err
	}
	var answer mongo.CommandError
	if errors.As(err, &answer) {
		r := byCode(answer.Code)
		text := fmt.Sprintf("the server answers error %d %s", answer.Code, answer.Name)
		if r == scaler.ReasonDenied || r == scaler.ReasonMisconfigured {
			text += ": " + answer.Message
		}
		return &scaler.Error{Reason: r, Doing: doing, Err: errors.New(text)}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return scaler.Unreachable(context.Canceled, "%s", doing)
	case errors.Is(err, mongo.ErrClientDisconnected):
		return scaler.Unreachable(nil, "%s: the client is closed", doing)
	}
	// The driver's own text lists all it knows of the cluster; what is looked
	// for is underneath.
	classified := conn.NetworkError(err, doing)
	if mongo.IsTimeout(err) && scaler.ReasonOf(classified) == scaler.ReasonUnreachable {
		return scaler.Unreachable(context.DeadlineExceeded, "%s: no server answered in time", doing)
	}
	return classified
}

// byCode maps a server's error, see "Error Codes" of MongoDB's manual.
func byCode(code int32) scaler.Reason {
	switch code {
	case 11, 13, 18, 31, 33, 8000: // UserNotFound, Unauthorized, AuthenticationFailed, RoleNotFound; Atlas' own
		return scaler.ReasonDenied
	case 26: // NamespaceNotFound
		return scaler.ReasonMissing
	case 2, 9, 14, 27, 52, 59, 72, 73, 115, 160, 168, 238, 292, 15998, 16436, 40234, 40323, 40324, 40352, 40353, 40415, 40573:
		// BadValue, FailedToParse, TypeMismatch, IndexNotFound, no such command or stage, no replica set …
		return scaler.ReasonMisconfigured
	}
	return scaler.ReasonUnreachable
}
