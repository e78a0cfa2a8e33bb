package aws

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// maxQueries is how many queries GetMetricData takes at once.
	maxQueries = 500
	// maxPages bounds an answer that never ends.
	maxPages = 100
	// requestsAtOnce keeps far from the 50 requests a second that AWS allows.
	requestsAtOnce = 4

	cloudwatchDoing = "asking CloudWatch for the metric"
)

// wanted is what a trigger wants of CloudWatch.
type wanted interface {
	// window is what its queries look at.
	window(now time.Time) window
	// insights says whether one of the queries is a Metrics Insights query, of
	// which a request can hold one.
	insights() bool
	// queries are what is asked, under identifiers that begin with a number.
	queries(first int) []types.MetricDataQuery
	// read makes one number of the answers to its queries, in order.
	read(got []series, w window) (scaler.Reading, error)
}

// cloudwatchSource measures one trigger. It owns its share of the client.
type cloudwatchSource struct {
	*conn.AWSClient[*cloudwatch.Client]
	wanted wanted
	now    func() time.Time
	// alone is set once CloudWatch has refused the query, which would fail
	// every other one of the same request.
	alone atomic.Bool
}

// Host implements scaler.Hosted.
func (s *cloudwatchSource) Host() string { return s.AWSClient.Host }

// BatchKey implements scaler.Batcher.
func (s *cloudwatchSource) BatchKey() string { return "aws-cloudwatch " + s.Key }

// Measure implements scaler.Source.
func (s *cloudwatchSource) Measure(ctx context.Context) (scaler.Reading, error) {
	got := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return got.Reading, got.Err
}

// MeasureAll implements scaler.Batcher.
func (s *cloudwatchSource) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	var requests errgroup.Group
	requests.SetLimit(requestsAtOnce)
	for _, r := range s.requests(sources, results) {
		requests.Go(func() error {
			s.ask(ctx, r)
			return nil
		})
	}
	_ = requests.Wait()
	return results
}

// asked is a trigger with its queries and the place of its result.
type asked struct {
	*cloudwatchSource
	result *scaler.Result
	count  int // of queries
}

// request is what one GetMetricData asks.
type request struct {
	window
	asked    []asked
	count    int // of queries
	insights bool
}

func (r *request) add(a asked, insights bool) {
	r.asked, r.count, r.insights = append(r.asked, a), r.count+a.count, r.insights || insights
}

// requests distributes the queries over as few requests as can be.
func (s *cloudwatchSource) requests(sources []scaler.Source, results []scaler.Result) []*request {
	now := s.now()
	var out []*request
	filling := map[window][]*request{}
	for i, src := range sources {
		own := src.(*cloudwatchSource)
		a := asked{own, &results[i], len(own.wanted.queries(0))}
		w, insights := a.wanted.window(now), a.wanted.insights()
		if a.alone.Load() {
			r := &request{window: w}
			r.add(a, insights)
			out = append(out, r)
			continue
		}
		var r *request
		for _, open := range filling[w] {
			if open.count+a.count <= maxQueries && !(insights && open.insights) {
				r = open
				break
			}
		}
		if r == nil {
			r = &request{window: w}
			filling[w], out = append(filling[w], r), append(out, r)
		}
		r.add(a, insights)
	}
	return out
}

// ask asks CloudWatch and stores the results. A request that is refused for
// one of its queries is asked again in halves, to find out which.
func (s *cloudwatchSource) ask(ctx context.Context, r *request) {
	answers, err := s.fetch(ctx, r)
	if err != nil && len(r.asked) > 1 && scaler.ReasonOf(err) == scaler.ReasonMisconfigured {
		half := len(r.asked) / 2
		s.ask(ctx, &request{window: r.window, asked: r.asked[:half]})
		s.ask(ctx, &request{window: r.window, asked: r.asked[half:]})
		return
	}
	for _, a := range r.asked {
		if err != nil {
			a.result.Err = err
			a.alone.Store(scaler.ReasonOf(err) == scaler.ReasonMisconfigured)
			continue
		}
		a.alone.Store(false)
		a.result.Reading, a.result.Err = a.wanted.read(answers[:a.count], r.window)
		answers = answers[a.count:]
	}
}

// series is what CloudWatch answered to one query, all pages together.
type series struct {
	there  bool
	status types.StatusCode
	labels map[string]bool // of series with values
	newest time.Time
	value  float64
	// since and latest are when the oldest and the newest period with a value
	// above 0 began.
	since, latest time.Time
}

// queryID names the query with a number.
func queryID(n int) *string { return aws.String("q" + strconv.Itoa(n)) }

// fetch returns one answer for each query of the request.
func (s *cloudwatchSource) fetch(ctx context.Context, r *request) ([]series, error) {
	in := &cloudwatch.GetMetricDataInput{StartTime: &r.start, EndTime: &r.end, ScanBy: types.ScanByTimestampDescending}
	for _, a := range r.asked {
		in.MetricDataQueries = append(in.MetricDataQueries, a.wanted.queries(len(in.MetricDataQueries))...)
	}
	out := make([]series, len(in.MetricDataQueries))
	for range maxPages {
		page, err := s.API.GetMetricData(ctx, in)
		if err != nil {
			return nil, conn.AWSError(err, cloudwatchDoing)
		}
		for _, got := range page.MetricDataResults {
			var i int
			if _, err := fmt.Sscanf(aws.ToString(got.Id), "q%d", &i); err != nil || i < 0 || i >= len(out) || len(got.Values) != len(got.Timestamps) {
				return nil, scaler.BadAnswer(errors.New("the answer holds what was not asked for"), cloudwatchDoing)
			}
			out[i].add(got)
		}
		if aws.ToString(page.NextToken) == "" {
			return out, nil
		}
		in.NextToken = page.NextToken
	}
	return nil, scaler.BadAnswer(fmt.Errorf("the answer has more than %d pages", maxPages), cloudwatchDoing)
}

func (s *series) add(got types.MetricDataResult) {
	s.there = true
	// A page that is not the last is PartialData, or Complete for what it has.
	if s.status == "" || got.StatusCode != types.StatusCodePartialData {
		s.status = got.StatusCode
	}
	for i, at := range got.Timestamps {
		if s.labels == nil {
			s.labels = map[string]bool{}
		}
		s.labels[aws.ToString(got.Label)] = true
		if at.After(s.newest) {
			s.newest, s.value = at, got.Values[i]
		}
		if got.Values[i] <= 0 {
			continue
		}
		if s.since.IsZero() || at.Before(s.since) {
			s.since = at
		}
		if at.After(s.latest) {
			s.latest = at
		}
	}
}

// failure says why an answer is none.
func (s series) failure() error {
	switch s.status {
	case types.StatusCodeForbidden:
		return scaler.Denied(errors.New("the credentials may not read it"), cloudwatchDoing)
	case types.StatusCodeInternalError:
		return scaler.Unreachable(errors.New("CloudWatch failed to read it"), cloudwatchDoing)
	}
	if math.IsNaN(s.value) || math.IsInf(s.value, 0) {
		return scaler.BadAnswer(fmt.Errorf("the newest value is %v; expected a finite number", s.value), cloudwatchDoing)
	}
	return nil
}

// errLeftOut is a metric that was asked for and not answered.
var errLeftOut = errors.New("the answer leaves it out")

// read makes one number of an answer.
func (c *cloudwatchConfig) read(got []series, _ window) (scaler.Reading, error) {
	s := got[0]
	if len(s.labels) > 1 {
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the expression gave %d series; expected one, for example with SUM(…)", len(s.labels)), cloudwatchDoing)
	}
	if err := s.failure(); err != nil {
		return scaler.Reading{}, err
	}
	switch {
	case !s.there && c.expression == "": // a SEARCH that finds nothing is left out
		return scaler.Reading{}, scaler.BadAnswer(errLeftOut, cloudwatchDoing)
	case len(s.labels) == 0:
		return c.empty()
	}
	return scaler.Reading{Value: s.value}, nil
}

// empty is what no data means.
func (c *cloudwatchConfig) empty() (scaler.Reading, error) {
	if c.ignoreEmpty && !c.refuseEmpty {
		return scaler.Reading{Empty: true, Value: c.minimum, Note: "CloudWatch has no data in the window, so minMetricValue counts"}, nil
	}
	return scaler.Reading{Empty: true}, scaler.Missing(errors.New("there is no data in the window; expected a metric that exists, and metricCollectionTime and metricEndTimeOffset to reach back to its newest value"), cloudwatchDoing)
}

var (
	_ scaler.Batcher = (*cloudwatchSource)(nil)
	_ scaler.Hosted  = (*cloudwatchSource)(nil)
)
