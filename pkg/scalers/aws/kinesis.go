package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func kinesisKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "aws-kinesis-stream",
		Title:       "Amazon Kinesis Data Streams",
		About:       "The open shards of a Kinesis stream, so that as many replicas run as there are shards to read; or, with mode iteratorAge, for how long records have been waiting for their consumers.",
		Since:       "1.1",
		Permissions: "`kinesis:DescribeStreamSummary` on the stream; with mode iteratorAge `cloudwatch:GetMetricData` in its place.",
		Cost: "With mode shards one request a poll and stream, which AWS does not bill; AWS allows 20 of them a second for an account. " +
			"With mode iteratorAge two CloudWatch metrics a poll, 500 of which share a request, with aws-cloudwatch triggers too; AWS bills the metrics: every 30 seconds, about 1.73 USD a month at 0.01 USD a thousand.",
		ByHand: "aws kinesis describe-stream-summary --stream-name orders --query StreamDescriptionSummary.OpenShardCount\n" +
			"# with mode iteratorAge\n" +
			"aws cloudwatch get-metric-statistics --namespace AWS/Kinesis --metric-name GetRecords.IteratorAgeMilliseconds --dimensions Name=StreamName,Value=orders " +
			"--statistics Maximum --period 60 --start-time 2026-01-01T10:00:00Z --end-time 2026-01-01T10:05:00Z",
		Examples: []scaler.Example{
			{
				Title:    "Two shards per replica",
				Metadata: map[string]string{"streamName": "orders", "shardCount": "2", "awsRegion": "eu-west-1"},
				Auth:     exampleAuth(),
			},
			{
				Title: "How long records wait, one replica a minute",
				Metadata: map[string]string{
					"streamName": "orders", "mode": modeIteratorAge, "iteratorAgeMilliseconds": "60000", "awsRegion": "eu-west-1",
				},
				Auth: exampleAuth(),
			},
			{
				Title:    "With the operator's own role",
				Metadata: map[string]string{"streamName": "orders", "awsRegion": "eu-west-1", "identityOwner": "operator"},
			},
		},
		New: func() scaler.Config { return &kinesisConfig{} },
	}}
}

// The values of mode.
const (
	modeShards      = "shards"
	modeIteratorAge = "iteratorAge"
)

type kinesisConfig struct {
	stream   string
	mode     string
	consumer string
	shards   struct{ target, activation float64 }
	age      struct{ target, activation float64 }
	has      struct{ shards, activationShards, age, activationAge bool }
	aws      conn.AWS
}

// Params implements scaler.Config.
func (c *kinesisConfig) Params() param.Set {
	return param.Set{
		param.Text("streamName", &c.stream).Required().Example("orders").Doc("Name of the stream."),
		param.Text("mode", &c.mode).OneOf(modeShards, modeIteratorAge).Default(modeShards).
			Doc("What is measured: the open shards, or the age in milliseconds of the records that consumers are at, as CloudWatch has it."),
		param.Float("shardCount", &c.shards.target).Default(2).Target().IsSet(&c.has.shards).Doc("Open shards per replica."),
		param.Float("activationShardCount", &c.shards.activation).Activation().IsSet(&c.has.activationShards).
			Doc("Number of open shards above which the workload is active."),
		param.Float("iteratorAgeMilliseconds", &c.age.target).Default(60000).Target().IsSet(&c.has.age).
			Doc("Age in milliseconds per replica, with mode iteratorAge. With the metric type Value it is what the HPA keeps the age at."),
		param.Float("activationIteratorAgeMilliseconds", &c.age.activation).Activation().IsSet(&c.has.activationAge).
			Doc("Age in milliseconds above which the workload is active, with mode iteratorAge. While nobody reads, any arrival activates it."),
		param.Text("consumerName", &c.consumer).Example("billing").
			Doc("Registered consumer (enhanced fan-out) whose lag is measured, with mode iteratorAge; that of all calls of GetRecords when unset."),
	}.With(c.aws.Params())
}

// Target implements scaler.Targeter.
func (c *kinesisConfig) Target() (target, activation float64) {
	if c.mode == modeIteratorAge {
		return c.age.target, c.age.activation
	}
	return c.shards.target, c.shards.activation
}

var kinesisName = param.NewForm(`^[A-Za-z0-9_.-]+$`, 128)

// Check implements scaler.Checker.
func (c *kinesisConfig) Check() param.Problems {
	ps := c.aws.Check()
	if !kinesisName.MatchString(c.stream) {
		ps.Errorf("metadata.streamName", "found %q; expected up to 128 letters, digits, dots, hyphens and underscores", c.stream)
	}
	if c.consumer != "" && !kinesisName.MatchString(c.consumer) {
		ps.Errorf("metadata.consumerName", "found %q; expected up to 128 letters, digits, dots, hyphens and underscores", c.consumer)
	}
	for _, unused := range []struct {
		name, mode string
		given      bool
	}{
		{"shardCount", modeIteratorAge, c.has.shards},
		{"activationShardCount", modeIteratorAge, c.has.activationShards},
		{"iteratorAgeMilliseconds", modeShards, c.has.age},
		{"activationIteratorAgeMilliseconds", modeShards, c.has.activationAge},
		{"consumerName", modeShards, c.consumer != ""},
	} {
		if unused.given && unused.mode == c.mode {
			ps.Warnf("metadata."+unused.name, "has no effect with mode %s", c.mode)
		}
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *kinesisConfig) Metric() string { return "aws-kinesis-" + c.stream }

// Open implements scaler.Config.
func (c *kinesisConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	if c.mode == modeIteratorAge {
		return openCloudwatch(env, &c.aws, &kinesisAge{stream: c.stream, consumer: c.consumer})
	}
	client, err := conn.OpenAWS(env, &c.aws, "kinesis", func(a aws.Config) *kinesis.Client { return kinesis.NewFromConfig(a) })
	if err != nil {
		return nil, err
	}
	return &kinesisSource{AWSClient: client, config: c}, nil
}

// kinesisSource measures one stream. It owns its share of the client.
type kinesisSource struct {
	*conn.AWSClient[*kinesis.Client]
	config *kinesisConfig
}

// Host implements scaler.Hosted.
func (s *kinesisSource) Host() string { return s.AWSClient.Host }

// Measure implements scaler.Source.
func (s *kinesisSource) Measure(ctx context.Context) (scaler.Reading, error) {
	doing := fmt.Sprintf("counting the shards of the stream %q", s.config.stream)
	got, err := s.API.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &s.config.stream})
	if err != nil {
		return scaler.Reading{}, conn.AWSError(err, doing)
	}
	// A stream always has an open shard, but for the moment of its making.
	if d := got.StreamDescriptionSummary; d != nil && d.OpenShardCount != nil && *d.OpenShardCount >= 0 {
		return scaler.Reading{Value: float64(*d.OpenShardCount)}, nil
	}
	return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer holds no OpenShardCount"), "%s", doing)
}

var _ scaler.Hosted = (*kinesisSource)(nil)
