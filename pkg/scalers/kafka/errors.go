package kafka

import (
	"context"
	"errors"
	"io"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

var (
	errNoBroker = errors.New("the cluster lists no broker")
	errNoLeader = errors.New("the partition has no leader at the moment")
	errNoAnswer = errors.New("the answer leaves it out")
)

// failed classifies a request that got no answer.
func failed(err error, doing string) error {
	var own *scaler.Error // a token that could not be fetched
	if errors.As(err, &own) {
		return err
	}
	var code *kerr.Error
	if errors.As(err, &code) {
		// The broker's own text is left out, it could hold anything.
		return answered(code, doing)
	}
	var eof *kgo.ErrFirstReadEOF
	if errors.As(err, &eof) {
		return scaler.Unreachable(err, "%s", doing)
	}
	if errors.Is(err, io.EOF) {
		return scaler.Unreachable(err, "%s: the broker closed the connection, as some do to refuse credentials", doing)
	}
	if errors.Is(err, context.Canceled) {
		return scaler.Unreachable(context.Canceled, "%s", doing)
	}
	return conn.NetworkError(err, doing)
}

// answered classifies an error code of a broker.
func answered(code *kerr.Error, doing string) error {
	switch code {
	case kerr.SaslAuthenticationFailed, kerr.IllegalSaslState, kerr.ClusterAuthorizationFailed,
		kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed:
		return scaler.Denied(code, "%s", doing)
	case kerr.UnsupportedSaslMechanism, kerr.InvalidTopicException, kerr.InvalidGroupID, kerr.SecurityDisabled:
		return scaler.Misconfigured(code, "%s", doing)
	case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.GroupIDNotFound:
		return scaler.Missing(code, "%s", doing)
	}
	return scaler.Unreachable(code, "%s", doing)
}

// aboutTopic classifies an error code on a topic or one of its partitions.
func aboutTopic(code int16, topic, doing, operation string) error {
	err := asCode(code)
	switch err {
	case kerr.TopicAuthorizationFailed:
		return scaler.Denied(err, "%s: the credentials need the ACL operation %s on topic %q", doing, operation, topic)
	case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID:
		return scaler.Missing(err, "%s: the cluster has no topic %q that these credentials may see", doing, topic)
	}
	return answered(err, doing)
}

// aboutGroup classifies an error code on a consumer group.
func aboutGroup(err error, group, doing string) error {
	if errors.Is(err, kerr.GroupAuthorizationFailed) {
		return scaler.Denied(kerr.GroupAuthorizationFailed, "%s: the credentials need the ACL operation Describe on group %q", doing, group)
	}
	return failed(err, doing)
}

// asCode returns a broker's error, also for codes that are newer than we are.
func asCode(code int16) *kerr.Error {
	var err *kerr.Error
	if !errors.As(kerr.ErrorForCode(code), &err) {
		return kerr.UnknownServerError
	}
	return err
}

// isStale says whether a code means that what we know of the partition's
// leader or existence is out of date.
func isStale(code int16) bool {
	switch asCode(code) {
	case kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID,
		kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.ReplicaNotAvailable, kerr.KafkaStorageError,
		kerr.OffsetNotAvailable:
		return true
	}
	return false
}
