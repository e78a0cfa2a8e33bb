package conn_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// TestOnce: nothing is asked twice, also what failed, unless time ran out.
func TestOnce(t *testing.T) {
	var r conn.Round
	over, cancel := context.WithCancel(t.Context())
	cancel()
	asked := 0
	ask := func(ctx context.Context, key string, n int, fails error) (int, error) {
		return conn.Once(ctx, &r, key, func() (int, error) { asked++; return n, fails })
	}
	down := errors.New("down")
	if _, err := ask(over, "a", 0, context.Canceled); !errors.Is(err, context.Canceled) || asked != 1 {
		t.Errorf("cancelled: %v after %d questions", err, asked)
	}
	for range 2 {
		if n, err := ask(t.Context(), "a", asked, nil); n != 1 || err != nil || asked != 2 {
			t.Errorf("got %d, %v after %d questions; expected what the second told", n, err, asked)
		}
	}
	for range 2 {
		if _, err := ask(t.Context(), "b", 0, down); !errors.Is(err, down) || asked != 3 {
			t.Errorf("got %v after %d questions; expected the error of the third", err, asked)
		}
	}
}

func TestSum(t *testing.T) {
	count := func(_ context.Context, n int) (int, error) {
		switch {
		case n == 0:
			return 0, scaler.Missing(errors.New("gone"), "counting")
		case n < 0:
			return 0, scaler.Denied(errors.New("no"), "counting")
		}
		return n, nil
	}
	if sum, missing, err := conn.Sum(t.Context(), []int{1, 0, 2, 0, 4}, 2, count); sum != 7 || missing != 2 || err != nil {
		t.Errorf("got %d without %d, %v; expected 7 without 2", sum, missing, err)
	}
	if _, _, err := conn.Sum(t.Context(), []int{1, -1, 0}, 2, count); scaler.ReasonOf(err) != scaler.ReasonDenied {
		t.Errorf("got %v; expected what is not missing to fail", err)
	}
}

// TestBatchSource: one answer is for all, and so is a failure to get it.
func TestBatchSource(t *testing.T) {
	asked, closed := 0, 0
	var fails error
	source := func(own float64) scaler.Source {
		return &conn.BatchSource[float64]{
			Server: "a:1", Key: "k", Release: func() error { closed++; return nil },
			Ask: func(context.Context) (float64, error) { asked++; return 10, fails },
			Read: func(_ context.Context, answer float64) (scaler.Reading, error) {
				if own < 0 {
					return scaler.Reading{}, errors.New("none of mine")
				}
				return scaler.Reading{Value: answer + own}, nil
			},
		}
	}
	sources := []scaler.Source{source(1), source(-1), source(3)}
	first := sources[0].(scaler.Batcher)
	got := first.MeasureAll(t.Context(), sources)
	if got[0].Reading.Value != 11 || got[1].Err == nil || got[2].Reading.Value != 13 || asked != 1 {
		t.Errorf("measured %+v by %d questions", got, asked)
	}
	fails = errors.New("down")
	for i, r := range first.MeasureAll(t.Context(), sources) {
		if !errors.Is(r.Err, fails) || r.Reading.Value != 0 {
			t.Errorf("source %d: got %+v; expected the failure", i, r)
		}
	}
	if _, err := sources[2].Measure(t.Context()); !errors.Is(err, fails) {
		t.Errorf("got %v; expected the failure", err)
	}
	if err := sources[0].Close(); err != nil || closed != 1 || first.BatchKey() != "k" || sources[0].(scaler.Hosted).Host() != "a:1" {
		t.Errorf("closed %d times, %v; expected once", closed, err)
	}
}
