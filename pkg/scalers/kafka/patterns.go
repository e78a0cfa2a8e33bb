package kafka

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kedago/keda/pkg/scaler"
)

// namesAge is how long the list of a cluster's topics is used without asking
// again: how late topics that are new to a topicRegex may be noticed.
const namesAge = time.Minute

// matched are the topics that a topicRegex stands for in one poll.
type matched struct {
	topics []string
	err    error
}

// plan finds the topics of all triggers, and their leaders.
func (p *poll) plan(ctx context.Context, sources []scaler.Source) {
	p.match(ctx, sources, false)
	p.wantAll(sources)
	p.conn.describe(ctx, p.allTopics(), false)
	for _, m := range p.matched {
		if slices.ContainsFunc(m.topics, p.isMissing) { // the list is out of date
			p.match(ctx, sources, true)
			p.wantAll(sources)
			p.conn.describe(ctx, p.allTopics(), false)
			return
		}
	}
}

func (p *poll) isMissing(topic string) bool {
	t := p.topics[topic]
	return t.err != nil && scaler.ReasonOf(t.err) == scaler.ReasonMissing
}

func (p *poll) wantAll(sources []scaler.Source) {
	for _, s := range sources {
		p.want(s.(*source).config)
	}
}

// match finds what the patterns of triggers stand for, by one list of topics
// for all of them.
func (p *poll) match(ctx context.Context, sources []scaler.Source, fresh bool) {
	clear(p.matched)
	var names []string
	var err error
	for _, s := range sources {
		pattern := s.(*source).config.pattern
		if pattern == nil {
			continue
		}
		if len(p.matched) == 0 {
			names, err = p.conn.topicNames(ctx, fresh)
		}
		if _, known := p.matched[pattern.String()]; !known {
			p.matched[pattern.String()] = matched{p.conn.like(pattern, names), err}
		}
	}
}

// like lists the names that a pattern matches. Each pattern is tried once per
// list of names.
func (k *connection) like(pattern *regexp.Regexp, names []string) []string {
	if len(names) == 0 {
		return nil
	}
	current := func() bool { return len(k.names) > 0 && &k.names[0] == &names[0] }
	k.mu.Lock()
	topics, known := k.likes[pattern.String()]
	known = known && current()
	k.mu.Unlock()
	if known {
		return topics
	}
	topics = nil
	for _, name := range names {
		if pattern.MatchString(name) {
			topics = append(topics, name)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if current() {
		k.likes[pattern.String()] = topics
	}
	return topics
}

// topicNames lists the cluster's topics that the credentials may see, without
// Kafka's own. It is one request per connection and minute; only names are
// kept of its answer.
func (k *connection) topicNames(ctx context.Context, fresh bool) ([]string, error) {
	now := k.now()
	k.mu.Lock()
	names, at := k.names, k.namesAt
	k.mu.Unlock()
	if !fresh && !at.IsZero() && now.Sub(at) < namesAge {
		return names, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Topics, req.AllowAutoTopicCreation = nil, false // all topics
	resp, err := k.anyBroker(ctx, req)
	if err != nil {
		return nil, failed(err, "listing the topics of the cluster")
	}
	names = nil
	for _, t := range resp.(*kmsg.MetadataResponse).Topics {
		if t.Topic != nil && !t.IsInternal && t.ErrorCode == 0 {
			names = append(names, *t.Topic)
		}
	}
	k.mu.Lock()
	k.names, k.namesAt, k.likes = names, now, map[string][]string{}
	k.mu.Unlock()
	return names, nil
}
