package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

func lagTrigger(broker, topic string) []kedav1.ScaleTriggers {
	return []kedav1.ScaleTriggers{{Type: "kafka", Metadata: map[string]string{
		"bootstrapServers": broker, "consumerGroup": "group", "topic": topic, "lagThreshold": "10",
	}}}
}

// TestKafkaWatch: what arrives at an idle topic is noticed at once, not at the
// next poll five minutes later.
func TestKafkaWatch(t *testing.T) {
	s := newStory(t)
	fake := kafkaserver.StartFake(s)
	client := backlog(s, fake.Addresses)
	client.CreateTopic(s, "orders", 4)
	for partition := range 4 {
		client.Commit(s, "group", "orders", partition, 0)
	}
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(lagTrigger(fake.Addresses[0], "orders"), func(o *kedav1.ScaledObject) { o.Spec.PollingInterval = new(int32(300)) }))
	o.ready()
	began := time.Now()
	client.Produce(s, "orders", 2, 25)
	o.decided(model.RuleJumpStart, 0, 3)
	if took := time.Since(began); took > 30*time.Second {
		s.failf("activation took %s", took)
	}
}

// TestKafka is the story of a real Apache Kafka: lag scales up and down, and a
// broker that restarts costs no replica.
func TestKafka(t *testing.T) {
	s := newStory(t)
	server := kafkaserver.StartReal(t)
	client := kafkaserver.NewClient(s, kgo.SeedBrokers(server.Plain), kgo.ProducerLinger(100*time.Millisecond))
	client.CreateTopic(s, "orders", 8)
	for partition := range 8 {
		client.Commit(s, "group", "orders", partition, 0)
	}
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(lagTrigger(server.Plain, "orders"), hpaConfig("", quickScaleDown())))
	o.ready()
	client.Produce(s, "orders", 0, 38)
	o.decided(model.RuleJumpStart, 0, 4)
	client.Produce(s, "orders", 1, 30)
	s.settled(7)

	replicas := s.follow(worker)
	server.Stop()
	o.expect(model.ConditionReady, "False", "TriggerError", "Unreachable")
	failing(o, "s0-kafka-orders", 3)
	s.must(server.Start())
	o.ready()
	if least := slices.Min(replicas.seen()); least != 7 {
		s.failf("the counts were %v; expected never less than 7", replicas.seen())
	}

	client.Commit(s, "group", "orders", 0, 38)
	s.settled(3)
	client.Commit(s, "group", "orders", 1, 30)
	o.eventually("the Deployment has no replicas", func() error { return differs(int32(0), replicas.last()) })
	o.ready()
}
