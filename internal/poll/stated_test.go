package poll

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/pkg/scaler"
)

// statedConfig is a trigger whose source states the target, in thousandths.
type statedConfig struct {
	config
	target *atomic.Int64
}

func (statedConfig) TargetStated() {}

func (c statedConfig) Open(context.Context, scaler.Env) (scaler.Source, error) {
	return statedSource{single{c.config}, c.target}, nil
}

type statedSource struct {
	single
	target *atomic.Int64
}

func (s statedSource) Measure(ctx context.Context) (scaler.Reading, error) {
	r, err := s.single.Measure(ctx)
	r.Target = float64(s.target.Load()) / 1000
	return r, err
}

func TestStatedTargetsAreKept(t *testing.T) {
	for name, tt := range map[string]struct {
		target float64
		bad    bool
	}{
		"a target": {target: 5}, "a small one": {target: 0.001}, "too small": {target: 0.0001, bad: true}, "none": {bad: true},
		"below 0": {target: -1, bad: true}, "NaN": {target: math.NaN(), bad: true}, "infinite": {target: math.Inf(1), bad: true},
		"too large": {target: 1e17, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := checked(statedConfig{}, scaler.Result{Reading: scaler.Reading{Value: 3, Target: tt.target}})
			if bad := r.Err != nil; bad != tt.bad || bad && scaler.ReasonOf(r.Err) != scaler.ReasonBadAnswer {
				t.Errorf("got %v", r.Err)
			}
			if r := checked(config{}, scaler.Result{Reading: scaler.Reading{Value: 3}}); r.Err != nil {
				t.Errorf("a source that states none: %v", r.Err)
			}
		})
	}
}

// TestAFailureKeepsTheStatedTarget: an HPA must not lose its metric in an outage.
func TestAFailureKeepsTheStatedTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		b.server.set("jobs", 3)
		var target atomic.Int64
		target.Store(5000)
		key := keyOf("object")
		b.store.SetEntry(store.Entry{Key: key, Metrics: []model.Metric{{External: "s0-jobs", Stated: true}}})
		b.poller.Set(t.Context(), key, []Trigger{{Identity: "x", Kind: "test", Config: statedConfig{config{server: b.server, name: "jobs"}, &target}, Interval: 10 * time.Second}})
		pass(time.Second)
		if got := b.sample("object"); got.Target != 5 || got.Value != 3 {
			t.Fatalf("sample is %+v; expected 3 of 5", got)
		}
		target.Store(0)
		pass(time.Minute)
		if got := b.sample("object"); got.Target != 5 || !got.Failing() || got.Reason != scaler.ReasonBadAnswer {
			t.Errorf("sample is %+v; expected a failure and the target of before", got)
		}
	})
}
