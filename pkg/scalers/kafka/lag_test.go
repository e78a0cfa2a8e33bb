package kafka

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPartitionLag(t *testing.T) {
	const unasked = unanswered
	tests := map[string]struct {
		rules                 rules
		committed, start, end int64
		want                  int64
		special               finding
		needsStart            bool
	}{
		"caught up":                            {committed: 7, start: unasked, end: 7},
		"empty partition":                      {committed: 0, start: unasked, end: 0},
		"behind":                               {committed: 4, start: 0, end: 10, want: 6, needsStart: true},
		"behind, start not known":              {committed: 4, start: unasked, end: 10, want: 6, needsStart: true},
		"older than the oldest record":         {committed: 4, start: 8, end: 10, want: 2, special: expired, needsStart: true},
		"all records removed":                  {committed: 4, start: 10, end: 10, want: 0, special: expired, needsStart: true},
		"none, latest":                         {committed: none, start: unasked, end: 10, want: 1, special: uncommitted},
		"none, latest, empty":                  {committed: none, start: unasked, end: 0, want: 1, special: uncommitted},
		"none, latest, to zero":                {rules: rules{zeroOnInvalid: true}, committed: none, start: unasked, end: 10, special: uncommitted},
		"none, earliest":                       {rules: rules{earliest: true}, committed: none, start: 0, end: 10, want: 10, special: uncommitted, needsStart: true},
		"none, earliest, after retention":      {rules: rules{earliest: true}, committed: none, start: 6, end: 10, want: 4, special: uncommitted, needsStart: true},
		"none, earliest, start not known":      {rules: rules{earliest: true}, committed: none, start: unasked, end: 10, want: 10, special: uncommitted, needsStart: true},
		"none, earliest, empty":                {rules: rules{earliest: true}, committed: none, start: unasked, end: 0, special: uncommitted},
		"none, earliest, to zero":              {rules: rules{earliest: true, zeroOnInvalid: true}, committed: none, start: unasked, end: 10, special: uncommitted},
		"beyond the end, latest":               {committed: 20, start: unasked, end: 10, want: 1, special: beyond},
		"beyond the end, earliest":             {rules: rules{earliest: true}, committed: 20, start: 2, end: 10, want: 8, special: beyond, needsStart: true},
		"beyond the end, to zero":              {rules: rules{zeroOnInvalid: true}, committed: 20, start: unasked, end: 10, special: beyond},
		"a start beyond the end can't be used": {committed: 4, start: 50, end: 10, want: 0, special: expired, needsStart: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, special := tc.rules.lag(tc.committed, tc.start, tc.end)
			if got != tc.want || special != tc.special {
				t.Errorf("lag %d, finding %d; want %d, %d", got, special, tc.want, tc.special)
			}
			if needs := tc.rules.needsStart(tc.committed, tc.end); needs != tc.needsStart {
				t.Errorf("needsStart %t, want %t", needs, tc.needsStart)
			}
		})
	}
}

func TestValue(t *testing.T) {
	tests := map[string]struct {
		rules rules
		lags  []int64 // of each partition
		stuck []int   // partitions that stand still
		want  int64
		all   int64
	}{
		"below the cap":                {lags: []int64{5, 0, 3}, want: 8, all: 8},
		"capped at the partitions":     {lags: []int64{100, 0, 3}, want: 30, all: 103},
		"never above the partitions":   {lags: []int64{33, 0, 2}, want: 30, all: 35},
		"idle consumers":               {rules: rules{allowIdle: true}, lags: []int64{100, 0, 3}, want: 103, all: 103},
		"capped at those with lag":     {rules: rules{limitToLagging: true}, lags: []int64{100, 0, 3}, want: 20, all: 103},
		"no lag at all":                {rules: rules{limitToLagging: true}, lags: []int64{0, 0}, want: 0},
		"persistent lag":               {rules: rules{excludePersistent: true}, lags: []int64{7, 8, 9}, stuck: []int{1}, want: 16, all: 24},
		"persistent, limited":          {rules: rules{excludePersistent: true, limitToLagging: true}, lags: []int64{70, 80, 90}, stuck: []int{1}, want: 20, all: 240},
		"only persistent":              {rules: rules{excludePersistent: true}, lags: []int64{7}, stuck: []int{0}, want: 0, all: 7},
		"even: nothing":                {rules: rules{even: true}, lags: make([]int64, 10)},
		"even: one":                    {rules: rules{even: true}, lags: append(make([]int64, 9), 1), want: 10, all: 1},
		"even: two":                    {rules: rules{even: true}, lags: append(make([]int64, 9), 11), want: 20, all: 11},
		"even: five":                   {rules: rules{even: true}, lags: append(make([]int64, 9), 21), want: 50, all: 21},
		"even: ten":                    {rules: rules{even: true}, lags: append(make([]int64, 9), 51), want: 100, all: 51},
		"even: no more than there are": {rules: rules{even: true}, lags: append(make([]int64, 9), 5100), want: 100, all: 5100},
		"even: a prime number":         {rules: rules{even: true}, lags: []int64{11, 0, 0, 0, 0, 0, 0}, want: 70, all: 11},
		"even and idle":                {rules: rules{even: true, allowIdle: true}, lags: []int64{1000, 0}, want: 20, all: 1000},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.rules.threshold = 10
			var sum tally
			for n, lag := range tc.lags {
				stuck := false
				for _, s := range tc.stuck {
					stuck = stuck || s == n
				}
				sum.add(lag, ordinary, stuck)
			}
			if got := tc.rules.value(sum); got != tc.want || sum.all != tc.all {
				t.Errorf("value %d of %d in all, want %d of %d", got, sum.all, tc.want, tc.all)
			}
		})
	}
}

// FuzzLag checks rules that hold for any offsets.
func FuzzLag(f *testing.F) {
	f.Add(int64(3), int64(1), int64(9), true, false)
	f.Add(int64(-1), int64(-2), int64(0), false, true)
	f.Fuzz(func(t *testing.T, committed, start, end int64, earliest, zero bool) {
		if end < 0 {
			t.Skip("an end that is not known never gets here")
		}
		lag, _ := rules{earliest: earliest, zeroOnInvalid: zero}.lag(committed, start, end)
		if lag < 0 || lag > max(end, 1) {
			t.Errorf("lag %d of a log that ends at %d", lag, end)
		}
		if lag == 0 && committed >= 0 && committed < end && start <= committed {
			t.Errorf("records from %d to %d read as none", committed, end)
		}
	})
}

func TestStandstill(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type step struct {
		after          time.Duration
		committed, lag int64
		want           bool
	}
	tests := map[string][]step{
		"never moves": {
			{0, 5, 3, false}, {100 * time.Millisecond, 5, 3, false}, {stuckAfter - time.Millisecond, 5, 3, false},
			{stuckAfter, 5, 3, true}, {time.Hour, 5, 9, true},
		},
		"moves":                      {{0, 5, 3, false}, {stuckAfter, 6, 2, false}, {2*stuckAfter - 1, 6, 2, false}, {2 * stuckAfter, 6, 2, true}},
		"caught up meanwhile":        {{0, 5, 3, false}, {stuckAfter, 5, 0, false}, {2 * stuckAfter, 5, 3, false}, {3 * stuckAfter, 5, 3, true}},
		"new records on an idle one": {{0, 5, 0, false}, {time.Hour, 5, 400, false}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var s standstill
			for i, st := range steps {
				if got := s.observe(2, st.committed, st.lag, start.Add(st.after)); got != st.want {
					t.Errorf("step %d: persistent %t, want %t", i, got, st.want)
				}
			}
		})
	}
}

func TestNote(t *testing.T) {
	var sum tally
	sum.add(1, uncommitted, false)
	sum.add(3, expired, false)
	sum.add(1, beyond, false)
	sum.add(9, ordinary, true)
	want := "1 of 4 partitions have no committed offset; 1 of 4 partitions have a committed offset beyond their end; " +
		"1 of 4 partitions have a committed offset older than their oldest record; 1 of 4 partitions have persistent lag"
	if diff := cmp.Diff(want, sum.note()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
