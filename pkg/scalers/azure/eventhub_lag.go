package azure

import "math"

// hubPartition is what a hub says of one partition. Sequence numbers count
// the partition's events from 0.
type hubPartition struct {
	id string
	// first and last are those of the oldest and the newest event retained;
	// last is -1 before the first event.
	first, last int64
	// empty says that no event is retained.
	empty bool
}

// hubCheckpoint is how far a consumer group has come in one partition: the
// sequence number of the last event that it is done with.
type hubCheckpoint struct {
	sequence int64
	found    bool // false for a group that has not come anywhere yet
}

// retained is the number of events that can still be read.
func (p hubPartition) retained() float64 {
	if p.empty || p.last < 0 {
		return 0
	}
	return distance(p.first, p.last) + 1
}

// distance counts the steps from one sequence number to a later one. Past the
// largest number, counting begins anew.
func distance(from, to int64) float64 {
	if to >= from {
		return float64(uint64(to) - uint64(from)) // right for any two, where int64 would overflow
	}
	return float64(uint64(math.MaxInt64)-uint64(from)) + float64(to)
}

// unprocessed is the number of events after the checkpoint, all that are
// retained without one, and never more than those: what has expired can't be
// processed any more.
//
// A checkpoint ahead of the partition by less than stale is newer than what
// the hub says of the partition, which lags behind under little load. One
// further ahead is of the numbers' earlier round, or of a hub that was made
// anew; then all that is retained, at most, is unprocessed.
func (p hubPartition) unprocessed(c hubCheckpoint, stale int64) float64 {
	retained := p.retained()
	if !c.found || retained == 0 {
		return retained
	}
	if p.last < c.sequence && c.sequence-p.last < stale {
		return 0
	}
	return min(distance(c.sequence, p.last), retained)
}
