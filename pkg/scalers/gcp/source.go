package gcp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/api/monitoring/v3"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// filterLimit is the longest filter with several names, in characters. The
	// limit that Google documents is that of alerting policies; longer ones
	// also run into the limits of addresses.
	filterLimit = 2048
	// namesLimit is how many names one_of takes.
	namesLimit = 100
	// requestsAtOnce bounds what one poll asks for at a time.
	requestsAtOnce = 4
)

// target is what triggers must have in common to be asked together.
type target struct {
	project string
	// kind is the type of resource in Monitoring's words, resource in ours.
	kind, resource string
	metric, filter string
	statistic      statistic // none when its name is empty
	horizon        time.Duration
}

// metricSource measures one resource, such as a subscription, by a metric of
// Google's own. It owns its share of the client.
type metricSource struct {
	*conn.GCPClient[*monitoringAPI]
	what target
	name string
	// ifNull counts when there is no value, nil for none.
	ifNull *float64
	// helps is what the user can do about that.
	helps string
	// choose is how the user gets one of several series.
	choose string
	now    func() time.Time
}

func newMetricSource(client *conn.GCPClient[*monitoringAPI], env scaler.Env, what target, name string) *metricSource {
	s := &metricSource{GCPClient: client, what: what, name: name, now: env.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Host implements scaler.Hosted.
func (s *metricSource) Host() string { return s.GCPClient.Host }

// BatchKey implements scaler.Batcher.
func (s *metricSource) BatchKey() string {
	w := s.what
	return strings.Join([]string{"gcp-metric", s.Key, w.project, w.metric, w.filter, w.statistic.name, fmt.Sprint(w.statistic.rank), w.horizon.String()}, " ")
}

// Measure implements scaler.Source.
func (s *metricSource) Measure(ctx context.Context) (scaler.Reading, error) {
	got := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return got.Reading, got.Err
}

// MeasureAll implements scaler.Batcher.
func (s *metricSource) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	q, err := s.query(ctx)
	if err != nil {
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	byName := map[string][]int{}
	var names []string
	for i, src := range sources {
		name := src.(*metricSource).name
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], i)
	}
	var requests errgroup.Group
	requests.SetLimit(requestsAtOnce)
	for part := range s.parts(q.project, names) {
		requests.Go(func() error {
			series, err := s.fetch(ctx, q, part)
			for _, name := range part {
				for _, i := range byName[name] { // no other part has the name
					if results[i].Err = err; err == nil {
						results[i].Reading, results[i].Err = sources[i].(*metricSource).read(series[name])
					}
				}
			}
			return nil
		})
	}
	_ = requests.Wait()
	return results
}

// query is what is asked, less the names.
func (s *metricSource) query(ctx context.Context) (query, error) {
	now := s.now()
	q := query{project: s.what.project, metric: s.what.metric, start: now.Add(-s.what.horizon), end: now, groupBy: "resource.labels." + s.label()}
	var err error
	if q.project == "" {
		if q.project, err = s.Project(ctx); err != nil {
			return q, err
		}
		if !projectName.MatchString(q.project) {
			return q, scaler.Misconfigured(errors.New("the project of the credentials has characters that none has"), "%s", s.doing())
		}
	}
	if s.what.statistic.name == "" {
		return q, nil
	}
	kind, err := s.API.kind(ctx, q.project, q.metric)
	if err != nil {
		return q, err
	}
	if q.aggregation, err = s.what.statistic.aggregate(kind); err != nil {
		return q, scaler.Misconfigured(err, "%s", s.doing())
	}
	return q, nil
}

func (s *metricSource) label() string { return s.what.resource + "_id" }
func (s *metricSource) doing() string { return monitoringDoing + s.what.metric }

// filter selects the series of names.
func (s *metricSource) filter(project string, names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	these := "=" + quoted[0]
	if len(names) > 1 {
		these = "=one_of(" + strings.Join(quoted, ",") + ")"
	}
	f := "metric.type=" + quote(s.what.metric) + " AND resource.type=" + quote(s.what.kind) + " AND resource.labels.project_id=" + quote(project) +
		" AND resource.labels." + s.label() + these
	if s.what.filter != "" {
		f += " AND (" + s.what.filter + ")"
	}
	return f
}

// parts splits names into as few requests as can be.
func (s *metricSource) parts(project string, names []string) func(yield func([]string) bool) {
	slices.Sort(names)
	return func(yield func([]string) bool) {
		for len(names) > 0 {
			n := 1
			for n < min(len(names), namesLimit) && len(s.filter(project, names[:n+1])) <= filterLimit {
				n++
			}
			if !yield(names[:n]) {
				return
			}
			names = names[n:]
		}
	}
}

// fetch returns the series by the name of the resource.
func (s *metricSource) fetch(ctx context.Context, q query, names []string) (map[string][]*monitoring.TimeSeries, error) {
	q.filter = s.filter(q.project, names)
	all, err := s.API.list(ctx, q)
	if err != nil {
		return nil, err
	}
	out := map[string][]*monitoring.TimeSeries{}
	for _, series := range all {
		if series == nil || series.Resource == nil || !slices.Contains(names, series.Resource.Labels[s.label()]) {
			return nil, scaler.BadAnswer(errors.New("the answer holds what was not asked for"), "%s", s.doing())
		}
		name := series.Resource.Labels[s.label()]
		out[name] = append(out[name], series)
	}
	return out, nil
}

// read makes one number of the series of a resource.
func (s *metricSource) read(series []*monitoring.TimeSeries) (scaler.Reading, error) {
	doing := s.doing() + " of the " + s.what.resource + " " + s.name
	var values []*monitoring.TypedValue
	for _, one := range series {
		v, err := newest(one)
		if err != nil {
			return scaler.Reading{}, scaler.BadAnswer(err, "%s", doing)
		}
		if v != nil {
			values = append(values, v)
		}
	}
	switch len(values) {
	case 0:
		return s.empty(doing)
	case 1:
	default:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("it has %d series; expected one, by %s", len(values), s.choose), "%s", doing)
	}
	stat := s.what.statistic
	if stat.name == "" {
		stat.name = statCount // what a distribution counts, as upstream reads it
	}
	n, found, err := stat.read(values[0])
	if math.IsNaN(n) || math.IsInf(n, 0) {
		err = fmt.Errorf("it comes to %v; expected a finite number", n)
	}
	switch {
	case err != nil:
		return scaler.Reading{}, scaler.BadAnswer(err, "%s", doing)
	case !found:
		return s.empty(doing)
	}
	return scaler.Reading{Value: n}, nil
}

// empty is what no value means.
func (s *metricSource) empty(doing string) (scaler.Reading, error) {
	if s.ifNull != nil {
		return scaler.Reading{Value: *s.ifNull, Empty: true, Note: fmt.Sprintf("Monitoring has no value in the last %s, so valueIfNull counts", s.what.horizon)}, nil
	}
	return scaler.Reading{Empty: true}, scaler.Missing(fmt.Errorf("there is no value in the last %s; expected a %s that exists, %s", s.what.horizon, s.what.resource, s.helps), "%s", doing)
}

var (
	_ scaler.Batcher = (*metricSource)(nil)
	_ scaler.Hosted  = (*metricSource)(nil)
)
