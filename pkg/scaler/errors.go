package scaler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Reason says why a measurement failed, in the terms that decide what happens
// next: the condition's wording, how long to back off, whether credentials
// are resolved again.
type Reason string

// The reasons.
const (
	// ReasonUnreachable: no answer, in time or at all.
	ReasonUnreachable Reason = "Unreachable"
	// ReasonDenied: the source refused the credentials or the permission.
	ReasonDenied Reason = "Denied"
	// ReasonMissing: what is to be measured does not exist at the source.
	ReasonMissing Reason = "Missing"
	// ReasonMisconfigured: the source can't do what the parameters ask.
	ReasonMisconfigured Reason = "Misconfigured"
	// ReasonBadAnswer: the source answered something that is no number.
	ReasonBadAnswer Reason = "BadAnswer"
)

// Error is a failed measurement with its reason.
type Error struct {
	Reason Reason
	// Doing says what was tried, e.g. `reading the length of list "jobs"`.
	Doing string
	// RetryAfter is set when the source asked for a pause.
	RetryAfter time.Duration
	Err        error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Doing
	}
	return e.Doing + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Unreachable wraps an error of the network or a time-out. A RefusedError in
// it makes it Misconfigured.
func Unreachable(err error, format string, args ...any) error {
	if refused := refusedIn(err); refused != nil {
		return Misconfigured(refused, format, args...)
	}
	return &Error{Reason: ReasonUnreachable, Doing: fmt.Sprintf(format, args...), Err: err}
}

// Denied wraps a refusal of credentials or permission.
func Denied(err error, format string, args ...any) error {
	return &Error{Reason: ReasonDenied, Doing: fmt.Sprintf(format, args...), Err: err}
}

// Missing wraps the absence of what is measured.
func Missing(err error, format string, args ...any) error {
	return &Error{Reason: ReasonMissing, Doing: fmt.Sprintf(format, args...), Err: err}
}

// Misconfigured wraps what only a change of the parameters mends.
func Misconfigured(err error, format string, args ...any) error {
	return &Error{Reason: ReasonMisconfigured, Doing: fmt.Sprintf(format, args...), Err: err}
}

// BadAnswer wraps an answer that holds no usable number.
func BadAnswer(err error, format string, args ...any) error {
	return &Error{Reason: ReasonBadAnswer, Doing: fmt.Sprintf(format, args...), Err: err}
}

// ReasonOf returns the reason of err; errors of other packages are told apart
// by identity, and are Unreachable when nothing better is known.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	if refusedIn(err) != nil {
		return ReasonMisconfigured
	}
	return ReasonUnreachable
}

// RetryAfterOf returns the pause that the source asked for, or 0.
func RetryAfterOf(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// IsNetwork says whether err comes from the network or a time-out rather than
// from an answer of the source.
func IsNetwork(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, net.ErrClosed)
}
