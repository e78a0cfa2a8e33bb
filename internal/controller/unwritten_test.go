package controller

import (
	"context"
	"errors"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
)

// refusing is a writer of statuses that fails on demand.
type refusing struct {
	Writer
	err error
}

func (r *refusing) PatchStatus(ctx context.Context, before, after client.Object) error {
	if r.err != nil {
		return r.err
	}
	return r.Writer.PatchStatus(ctx, before, after)
}

// TestStatusUnwritten: while a status can't be written, that is told once, and
// what is told with it is not told again with each attempt.
func TestStatusUnwritten(t *testing.T) {
	w := newWorld(t, object("so", 1))
	k := key(model.GroupToday, "so")
	r := w.reconcilers[keyOf(k)]
	to := &refusing{Writer: r.Writer}
	r.Writer = to
	ready := []decide.Event{{Type: "Normal", Reason: "ScaledObjectReady", Message: "ready"}}
	after := model.Status{Conditions: []model.Condition{{Type: model.ConditionReady, Status: "True", Reason: "ScaledObjectReady"}}}
	refused := errors.New("forbidden")
	write := func(err error, evs []decide.Event, want ...string) {
		t.Helper()
		to.err = err
		if got := w.WriteStatus(t.Context(), k, model.Status{}, after, evs); !errors.Is(got, err) {
			t.Fatalf("error %v, want %v", got, err)
		}
		if got := w.told(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	const isReady, failed = "Normal ScaledObjectReady ready", "Warning ScaledObjectUpdateFailed forbidden"
	write(refused, ready, isReady, failed)
	write(refused, ready)
	paused := []decide.Event{ready[0], {Type: "Normal", Reason: "ScaledObjectPaused", Message: "paused"}}
	write(refused, paused, "Normal ScaledObjectPaused paused")
	write(nil, paused)
	write(nil, ready, isReady)
	write(refused, nil, failed)
	w.reconcilers[keyOf(k)].forget(k)
	write(refused, ready, isReady, failed)
}
