package aws

import (
	"cmp"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/kedago/keda/pkg/scaler"
)

const (
	// kinesisPeriod is how often Kinesis writes its metrics.
	kinesisPeriod = time.Minute
	// kinesisWindow reaches back over periods that CloudWatch does not have yet.
	kinesisWindow = 5 * kinesisPeriod
)

// kinesisAge asks CloudWatch how far the consumers of a stream are behind:
// https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
//
// The age is known only while somebody reads. So the arrivals are asked for,
// too: what has arrived since nobody reads is as old as it can be told to be.
type kinesisAge struct {
	stream string
	// consumer is a registered consumer; empty for all calls of GetRecords.
	consumer string
}

// window implements wanted. It ends with a whole minute.
func (k *kinesisAge) window(now time.Time) window {
	end := now.Truncate(kinesisPeriod).UTC()
	return window{start: end.Add(-kinesisWindow), end: end}
}

// insights implements wanted.
func (k *kinesisAge) insights() bool { return false }

// queries implements wanted: the age, and the arrivals.
func (k *kinesisAge) queries(first int) []types.MetricDataQuery {
	stream := types.Dimension{Name: aws.String("StreamName"), Value: &k.stream}
	age := kinesisQuery(first, "GetRecords.IteratorAgeMilliseconds", "Maximum", stream)
	if k.consumer != "" {
		age = kinesisQuery(first, "SubscribeToShardEvent.MillisBehindLatest", "Maximum", stream,
			types.Dimension{Name: aws.String("ConsumerName"), Value: &k.consumer})
	}
	return []types.MetricDataQuery{age, kinesisQuery(first+1, "IncomingRecords", "Sum", stream)}
}

func kinesisQuery(id int, metric, statistic string, dimensions ...types.Dimension) types.MetricDataQuery {
	return types.MetricDataQuery{Id: queryID(id), ReturnData: aws.Bool(true), MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("AWS/Kinesis"), MetricName: &metric, Dimensions: dimensions},
		Period: aws.Int32(int32(kinesisPeriod.Seconds())), Stat: &statistic,
	}}
}

// read implements wanted. The value is in milliseconds.
func (k *kinesisAge) read(got []series, w window) (scaler.Reading, error) {
	age, arrivals := got[0], got[1]
	for _, s := range got {
		if err := cmp.Or(s.failure(), leftOut(s)); err != nil {
			return scaler.Reading{}, err
		}
	}
	known, unread := len(age.labels) > 0, arrivals.since
	if known { // the two metrics need not come in the same minute
		if unread = arrivals.latest; !unread.After(age.newest.Add(kinesisPeriod)) {
			return scaler.Reading{Value: max(age.value, 0)}, nil
		}
	}
	if unread.IsZero() {
		return scaler.Reading{Empty: true, Note: fmt.Sprintf("nothing was read from the stream and nothing arrived in %v", kinesisWindow)}, nil
	}
	active := true
	waited := max(w.end.Sub(unread.Add(kinesisPeriod)), 0)
	return scaler.Reading{
		Value: max(age.value, float64(waited.Milliseconds())), Active: &active,
		Note: fmt.Sprintf("nobody reads the stream; a record that arrived has been waiting for at least %v", waited),
	}, nil
}

// leftOut is the failure of a metric that was not answered.
func leftOut(s series) error {
	if s.there {
		return nil
	}
	return scaler.BadAnswer(errLeftOut, cloudwatchDoing)
}

var (
	_ wanted = (*kinesisAge)(nil)
	_ wanted = (*cloudwatchConfig)(nil)
)
