package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

func ageTrigger(pairs ...string) map[string]string {
	return kinesisTrigger(append([]string{"mode", "iteratorAge", "iteratorAgeMilliseconds", "60000"}, pairs...)...)
}

// putKinesis writes one value of a stream's metric, as Kinesis does.
func (m *metrics) putKinesis(ctx context.Context, metric string, n float64, dimensions ...string) {
	m.t.Helper()
	m.mu.Lock()
	m.at = m.at.Add(time.Minute)
	at := m.at
	m.mu.Unlock()
	datum := types.MetricDatum{MetricName: &metric, Value: &n, Timestamp: &at}
	for i := 0; i < len(dimensions); i += 2 {
		datum.Dimensions = append(datum.Dimensions, types.Dimension{Name: &dimensions[i], Value: &dimensions[i+1]})
	}
	if _, err := m.client.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/Kinesis"), MetricData: []types.MetricDatum{datum}}); err != nil {
		m.t.Fatal(err)
	}
}

func TestKinesisAgeConformance(t *testing.T) {
	for name, tc := range map[string]struct {
		metric string
		pairs  []string
	}{
		"all consumers": {"GetRecords.IteratorAgeMilliseconds", nil},
		"one consumer":  {"SubscribeToShardEvent.MillisBehindLatest", []string{"consumerName", "billing"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := motoserver.Start(t)
			m := newMetrics(t, s)
			scalertest.Run(t, scalertest.Case{
				Kind: kind(t, "aws-kinesis-stream"), Metadata: ageTrigger(tc.pairs...), Auth: keys(),
				ScalerEnv: func(e *scaler.Env) { e.Now = m.now },
				Fixture: func(t *testing.T) scalertest.Fixture {
					f, _ := fixture(t, s)
					stream := func() (string, func(context.Context, float64)) {
						name := fmt.Sprint("aged-", names.Add(1))
						dimensions := []string{"StreamName", name}
						if len(tc.pairs) > 0 {
							dimensions = append(dimensions, "ConsumerName", "billing")
						}
						return name, func(ctx context.Context, n float64) { m.putKinesis(ctx, tc.metric, n, dimensions...) }
					}
					f.Metadata["streamName"], f.Set = stream()
					name, set := stream()
					f.Siblings = []scalertest.Sibling{{Metadata: map[string]string{"streamName": name}, Set: set}}
					return f
				},
			})
		})
	}
}

// kinesisAnswer is GetMetricData's answer: values of the age and of the
// arrivals by minutes since the epoch.
func kinesisAnswer(age, arrivals map[int64]float64) string {
	type result struct {
		ID         string    `json:"Id"`
		Label      string    `json:"Label"`
		StatusCode string    `json:"StatusCode"`
		Timestamps []int64   `json:"Timestamps"`
		Values     []float64 `json:"Values"`
	}
	var out struct{ MetricDataResults []result }
	for i, values := range []map[int64]float64{age, arrivals} {
		r := result{ID: fmt.Sprint("q", i), Label: "l", StatusCode: "Complete"}
		for minute, v := range values {
			r.Timestamps, r.Values = append(r.Timestamps, minute*60), append(r.Values, v)
		}
		out.MetricDataResults = append(out.MetricDataResults, r)
	}
	text, _ := json.Marshal(out)
	return string(text)
}

// TestKinesisAgeAnswers asks in the middle of the minute 100.
func TestKinesisAgeAnswers(t *testing.T) {
	const minute = 60000
	for name, tc := range map[string]struct {
		age, arrivals map[int64]float64
		want          float64
		active, empty bool
	}{
		"caught up":                 {age: map[int64]float64{98: 0}, arrivals: map[int64]float64{98: 5}},
		"behind":                    {age: map[int64]float64{97: 100, 98: 4000}, arrivals: map[int64]float64{98: 5}, want: 4000},
		"negative":                  {age: map[int64]float64{98: -1}, arrivals: nil},
		"nothing at all":            {empty: true},
		"no arrivals worth it":      {arrivals: map[int64]float64{97: 0, 98: 0}, empty: true},
		"nobody reads":              {arrivals: map[int64]float64{96: 0, 97: 2, 98: 9}, want: 2 * minute, active: true},
		"just arrived":              {arrivals: map[int64]float64{99: 1}, active: true},
		"reading has ended":         {age: map[int64]float64{95: 10}, arrivals: map[int64]float64{95: 3, 98: 3}, want: minute, active: true},
		"ended, and far behind":     {age: map[int64]float64{95: 9 * minute}, arrivals: map[int64]float64{98: 3}, want: 9 * minute, active: true},
		"the age comes later":       {age: map[int64]float64{97: 10}, arrivals: map[int64]float64{98: 3}, want: 10},
		"ended, arrivals ended too": {age: map[int64]float64{95: 10}, arrivals: map[int64]float64{95: 3, 98: 0}, want: 10},
	} {
		t.Run(name, func(t *testing.T) {
			at := cloudwatchAnswering(t, func(int, string, []query) (int, string) { return 200, kinesisAnswer(tc.age, tc.arrivals) })
			env := newEnv()
			env.Now = func() time.Time { return time.Unix(100*60+30, 0) }
			got, err := open(t, "aws-kinesis-stream", env, ageTrigger("awsEndpoint", at), keys()).Measure(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if active := got.Active != nil && *got.Active; got.Value != tc.want || active != tc.active || got.Empty != tc.empty {
				t.Errorf("got %+v, active %t; want %v, %t, empty %t", got, active, tc.want, tc.active, tc.empty)
			}
		})
	}
}

func TestKinesisAgeFailures(t *testing.T) {
	const arrivals = `{"Id":"q1","Label":"l","StatusCode":"Complete"}`
	for name, tc := range map[string]struct {
		body   string
		reason scaler.Reason
	}{
		"left out":          {`{"MetricDataResults":[` + arrivals + `]}`, scaler.ReasonBadAnswer},
		"arrivals left out": {`{"MetricDataResults":[{"Id":"q0","StatusCode":"Complete","Timestamps":[60],"Values":[1]}]}`, scaler.ReasonBadAnswer},
		"forbidden":         {`{"MetricDataResults":[{"Id":"q0","StatusCode":"Forbidden"},` + arrivals + `]}`, scaler.ReasonDenied},
		"failed":            {`{"MetricDataResults":[{"Id":"q0","StatusCode":"InternalError"},` + arrivals + `]}`, scaler.ReasonUnreachable},
		"no number":         {`{"MetricDataResults":[{"Id":"q0","StatusCode":"Complete","Timestamps":[60],"Values":["NaN"]},` + arrivals + `]}`, scaler.ReasonBadAnswer},
		"another query's":   {`{"MetricDataResults":[{"Id":"q2","Timestamps":[1],"Values":[1]}]}`, scaler.ReasonBadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			at := cloudwatchAnswering(t, func(int, string, []query) (int, string) { return 200, tc.body })
			_, err := open(t, "aws-kinesis-stream", newEnv(), ageTrigger("awsEndpoint", at), keys()).Measure(t.Context())
			refused(t, err, tc.reason)
		})
	}
}

// TestKinesisAgeShares checks that streams and plain CloudWatch triggers share
// requests, and that each gets its own answer.
func TestKinesisAgeShares(t *testing.T) {
	var requests, largest atomic.Int64
	at := cloudwatchAnswering(t, func(_ int, _ string, qs []query) (int, string) {
		requests.Add(1)
		largest.Store(max(largest.Load(), int64(len(qs))))
		var out []string
		for i, q := range qs {
			if q.ID != fmt.Sprint("q", i) {
				t.Errorf("query %d is named %s", i, q.ID)
			}
			value := map[string]int{"GetRecords.IteratorAgeMilliseconds": 5, "IncomingRecords": 7, "Depth": 9}[q.MetricStat.Metric.MetricName]
			out = append(out, fmt.Sprintf(`{"Id":%q,"Label":"a","StatusCode":"Complete","Timestamps":[60],"Values":[%d]}`, q.ID, value))
		}
		return 200, `{"MetricDataResults":[` + strings.Join(out, ",") + `]}`
	})
	env := newEnv()
	now := time.Now()
	env.Now = func() time.Time { return now }
	sources := make([]scaler.Source, 401)
	for i := range sources {
		if i%2 == 0 {
			sources[i] = open(t, "aws-kinesis-stream", env, ageTrigger("awsEndpoint", at), keys())
		} else {
			sources[i] = open(t, "aws-cloudwatch", env, cloudwatchTrigger("awsEndpoint", at, "metricCollectionTime", "300"), keys())
		}
	}
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if want := []float64{5, 9}[i%2]; r.Err != nil || r.Reading.Value != want {
			t.Fatalf("source %d: %+v, want %v", i, r, want)
		}
	}
	if requests.Load() != 2 || largest.Load() > maxQueries { // 602 queries
		t.Errorf("%d requests, the largest with %d queries", requests.Load(), largest.Load())
	}
}

func TestKinesisAgeParameters(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata           map[string]string
		want               []string
		target, activation float64
	}{
		"shards":              {kinesisTrigger("shardCount", "3", "activationShardCount", "1"), nil, 3, 1},
		"age":                 {ageTrigger("activationIteratorAgeMilliseconds", "500"), nil, 60000, 500},
		"shards with age":     {kinesisTrigger("iteratorAgeMilliseconds", "1", "activationIteratorAgeMilliseconds", "1", "consumerName", "a"), []string{"warning metadata.iteratorAgeMilliseconds", "warning metadata.activationIteratorAgeMilliseconds", "warning metadata.consumerName"}, 2, 0},
		"age with shards":     {ageTrigger("shardCount", "1", "activationShardCount", "1"), []string{"warning metadata.shardCount", "warning metadata.activationShardCount"}, 60000, 0},
		"no such mode":        {kinesisTrigger("mode", "lag"), []string{"error metadata.mode"}, 0, 0},
		"no consumer's name":  {ageTrigger("consumerName", "a b"), []string{"error metadata.consumerName"}, 60000, 0},
		"no age to be had":    {ageTrigger("iteratorAgeMilliseconds", "0"), []string{"error metadata.iteratorAgeMilliseconds"}, 0, 0},
		"no name of a stream": {ageTrigger("streamName", "a/b"), []string{"error metadata.streamName"}, 60000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := kind(t, "aws-kinesis-stream").New()
			var got []string
			for _, p := range scaler.Decode(c, param.Values{Metadata: tc.metadata, Auth: keys()}) {
				got = append(got, string(p.Severity)+" "+p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if target, activation := scaler.TargetOf(c); tc.target > 0 && (target != tc.target || activation != tc.activation) {
				t.Errorf("target %v, activation %v", target, activation)
			}
		})
	}
}
