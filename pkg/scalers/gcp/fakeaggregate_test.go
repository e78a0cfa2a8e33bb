package gcp

import (
	"math"
	"slices"
	"time"

	"google.golang.org/api/monitoring/v3"
)

// aggregated does what Cloud Monitoring's reference says of aligners and
// reducers, for one period that holds all points. problem is set for a
// combination that it refuses.
func aggregated(in []*monitoring.TimeSeries, k metricKind, aligner, reducer, label string) (out []*monitoring.TimeSeries, problem string) {
	number := k.value == "INT64" || k.value == "DOUBLE"
	fits := map[string]bool{
		"ALIGN_DELTA":         k.kind != "GAUGE" && (number || k.value == "DISTRIBUTION"),
		"ALIGN_SUM":           k.kind != "CUMULATIVE" && (number || k.value == "DISTRIBUTION"),
		"ALIGN_MEAN":          k.kind != "CUMULATIVE" && number,
		"ALIGN_FRACTION_TRUE": k.kind == "GAUGE" && k.value == "BOOL",
	}
	if !fits[aligner] {
		return nil, aligner + " can't be applied to " + k.kind + " " + k.value
	}
	var names []string
	values := map[string][]*monitoring.TypedValue{}
	for _, s := range in {
		name := s.Resource.Labels[label]
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		values[name] = append(values[name], aligned(s.Points, aligner))
	}
	for _, name := range names {
		v := reduced(values[name], reducer)
		if v == nil {
			return nil, reducer + " can't be applied"
		}
		out = append(out, &monitoring.TimeSeries{
			Resource: &monitoring.MonitoredResource{Labels: map[string]string{label: name}},
			Points:   []*monitoring.Point{{Interval: &monitoring.TimeInterval{EndTime: time.Now().UTC().Format(time.RFC3339)}, Value: v}},
		})
	}
	return out, ""
}

// plain reads a value that is no distribution.
func plain(v *monitoring.TypedValue) float64 {
	switch {
	case v.Int64Value != nil:
		return float64(*v.Int64Value)
	case v.DoubleValue != nil:
		return *v.DoubleValue
	case v.BoolValue != nil && *v.BoolValue:
		return 1
	}
	return 0
}

func aligned(points []*monitoring.Point, aligner string) *monitoring.TypedValue {
	if points[0].Value.DistributionValue != nil {
		all := &monitoring.Distribution{}
		for _, p := range points {
			merge(all, p.Value.DistributionValue)
		}
		return &monitoring.TypedValue{DistributionValue: all}
	}
	var sum float64
	for _, p := range points {
		sum += plain(p.Value)
	}
	if aligner != "ALIGN_DELTA" && aligner != "ALIGN_SUM" {
		sum /= float64(len(points))
	}
	return &monitoring.TypedValue{DoubleValue: &sum}
}

func reduced(values []*monitoring.TypedValue, reducer string) *monitoring.TypedValue {
	if values[0].DistributionValue != nil {
		if reducer != "REDUCE_SUM" {
			return nil
		}
		all := &monitoring.Distribution{}
		for _, v := range values {
			merge(all, v.DistributionValue)
		}
		return &monitoring.TypedValue{DistributionValue: all}
	}
	var sum, squares float64
	var sorted []float64
	for _, v := range values {
		sum += plain(v)
		sorted = append(sorted, plain(v))
	}
	slices.Sort(sorted)
	mean := sum / float64(len(values))
	for _, v := range sorted {
		squares += (v - mean) * (v - mean)
	}
	var n float64
	switch reducer {
	case "REDUCE_SUM":
		n = sum
	case "REDUCE_MEAN":
		n = mean
	case "REDUCE_STDDEV":
		n = math.Sqrt(squares / float64(len(values)))
	case "REDUCE_PERCENTILE_05":
		n = sorted[0]
	case "REDUCE_PERCENTILE_50":
		n = sorted[len(sorted)/2]
	case "REDUCE_PERCENTILE_95", "REDUCE_PERCENTILE_99":
		n = sorted[len(sorted)-1]
	default:
		return nil
	}
	return &monitoring.TypedValue{DoubleValue: &n}
}

// merge adds the values of a distribution with the same buckets to another.
func merge(into, d *monitoring.Distribution) {
	n, m := float64(into.Count), float64(d.Count)
	if n+m > 0 {
		mean := (n*into.Mean + m*d.Mean) / (n + m)
		into.SumOfSquaredDeviation += d.SumOfSquaredDeviation + n*(into.Mean-mean)*(into.Mean-mean) + m*(d.Mean-mean)*(d.Mean-mean)
		into.Mean = mean
	}
	into.Count += d.Count
	into.BucketOptions = d.BucketOptions
	for i, c := range d.BucketCounts {
		if i == len(into.BucketCounts) {
			into.BucketCounts = append(into.BucketCounts, 0)
		}
		into.BucketCounts[i] += c
	}
}
