package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/kedago/keda/pkg/scaler"
)

// buckets is into how many parts the window of a rate is divided.
const buckets = 60

// source measures one trigger. It owns its share of the connection and of a
// subscription.
type source struct {
	config  *config
	broker  *broker
	topic   *topic
	key     string
	release func()
	now     func() time.Time
	closing sync.Once

	mu       sync.Mutex // guards what follows; never held over I/O or a callback
	since    time.Time  // since when messages are counted without a gap
	on       *session   // over which they come
	counts   [buckets]int
	slot     int64 // number of the newest bucket since the epoch
	arrivals int   // since the last measurement
	watches  map[*watch]struct{}
}

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Watcher = (*source)(nil)
	_ scaler.Hosted  = (*source)(nil)
)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.broker.address }

// BatchKey implements scaler.Batcher.
func (s *source) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *source) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.watches = nil
		s.mu.Unlock()
		s.broker.leave(s.topic, s)
		s.release()
	})
	return nil
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher: one round trip serves all.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	var topics []*topic
	seen := map[*topic]bool{}
	for _, other := range sources {
		if t := other.(*source).topic; !seen[t] {
			seen[t], topics = true, append(topics, t)
		}
	}
	refused, err := s.broker.refresh(ctx, topics)
	out := make([]scaler.Result, len(sources))
	for i, o := range sources {
		other := o.(*source)
		switch {
		case err != nil:
			out[i].Err = s.broker.failed(err, other.doing())
		case refused[other.topic] != nil:
			out[i].Err = s.broker.failed(refused[other.topic], other.doing())
		default:
			out[i].Reading, out[i].Err = other.reading()
		}
	}
	return out
}

func (s *source) doing() string {
	return fmt.Sprintf("reading topic %q at %s", short(s.config.topic), s.broker.address)
}

// reading is the number that is known now.
func (s *source) reading() (scaler.Reading, error) {
	s.mu.Lock()
	s.arrivals = 0
	s.mu.Unlock()
	if s.config.mode == modeRate {
		return s.rate(), nil
	}
	s.broker.mu.Lock()
	payload, has := s.topic.last, s.topic.has
	s.broker.mu.Unlock()
	if !has {
		if s.config.hasIfNone {
			return scaler.Reading{Value: s.config.ifNone, Note: "no message has come yet"}, nil
		}
		return scaler.Reading{}, scaler.Missing(errors.New("no message has come yet, and the broker retains none; valueIfNone says what counts until then"), "%s", s.doing())
	}
	n, err := number(payload, s.config.location)
	if err == nil && s.config.mode == modeBacklog && n < 0 {
		err = errors.New("the number is below 0")
	}
	if err != nil {
		return scaler.Reading{}, scaler.BadAnswer(err, "%s", s.doing())
	}
	return scaler.Reading{Value: n}, nil
}

// number reads a message. It is never repeated in an error.
func number(payload []byte, location string) (float64, error) {
	text := strings.TrimSpace(string(payload))
	if location != "" {
		if !gjson.Valid(text) {
			return 0, errors.New("the last message is no JSON")
		}
		r := gjson.Get(text, location)
		switch {
		case !r.Exists():
			return 0, fmt.Errorf("the last message has nothing at %q", location)
		case r.Type != gjson.Number && r.Type != gjson.String:
			return 0, fmt.Errorf("the last message has no number at %q", location)
		}
		text = strings.TrimSpace(r.String())
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, errors.New("the last message is no finite number")
	}
	return n, nil
}

// width is how long a bucket is.
func (s *source) width() time.Duration { return s.config.window / buckets }

// turn makes the bucket of now the newest, and empties those in between.
// The caller holds the lock.
func (s *source) turn(now time.Time) {
	slot := now.UnixNano() / int64(s.width())
	if slot-s.slot >= buckets || slot < s.slot {
		s.counts = [buckets]int{}
		s.slot = slot
	}
	for s.slot < slot {
		s.slot++
		s.counts[s.slot%buckets] = 0
	}
}

// began says that messages come over a session from now on. Those of the time
// between two sessions are lost, so counting starts anew.
func (s *source) began(on *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on == on {
		return
	}
	s.on, s.since, s.counts = on, s.now(), [buckets]int{}
}

// arrived counts a message and wakes who watches.
func (s *source) arrived(*session) {
	s.mu.Lock()
	s.turn(s.now())
	s.counts[s.slot%buckets]++
	s.arrivals++
	var told []*watch
	for w := range s.watches {
		told = append(told, w)
	}
	s.mu.Unlock()
	for _, w := range told {
		w.tell(scaler.Signal{Kind: scaler.Arrived})
	}
}

// rate is the messages a second over the window, or since counting began
// where that is shorter.
func (s *source) rate() scaler.Reading {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	total := 0
	for _, n := range s.counts {
		total += n
	}
	over := s.config.window
	note := ""
	if counted := now.Sub(s.since); counted < over {
		over = max(counted, time.Second)
		note = fmt.Sprintf("counted for %s so far", over.Round(time.Second))
	}
	return scaler.Reading{Value: float64(total) / over.Seconds(), Note: note}
}
