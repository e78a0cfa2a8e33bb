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

// cloudwatchSource measures one metric or expression. It owns its share of
// the client.
type cloudwatchSource struct {
	*conn.AWSClient[*cloudwatch.Client]
	config *cloudwatchConfig
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

// asked is a query with the place of its result.
type asked struct {
	*cloudwatchSource
	result *scaler.Result
}

// request is what one GetMetricData asks.
type request struct {
	window
	asked    []asked
	insights bool
}

// requests distributes the queries over as few requests as can be.
func (s *cloudwatchSource) requests(sources []scaler.Source, results []scaler.Result) []*request {
	now := s.now()
	var out []*request
	filling := map[window][]*request{}
	for i, src := range sources {
		a := asked{src.(*cloudwatchSource), &results[i]}
		w, insights := a.config.window(now), a.config.insights()
		if a.alone.Load() {
			out = append(out, &request{window: w, asked: []asked{a}})
			continue
		}
		var r *request
		for _, open := range filling[w] {
			if len(open.asked) < maxQueries && !(insights && open.insights) {
				r = open
				break
			}
		}
		if r == nil {
			r = &request{window: w}
			filling[w], out = append(filling[w], r), append(out, r)
		}
		r.asked, r.insights = append(r.asked, a), r.insights || insights
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
	for i, a := range r.asked {
		if err != nil {
			a.result.Err = err
			a.alone.Store(scaler.ReasonOf(err) == scaler.ReasonMisconfigured)
			continue
		}
		a.alone.Store(false)
		a.result.Reading, a.result.Err = a.config.read(answers[i])
	}
}

// series is what CloudWatch answered to one query, all pages together.
type series struct {
	there  bool
	status types.StatusCode
	labels map[string]bool // of series with values
	newest time.Time
	value  float64
}

// fetch returns one answer for each query of the request.
func (s *cloudwatchSource) fetch(ctx context.Context, r *request) ([]series, error) {
	in := &cloudwatch.GetMetricDataInput{StartTime: &r.start, EndTime: &r.end, ScanBy: types.ScanByTimestampDescending}
	for i, a := range r.asked {
		in.MetricDataQueries = append(in.MetricDataQueries, a.config.query("q"+strconv.Itoa(i)))
	}
	out := make([]series, len(r.asked))
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
	}
}

// read makes one number of an answer.
func (c *cloudwatchConfig) read(s series) (scaler.Reading, error) {
	switch {
	case s.status == types.StatusCodeForbidden:
		return scaler.Reading{}, scaler.Denied(errors.New("the credentials may not read it"), cloudwatchDoing)
	case s.status == types.StatusCodeInternalError:
		return scaler.Reading{}, scaler.Unreachable(errors.New("CloudWatch failed to read it"), cloudwatchDoing)
	case !s.there && c.expression == "": // a SEARCH that finds nothing is left out
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer leaves it out"), cloudwatchDoing)
	case len(s.labels) > 1:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the expression gave %d series; expected one, for example with SUM(…)", len(s.labels)), cloudwatchDoing)
	case len(s.labels) == 0:
		return c.empty()
	case math.IsNaN(s.value) || math.IsInf(s.value, 0):
		return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("the newest value is %v; expected a finite number", s.value), cloudwatchDoing)
	}
	return scaler.Reading{Value: s.value}, nil
}

// empty is what no data means.
func (c *cloudwatchConfig) empty() (scaler.Reading, error) {
	if c.ignoreEmpty && !c.refuseEmpty {
		return scaler.Reading{Value: c.minimum, Note: "CloudWatch has no data in the window, so minMetricValue counts"}, nil
	}
	return scaler.Reading{}, scaler.Missing(errors.New("there is no data in the window; expected a metric that exists, and metricCollectionTime and metricEndTimeOffset to reach back to its newest value"), cloudwatchDoing)
}

var (
	_ scaler.Batcher = (*cloudwatchSource)(nil)
	_ scaler.Hosted  = (*cloudwatchSource)(nil)
)
