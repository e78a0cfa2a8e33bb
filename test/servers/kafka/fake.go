// Package kafkaserver runs Kafka for tests: a cluster in the test's own
// process, and the real Apache Kafka.
//
// It owns the processes and their folders; all end with the test.
package kafkaserver

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Fake is a cluster that speaks the protocol inside the test's process.
type Fake struct {
	*kfake.Cluster
	// Addresses are its brokers', host:port.
	Addresses []string

	mu     sync.Mutex
	counts map[kmsg.Key]int
}

// StartFake runs a cluster until the test ends. It has three brokers unless
// opts say otherwise, and counts the requests it gets.
func StartFake(t testing.TB, opts ...kfake.Opt) *Fake {
	t.Helper()
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatalf("starting a Kafka cluster in process: %v", err)
	}
	f := &Fake{Cluster: c, Addresses: c.ListenAddrs(), counts: map[kmsg.Key]int{}}
	t.Cleanup(c.Close)
	c.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.counts[kmsg.Key(req.Key())]++
		return nil, nil, false
	})
	return f
}

// Requests returns how many requests of each kind have come since the last
// call.
func (f *Fake) Requests() map[kmsg.Key]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.counts
	f.counts = map[kmsg.Key]int{}
	return out
}

// Client is what tests use to prepare a cluster, fake or real.
type Client struct{ *kgo.Client }

// NewClient connects to a cluster until the test ends.
func NewClient(t testing.TB, opts ...kgo.Opt) *Client {
	t.Helper()
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.OffsetCommit), 9) // the last one that names topics
	c, err := kgo.NewClient(append(opts, kgo.MaxVersions(versions), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.UnknownTopicRetries(-1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &Client{c}
}

// within bounds what tests do with a cluster.
func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

// CreateTopic makes a topic.
func (c *Client) CreateTopic(t testing.TB, topic string, partitions int) {
	t.Helper()
	c.CreateReplicated(t, topic, partitions, 1)
}

// CreateReplicated makes a topic with several replicas of each partition.
func (c *Client) CreateReplicated(t testing.TB, topic string, partitions, replicas int) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, int32(partitions), int16(replicas)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c.Client)
	if err == nil && resp.Topics[0].ErrorCode != 0 {
		err = fmt.Errorf("error code %d", resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
}

// DeleteTopic removes a topic.
func (c *Client) DeleteTopic(t testing.TB, topic string) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis, req.TopicNames = 10_000, []string{topic}
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c.Client)
	if err == nil && resp.Topics[0].ErrorCode != 0 {
		err = fmt.Errorf("error code %d", resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("deleting topic %s: %v", topic, err)
	}
	c.PurgeTopicsFromClient(topic) // a topic made anew has another identifier
}

// Produce writes n records to a partition.
func (c *Client) Produce(t testing.TB, topic string, partition, n int) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte("record")}
	}
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("writing to topic %s: %v", topic, err)
	}
}

// Commit sets a group's committed offset on a partition.
func (c *Client) Commit(t testing.TB, group, topic string, partition int, offset int64) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Partition, rp.Offset = int32(partition), offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := c.Request(ctx, req)
	if err == nil {
		if code := resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
			err = fmt.Errorf("error code %d", code)
		}
	}
	if err != nil {
		t.Fatalf("committing for group %s: %v", group, err)
	}
}

// DeleteRecords removes a partition's records before an offset.
func (c *Client) DeleteRecords(t testing.TB, topic string, partition int, before int64) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Partition, rp.Offset = int32(partition), before
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := c.Request(ctx, req)
	if err == nil {
		if code := resp.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
			err = fmt.Errorf("error code %d", code)
		}
	}
	if err != nil {
		t.Fatalf("deleting records of topic %s: %v", topic, err)
	}
}

// Allow grants a user an operation on a resource.
func (c *Client) Allow(t testing.TB, user string, kind kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	req := kmsg.NewPtrCreateACLsRequest()
	acl := kmsg.NewCreateACLsRequestCreation()
	acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = kind, name, kmsg.ACLResourcePatternTypeLiteral
	acl.Principal, acl.Host = "User:"+user, "*"
	acl.Operation, acl.PermissionType = operation, kmsg.ACLPermissionTypeAllow
	req.Creations = append(req.Creations, acl)
	resp, err := c.Request(ctx, req)
	if err == nil {
		if code := resp.(*kmsg.CreateACLsResponse).Results[0].ErrorCode; code != 0 {
			err = fmt.Errorf("error code %d", code)
		}
	}
	if err != nil {
		t.Fatalf("granting %s: %v", user, err)
	}
}
