package external

import (
	"context"
	"testing"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/poll"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// TestActivationDoesNotWaitForAPoll checks that a message activates a trigger
// whose next poll is an hour away, though IsActive says nothing of it.
func TestActivationDoesNotWaitForAPoll(t *testing.T) {
	s := start(t)
	known := store.New()
	poller := poll.New(poll.Options{Store: known})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = poller.Run(ctx)
	}()
	defer func() { stop(); <-done }()

	c := Kinds()[1].New()
	if err := scaler.Decode(c, param.Values{Metadata: at(s.address)}).Err(); err != nil {
		t.Fatal(err)
	}
	key := model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "shop", Name: "worker"}
	known.SetEntry(store.Entry{Key: key, Metrics: []model.Metric{{External: "s0-orders", Stated: true}}})
	poller.Set(t.Context(), key, []poll.Trigger{{
		Identity: "x", Kind: "external-push", Config: c, Interval: time.Hour, Env: scaler.Env{Pool: pool.New(), Namespace: "shop", Object: "worker"},
	}})
	sample := func() model.Sample {
		got, _ := known.Sample(model.TriggerKey{Workload: key})
		return got
	}
	until(t, "the first measurement", func() bool { return sample().Known() })
	if got := sample(); got.Active || got.Target != 5 {
		t.Fatalf("at first %+v; want it inactive with the target 5", got)
	}
	until(t, "the status says that it is watched", func() bool { return s.listeners() == 1 && sample().Watch.State == model.WatchOn })
	s.push(true)
	until(t, "the activation", func() bool { return sample().Active })
}
