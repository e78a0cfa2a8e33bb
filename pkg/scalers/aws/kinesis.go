package aws

import (
	"context"
	"errors"
	"fmt"
	"regexp"

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
		About:       "The open shards of a Kinesis stream, so that as many replicas run as there are shards to read. For how far consumers are behind, use aws-cloudwatch with the metric GetRecords.IteratorAgeMilliseconds.",
		Since:       "1.1",
		Permissions: "`kinesis:DescribeStreamSummary` on the stream.",
		Cost:        "One request a poll and stream, which AWS does not bill. AWS allows 20 of them a second for an account.",
		ByHand:      "aws kinesis describe-stream-summary --stream-name orders --query StreamDescriptionSummary.OpenShardCount",
		Examples: []scaler.Example{
			{
				Title:    "Two shards per replica",
				Metadata: map[string]string{"streamName": "orders", "shardCount": "2", "awsRegion": "eu-west-1"},
				Auth:     exampleAuth(),
			},
			{
				Title:    "With the operator's own role",
				Metadata: map[string]string{"streamName": "orders", "awsRegion": "eu-west-1", "identityOwner": "operator"},
			},
		},
		New: func() scaler.Config { return &kinesisConfig{} },
	}}
}

type kinesisConfig struct {
	stream     string
	target     float64
	activation float64
	aws        conn.AWS
}

// Params implements scaler.Config.
func (c *kinesisConfig) Params() param.Set {
	return param.Set{
		param.Text("streamName", &c.stream).Required().Example("orders").Doc("Name of the stream."),
		param.Float("shardCount", &c.target).Default(2).Target().Doc("Open shards per replica."),
		param.Float("activationShardCount", &c.activation).Activation().Doc("Number of open shards above which the workload is active."),
	}.With(c.aws.Params())
}

var kinesisName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// Check implements scaler.Checker.
func (c *kinesisConfig) Check() param.Problems {
	ps := c.aws.Check()
	if !kinesisName.MatchString(c.stream) {
		ps.Errorf("metadata.streamName", "found %q; expected up to 128 letters, digits, dots, hyphens and underscores", c.stream)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *kinesisConfig) Metric() string { return "aws-kinesis-" + c.stream }

// Open implements scaler.Config.
func (c *kinesisConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
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
