// Package relay lets replicas that don't measure serve the external metrics
// API: they hold a copy of what the operator would tell HPAs, and ask it for
// what has become too old. While the operator is away they answer with what
// they know until that is too old to be told.
//
// It owns the protocol between the roles and the copy. It measures nothing,
// decides nothing, and knows no Kubernetes API.
package relay

import (
	"context"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/relay/relaypb"
)

// Workload is what HPAs are told of one workload.
type Workload struct {
	// ID is the same for the workload whichever operator sends it.
	ID        string
	Namespace string
	// SelectorKey and SelectorValue are the label that its HPA selects by.
	SelectorKey, SelectorValue string
	// Interval is the polling interval.
	Interval time.Duration
	Answers  []Answer
}

// Answer is what an HPA is told of one metric.
type Answer struct {
	Metric string
	Value  float64
	// At is when the value was measured, zero when there is none; GoodUntil is
	// until when it may be told.
	At, GoodUntil time.Time
	// Failure is why there is no value.
	Failure string
	// Idle says that by the value there is nothing to do. A copy does not tell
	// such a value by itself: the operator may have activated the workload
	// since, and the HPA would take replicas away from it.
	Idle bool
}

// Source is what the operator has to tell.
type Source interface {
	// Keys lists the workloads.
	Keys() []model.Key
	// Known returns what is known of a workload; false when it has gone.
	Known(ctx context.Context, key model.Key) (Workload, bool)
	// Ask returns the workloads of a namespace that have a metric, with that
	// metric's answer, measured anew if it was too old.
	Ask(ctx context.Context, namespace, metric string) []Workload
}

func toWire(w Workload) *relaypb.Workload {
	out := &relaypb.Workload{
		Id: w.ID, Namespace: w.Namespace, SelectorKey: w.SelectorKey, SelectorValue: w.SelectorValue,
		PollingIntervalNs: int64(w.Interval), Answers: make([]*relaypb.Answer, len(w.Answers)),
	}
	for i, a := range w.Answers {
		out.Answers[i] = &relaypb.Answer{Metric: a.Metric, Value: a.Value, At: nanos(a.At), GoodUntil: nanos(a.GoodUntil), Failure: a.Failure, Idle: a.Idle}
	}
	return out
}

func fromWire(w *relaypb.Workload) Workload {
	out := Workload{
		ID: w.GetId(), Namespace: w.GetNamespace(), SelectorKey: w.GetSelectorKey(), SelectorValue: w.GetSelectorValue(),
		Interval: time.Duration(w.GetPollingIntervalNs()), Answers: make([]Answer, len(w.GetAnswers())),
	}
	for i, a := range w.GetAnswers() {
		out.Answers[i] = Answer{Metric: a.GetMetric(), Value: a.GetValue(), At: moment(a.GetAt()), GoodUntil: moment(a.GetGoodUntil()), Failure: a.GetFailure(), Idle: a.GetIdle()}
	}
	return out
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
