package azure

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/pkg/scaler"
)

const (
	// busListFrom is the number of entities from which on a listing, whose
	// answer is much longer, takes the place of asking for each.
	busListFrom = 4
	// busAsksAtOnce bounds the requests to a namespace at the same time, to the
	// connections to one server that are kept.
	busAsksAtOnce = 4
)

// servicebusSource measures a queue, a subscription, or those that match a
// pattern. It owns its share of the client.
type servicebusSource struct {
	client    *servicebusClient
	key       string
	topic     string // empty for queues
	name      string
	pattern   *regexp.Regexp // nil without useRegex
	operation string
	doing     string
	release   []func()
}

var (
	_ scaler.Batcher = (*servicebusSource)(nil)
	_ scaler.Hosted  = (*servicebusSource)(nil)
)

// Host implements scaler.Hosted.
func (s *servicebusSource) Host() string { return s.client.host }

// BatchKey implements scaler.Batcher: triggers of one namespace.
func (s *servicebusSource) BatchKey() string { return s.key }

// Close implements scaler.Source: it gives the client back.
func (s *servicebusSource) Close() error {
	for _, r := range slices.Backward(s.release) {
		r()
	}
	return nil
}

// Measure implements scaler.Source.
func (s *servicebusSource) Measure(ctx context.Context) (scaler.Reading, error) {
	got := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return got.Reading, got.Err
}

// MeasureAll implements scaler.Batcher.
func (s *servicebusSource) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	if err := s.client.ready(ctx); err != nil {
		for i, src := range sources {
			results[i].Err = busError(err, src.(*servicebusSource).doing)
		}
		return results
	}
	byTopic := map[string]*busRound{}
	for i, src := range sources {
		one := src.(*servicebusSource)
		r := byTopic[sameName(one.topic)]
		if r == nil {
			r = &busRound{client: s.client, topic: one.topic, asked: map[string][]busAsked{}}
			byTopic[sameName(one.topic)] = r
		}
		r.add(busAsked{one, &results[i]})
	}
	var listings, requests errgroup.Group // their errors are in the results
	listings.SetLimit(busAsksAtOnce)
	for _, r := range byTopic {
		listings.Go(func() error { r.list(ctx); return nil })
	}
	_ = listings.Wait()
	requests.SetLimit(busAsksAtOnce)
	for _, r := range byTopic {
		for _, asked := range r.asked {
			requests.Go(func() error { r.ask(ctx, asked); return nil })
		}
	}
	_ = requests.Wait()
	return results
}

// busAsked is a trigger with the place of its result.
type busAsked struct {
	*servicebusSource
	result *scaler.Result
}

// answer sets the result to that of one entity.
func (a busAsked) answer(e busEntity, err error) {
	if err != nil {
		a.result.Err = busError(err, a.doing)
		return
	}
	a.result.Reading = scaler.Reading{Value: e.active}
}

// busRound measures triggers for the queues of a namespace, or for the
// subscriptions of one topic.
type busRound struct {
	client   *servicebusClient
	topic    string
	asked    map[string][]busAsked // by name; those that have no answer yet
	patterns []busAsked
}

func (r *busRound) add(a busAsked) {
	if a.pattern != nil {
		r.patterns = append(r.patterns, a)
		return
	}
	r.asked[sameName(a.name)] = append(r.asked[sameName(a.name)], a)
}

// list answers what can be answered by a listing: all patterns, and the names
// that are in it. Without a pattern it is given up when it would take more
// than half the requests that it saves.
func (r *busRound) list(ctx context.Context) {
	n := len(r.asked)
	if len(r.patterns) == 0 && !r.client.pays(r.topic, n) {
		return
	}
	all := map[string]busEntity{} // by name: what is listed while others come and go may be listed twice
	pages, gaveUp := 0, false
	err := r.client.pages(ctx, r.topic, func(page []busEntity) bool {
		pages++
		for _, e := range page {
			all[e.name] = e
			for _, a := range r.asked[sameName(e.name)] {
				a.answer(e, nil)
			}
			delete(r.asked, sameName(e.name))
		}
		if len(r.patterns) > 0 {
			return true
		}
		gaveUp = len(r.asked) > 0 && pages >= n/2
		return len(r.asked) > 0 && !gaveUp
	})
	for _, a := range r.patterns {
		if err != nil {
			a.result.Err = busError(err, a.doing)
			continue
		}
		a.result.Reading = a.combine(all)
	}
	if gaveUp {
		r.client.avoid(r.topic, n+1)
	}
	if err != nil {
		r.failed(err)
	}
}

// failed draws the conclusions from a listing that failed. Names without an
// answer are asked for one by one: the credentials may be for them alone.
func (r *busRound) failed(err error) {
	switch scaler.ReasonOf(busError(err, "listing")) {
	case scaler.ReasonDenied:
		r.client.avoid(r.topic, busNeverPays)
	case scaler.ReasonUnreachable: // single requests would fare no better
		for _, asked := range r.asked {
			for _, a := range asked {
				a.answer(busEntity{}, err)
			}
		}
		r.asked = nil
	}
}

// busNeverPays is more entities than a namespace has.
const busNeverPays = 1 << 30

// ask answers the triggers for one name.
func (r *busRound) ask(ctx context.Context, asked []busAsked) {
	e, err := r.client.one(ctx, r.topic, asked[0].name)
	for _, a := range asked {
		a.answer(e, err)
	}
}

// combine makes one number of the entities that the pattern matches.
func (s *servicebusSource) combine(all map[string]busEntity) scaler.Reading {
	total, longest, n := 0.0, 0.0, 0
	for _, e := range all {
		if s.pattern.MatchString(e.name) {
			total, longest, n = total+e.active, max(longest, e.active), n+1
		}
	}
	switch {
	case n == 0:
		return scaler.Reading{Empty: true, Note: fmt.Sprintf("none of %d names matches the pattern", len(all))}
	case s.operation == busMax:
		return scaler.Reading{Value: longest}
	case s.operation == busAvg:
		return scaler.Reading{Value: total / float64(n)}
	}
	return scaler.Reading{Value: total}
}
