package aws

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func dynamodbStreamsKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "aws-dynamodb-streams",
		Title:       "Amazon DynamoDB Streams",
		About:       "The open shards of a DynamoDB table's stream, so that as many replicas run as there are shards to read.",
		Since:       "2.8",
		Permissions: "`dynamodb:DescribeTable` on the table and `dynamodb:DescribeStream` on its stream.",
		Cost: "One request a poll, and one more for each further 100 shards of the last day; when first polled one more, to find the stream. " +
			"AWS does not bill them, and allows 10 DescribeStream a second for an account.",
		ByHand: "aws dynamodbstreams describe-stream --stream-arn $(aws dynamodb describe-table --table-name orders --query Table.LatestStreamArn --output text) " +
			"--query 'length(StreamDescription.Shards[?SequenceNumberRange.EndingSequenceNumber==null])'",
		Examples: []scaler.Example{
			{
				Title:    "Two shards per replica",
				Metadata: map[string]string{"tableName": "orders", "shardCount": "2", "awsRegion": "eu-west-1"},
				Auth:     exampleAuth(),
			},
			{
				Title:    "With the operator's own role",
				Metadata: map[string]string{"tableName": "orders", "awsRegion": "eu-west-1", "identityOwner": "operator"},
			},
		},
		New: func() scaler.Config { return &streamsConfig{} },
	}}
}

type streamsConfig struct {
	table      string
	target     float64
	activation float64
	aws        conn.AWS
}

// Params implements scaler.Config.
func (c *streamsConfig) Params() param.Set {
	return param.Set{
		param.Text("tableName", &c.table).Required().Example("orders").Doc("Name of the table whose stream is read."),
		param.Float("shardCount", &c.target).Default(2).Target().Doc("Open shards per replica."),
		param.Float("activationShardCount", &c.activation).Activation().Doc("Number of open shards above which the workload is active."),
	}.With(c.aws.Params())
}

// Check implements scaler.Checker.
func (c *streamsConfig) Check() param.Problems {
	ps := c.aws.Check()
	if !dynamodbName.MatchString(c.table) {
		ps.Errorf("metadata.tableName", "found %q; expected 3 to 255 letters, digits, dots, hyphens and underscores", c.table)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *streamsConfig) Metric() string { return "aws-dynamodb-streams-" + c.table }

// Open implements scaler.Config.
func (c *streamsConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	tables, err := conn.OpenAWS(env, &c.aws, "dynamodb", newDynamodb)
	if err != nil {
		return nil, err
	}
	streams, err := conn.OpenAWS(env, &c.aws, "dynamodbstreams", func(a aws.Config) *dynamodbstreams.Client { return dynamodbstreams.NewFromConfig(a) })
	if err != nil {
		_ = tables.Close()
		return nil, err
	}
	return &streamsSource{tables: tables, streams: streams, config: c}, nil
}

// streamsSource measures one table's stream. It owns its share of the clients.
type streamsSource struct {
	tables  *conn.AWSClient[*dynamodb.Client]
	streams *conn.AWSClient[*dynamodbstreams.Client]
	config  *streamsConfig
	stream  atomic.Pointer[string] // the stream's ARN, once looked up
}

// Host implements scaler.Hosted.
func (s *streamsSource) Host() string { return s.streams.Host }

// Close implements scaler.Source.
func (s *streamsSource) Close() error { return errors.Join(s.streams.Close(), s.tables.Close()) }

// Measure implements scaler.Source. A stream that was turned off and on again
// is another one, so one that is known and has ended is looked up anew.
func (s *streamsSource) Measure(ctx context.Context) (scaler.Reading, error) {
	if known := s.stream.Load(); known != nil {
		r, err := s.count(ctx, *known)
		if scaler.ReasonOf(err) != scaler.ReasonMissing {
			return r, err
		}
		s.stream.Store(nil)
	}
	stream, err := s.lookUp(ctx)
	if err != nil {
		return scaler.Reading{}, err
	}
	r, err := s.count(ctx, stream)
	if err == nil {
		s.stream.Store(&stream)
	}
	return r, err
}

func (s *streamsSource) lookUp(ctx context.Context) (string, error) {
	doing := fmt.Sprintf("looking up the stream of the table %q", s.config.table)
	got, err := s.tables.API.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.config.table})
	if err != nil {
		return "", conn.AWSError(err, doing)
	}
	switch {
	case got.Table == nil:
		return "", scaler.BadAnswer(errors.New("the answer holds no table"), "%s", doing)
	case aws.ToString(got.Table.LatestStreamArn) == "":
		return "", scaler.Missing(errors.New("the table has no stream; expected one to be turned on"), "%s", doing)
	}
	return *got.Table.LatestStreamArn, nil
}

// count counts the shards that are written to.
func (s *streamsSource) count(ctx context.Context, stream string) (scaler.Reading, error) {
	doing := fmt.Sprintf("counting the shards of the stream of the table %q", s.config.table)
	input, open := dynamodbstreams.DescribeStreamInput{StreamArn: &stream}, 0
	for {
		page, err := s.streams.API.DescribeStream(ctx, &input)
		if err != nil {
			return scaler.Reading{}, conn.AWSError(err, doing)
		}
		d := page.StreamDescription
		switch {
		case d == nil || d.StreamStatus == "":
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer holds no stream"), "%s", doing)
		case d.StreamStatus == types.StreamStatusDisabled || d.StreamStatus == types.StreamStatusDisabling:
			return scaler.Reading{}, scaler.Missing(errors.New("the stream has been turned off"), "%s", doing)
		}
		for _, shard := range d.Shards {
			if shard.SequenceNumberRange == nil {
				return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has a shard without its range"), "%s", doing)
			}
			if shard.SequenceNumberRange.EndingSequenceNumber == nil {
				open++
			}
		}
		last := aws.ToString(d.LastEvaluatedShardId)
		if last == "" {
			return scaler.Reading{Value: float64(open)}, nil
		}
		if last == aws.ToString(input.ExclusiveStartShardId) {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer repeats a page"), "%s", doing)
		}
		input.ExclusiveStartShardId = &last
	}
}

var _ scaler.Hosted = (*streamsSource)(nil)
