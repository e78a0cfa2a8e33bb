package azure

import (
	"math"
	"testing"
)

func TestUnprocessed(t *testing.T) {
	const (
		largest = math.MaxInt64
		stale   = 10000
	)
	at := func(sequence int64) hubCheckpoint { return hubCheckpoint{sequence: sequence, found: true} }
	none := hubCheckpoint{}
	for name, tc := range map[string]struct {
		partition  hubPartition
		checkpoint hubCheckpoint
		want       float64
	}{
		"never an event":                       {hubPartition{first: 0, last: -1, empty: true}, none, 0},
		"never an event, not said to be empty": {hubPartition{first: 0, last: -1}, none, 0},
		"never an event, old checkpoint":       {hubPartition{first: 0, last: -1, empty: true}, at(500), 0},
		"first event":                          {hubPartition{first: 0, last: 0}, none, 1},
		"one event, not the first":             {hubPartition{first: 7, last: 7}, none, 1},
		"all unread":                           {hubPartition{first: 10, last: 29}, none, 20},
		"all expired":                          {hubPartition{first: 30, last: 29, empty: true}, none, 0},
		"all expired unread":                   {hubPartition{first: 30, last: 29, empty: true}, at(9), 0},
		"first event read":                     {hubPartition{first: 0, last: 0}, at(0), 0},
		"second event unread":                  {hubPartition{first: 0, last: 1}, at(0), 1},
		"caught up":                            {hubPartition{first: 0, last: 99}, at(99), 0},
		"behind":                               {hubPartition{first: 0, last: 99}, at(59), 40},
		"just before the oldest":               {hubPartition{first: 60, last: 99}, at(59), 40},
		"expired in between":                   {hubPartition{first: 80, last: 99}, at(9), 20},
		"partition's answer is older":          {hubPartition{first: 0, last: 99}, at(100), 0},
		"older by almost the limit":            {hubPartition{first: 0, last: 99}, at(99 + stale - 1), 0},
		"ahead by the limit: hub made anew":    {hubPartition{first: 0, last: 99}, at(99 + stale), 100},
		"numbers began anew":                   {hubPartition{first: largest - 50, last: 9}, at(largest - 20), 29},
		"began anew, all unread":               {hubPartition{first: largest - 50, last: 9}, none, 60},
		"began anew, expired in between":       {hubPartition{first: 2, last: 9}, at(largest - 20), 8},
		"whole range":                          {hubPartition{first: 0, last: largest}, none, largest},
		"from the largest":                     {hubPartition{first: 0, last: largest}, at(0), largest},
		"least checkpoint":                     {hubPartition{first: 0, last: 99}, at(math.MinInt64), 100},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.partition.unprocessed(tc.checkpoint, stale); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// FuzzUnprocessed: whatever a hub and a checkpoint say, the number is one that
// an HPA can take, and no larger than what is retained.
func FuzzUnprocessed(f *testing.F) {
	f.Add(int64(0), int64(99), int64(59), int64(10000), false, true)
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(math.MinInt64), int64(0), false, true)
	f.Add(int64(5), int64(-1), int64(-1), int64(-5), true, false)
	f.Fuzz(func(t *testing.T, first, last, sequence, stale int64, empty, found bool) {
		p := hubPartition{first: first, last: last, empty: empty}
		got := p.unprocessed(hubCheckpoint{sequence: sequence, found: found}, stale)
		if math.IsNaN(got) || math.IsInf(got, 0) || got < 0 || got > p.retained() {
			t.Errorf("got %v of %v", got, p.retained())
		}
	})
}
