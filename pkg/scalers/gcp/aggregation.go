package gcp

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/monitoring/v3"
)

// alignment is the length of the periods that points are put together in; as
// upstream has it.
const alignment = 3 * time.Minute

// The names of statistics.
const (
	statCount    = "count"
	statSum      = "sum"
	statMean     = "mean"
	statStddev   = "stddev"
	statVariance = "variance"
	statRank     = "percentile"
)

// statistic makes one number of many values.
type statistic struct {
	name string
	// rank is the percentile, 0 to 100.
	rank float64
}

// readStatistic reads the parameter aggregation.
func readStatistic(text string) (statistic, error) {
	name := strings.ToLower(strings.TrimSpace(text))
	switch name {
	case statCount, statSum, statMean, statStddev, statVariance:
		return statistic{name: name}, nil
	case "median":
		return statistic{name: statRank, rank: 50}, nil
	}
	if rest, ok := strings.CutPrefix(name, statRank); ok {
		rank, err := strconv.ParseFloat(strings.TrimPrefix(rest, "_"), 64)
		if err == nil && rank >= 0 && rank <= 100 {
			return statistic{name: statRank, rank: rank}, nil
		}
	}
	return statistic{}, errors.New("expected count, sum, mean, median, stddev, variance, or percentile with a number from 0 to 100, such as percentile95")
}

// aggregation is what Monitoring does to series before it answers.
type aggregation struct{ aligner, reducer string }

// aggregate chooses what Monitoring is to do for a statistic. Distributions
// are put together there and read here, so that every statistic is that of
// all values. Numbers are summed per series and period (counts) or averaged
// (states), and the statistic is that of the series.
func (s statistic) aggregate(k metricKind) (aggregation, error) {
	changes := k.kind == "DELTA" || k.kind == "CUMULATIVE"
	switch k.value {
	case "DISTRIBUTION":
		if changes {
			return aggregation{"ALIGN_DELTA", "REDUCE_SUM"}, nil
		}
		return aggregation{"ALIGN_SUM", "REDUCE_SUM"}, nil
	case "BOOL":
		return s.reduce("ALIGN_FRACTION_TRUE")
	case "INT64", "DOUBLE":
		if changes {
			return s.reduce("ALIGN_DELTA")
		}
		return s.reduce("ALIGN_MEAN")
	}
	return aggregation{}, fmt.Errorf("its values are of the type %s, which has no %s", k.value, s.name)
}

func (s statistic) reduce(aligner string) (aggregation, error) {
	switch s.name {
	case statCount, statSum: // upstream counts numbers by what they count
		return aggregation{aligner, "REDUCE_SUM"}, nil
	case statMean:
		return aggregation{aligner, "REDUCE_MEAN"}, nil
	case statStddev, statVariance:
		return aggregation{aligner, "REDUCE_STDDEV"}, nil
	}
	ranks := map[float64]string{5: "05", 50: "50", 95: "95", 99: "99"}
	if suffix, ok := ranks[s.rank]; ok {
		return aggregation{aligner, "REDUCE_PERCENTILE_" + suffix}, nil
	}
	return aggregation{}, fmt.Errorf("percentile%v needs a metric of distributions; for numbers Monitoring has the percentiles 5, 50, 95 and 99", s.rank)
}

// read makes the statistic of a value that Monitoring aggregated; found is
// false when there were no values.
func (s statistic) read(v *monitoring.TypedValue) (n float64, found bool, err error) {
	if v.DistributionValue == nil {
		n, err = number(v)
		if s.name == statVariance {
			n *= n // of the deviation, which is what Monitoring has
		}
		return n, true, err
	}
	d := v.DistributionValue
	count := float64(d.Count)
	if count < 0 || math.IsNaN(d.Mean+d.SumOfSquaredDeviation) || math.IsInf(d.Mean+d.SumOfSquaredDeviation, 0) {
		return 0, false, errors.New("the newest distribution has impossible numbers")
	}
	switch s.name {
	case statCount:
		return count, true, nil
	case statSum:
		return count * d.Mean, true, nil
	}
	if count == 0 {
		return 0, false, nil
	}
	switch s.name {
	case statMean:
		return d.Mean, true, nil
	case statVariance:
		return d.SumOfSquaredDeviation / count, true, nil
	case statStddev:
		return math.Sqrt(d.SumOfSquaredDeviation / count), true, nil
	}
	n, err = percentile(d, s.rank)
	return n, true, err
}

// percentile finds the value below which a share of the values is, even
// within its bucket.
func percentile(d *monitoring.Distribution, rank float64) (float64, error) {
	bound, buckets, err := bounds(d.BucketOptions)
	if err != nil {
		return 0, err
	}
	if len(d.BucketCounts) > buckets {
		return 0, errors.New("the newest distribution has more buckets than it says")
	}
	var all float64
	for _, n := range d.BucketCounts {
		if n < 0 {
			return 0, errors.New("the newest distribution has impossible numbers")
		}
		all += float64(n)
	}
	if all != float64(d.Count) {
		return 0, errors.New("the newest distribution has buckets for other values than it counts")
	}
	want, below := rank/100*all, 0.0
	for i, n := range d.BucketCounts {
		if n == 0 || below+float64(n) < want {
			below += float64(n)
			continue
		}
		switch i {
		case 0: // below all bounds
			return bound(0), nil
		case buckets - 1: // above all bounds
			return bound(i - 1), nil
		}
		low, high := bound(i-1), bound(i)
		return low + (high-low)*(want-below)/float64(n), nil
	}
	return 0, errors.New("the newest distribution has no values in its buckets")
}

// bounds returns the upper bounds of buckets, and how many there are: the
// first lies below all bounds, the last above.
func bounds(o *monitoring.BucketOptions) (bound func(i int) float64, buckets int, err error) {
	switch {
	case o == nil:
	case o.ExplicitBuckets != nil && len(o.ExplicitBuckets.Bounds) > 0:
		at := o.ExplicitBuckets.Bounds
		return func(i int) float64 { return at[i] }, len(at) + 1, nil
	case o.LinearBuckets != nil:
		l := o.LinearBuckets
		return func(i int) float64 { return l.Offset + l.Width*float64(i) }, int(l.NumFiniteBuckets) + 2, nil
	case o.ExponentialBuckets != nil:
		e := o.ExponentialBuckets
		return func(i int) float64 { return e.Scale * math.Pow(e.GrowthFactor, float64(i)) }, int(e.NumFiniteBuckets) + 2, nil
	}
	return nil, 0, errors.New("the newest distribution does not say what its buckets are")
}
