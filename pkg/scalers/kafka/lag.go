package kafka

import (
	"fmt"
	"strings"
	"time"
)

// Offsets that are no offset.
const (
	// none: the group has committed nothing for the partition.
	none int64 = -1
	// unanswered: the brokers have said nothing about the partition.
	unanswered int64 = -2
)

// stuckAfter is how long a lagging partition's committed offset must stand
// still to count as persistent. Measurements may be much closer together than
// consumers commit, so two equal ones alone prove nothing.
const stuckAfter = 10 * time.Second

// rules are the parameters that turn offsets into a number.
type rules struct {
	threshold         int64
	earliest          bool
	zeroOnInvalid     bool
	allowIdle         bool
	excludePersistent bool
	limitToLagging    bool
	even              bool
}

// finding says what is special about a partition.
type finding int

const (
	ordinary    finding = iota
	uncommitted         // no committed offset
	beyond              // committed past the log's end: the topic was made anew
	expired             // committed before the log's start: retention removed records
)

// needsStart says whether the lag depends on where the log starts.
func (r rules) needsStart(committed, end int64) bool {
	if committed < 0 || committed > end {
		return r.earliest && !r.zeroOnInvalid && end > 0
	}
	return committed < end
}

// lag is the number of records between a committed offset and the log's end;
// start is unanswered when it was not asked. An offset that the log does not
// have is treated as its consumers will: they begin where the reset policy
// says.
func (r rules) lag(committed, start, end int64) (int64, finding) {
	start = min(max(start, 0), end)
	var special finding
	switch {
	case committed < 0:
		special = uncommitted
	case committed > end:
		special = beyond
	case committed < start:
		return end - start, expired
	default:
		return end - committed, ordinary
	}
	switch {
	case r.zeroOnInvalid:
		return 0, special
	case r.earliest:
		return end - start, special
	default:
		return 1, special // one consumer, so that it begins at the end and commits
	}
}

// tally adds up partitions.
type tally struct {
	lag        int64 // without persistent lag
	all        int64 // with it
	partitions int64
	lagging    int64
	special    [expired + 1]int64
	stuck      int64
}

func (t *tally) add(lag int64, special finding, stuck bool) {
	t.partitions++
	t.special[special]++
	t.all += lag
	switch {
	case lag == 0:
	case stuck:
		t.stuck++
	default:
		t.lag += lag
		t.lagging++
	}
}

// value is the lag that the HPA sees, capped so that no consumer stays idle.
func (r rules) value(t tally) int64 {
	if r.allowIdle && !r.limitToLagging && !r.even {
		return t.lag
	}
	lag, bound := t.lag, t.partitions
	if r.even && lag > 0 {
		lag = evenReplicas(lag, t.partitions, r.threshold) * r.threshold
	}
	if r.limitToLagging {
		bound = t.lagging
	}
	return min(lag, bound*r.threshold)
}

// evenReplicas is the smallest divisor of the number of partitions that
// suffices for the lag, or that number.
func evenReplicas(lag, partitions, threshold int64) int64 {
	for n := int64(1); n < partitions; n++ {
		if partitions%n == 0 && n*threshold >= lag {
			return n
		}
	}
	return partitions
}

// note tells people what the number does not.
func (t *tally) note() string {
	var parts []string
	say := func(n int64, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d partitions %s", n, t.partitions, text))
		}
	}
	say(t.special[uncommitted], "have no committed offset")
	say(t.special[beyond], "have a committed offset beyond their end")
	say(t.special[expired], "have a committed offset older than their oldest record")
	say(t.stuck, "have persistent lag")
	return strings.Join(parts, "; ")
}

// standstill remembers since when the committed offsets of a topic's lagging
// partitions have not moved.
type standstill struct {
	offset []int64
	since  []time.Time
}

// observe records one measurement of a partition and says whether its lag is
// persistent.
func (s *standstill) observe(p int, committed, lag int64, now time.Time) bool {
	for len(s.offset) <= p {
		s.offset = append(s.offset, unanswered)
		s.since = append(s.since, time.Time{})
	}
	switch {
	case lag == 0 || committed < 0:
		s.offset[p] = unanswered
		return false
	case s.offset[p] != committed:
		s.offset[p], s.since[p] = committed, now
		return false
	}
	return now.Sub(s.since[p]) >= stuckAfter
}
