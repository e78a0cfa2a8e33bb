package gcp

import (
	"math"
	"testing"

	"google.golang.org/api/monitoring/v3"
)

func TestReadStatistic(t *testing.T) {
	for text, want := range map[string]statistic{
		"count": {statCount, 0}, "Sum": {statSum, 0}, "mean": {statMean, 0}, "stddev": {statStddev, 0}, "variance": {statVariance, 0},
		"median": {statRank, 50}, "percentile95": {statRank, 95}, "percentile_99": {statRank, 99}, "percentile5": {statRank, 5}, "percentile99.9": {statRank, 99.9},
	} {
		if got, err := readStatistic(text); err != nil || got != want {
			t.Errorf("%s gives %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "max", "percentile", "percentile-1", "percentile101", "percentileNaN", "percentiles"} {
		if got, err := readStatistic(text); err == nil {
			t.Errorf("%s gives %+v", text, got)
		}
	}
}

// TestAggregate checks, with Cloud Monitoring's own rules as the fake has
// them, that what is asked for fits every kind of metric.
func TestAggregate(t *testing.T) {
	one := 1.0
	values := map[string]*monitoring.TypedValue{"INT64": {DoubleValue: &one}, "DOUBLE": {DoubleValue: &one}, "BOOL": {DoubleValue: &one}, "DISTRIBUTION": {DistributionValue: latencies()}}
	for _, k := range []metricKind{
		{"GAUGE", "INT64"}, {"GAUGE", "DOUBLE"}, {"GAUGE", "BOOL"}, {"GAUGE", "DISTRIBUTION"},
		{"DELTA", "INT64"}, {"DELTA", "DOUBLE"}, {"DELTA", "DISTRIBUTION"}, {"CUMULATIVE", "INT64"}, {"CUMULATIVE", "DOUBLE"}, {"CUMULATIVE", "DISTRIBUTION"},
	} {
		for _, text := range []string{"count", "sum", "mean", "median", "stddev", "variance", "percentile5", "percentile50", "percentile95", "percentile99"} {
			s, err := readStatistic(text)
			if err != nil {
				t.Fatal(err)
			}
			a, err := s.aggregate(k)
			if err != nil {
				t.Errorf("%s of %v: %v", text, k, err)
				continue
			}
			series := &monitoring.TimeSeries{Resource: &monitoring.MonitoredResource{}, Points: []*monitoring.Point{{Value: values[k.value]}}}
			if _, problem := aggregated([]*monitoring.TimeSeries{series}, k, a.aligner, a.reducer, "subscription_id"); problem != "" {
				t.Errorf("%s of %v: %s", text, k, problem)
			}
		}
	}
	if a, err := (statistic{name: statMean}).aggregate(metricKind{"GAUGE", "STRING"}); err == nil {
		t.Errorf("the mean of texts: %+v", a)
	}
}

func TestPercentile(t *testing.T) {
	explicit := &monitoring.BucketOptions{ExplicitBuckets: &monitoring.Explicit{Bounds: []float64{0, 10, 100}}}
	linear := &monitoring.BucketOptions{LinearBuckets: &monitoring.Linear{Offset: 5, Width: 5, NumFiniteBuckets: 3}}
	for name, tc := range map[string]struct {
		options *monitoring.BucketOptions
		counts  []int64
		rank    float64
		want    float64
	}{
		"middle of a bucket":   {explicit, []int64{0, 10, 0, 0}, 50, 5},
		"end of a bucket":      {explicit, []int64{0, 10, 10, 0}, 50, 10},
		"second bucket":        {explicit, []int64{0, 10, 10, 0}, 75, 55},
		"below all bounds":     {explicit, []int64{10, 0, 0, 0}, 50, 0},
		"above all bounds":     {explicit, []int64{0, 0, 0, 10}, 50, 100},
		"smallest":             {explicit, []int64{0, 0, 4}, 0, 10},
		"largest":              {explicit, []int64{0, 0, 4}, 100, 100},
		"linear":               {linear, []int64{0, 0, 4}, 25, 11.25},
		"linear, above":        {linear, []int64{0, 0, 0, 0, 4}, 25, 20},
		"exponential":          {latencies().BucketOptions, []int64{0, 0, 8}, 50, 30},
		"exponential, short":   {latencies().BucketOptions, []int64{0, 4}, 50, 15},
		"exponential, highest": {latencies().BucketOptions, []int64{0, 0, 0, 0, 0, 1}, 50, 160},
	} {
		t.Run(name, func(t *testing.T) {
			d := &monitoring.Distribution{BucketCounts: tc.counts, BucketOptions: tc.options}
			for _, n := range tc.counts {
				d.Count += n
			}
			if got, err := percentile(d, tc.rank); err != nil || math.Abs(got-tc.want) > 1e-9 {
				t.Errorf("got %v, %v; want %v", got, err, tc.want)
			}
		})
	}
	for name, d := range map[string]*monitoring.Distribution{
		"no buckets":      {Count: 3, BucketOptions: explicit},
		"no options":      {Count: 3, BucketCounts: []int64{3}},
		"empty options":   {Count: 3, BucketCounts: []int64{3}, BucketOptions: &monitoring.BucketOptions{}},
		"too many":        {Count: 3, BucketCounts: []int64{0, 0, 0, 0, 3}, BucketOptions: explicit},
		"another count":   {Count: 4, BucketCounts: []int64{3}, BucketOptions: explicit},
		"negative counts": {Count: 0, BucketCounts: []int64{0, 3, -3}, BucketOptions: explicit},
	} {
		if got, err := percentile(d, 99); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestImpossibleDistributions(t *testing.T) {
	for name, d := range map[string]*monitoring.Distribution{
		"negative": {Count: -1}, "NaN": {Count: 1, Mean: math.NaN()}, "infinite": {Count: 1, SumOfSquaredDeviation: math.Inf(1)},
	} {
		if n, _, err := (statistic{name: statSum}).read(&monitoring.TypedValue{DistributionValue: d}); err == nil {
			t.Errorf("%s: got %v", name, n)
		}
	}
}
