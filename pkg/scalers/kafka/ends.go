package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kedago/keda/pkg/scaler"
)

// partitionsPerRequest bounds the memory that one request and its answer take.
const partitionsPerRequest = 5000

// The special timestamps of ListOffsets.
const (
	atEnd   int64 = -1
	atStart int64 = -2
)

// partition is one partition of a poll.
type partition struct {
	topic  *topicState
	number int32
}

// listEnds asks every broker once for the ends of all logs that it leads,
// and where leaders turn out to have moved, a second time.
func (p *poll) listEnds(ctx context.Context) {
	topics := keep(p.allTopics(), func(t *topicState) bool { return t.err == nil })
	p.list(ctx, topics, atEnd)
	stale := keep(topics, func(t *topicState) bool { return t.stale })
	if len(stale) == 0 || ctx.Err() != nil {
		return
	}
	p.conn.describe(ctx, stale, true)
	p.list(ctx, keep(stale, func(t *topicState) bool { return t.err == nil }), atEnd)
	p.conn.forgetTopics(keep(stale, func(t *topicState) bool { return t.stale }))
}

// keep lists the topics that fit.
func keep(topics []*topicState, fits func(*topicState) bool) []*topicState {
	var out []*topicState
	for _, t := range topics {
		if fits(t) {
			out = append(out, t)
		}
	}
	return out
}

// list asks the leaders of topics for offsets at a special timestamp and
// fills in ends or starts.
func (p *poll) list(ctx context.Context, topics []*topicState, at int64) {
	work := map[int32][]partition{}
	for _, t := range topics {
		t.stale, t.partErr = false, nil
		offsets := slices.Repeat([]int64{unanswered}, len(t.leaders))
		if at == atEnd {
			t.ends = offsets
		} else {
			t.starts = offsets
		}
		for n, leader := range t.leaders {
			if leader < 0 {
				t.stale = true
				t.fail(int32(n), scaler.Unreachable(errNoLeader, "reading the end of topic %q, partition %d", t.name, n))
				continue
			}
			work[leader] = append(work[leader], partition{t, int32(n)})
		}
	}
	each(work, func(node int32, ps []partition) {
		for chunk := range slices.Chunk(ps, partitionsPerRequest) {
			p.listChunk(ctx, node, chunk, at)
		}
	})
}

func (p *poll) listChunk(ctx context.Context, node int32, ps []partition, at int64) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for _, part := range ps { // partitions of a topic follow each other
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != part.topic.name {
			rt := kmsg.NewListOffsetsRequestTopic()
			rt.Topic = part.topic.name
			req.Topics = append(req.Topics, rt)
		}
		rt := &req.Topics[len(req.Topics)-1]
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = part.number, at
		rt.Partitions = append(rt.Partitions, rp)
	}
	resp, err := p.conn.broker(node).RetriableRequest(ctx, req)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		err = failed(err, fmt.Sprintf("reading the ends of topics at broker %d", node))
		for _, part := range ps {
			part.topic.stale = true
			part.topic.fail(part.number, err)
		}
		return
	}
	p.takeOffsets(resp.(*kmsg.ListOffsetsResponse), at)
}

// takeOffsets copies an answer into the poll. Callers hold the lock.
func (p *poll) takeOffsets(resp *kmsg.ListOffsetsResponse, at int64) {
	for i := range resp.Topics {
		rt := &resp.Topics[i]
		t := p.topics[rt.Topic]
		if t == nil {
			continue
		}
		into := t.ends
		if at == atStart {
			into = t.starts
		}
		for _, rp := range rt.Partitions {
			switch {
			case rp.Partition < 0 || int(rp.Partition) >= len(into):
			case rp.ErrorCode != 0:
				t.stale = t.stale || isStale(rp.ErrorCode)
				doing := fmt.Sprintf("reading the end of topic %q, partition %d", t.name, rp.Partition)
				t.fail(rp.Partition, aboutTopic(rp.ErrorCode, t.name, doing, "Describe"))
			case rp.Offset >= 0:
				into[rp.Partition] = rp.Offset
			}
		}
	}
}

// listStarts fills in where logs start, for the topics whose lag depends on
// it, from memory where possible. Without an answer lag is counted from the
// committed offset, which can only be too much.
func (p *poll) listStarts(ctx context.Context, topics []*topicState) {
	var unknown []*topicState
	now := p.conn.now()
	p.conn.mu.Lock()
	for _, t := range topics {
		s, ok := p.conn.starts[t.name]
		if ok && now.Sub(s.at) < maxAge && plausible(s.offsets, t.ends) {
			t.starts = s.offsets
			continue
		}
		unknown = append(unknown, t)
	}
	p.conn.mu.Unlock()
	if len(unknown) == 0 {
		return
	}
	partErrs := make([]map[int32]error, len(unknown))
	for i, t := range unknown {
		partErrs[i] = t.partErr
	}
	p.list(ctx, unknown, atStart)
	p.conn.mu.Lock()
	defer p.conn.mu.Unlock()
	for i, t := range unknown {
		if len(t.partErr) == 0 {
			p.conn.starts[t.name] = logStarts{offsets: t.starts, at: now}
		}
		t.partErr = partErrs[i]
	}
}

// plausible says whether remembered starts can belong to these logs: a topic
// that was made anew has smaller offsets.
func plausible(starts, ends []int64) bool {
	if len(starts) != len(ends) {
		return false
	}
	for i := range starts {
		if ends[i] >= 0 && starts[i] > ends[i] {
			return false
		}
	}
	return true
}
