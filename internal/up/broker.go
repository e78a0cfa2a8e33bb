package up

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// BrokerAddress is where the demonstration's ScaledObject looks for Kafka.
const BrokerAddress = "localhost:9092"

const (
	demoTopic      = "test-topic"
	demoGroup      = "my-group"
	demoPartitions = 40
)

// broker is a Kafka cluster: somebody's own, or one in this process.
type broker struct {
	own *kfake.Cluster
}

// startBroker uses what already speaks Kafka at the address, and else serves
// the protocol there itself. A port taken by something else is an error.
func startBroker(ctx context.Context) (*broker, error) {
	conn, err := net.DialTimeout("tcp", BrokerAddress, time.Second)
	if err != nil {
		own, err := kfake.NewCluster(kfake.Ports(9092), kfake.NumBrokers(1))
		if err != nil {
			return nil, fmt.Errorf("serving the Kafka protocol at %s: %w", BrokerAddress, err)
		}
		return &broker{own: own}, nil
	}
	_ = conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	admin, err := newAdmin()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	if _, err := admin.ApiVersions(ctx); err != nil {
		return nil, fmt.Errorf("something at %s does not speak the Kafka protocol: %w; stop it, or use --no-demo", BrokerAddress, err)
	}
	return &broker{}, nil
}

func newAdmin() (*kadm.Client, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(BrokerAddress), kgo.RetryTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("preparing a Kafka client: %w", err)
	}
	return kadm.NewClient(c), nil
}

// prepare makes the topic and commits the group's offsets, as a consumer that
// has run before would have.
func (b *broker) prepare(ctx context.Context) error {
	admin, err := newAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	_, err = admin.CreateTopic(ctx, demoPartitions, 1, nil, demoTopic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("creating topic %s: %w", demoTopic, err)
	}
	ends, err := admin.ListEndOffsets(ctx, demoTopic)
	if err != nil {
		return fmt.Errorf("reading the end of topic %s: %w", demoTopic, err)
	}
	committed, err := admin.FetchOffsets(ctx, demoGroup)
	if err == nil && len(committed.Offsets()[demoTopic]) == demoPartitions {
		return nil
	}
	if err := admin.CommitAllOffsets(ctx, demoGroup, ends.Offsets()); err != nil {
		return fmt.Errorf("committing the first offsets of group %s: %w", demoGroup, err)
	}
	return nil
}

func (b *broker) close() {
	if b.own != nil {
		b.own.Close()
	}
}
