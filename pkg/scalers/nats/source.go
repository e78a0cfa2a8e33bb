package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// bodyLimit is the largest answer read: it describes every consumer of the
// account.
const bodyLimit = 32 << 20

// source measures one consumer. It owns its share of the client.
type source struct {
	config *config
	client *conn.HTTPClient
	key    string
	lookup func(ctx context.Context, host string) ([]string, error)
}

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Hosted  = (*source)(nil)
)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.config.endpoint }

// BatchKey implements scaler.Batcher.
func (s *source) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *source) Close() error { return s.client.Close() }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// name is a consumer of the account.
type name struct{ stream, consumer string }

// MeasureAll implements scaler.Batcher.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	p := &poll{source: s, wanted: map[name]bool{}, found: map[name]consumer{}}
	for _, other := range sources {
		p.wanted[other.(*source).name()] = true
	}
	p.run(ctx)
	out := make([]scaler.Result, len(sources))
	for i, other := range sources {
		out[i] = p.result(other.(*source).name())
	}
	return out
}

func (s *source) name() name { return name{s.config.stream, s.config.consumer} }

// answer is the part of /jsz that is read, see JSInfo, AccountDetail,
// StreamDetail and ConsumerInfo of nats-server.
type answer struct {
	ServerID string `json:"server_id"`
	Disabled bool   `json:"disabled"`
	Meta     *struct {
		Name string `json:"name"`
	} `json:"meta_cluster"`
	Accounts []struct {
		Name    string `json:"name"`
		ID      string `json:"id"`
		Streams []struct {
			Name      string     `json:"name"`
			Consumers []consumer `json:"consumer_detail"`
		} `json:"stream_detail"`
	} `json:"account_details"`
}

type consumer struct {
	Name       string   `json:"name"`
	Pending    *float64 `json:"num_pending"`
	AckPending *float64 `json:"num_ack_pending"`
	Cluster    *struct {
		Leader   string `json:"leader"`
		Replicas []struct {
			Name string `json:"name"`
		} `json:"replicas"`
	} `json:"cluster"`
}

// led says whether the server that answers leads the consumer: servers list
// the others as replicas, so one that follows lists the leader.
func (c consumer) led() bool {
	if c.Cluster == nil {
		return true
	}
	for _, r := range c.Cluster.Replicas {
		if r.Name == c.Cluster.Leader {
			return false
		}
	}
	return c.Cluster.Leader != ""
}

// poll is one round for all consumers of a batch.
type poll struct {
	*source
	wanted  map[name]bool // not found with their leader so far
	found   map[name]consumer
	failure error // the first
	asked   int
}

// run asks servers one after the other until every consumer's leader has
// answered. Without a cluster the first server knows all.
func (p *poll) run(ctx context.Context) {
	for _, at := range p.servers(ctx) {
		alone, err := p.ask(ctx, at)
		if err != nil && p.failure == nil {
			p.failure = err
		}
		if alone || len(p.wanted) == 0 || ctx.Err() != nil {
			return
		}
	}
	for _, at := range p.leaders() {
		if _, err := p.ask(ctx, at); err != nil && p.failure == nil {
			p.failure = err
		}
	}
}

// servers lists the addresses that the endpoint stands for. Over TLS names
// matter, so only the endpoint itself is asked.
func (p *poll) servers(ctx context.Context) []string {
	at := p.config.endpoint
	host, port, _ := net.SplitHostPort(at)
	if p.config.secure || net.ParseIP(host) != nil {
		return []string{at}
	}
	ips, err := p.lookup(ctx, host)
	if err != nil || len(ips) < 2 {
		return []string{at} // asking says what is wrong with the name
	}
	slices.Sort(ips)
	out := make([]string, len(ips))
	for i, ip := range ips {
		out[i] = net.JoinHostPort(ip, port)
	}
	return out
}

// leaders lists the servers that lead what is still wanted, by the names that
// a StatefulSet's headless Service gives them.
func (p *poll) leaders() []string {
	host, port, _ := net.SplitHostPort(p.config.endpoint)
	if net.ParseIP(host) != nil {
		return nil
	}
	var out []string
	for n := range p.wanted {
		c, ok := p.found[n]
		if !ok || c.Cluster == nil || c.Cluster.Leader == "" {
			continue
		}
		first, _, _ := strings.Cut(host, ".")
		at := net.JoinHostPort(c.Cluster.Leader+"."+host, port)
		if u, err := url.Parse("http://" + at); err == nil && u.Host == at && first != c.Cluster.Leader && !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}

// ask reads one server's consumers, and says whether it is in no cluster.
func (p *poll) ask(ctx context.Context, at string) (alone bool, err error) {
	doing := "reading the consumers of account " + p.config.queried() + " at " + at
	u := &url.URL{Scheme: p.config.scheme(), Host: at, Path: "/jsz",
		RawQuery: url.Values{"acc": {p.config.queried()}, "consumers": {"true"}}.Encode()}
	body, err := p.client.Ask(ctx, conn.NewGet(u, nil), conn.Refusals{}, doing)
	if err != nil {
		return false, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.ServerID == "" {
		return false, scaler.BadAnswer(errors.New("the answer is none of JetStream's"), "%s", doing)
	}
	if a.Disabled {
		return false, scaler.Misconfigured(errors.New("JetStream is off on this server"), "%s", doing)
	}
	p.asked++
	for _, account := range a.Accounts {
		if account.Name != p.config.queried() && account.ID != p.config.queried() {
			continue
		}
		for _, stream := range account.Streams {
			for _, c := range stream.Consumers {
				p.take(name{stream.Name, c.Name}, c)
			}
		}
	}
	return a.Meta == nil, nil
}

func (p *poll) take(n name, c consumer) {
	if !p.wanted[n] {
		return
	}
	p.found[n] = c
	if c.led() {
		delete(p.wanted, n)
	}
}

// result is the number of one consumer, or why there is none.
func (p *poll) result(n name) scaler.Result {
	doing := fmt.Sprintf("reading consumer %q of stream %q at %s", n.consumer, n.stream, p.config.endpoint)
	c, seen := p.found[n]
	switch {
	case p.wanted[n] && p.failure != nil: // it may be at a server that did not answer
		return scaler.Result{Err: p.failure}
	case !seen:
		return scaler.Result{Err: scaler.Missing(fmt.Errorf("account %s has no such consumer", p.config.queried()), "%s", doing)}
	case p.wanted[n]:
		return scaler.Result{Err: scaler.Unreachable(errors.New("the server that leads it is not among those that the address stands for"), "%s", doing)}
	case c.Pending == nil || c.AckPending == nil || *c.Pending < 0 || *c.AckPending < 0:
		return scaler.Result{Err: scaler.BadAnswer(errors.New("the answer lacks its counts"), "%s", doing)}
	}
	return scaler.Result{Reading: scaler.Reading{Value: *c.Pending + *c.AckPending}}
}
