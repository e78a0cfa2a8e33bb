package kafka

import (
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// restWait is how long a broker holds a fetch back while nothing happens.
	// A topic that is added meanwhile joins the next one.
	restWait = 2 * time.Second
	// busyWait is the same while topics are being added, for busyFor after.
	busyWait = 500 * time.Millisecond
	busyFor  = 10 * time.Second
	// firstWait is the same for a fetch with partitions that the broker has
	// not answered for yet, so that a refusal shows at once.
	firstWait = 50 * time.Millisecond
	// fullWait is the same for brokers without fetch sessions, where each
	// fetch names every partition.
	fullWait = 5 * time.Second
	// calmStep and calmMost pause a loop that finds records every time: idle
	// triggers on a busy topic need not hear of each record.
	calmStep, calmMost = 10 * time.Millisecond, 200 * time.Millisecond
	// fetchBytes bounds an answer. Of the records only the first batch is sent
	// at all, since no partition may give more than one byte.
	fetchBytes = 1 << 20
)

// loop is the long poll at one broker. Its fetches are incremental (KIP-227):
// the broker remembers the partitions, so that one tiny request covers any
// number of idle ones. The hub's lock guards it, except for the session,
// which only its goroutine touches.
type loop struct {
	hub    *hub
	node   int32
	count  int // partitions assigned
	dirty  map[ref]struct{}
	forget map[gone]struct{}

	session int32
	epoch   int32
	busy    int // answers in a row that brought something
}

// ref is a partition that the broker must be told of.
type ref struct {
	topic     *watched
	partition int32
}

// gone is a partition that the broker must forget.
type gone struct {
	topic     string
	partition int32
}

// loop returns the loop at a broker, started if need be. Called with the
// hub's lock held.
func (h *hub) loop(node int32) *loop {
	l := h.loops[node]
	if l == nil {
		l = &loop{hub: h, node: node, dirty: map[ref]struct{}{}, forget: map[gone]struct{}{}}
		h.loops[node] = l
		go l.run()
	}
	return l
}

// add and drop change what is fetched. Called with the hub's lock held.
func (l *loop) add(t *watched, partition int32) {
	l.count++
	l.dirty[ref{t, partition}] = struct{}{}
	delete(l.forget, gone{t.name, partition})
}

func (l *loop) drop(t *watched, partition int32) {
	l.count--
	delete(l.dirty, ref{t, partition})
	l.forget[gone{t.name, partition}] = struct{}{}
}

// run fetches until nothing is left to fetch, the broker fails, or the
// connection ends.
func (l *loop) run() {
	h := l.hub
	for {
		h.mu.Lock()
		if l.count == 0 || h.conn.ctx.Err() != nil {
			delete(h.loops, l.node)
			h.mu.Unlock()
			return
		}
		req, asked := l.next()
		h.mu.Unlock()

		resp, err := h.conn.broker(l.node).Request(h.conn.ctx, req)
		if h.conn.ctx.Err() != nil {
			return
		}
		h.mu.Lock()
		if err != nil {
			l.failed(failed(err, fmt.Sprintf("watching at broker %d", l.node)))
			h.mu.Unlock()
			return
		}
		pause := l.take(req, resp.(*kmsg.FetchResponse), asked)
		ended := h.loops[l.node] != l
		h.mu.Unlock()
		if ended {
			return
		}
		if pause > 0 && !sleep.For(h.conn.ctx, pause) {
			return
		}
	}
}

// next builds a fetch: all partitions for a new session, else what changed.
// asked are the partitions that have not been answered for yet. Called with
// the hub's lock held.
func (l *loop) next() (req *kmsg.FetchRequest, asked []ref) {
	r := kmsg.NewFetchRequest()
	req = &r
	req.ReplicaID = -1
	req.MinBytes, req.MaxBytes = 1, fetchBytes
	req.SessionID, req.SessionEpoch = l.session, l.epoch
	index := map[string]int{}
	put := func(t *watched, n int32) {
		i, ok := index[t.name]
		if !ok {
			i = len(req.Topics)
			index[t.name] = i
			rt := kmsg.NewFetchRequestTopic()
			rt.Topic = t.name
			req.Topics = append(req.Topics, rt)
		}
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = n, t.offsets[n], 1
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
		if !t.answered[n] {
			asked = append(asked, ref{t, n})
		}
	}
	if l.session == 0 {
		for _, t := range l.hub.topics {
			for n, node := range t.leaders {
				if node == l.node {
					put(t, int32(n))
				}
			}
		}
	} else {
		for d := range l.dirty {
			put(d.topic, d.partition)
		}
		req.ForgottenTopics = l.forgotten()
	}
	clear(l.dirty)
	clear(l.forget)
	req.MaxWaitMillis = int32(l.wait(len(asked) > 0).Milliseconds())
	return req, asked
}

func (l *loop) forgotten() []kmsg.FetchRequestForgottenTopic {
	byTopic := map[string][]int32{}
	for g := range l.forget {
		byTopic[g.topic] = append(byTopic[g.topic], g.partition)
	}
	var out []kmsg.FetchRequestForgottenTopic
	for name, ps := range byTopic {
		ft := kmsg.NewFetchRequestForgottenTopic()
		ft.Topic, ft.Partitions = name, ps
		out = append(out, ft)
	}
	return out
}

func (l *loop) wait(first bool) time.Duration {
	switch {
	case first:
		return firstWait
	case l.hub.conn.now().Sub(l.hub.changed) < busyFor:
		return busyWait
	case l.session == 0:
		return fullWait
	}
	return restWait
}

// failed interrupts every topic with a partition at this broker. Called with
// the hub's lock held.
func (l *loop) failed(err error) {
	delete(l.hub.loops, l.node)
	for _, t := range l.hub.topics {
		for _, node := range t.leaders {
			if node == l.node {
				l.hub.interrupt(t, err)
				break
			}
		}
	}
}

// take reads an answer and returns how long to pause before the next fetch.
// Called with the hub's lock held.
func (l *loop) take(req *kmsg.FetchRequest, resp *kmsg.FetchResponse, asked []ref) time.Duration {
	if resp.ErrorCode != 0 {
		switch code := asCode(resp.ErrorCode); code {
		case kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch:
			l.session, l.epoch = 0, 0
			return calmStep
		default:
			l.failed(answered(code, fmt.Sprintf("watching at broker %d", l.node)))
			return 0
		}
	}
	switch {
	case req.SessionEpoch == 0: // a new session, or none when the broker has no room
		l.session, l.epoch = resp.SessionID, 0
		if resp.SessionID != 0 {
			l.epoch = 1
		}
	case l.epoch == math.MaxInt32:
		l.epoch = 1
	default:
		l.epoch++
	}
	news := false
	for i := range resp.Topics {
		rt := &resp.Topics[i]
		for j := range rt.Partitions {
			news = l.takePartition(rt.Topic, &rt.Partitions[j]) || news
		}
	}
	for _, a := range asked {
		l.confirm(a)
	}
	if !news {
		l.busy = 0
		return 0
	}
	l.busy++
	return min(time.Duration(l.busy-1)*calmStep, calmMost)
}

// takePartition reads one partition's answer and says whether it brought
// records. Called with the hub's lock held.
func (l *loop) takePartition(topic string, rp *kmsg.FetchResponseTopicPartition) bool {
	h, n := l.hub, int(rp.Partition)
	t := h.topics[topic]
	if t == nil || n < 0 || n >= len(t.leaders) || t.leaders[n] != l.node {
		return false // no longer watched here
	}
	doing := fmt.Sprintf("watching topic %q, partition %d", topic, n)
	switch {
	case rp.ErrorCode == 0:
	case asCode(rp.ErrorCode) == kerr.OffsetOutOfRange: // the topic was made anew, or cut short
		t.offsets[n] = unanswered
		h.arrived(t, n)
		h.interrupt(t, scaler.Unreachable(kerr.OffsetOutOfRange, "%s", doing))
		return false
	default:
		h.interrupt(t, aboutTopic(rp.ErrorCode, topic, doing, "Read"))
		return false
	}
	if rp.HighWatermark <= t.offsets[n] {
		return false
	}
	t.offsets[n] = rp.HighWatermark
	l.dirty[ref{t, rp.Partition}] = struct{}{}
	h.arrived(t, n)
	return true
}

// confirm notes that the broker has answered for a partition; with the last
// one the topic is watched. Called with the hub's lock held.
func (l *loop) confirm(a ref) {
	t, n := a.topic, a.partition
	if l.hub.topics[t.name] != t || int(n) >= len(t.leaders) || t.leaders[n] != l.node || t.answered[n] {
		return
	}
	t.answered[n] = true
	if t.waiting--; t.waiting == 0 {
		t.live, t.liveAt = true, l.hub.conn.now()
		l.hub.informAll(t)
	}
}
