package kafka

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kedago/keda/pkg/scaler"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

// TestRealMoves runs two brokers of Apache Kafka, of which one goes and comes
// back: told to, and killed. The lag is always 12; every measurement meanwhile
// must say so or fail as an outage.
func TestRealMoves(t *testing.T) {
	kafkaserver.RealWanted(t)
	r := kafkaserver.StartReal(t, kafkaserver.Brokers(2))
	admin := kafkaserver.NewClient(t, kgo.SeedBrokers(r.Brokers...))
	c := &cluster{address: r.Brokers[0] + "," + r.Brokers[1], client: admin, env: newEnv()}
	topic, group := name("topic"), name("group")
	admin.CreateReplicated(t, topic, 4, 2)
	for p := range 4 {
		admin.Produce(t, topic, p, 5)
		admin.Commit(t, group, topic, p, 2)
	}
	s, all := c.open(t, group, topic), c.open(t, group, "")
	expect(t, s, 12, 12, "")
	expect(t, all, 12, 12, "")
	leads := func(second bool) error {
		by, err := admin.Leaders(topic)
		if err == nil && (by[-1] > 0 || (by[2] > 0) != second) {
			err = fmt.Errorf("the brokers lead %v partitions", by)
		}
		return err
	}
	if err := leads(true); err != nil {
		t.Fatal(err)
	}
	elect := func() error { // the replicas may have to catch up first
		return soon(func() error { return errors.Join(admin.ElectPreferred(), leads(true)) })
	}
	rec := watch(t, s)
	rec.await(t, scaler.Watching, 1)
	for _, step := range []struct {
		name   string
		do     func() error
		second bool // whether broker 2 leads partitions afterwards
	}{
		{"stopped", func() error { r.StopBroker(1); return nil }, false},
		{"started", func() error { return r.StartBroker(1) }, false},
		{"elected", elect, true},
		{"killed", func() error { r.KillBroker(1); return nil }, false},
		{"started again", func() error { return r.StartBroker(1) }, false},
		{"elected again", elect, true},
	} {
		constant(t, []*source{s, all}, 12, step.do)
		eventually(t, func() error { return leads(step.second) })
		for _, s := range []*source{s, all} {
			eventually(t, func() error { _, err := measure(s); return err })
			expect(t, s, 12, 12, "")
		}
		if t.Failed() {
			t.Fatalf("after the second broker was %s", step.name)
		}
	}
	eventually(t, s.conn.hub.allLive)
	seen := rec.count(scaler.Arrived)
	for p := range 4 {
		admin.Produce(t, topic, p, 1)
	}
	rec.await(t, scaler.Arrived, seen+1)
	expect(t, s, 16, 16, "")
}

// constant measures without a pause while something happens and for a while
// after it. Each measurement has the deadline that a poller gives it.
func constant(t *testing.T, sources []*source, want float64, do func() error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	fine, outages := 0, 0
	var after time.Time
	for after.IsZero() || time.Now().Before(after) {
		for _, s := range sources {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			begun := time.Now()
			got, err := s.Measure(ctx)
			cancel()
			switch took := time.Since(begun); {
			case took > 4*time.Second:
				t.Errorf("a measurement took %s", took)
			case err != nil && scaler.ReasonOf(err) != scaler.ReasonUnreachable:
				t.Errorf("failed with %v; want an outage", err)
			case err != nil:
				outages++
			case got.Value != want || *got.ActivationValue != want:
				t.Errorf("got %+v; want %v", got, want)
			default:
				fine++
			}
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			after = time.Now().Add(time.Second)
		default:
		}
	}
	t.Logf("%d measurements, %d outages", fine, outages)
	if fine == 0 {
		t.Error(errors.New("no measurement worked at any time"))
	}
}
