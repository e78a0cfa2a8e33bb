package kafka

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kedago/keda/pkg/scaler"
)

// topicMeta is what is kept of a topic between polls: the leader of each
// partition, -1 without one. It is replaced, never changed.
type topicMeta struct {
	leaders []int32
	at      time.Time
}

// logStarts are the offsets at which a topic's logs start. They move with
// retention only, and up only. It is replaced, never changed.
type logStarts struct {
	offsets []int64
	at      time.Time
}

// topicState is one poll's view of a topic.
type topicState struct {
	name    string
	leaders []int32
	err     error // of the whole topic
	ends    []int64
	starts  []int64         // nil when not asked
	partErr map[int32]error // of single partitions
	stale   bool            // an answer says that the leaders have changed
}

// fail notes an error of one partition. Callers hold the poll's lock.
func (t *topicState) fail(partition int32, err error) {
	if t.partErr == nil {
		t.partErr = map[int32]error{}
	}
	t.partErr[partition] = err
}

// topicsPerRequest bounds an answer's size; partitions are not known before.
const topicsPerRequest = 200

// describe finds the leaders of topics, from memory where they are known and
// younger than maxAge, unless fresh is set. Errors are left in the states.
func (k *connection) describe(ctx context.Context, topics []*topicState, fresh bool) {
	var unknown []*topicState
	now := k.now()
	k.mu.Lock()
	for _, t := range topics {
		m, ok := k.topics[t.name]
		if ok && !fresh && now.Sub(m.at) < maxAge {
			t.leaders, t.err = m.leaders, nil
			continue
		}
		unknown = append(unknown, t)
	}
	k.mu.Unlock()
	for chunk := range slices.Chunk(unknown, topicsPerRequest) {
		k.describeChunk(ctx, chunk)
	}
	if len(unknown) > 0 {
		k.forgetUnused(now)
	}
}

func (k *connection) describeChunk(ctx context.Context, topics []*topicState) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false // looking must not create
	byName := make(map[string]*topicState, len(topics))
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t.name)
		req.Topics = append(req.Topics, rt)
		byName[t.name] = t
		t.leaders, t.err = nil, scaler.BadAnswer(errNoAnswer, "describing topic %q", t.name)
	}
	resp, err := k.anyBroker(ctx, req)
	if err != nil {
		err = failed(err, "describing topics")
		for _, t := range topics {
			t.err = err
		}
		return
	}
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, rt := range resp.(*kmsg.MetadataResponse).Topics {
		if rt.Topic == nil {
			continue
		}
		t := byName[*rt.Topic]
		if t == nil {
			continue
		}
		if rt.ErrorCode != 0 {
			t.err = aboutTopic(rt.ErrorCode, t.name, fmt.Sprintf("describing topic %q", t.name), "Describe")
			delete(k.topics, t.name)
			delete(k.starts, t.name)
			continue
		}
		t.leaders, t.err = leadersOf(rt.Partitions), nil
		if !slices.Contains(t.leaders, -1) {
			k.topics[t.name] = topicMeta{leaders: t.leaders, at: now}
		}
	}
}

// leadersOf lists leaders by partition number; partitions are numbered from 0
// without gaps.
func leadersOf(ps []kmsg.MetadataResponseTopicPartition) []int32 {
	count := len(ps)
	for _, p := range ps {
		count = max(count, int(p.Partition)+1)
	}
	leaders := slices.Repeat([]int32{-1}, count)
	for _, p := range ps {
		if p.Partition >= 0 {
			leaders[p.Partition] = p.Leader
		}
	}
	return leaders
}

// forgetUnused drops topics that no poll has looked at for a while: those in
// use are refreshed at maxAge.
func (k *connection) forgetUnused(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, m := range k.topics {
		if now.Sub(m.at) > 2*maxAge {
			delete(k.topics, name)
		}
	}
	for name, s := range k.starts {
		if now.Sub(s.at) > 2*maxAge {
			delete(k.starts, name)
		}
	}
}

// forgetTopics makes the next look at topics ask the brokers.
func (k *connection) forgetTopics(topics []*topicState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range topics {
		delete(k.topics, t.name)
	}
}
