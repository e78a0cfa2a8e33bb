package nsq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// bodyLimit is the largest answer read: many topics of one nsqd.
	bodyLimit = 8 << 20
	// atOnce is how many servers are asked at the same time.
	atOnce = 8
)

// source measures one channel. It owns its share of the client.
type source struct {
	*config
	client *conn.HTTPClient
	key    string
}

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Hosted  = (*source)(nil)
)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.lookups[0] }

// BatchKey implements scaler.Batcher.
func (s *source) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *source) Close() error { return s.client.Close() }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher: each server is asked once.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	out := make([]scaler.Result, len(sources))
	wanted := map[string]bool{}
	for _, other := range sources {
		wanted[other.(*source).topic] = true
	}
	topics := slices.Sorted(maps.Keys(wanted))
	servers, err := s.find(ctx, topics)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	found := s.ask(ctx, servers, topics)
	for i, other := range sources {
		out[i] = other.(*source).sum(servers[other.(*source).topic], found)
	}
	return out
}

// sum adds up what the nsqd with the topic say.
func (s *source) sum(servers map[string]bool, found map[string]stats) scaler.Result {
	if len(servers) == 0 {
		return scaler.Result{Reading: scaler.Reading{Empty: true, Note: "no nsqd has the topic, which counts as 0"}}
	}
	var r scaler.Reading
	paused := 0
	for _, at := range slices.Sorted(maps.Keys(servers)) {
		if err := found[at].err; err != nil {
			return scaler.Result{Err: err}
		}
		n, stopped, err := s.depthIn(found[at].topics)
		if err != nil {
			return scaler.Result{Err: scaler.BadAnswer(err, "reading the depth of the channel %q of the topic %q at %s", s.channel, s.topic, at)}
		}
		if stopped {
			paused++
		}
		r.Value += n
	}
	if paused > 0 {
		r.Note = fmt.Sprintf("the channel is paused on %d of %d nsqd, where it counts as 0", paused, len(servers))
	}
	return scaler.Result{Reading: r}
}

// depthIn is the channel's depth at one nsqd. A topic that is gone meanwhile
// has none; a channel that is not there yet will get what the topic holds.
func (s *source) depthIn(topics []topic) (depth float64, paused bool, err error) {
	i := slices.IndexFunc(topics, func(t topic) bool { return t.Name == s.topic })
	if i < 0 {
		return 0, false, nil
	}
	n := topics[i].Depth
	for _, c := range topics[i].Channels {
		if c.Name != s.channel {
			continue
		}
		if c.Paused {
			return 0, true, nil
		}
		n = c.Depth
	}
	if n == nil {
		return 0, false, errors.New("the answer has no depth")
	}
	return *n, false, nil
}

// producer is an nsqd as nsqlookupd lists it: with /lookup those of one topic,
// with /nodes all and their topics.
type producer struct {
	Address    string   `json:"broadcast_address"`
	Port       int      `json:"http_port"`
	Topics     []string `json:"topics"`
	Tombstones []bool   `json:"tombstones"`
}

// find returns the addresses of the nsqd that have the topics, by topic.
func (s *source) find(ctx context.Context, topics []string) (map[string]map[string]bool, error) {
	out := map[string]map[string]bool{}
	for _, t := range topics {
		out[t] = map[string]bool{}
	}
	var mu sync.Mutex // guards out
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, lookup := range s.lookups {
		group.Go(func() error {
			all, err := s.producers(ctx, lookup, topics)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, p := range all {
				for i, t := range p.Topics {
					if out[t] == nil || i < len(p.Tombstones) && p.Tombstones[i] {
						continue
					}
					if p.Address == "" || p.Port <= 0 {
						return scaler.BadAnswer(errors.New("it lists an nsqd without an address for HTTP"), "looking for the topic %q at %s", t, lookup)
					}
					out[t][net.JoinHostPort(p.Address, strconv.Itoa(p.Port))] = true
				}
			}
			return nil
		})
	}
	return out, group.Wait()
}

// producers asks one nsqlookupd, which may not know the topic while another does.
func (s *source) producers(ctx context.Context, lookup string, topics []string) ([]producer, error) {
	doing := fmt.Sprintf("looking for %d topics at nsqlookupd %s", len(topics), lookup)
	at := s.url(lookup, "/nodes", nil)
	if len(topics) == 1 {
		doing = fmt.Sprintf("looking for the topic %q at nsqlookupd %s", topics[0], lookup)
		at = s.url(lookup, "/lookup", url.Values{"topic": {topics[0]}})
	}
	got, err := s.get(ctx, at, doing)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Message   string      `json:"message"`
		Producers *[]producer `json:"producers"`
	}
	bad := json.Unmarshal(got.Body, &answer)
	if len(topics) == 1 && got.Status == http.StatusNotFound && answer.Message == "TOPIC_NOT_FOUND" {
		return nil, nil
	}
	if err := got.Err(s.client.Now(), doing); err != nil {
		return nil, err
	}
	if bad != nil || answer.Producers == nil {
		return nil, scaler.BadAnswer(errors.New("the answer is not nsqlookupd's list of producers"), "%s", doing)
	}
	if len(topics) == 1 {
		for i := range *answer.Producers {
			(*answer.Producers)[i].Topics = topics
		}
	}
	return *answer.Producers, nil
}

// topic and channel are in the answer of /stats:
// https://nsq.io/components/nsqd.html#get-stats
type topic struct {
	Name     string    `json:"topic_name"`
	Depth    *float64  `json:"depth"`
	Channels []channel `json:"channels"`
}

type channel struct {
	Name   string   `json:"channel_name"`
	Depth  *float64 `json:"depth"`
	Paused bool     `json:"paused"`
}

type stats struct {
	topics []topic
	err    error
}

// ask asks all nsqd with the topics. A topic is named where it is the only one.
func (s *source) ask(ctx context.Context, servers map[string]map[string]bool, topics []string) map[string]stats {
	addresses := map[string]bool{}
	for _, t := range topics {
		maps.Copy(addresses, servers[t])
	}
	query := url.Values{"format": {"json"}, "include_clients": {"false"}, "include_mem": {"false"}}
	if len(topics) == 1 {
		query.Set("topic", topics[0])
	}
	out := map[string]stats{}
	var mu sync.Mutex // guards out
	var group errgroup.Group
	group.SetLimit(atOnce)
	for at := range addresses {
		group.Go(func() error {
			all, err := s.stats(ctx, at, query)
			mu.Lock()
			defer mu.Unlock()
			out[at] = stats{all, err}
			return nil
		})
	}
	_ = group.Wait() // what failed is in out
	return out
}

func (s *source) stats(ctx context.Context, at string, query url.Values) ([]topic, error) {
	doing := "reading the depths of topics at nsqd " + at
	got, err := s.get(ctx, s.url(at, "/stats", query), doing)
	if err != nil {
		return nil, err
	}
	if err := got.Err(s.client.Now(), doing); err != nil {
		return nil, err
	}
	var answer struct {
		Topics *[]topic `json:"topics"`
	}
	if err := json.Unmarshal(got.Body, &answer); err != nil || answer.Topics == nil {
		return nil, scaler.BadAnswer(errors.New("the answer is not nsqd's list of topics"), "%s", doing)
	}
	return *answer.Topics, nil
}

func (s *source) get(ctx context.Context, at *url.URL, doing string) (conn.Answer, error) {
	header := http.Header{"Accept": {"application/json; charset=utf-8"}}
	return s.client.Do(ctx, conn.NewGet(at, header), doing)
}

func (s *source) url(host, path string, query url.Values) *url.URL {
	u := &url.URL{Scheme: "http", Host: host, Path: path, RawQuery: query.Encode()}
	if s.secure {
		u.Scheme = "https"
	}
	return u
}
