package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaSource is a broker with one topic and one consumer group per
// ScaledObject. The broker tells clients the proxy's address as its own; our
// client goes around it.
type kafkaSource struct {
	server     *child
	proxy      *proxy
	client     *kgo.Client
	admin      *kadm.Client
	partitions int
	about      string
}

// connectKafka waits for a broker at address, which says it is at the proxy.
func connectKafka(ctx context.Context, o options, server *child, p *proxy, address, about string) (source, error) {
	p.serve(address)
	s := &kafkaSource{server: server, proxy: p, partitions: o.partitions, about: about}
	var dialer net.Dialer
	client, err := kgo.NewClient(
		kgo.SeedBrokers(address),
		kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MetadataMinAge(50*time.Millisecond), kgo.UnknownTopicRetries(-1),
		kgo.ConnIdleTimeout(15*time.Minute),
	)
	if err != nil {
		p.close()
		server.stop()
		return nil, fmt.Errorf("preparing a Kafka client: %w", err)
	}
	s.client, s.admin = client, kadm.NewClient(client)
	s.admin.SetTimeoutMillis(120_000)
	if err := server.awaitReady(ctx, client.Ping); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *kafkaSource) name() string { return s.about }

func topic(i int) string { return fmt.Sprintf("topic-%04d", i) }
func group(i int) string { return fmt.Sprintf("group-%04d", i) }

func (s *kafkaSource) prepare(ctx context.Context, n int, items func(int) int, ready []int) error {
	if err := s.createTopics(ctx, n); err != nil {
		return err
	}
	logf("topics created")
	// One record, already consumed, in each topic that add will be called
	// for: our client then knows the topic and adds without asking first.
	consumed := map[int]bool{}
	for _, i := range ready {
		consumed[i] = true
		if err := s.produce(ctx, i, 1); err != nil {
			return err
		}
	}
	err := eachOf(ctx, n, func(ctx context.Context, i int) error { return s.commit(ctx, i, consumed[i]) })
	if err != nil {
		return err
	}
	return s.fill(ctx, n, items)
}

// createTopics makes them in pieces, as many partitions as a broker makes in
// a few seconds at a time.
func (s *kafkaSource) createTopics(ctx context.Context, n int) error {
	perRequest := max(1, 1000/s.partitions)
	for from := 0; from < n; from += perRequest {
		var names []string
		for i := from; i < min(n, from+perRequest); i++ {
			names = append(names, topic(i))
		}
		made, err := s.admin.CreateTopics(ctx, int32(s.partitions), 1, nil, names...)
		if err == nil {
			err = made.Error()
		}
		if err != nil {
			return fmt.Errorf("creating topics %s to %s: %w", names[0], names[len(names)-1], err)
		}
	}
	return nil
}

// commit sets a group's offsets as a consumer that has read everything would.
func (s *kafkaSource) commit(ctx context.Context, i int, consumed bool) error {
	offsets := kadm.Offsets{}
	for p := range s.partitions {
		at := int64(0)
		if consumed && p == 0 {
			at = 1
		}
		offsets.AddOffset(topic(i), int32(p), at, -1)
	}
	for {
		done, err := s.admin.CommitOffsets(ctx, group(i), offsets)
		if err == nil {
			err = done.Error()
		}
		switch {
		case err == nil:
			return nil
		case !kerr.IsRetriable(err): // a new broker first makes the topic that keeps offsets
			return fmt.Errorf("committing the offsets of group %s: %w", group(i), err)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("committing the offsets of group %s: %w", group(i), err)
		}
	}
}

func (s *kafkaSource) fill(ctx context.Context, n int, items func(int) int) error {
	var records []*kgo.Record
	for i := range n {
		records = append(records, s.records(i, items(i))...)
	}
	if err := s.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("filling the topics: %w", err)
	}
	return nil
}

// records are spread over a topic's partitions.
func (s *kafkaSource) records(i, n int) []*kgo.Record {
	out := make([]*kgo.Record, n)
	for j := range out {
		out[j] = &kgo.Record{Topic: topic(i), Partition: int32(j % s.partitions), Value: []byte("item")}
	}
	return out
}

func (s *kafkaSource) produce(ctx context.Context, i, n int) error {
	if err := s.client.ProduceSync(ctx, s.records(i, n)...).FirstErr(); err != nil {
		return fmt.Errorf("writing to topic %s: %w", topic(i), err)
	}
	return nil
}

func (s *kafkaSource) add(ctx context.Context, i, items int) error { return s.produce(ctx, i, items) }

// trigger allows more replicas than partitions, or a backlog could never ask
// for 100.
func (s *kafkaSource) trigger(i int) (string, map[string]any) {
	return "kafka", map[string]any{
		"bootstrapServers": s.proxy.address(), "topic": topic(i), "consumerGroup": group(i),
		"lagThreshold": strconv.Itoa(threshold), "allowIdleConsumers": "true",
	}
}

func (s *kafkaSource) cost(context.Context) (cost, error) {
	t := s.proxy.traffic()
	c := cost{connections: t.connections, trips: t.trips, bytes: t.bytes, requests: map[string]int64{}}
	for key, n := range t.requests {
		c.requests[kmsg.NameForKey(key)] = n
	}
	return c, nil
}

func (s *kafkaSource) stop() {
	s.client.Close()
	s.proxy.close()
	s.server.stop()
}
