package azure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// hubMostPartitions is the largest number of partitions a hub may have, by
// the service's quotas.
const hubMostPartitions = 2048

// partitionForm is what a partition's ID looks like. It becomes part of the
// names of blobs.
var partitionForm = param.NewForm(`^[0-9A-Za-z_-]+$`, 64)

// partitionIDs reads the answer about a hub.
func partitionIDs(answer any) ([]string, error) {
	about, _ := answer.(map[string]any)
	ids, ok := about["partition_ids"].([]string)
	switch {
	case !ok || len(ids) == 0:
		return nil, &hubAnswerError{"the answer about the event hub names no partitions"}
	case len(ids) > hubMostPartitions:
		return nil, &hubAnswerError{fmt.Sprintf("the answer about the event hub names %d partitions; expected at most %d", len(ids), hubMostPartitions)}
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if !partitionForm.MatchString(id) || seen[id] {
			return nil, &hubAnswerError{"the answer about the event hub names a partition twice, or by no ID"}
		}
		seen[id] = true
	}
	return ids, nil
}

// partitionOf reads the answer about a partition.
func partitionOf(answer any, id string) (hubPartition, error) {
	about, _ := answer.(map[string]any)
	p := hubPartition{id: id}
	got, isID := about["partition"].(string)
	var hasFirst, hasLast, hasEmpty bool
	p.first, hasFirst = wholeNumber(about["begin_sequence_number"])
	p.last, hasLast = wholeNumber(about["last_enqueued_sequence_number"])
	p.empty, hasEmpty = about["is_partition_empty"].(bool)
	switch {
	case !isID || got != id:
		return p, &hubAnswerError{fmt.Sprintf("the answer about partition %s is about another", id)}
	case !hasFirst || !hasLast || !hasEmpty:
		return p, &hubAnswerError{fmt.Sprintf("the answer about partition %s lacks sequence numbers, or whether it is empty", id)}
	case p.last < -1 || !p.empty && p.last >= 0 && p.first < 0:
		return p, &hubAnswerError{fmt.Sprintf("the answer about partition %s has a negative sequence number", id)}
	}
	return p, nil
}

// wholeNumber reads any signed integer of AMQP.
func wholeNumber(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int32:
		return int64(n), true
	case int16:
		return int64(n), true
	case int8:
		return int64(n), true
	}
	return 0, false
}

// hubBusyPause is waited after throttling: the service says not for how long,
// and its windows have 4 s.
const hubBusyPause = 4 * time.Second

// hubError classifies an error of the connection to a hub. doing says what
// was tried; of a server's text the result holds the error condition only.
func hubError(ctx context.Context, err error, doing string) error {
	var own *scaler.Error
	var status hubStatusError
	var nonsense *hubAnswerError
	var refusal *amqp.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &own):
		return own
	case ctx.Err() != nil:
		return conn.AzureError(ctx.Err(), doing)
	case errors.Is(err, os.ErrDeadlineExceeded): // of a write
		return conn.AzureError(context.DeadlineExceeded, doing)
	case errors.As(err, &nonsense):
		return scaler.BadAnswer(nonsense, "%s", doing)
	case errors.As(err, &status):
		return hubStatus(status, doing)
	case errors.As(err, &refusal):
		return hubCondition(refusal.Condition, doing)
	case isAMQPEnd(err):
		return scaler.Unreachable(errors.New("the connection broke"), "%s", doing)
	case scaler.IsNetwork(err), errors.As(err, &certificate):
		return conn.NetworkError(err, doing)
	}
	return scaler.BadAnswer(errors.New("the server does not speak AMQP 1.0 as Event Hubs do"), "%s", doing)
}

// isAMQPEnd says whether a connection, or a part of it, ended without the
// server saying why.
func isAMQPEnd(err error) bool {
	var link *amqp.LinkError
	var session *amqp.SessionError
	var c *amqp.ConnError
	return errors.As(err, &link) || errors.As(err, &session) || errors.As(err, &c)
}

// hubStatus classifies a refusal by number.
func hubStatus(status hubStatusError, doing string) error {
	code := int(status)
	if code == http.StatusGone {
		code = http.StatusNotFound
	}
	err := conn.Answer{Status: code, Header: http.Header{}}.Err(time.Time{}, doing)
	var own *scaler.Error
	if !errors.As(err, &own) {
		return scaler.BadAnswer(status, "%s", doing)
	}
	if code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable {
		own.RetryAfter = hubBusyPause
	}
	return own
}

// hubCondition classifies a refusal by name, see the conditions of AMQP 1.0
// and those that Event Hubs add.
func hubCondition(condition amqp.ErrCond, doing string) error {
	own := &scaler.Error{Doing: doing, Reason: scaler.ReasonUnreachable, Err: fmt.Errorf("the service refused: %s", shownCondition(condition))}
	switch condition {
	case amqp.ErrCondUnauthorizedAccess, "com.microsoft:auth-failed":
		own.Reason = scaler.ReasonDenied
	case amqp.ErrCondNotFound, "com.microsoft:entity-disabled":
		own.Reason = scaler.ReasonMissing
	case amqp.ErrCondDecodeError, amqp.ErrCondNotImplemented, amqp.ErrCondInvalidField, amqp.ErrCondNotAllowed, amqp.ErrCondMessageSizeExceeded, amqp.ErrCondFrameSizeTooSmall:
		own.Reason = scaler.ReasonBadAnswer
	case "com.microsoft:server-busy":
		own.RetryAfter = hubBusyPause
	}
	return own
}

// shownCondition is what of a condition can be shown.
func shownCondition(condition amqp.ErrCond) string {
	const most = 80
	text := []rune(string(condition))
	text = slices.DeleteFunc(text[:min(most, len(text))], func(r rune) bool {
		return r != ':' && r != '-' && r != '.' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	return string(text)
}
