package kafka

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// source measures one trigger. It owns a share of the connection.
type source struct {
	config  *config
	conn    *connection
	key     string
	release func()

	mu    sync.Mutex // guards what follows
	still map[string]*standstill
	seen  map[string][]int64 // the ends of the last measurement, shared and never changed
}

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Watcher = (*source)(nil)
)

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	if err := c.Check().Err(); err != nil {
		return nil, scaler.Misconfigured(err, "preparing the kafka trigger")
	}
	key, err := c.poolKey(env)
	if err != nil {
		return nil, err
	}
	k, release, err := scaler.Lease(env.Pool, key, func() (*connection, error) { return connect(c, env) })
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing the kafka trigger")
	}
	return &source{config: c, conn: k, release: release, key: key.Address + " " + key.Credentials, still: map[string]*standstill{}}, nil
}

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return nil
}

// BatchKey implements scaler.Batcher.
func (s *source) BatchKey() string { return s.key }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher. Committed offsets are read before the
// ends of logs: the other way round, a consumer that commits meanwhile would
// look as if it were ahead of its log.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	p := &poll{conn: s.conn, topics: map[string]*topicState{}, groups: map[string]*groupState{}, matched: map[string]matched{}}
	p.plan(ctx, sources)
	p.fetchCommitted(ctx)
	p.discoverTopics(ctx)
	p.listEnds(ctx)
	p.listStarts(ctx, p.needingStarts(sources))

	now := p.conn.now()
	results := make([]scaler.Result, len(sources))
	for i, other := range sources {
		results[i].Reading, results[i].Err = other.(*source).read(p, now)
	}
	return results
}

// poll is one measurement of any number of triggers on one connection.
type poll struct {
	conn    *connection
	topics  map[string]*topicState
	groups  map[string]*groupState
	matched map[string]matched // by pattern

	mu sync.Mutex // guards the topics' states while several brokers answer
}

func (p *poll) want(c *config) {
	g := p.groups[c.group]
	if g == nil {
		g = &groupState{name: c.group}
		p.groups[c.group] = g
	}
	if c.ofGroup() {
		g.all = true
		return
	}
	for _, name := range p.topicsOf(c) {
		t := p.topics[name]
		if t == nil {
			t = &topicState{name: name}
			p.topics[name] = t
		}
		if !slices.Contains(g.topics, t) {
			g.topics = append(g.topics, t)
		}
	}
}

func (p *poll) allTopics() []*topicState {
	out := make([]*topicState, 0, len(p.topics))
	for _, t := range p.topics {
		out = append(out, t)
	}
	return out
}

// discoverTopics describes the topics that groups turned out to have.
func (p *poll) discoverTopics(ctx context.Context) {
	var found, grown []*topicState
	for _, g := range p.groups {
		if !g.all || g.err != nil {
			continue
		}
		for name := range g.committed {
			if p.topics[name] == nil {
				t := &topicState{name: name}
				p.topics[name] = t
				found = append(found, t)
			}
		}
	}
	p.conn.describe(ctx, found, false)
	for _, g := range p.groups {
		for name, offsets := range g.committed {
			if t := p.topics[name]; t != nil && t.err == nil && len(offsets) > len(t.leaders) && !slices.Contains(grown, t) {
				grown = append(grown, t)
			}
		}
	}
	p.conn.describe(ctx, grown, true)
}

// needingStarts lists the topics for which some trigger's lag depends on
// where the logs start.
func (p *poll) needingStarts(sources []scaler.Source) []*topicState {
	needed := map[*topicState]bool{}
	for _, s := range sources {
		c := s.(*source).config
		g := p.groups[c.group]
		for _, name := range p.topicsOf(c) {
			t := p.topics[name]
			if t == nil || t.err != nil || needed[t] {
				continue
			}
			for n, committed := range g.committed[name] {
				if n < len(t.ends) && t.ends[n] >= 0 && committed != unanswered && c.rules.needsStart(committed, t.ends[n]) {
					needed[t] = true
					break
				}
			}
		}
	}
	out := make([]*topicState, 0, len(needed))
	for t := range needed {
		out = append(out, t)
	}
	return out
}

// topicsOf lists a trigger's topics: its own, those that its pattern matches,
// or those of its group.
func (p *poll) topicsOf(c *config) []string {
	switch {
	case len(c.topics) > 0:
		return c.topics
	case c.pattern != nil:
		return p.matched[c.pattern.String()].topics
	}
	committed := p.groups[c.group].committed
	out := make([]string, 0, len(committed))
	for name, offsets := range committed {
		for _, o := range offsets {
			if o >= 0 {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

// read turns the poll's offsets into the trigger's number.
func (s *source) read(p *poll, now time.Time) (scaler.Reading, error) {
	c, g := s.config, p.groups[s.config.group]
	topics := p.topicsOf(c)
	if c.pattern != nil {
		if err := p.matched[c.pattern.String()].err; err != nil {
			return scaler.Reading{}, err
		}
		if len(topics) == 0 {
			return scaler.Reading{}, scaler.Missing(nil, "the cluster has no topic that matches topicRegex %q and that these credentials may see", c.topicRegex)
		}
	}
	for _, name := range topics {
		if err := p.topics[name].err; err != nil {
			return scaler.Reading{}, err
		}
	}
	if g.err != nil {
		return scaler.Reading{}, g.err
	}
	if len(topics) == 0 {
		return scaler.Reading{}, scaler.Missing(nil,
			"group %q has committed no offset, so its topics are not known; name them in the parameter topic", c.group)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum tally
	seen := make(map[string][]int64, len(topics))
	for _, name := range topics {
		if err := s.addTopic(&sum, g, p.topics[name], now); err != nil {
			return scaler.Reading{}, err
		}
		seen[name] = p.topics[name].ends
	}
	s.seen = seen
	if sum.partitions == 0 {
		return scaler.Reading{}, scaler.Misconfigured(nil, "partitionLimitation %s leaves no partition of topic %q", c.limitText, topics[0])
	}
	all := float64(sum.all)
	return scaler.Reading{Value: float64(c.rules.value(sum)), ActivationValue: &all, Note: sum.note()}, nil
}

// addTopic adds one topic's partitions. Called with the lock held.
func (s *source) addTopic(sum *tally, g *groupState, t *topicState, now time.Time) error {
	c := s.config
	if err := g.topicErr[t.name]; err != nil {
		return err
	}
	committed := g.committed[t.name]
	for n, end := range t.ends {
		if !c.limit.contains(n) {
			continue
		}
		if err := t.partErr[int32(n)]; err != nil {
			return err
		}
		at := unanswered
		switch {
		case n < len(committed):
			at = committed[n]
		case g.all && c.ofGroup():
			at = none // the answer to "all" has no entry for it
		}
		if end < 0 || at == unanswered {
			return scaler.BadAnswer(errNoAnswer, "reading the offsets of group %q on topic %q, partition %d", g.name, t.name, n)
		}
		start := unanswered
		if n < len(t.starts) {
			start = t.starts[n]
		}
		lag, special := c.rules.lag(at, start, end)
		stuck := c.rules.excludePersistent && special != uncommitted && s.stillness(t.name).observe(n, at, lag, now)
		sum.add(lag, special, stuck)
	}
	return nil
}

func (s *source) stillness(topic string) *standstill {
	st := s.still[topic]
	if st == nil {
		st = &standstill{}
		s.still[topic] = st
	}
	return st
}
