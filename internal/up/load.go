package up

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kedago/keda/internal/sleep"
)

const (
	// recordsPerReplica is how many records a replica works off in a second.
	recordsPerReplica = 10
	// quietBefore is how long nothing happens before a wave.
	quietBefore = 8 * time.Second
)

// waves are how many records are written, one wave each time the workload has
// come back to rest.
var waves = [...]int{2000, 5000, 600}

// load writes waves of records and consumes them as fast as the ready
// replicas would.
type load struct {
	producer *kgo.Client
	consumer *kgo.Client
	admin    *kadm.Client
	ready    atomic.Int32
	written  atomic.Int64
	consumed atomic.Int64
	waves    atomic.Int32
}

func newLoad() (*load, error) {
	producer, err := kgo.NewClient(kgo.SeedBrokers(BrokerAddress), kgo.DefaultProduceTopic(demoTopic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return nil, fmt.Errorf("preparing the producer: %w", err)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(BrokerAddress), kgo.ConsumerGroup(demoGroup), kgo.ConsumeTopics(demoTopic), kgo.DisableAutoCommit())
	if err != nil {
		producer.Close()
		return nil, fmt.Errorf("preparing the consumer: %w", err)
	}
	return &load{producer: producer, consumer: consumer, admin: kadm.NewClient(producer)}, nil
}

func (l *load) close() {
	l.producer.Close()
	l.consumer.Close()
}

// produce writes a wave whenever rest says that the last one is over.
func (l *load) produce(ctx context.Context, rest func() bool) error {
	for wave := 0; ; wave++ {
		if !sleep.For(ctx, quietBefore) {
			return nil
		}
		n := waves[wave%len(waves)]
		l.waves.Add(1)
		for i := range n {
			l.producer.Produce(ctx, kgo.StringRecord("order-"+strconv.Itoa(i)), nil)
		}
		if err := l.producer.Flush(ctx); err != nil {
			return ignoreEnd(ctx, fmt.Errorf("writing records: %w", err))
		}
		l.written.Add(int64(n))
		for first := true; first || !rest(); first = false {
			if !sleep.For(ctx, time.Second) {
				return nil
			}
		}
	}
}

// consume takes as many records as the ready replicas would, ten times a second.
func (l *load) consume(ctx context.Context) error {
	const tick = 100 * time.Millisecond
	for sleep.For(ctx, tick) {
		allowed := int(l.ready.Load()) * recordsPerReplica / 10
		if allowed == 0 {
			continue
		}
		fetches := l.consumer.PollRecords(withTimeout(ctx, tick), allowed)
		n := fetches.NumRecords()
		if n == 0 {
			continue
		}
		if err := l.consumer.CommitRecords(ctx, fetches.Records()...); err != nil {
			return ignoreEnd(ctx, fmt.Errorf("committing offsets: %w", err))
		}
		l.consumed.Add(int64(n))
	}
	return nil
}

// lag is the number of records that the group has not committed.
func (l *load) lag(ctx context.Context) (int64, error) {
	ends, err := l.admin.ListEndOffsets(ctx, demoTopic)
	if err != nil {
		return 0, err
	}
	committed, err := l.admin.FetchOffsets(ctx, demoGroup)
	if err != nil {
		return 0, err
	}
	var lag int64
	ends.Each(func(end kadm.ListedOffset) {
		if c, ok := committed.Lookup(end.Topic, end.Partition); ok {
			lag += end.Offset - c.At
		}
	})
	return lag, nil
}

// withTimeout is a context that ends by itself; its timer needs no cancel.
func withTimeout(ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
