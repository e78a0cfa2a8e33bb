package model

import (
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// Sample is what is known of one trigger: the last good measurement and the
// failures since.
type Sample struct {
	// Value is the last good value; it means nothing while At is zero.
	Value float64
	// Active is Value compared with the activation threshold.
	Active bool
	// Target is what the source stated with Value, or 0 for sources that
	// state none.
	Target float64
	// At is when Value was measured.
	At time.Time
	// Took is how long the last measurement took, good or not.
	Took time.Duration
	// Late is how much later than planned the last measurement began.
	Late time.Duration
	// Note is a remark of the scaler about Value.
	Note string

	// Failures counts measurements that failed since the last good one.
	Failures int
	// FailedAt is when the last failure happened.
	FailedAt time.Time
	// Reason and Message describe the last failure while Failures > 0.
	Reason  scaler.Reason
	Message string

	// Errors counts all measurements that failed, Empty all answers that held
	// nothing, since the trigger is known.
	Errors, Empty uint64

	// Watch says whether the source tells us of arrivals.
	Watch Watch
}

// Known says whether there ever was a good measurement.
func (s Sample) Known() bool { return !s.At.IsZero() }

// Failing says whether the last measurement failed.
func (s Sample) Failing() bool { return s.Failures > 0 }

// WatchState says how arrivals at an idle trigger are noticed.
type WatchState string

// The watch states.
const (
	// WatchNone: the source can't tell; it is polled.
	WatchNone WatchState = ""
	// WatchOn: the source tells us at once.
	WatchOn WatchState = "Watching"
	// WatchRefused: the server does not allow it; it is polled.
	WatchRefused WatchState = "Refused"
	// WatchBroken: interrupted, being tried again; it is polled.
	WatchBroken WatchState = "Broken"
)

// Watch is the state of watching with the reason when it does not work.
type Watch struct {
	State   WatchState
	Message string
}
