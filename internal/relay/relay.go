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

// toWire is a workload as it is sent now.
func toWire(w Workload, now time.Time) *relaypb.Workload {
	out := &relaypb.Workload{
		Id: w.ID, Namespace: w.Namespace, SelectorKey: w.SelectorKey, SelectorValue: w.SelectorValue,
		PollingIntervalNs: int64(w.Interval), Answers: make([]*relaypb.Answer, len(w.Answers)),
	}
	for i, a := range w.Answers {
		sent := &relaypb.Answer{Metric: a.Metric, Value: a.Value, Failure: a.Failure, Idle: a.Idle}
		if !a.At.IsZero() {
			sent.AgeNs, sent.GoodForNs = new(int64(now.Sub(a.At))), int64(a.GoodUntil.Sub(now))
		}
		out.Answers[i] = sent
	}
	return out
}

// fromWire is a workload as it is received now, by the clock on this side.
func fromWire(w *relaypb.Workload, now time.Time) Workload {
	out := Workload{
		ID: w.GetId(), Namespace: w.GetNamespace(), SelectorKey: w.GetSelectorKey(), SelectorValue: w.GetSelectorValue(),
		Interval: time.Duration(w.GetPollingIntervalNs()), Answers: make([]Answer, len(w.GetAnswers())),
	}
	for i, sent := range w.GetAnswers() {
		a := Answer{Metric: sent.GetMetric(), Value: sent.GetValue(), Failure: sent.GetFailure(), Idle: sent.GetIdle()}
		if sent.AgeNs != nil {
			a.At, a.GoodUntil = now.Add(-time.Duration(sent.GetAgeNs())), now.Add(time.Duration(sent.GetGoodForNs()))
		}
		out.Answers[i] = a
	}
	return out
}
