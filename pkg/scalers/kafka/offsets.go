package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
)

// groupState is one poll's view of a consumer group.
type groupState struct {
	name      string
	all       bool // some trigger wants all topics of the group
	topics    []*topicState
	committed map[string][]int64
	topicErr  map[string]error
	err       error
	again     bool // the coordinator has moved or is not ready
}

// size estimates how many partitions the group's answer holds.
func (g *groupState) size() int {
	if g.all {
		return 100
	}
	n := 0
	for _, t := range g.topics {
		n += len(t.leaders)
	}
	return n
}

// coordinatorTries is how often a poll looks for coordinators that move.
const coordinatorTries = 3

// fetchCommitted reads the committed offsets of all groups: one request per
// coordinator.
func (p *poll) fetchCommitted(ctx context.Context) {
	pending := make([]*groupState, 0, len(p.groups))
	for _, g := range p.groups {
		g.topics = slices.DeleteFunc(g.topics, func(t *topicState) bool { return t.err != nil })
		if g.all || len(g.topics) > 0 {
			pending = append(pending, g)
		}
	}
	for try := range coordinatorTries {
		if try > 0 && !sleep.For(ctx, time.Duration(try)*100*time.Millisecond) {
			return
		}
		work := p.conn.byCoordinator(ctx, pending)
		each(work, func(node int32, groups []*groupState) { p.fetchFrom(ctx, node, groups) })
		pending = slices.DeleteFunc(pending, func(g *groupState) bool { return !g.again })
		if len(pending) == 0 {
			return
		}
	}
}

// byCoordinator sorts groups by the broker that answers for them. Groups
// whose coordinator can't be found get their error here.
func (k *connection) byCoordinator(ctx context.Context, groups []*groupState) map[int32][]*groupState {
	work := map[int32][]*groupState{}
	unknown := map[string]*groupState{}
	k.mu.Lock()
	for _, g := range groups {
		g.again, g.err = false, nil
		if node, ok := k.coordinators[g.name]; ok {
			work[node] = append(work[node], g)
		} else {
			unknown[g.name] = g
		}
	}
	k.mu.Unlock()
	if len(unknown) == 0 {
		return work
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	for name, g := range unknown {
		req.CoordinatorKeys = append(req.CoordinatorKeys, name)
		g.err = scaler.BadAnswer(errNoAnswer, "finding the coordinator of group %q", name)
	}
	for _, shard := range k.client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			for _, name := range shard.Req.(*kmsg.FindCoordinatorRequest).CoordinatorKeys {
				unknown[name].err = failed(shard.Err, "finding the coordinators of groups")
			}
			continue
		}
		for _, c := range shard.Resp.(*kmsg.FindCoordinatorResponse).Coordinators {
			g := unknown[c.Key]
			if g == nil {
				continue
			}
			if c.ErrorCode != 0 {
				k.coordinatorFailed(g, asCode(c.ErrorCode))
				continue
			}
			g.err = nil
			work[c.NodeID] = append(work[c.NodeID], g)
			k.mu.Lock()
			k.coordinators[g.name] = c.NodeID
			k.mu.Unlock()
		}
	}
	return work
}

// coordinatorFailed notes an error of a whole group and whether looking for
// its coordinator anew may help.
func (k *connection) coordinatorFailed(g *groupState, err error) {
	g.err = aboutGroup(err, g.name, fmt.Sprintf("reading the committed offsets of group %q", g.name))
	var code *kerr.Error
	isCode := errors.As(err, &code)
	moved := errors.Is(err, kerr.NotCoordinator) || errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.CoordinatorLoadInProgress)
	if isCode && !moved {
		return
	}
	g.again = scaler.ReasonOf(g.err) == scaler.ReasonUnreachable
	k.mu.Lock()
	delete(k.coordinators, g.name)
	k.mu.Unlock()
}

// fetchFrom reads the offsets of groups from their coordinator, in requests
// of bounded size, one after the other.
func (p *poll) fetchFrom(ctx context.Context, node int32, groups []*groupState) {
	many, err := p.conn.takesManyGroups(ctx, node)
	if err != nil {
		for _, g := range groups {
			p.conn.coordinatorFailed(g, err)
		}
		return
	}
	for len(groups) > 0 {
		n, size := 1, groups[0].size()
		for many && n < len(groups) && size+groups[n].size() <= partitionsPerRequest {
			size += groups[n].size()
			n++
		}
		p.fetchChunk(ctx, node, groups[:n], many)
		groups = groups[n:]
	}
}

// takesManyGroups says whether a broker knows version 8 of OffsetFetch. The
// client offers no way to ask what it negotiated before a request is sent.
func (k *connection) takesManyGroups(ctx context.Context, node int32) (bool, error) {
	k.mu.Lock()
	many, known := k.manyGroups[node]
	k.mu.Unlock()
	if known {
		return many, nil
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "keda", "0"
	resp, err := k.broker(node).RetriableRequest(ctx, req)
	if err != nil {
		return false, err
	}
	for _, v := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		if v.ApiKey == int16(kmsg.OffsetFetch) {
			many = v.MaxVersion >= 8
		}
	}
	k.mu.Lock()
	k.manyGroups[node] = many
	k.mu.Unlock()
	return many, nil
}

func (p *poll) fetchChunk(ctx context.Context, node int32, groups []*groupState, many bool) {
	resp, err := p.conn.broker(node).RetriableRequest(ctx, offsetFetch(groups, many))
	if err != nil {
		p.conn.mu.Lock()
		delete(p.conn.manyGroups, node) // it may come back as another version
		p.conn.mu.Unlock()
		for _, g := range groups {
			p.conn.coordinatorFailed(g, err)
		}
		return
	}
	r := resp.(*kmsg.OffsetFetchResponse)
	if !many {
		p.takeOld(groups[0], r)
		return
	}
	byName := make(map[string]*groupState, len(groups))
	for _, g := range groups {
		byName[g.name] = g
		g.err = scaler.BadAnswer(errNoAnswer, "reading the committed offsets of group %q", g.name)
	}
	for i := range r.Groups {
		rg := &r.Groups[i]
		g := byName[rg.Group]
		if g == nil {
			continue
		}
		if rg.ErrorCode == kerr.GroupIDNotFound.Code {
			g.begin(none) // newer brokers say so where older ones list no offsets
			continue
		}
		if rg.ErrorCode != 0 {
			p.conn.coordinatorFailed(g, asCode(rg.ErrorCode))
			continue
		}
		g.begin(unanswered)
		for _, rt := range rg.Topics {
			for _, rp := range rt.Partitions {
				g.take(rt.Topic, rp.Partition, rp.Offset, rp.ErrorCode)
			}
		}
	}
}

// offsetFetch builds the request: many groups from version 8 on, else one.
func offsetFetch(groups []*groupState, many bool) *kmsg.OffsetFetchRequest {
	req := kmsg.NewPtrOffsetFetchRequest()
	for _, g := range groups {
		rg := kmsg.NewOffsetFetchRequestGroup()
		rg.Group = g.name
		for _, t := range g.topics {
			if g.all {
				break // no list means all topics
			}
			rt := kmsg.NewOffsetFetchRequestGroupTopic()
			rt.Topic = t.name
			for n := range t.leaders {
				rt.Partitions = append(rt.Partitions, int32(n))
			}
			rg.Topics = append(rg.Topics, rt)
		}
		if many {
			req.Groups = append(req.Groups, rg)
			continue
		}
		req.Group = rg.Group
		for _, rt := range rg.Topics {
			old := kmsg.NewOffsetFetchRequestTopic()
			old.Topic, old.Partitions = rt.Topic, rt.Partitions
			req.Topics = append(req.Topics, old)
		}
	}
	return req
}

func (p *poll) takeOld(g *groupState, r *kmsg.OffsetFetchResponse) {
	if r.ErrorCode != 0 {
		p.conn.coordinatorFailed(g, asCode(r.ErrorCode))
		return
	}
	g.begin(unanswered)
	for _, rt := range r.Topics {
		for _, rp := range rt.Partitions {
			g.take(rt.Topic, rp.Partition, rp.Offset, rp.ErrorCode)
		}
	}
}

// begin prepares for an answer: what was asked for by name must be answered,
// what was not has no committed offset unless the answer gives one.
func (g *groupState) begin(unset int64) {
	g.err, g.again = nil, false
	g.committed, g.topicErr = map[string][]int64{}, map[string]error{}
	if g.all {
		unset = none
	}
	for _, t := range g.topics {
		g.committed[t.name] = slices.Repeat([]int64{unset}, len(t.leaders))
	}
}

func (g *groupState) take(topic string, number int32, offset int64, code int16) {
	if code != 0 {
		doing := fmt.Sprintf("reading the committed offset of group %q on topic %q, partition %d", g.name, topic, number)
		g.topicErr[topic] = aboutTopic(code, topic, doing, "Describe")
		return
	}
	offsets, known := g.committed[topic]
	if number < 0 || !known && !g.all {
		return
	}
	for g.all && len(offsets) <= int(number) {
		offsets = append(offsets, none)
	}
	if int(number) < len(offsets) {
		offsets[number] = max(offset, none)
	}
	g.committed[topic] = offsets
}
