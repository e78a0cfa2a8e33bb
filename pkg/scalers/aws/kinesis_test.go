package aws

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

// shards makes the stream anew with n shards.
func shards(t testing.TB, s *motoserver.Server, name string) func(context.Context, float64) {
	client := kinesis.NewFromConfig(admin(s.URL))
	return func(ctx context.Context, n float64) {
		t.Helper()
		var missing *types.ResourceNotFoundException
		if _, err := client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &name}); err != nil && !errors.As(err, &missing) {
			t.Fatal(err)
		}
		if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(int32(n))}); err != nil {
			t.Fatal(err)
		}
	}
}

func kinesisTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{"streamName": "orders", "awsRegion": motoserver.Region}, pairs...)
}

func TestKinesisConformance(t *testing.T) {
	s := motoserver.Start(t)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "aws-kinesis-stream"), Metadata: kinesisTrigger(), Auth: keys(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f, _ := fixture(t, s)
			name := fmt.Sprint("orders-", names.Add(1))
			f.Metadata["streamName"] = name
			f.Set = shards(t, s, name)
			f.Set(t.Context(), 1)
			f.Values = []float64{1, 3, 40, 2}
			return f
		},
	})
}

func TestKinesisFirstAPI(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "aws-kinesis-stream"), Metadata: kinesisTrigger(), EnvNames: true,
		Env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": secretKey},
	})
}

func TestKinesisAnswers(t *testing.T) {
	s := motoserver.Start(t)
	src := open(t, "aws-kinesis-stream", newEnv(), kinesisTrigger("streamName", "nowhere", "awsEndpoint", s.URL), keys())
	_, err := src.Measure(t.Context())
	refused(t, err, scaler.ReasonMissing, `"nowhere"`)
	for name, tc := range map[string]struct {
		status int
		body   string
		reason scaler.Reason
		pause  bool
	}{
		"no summary": {200, `{}`, scaler.ReasonBadAnswer, false},
		"no count":   {200, `{"StreamDescriptionSummary":{}}`, scaler.ReasonBadAnswer, false},
		"too often":  {400, `{"__type":"LimitExceededException","message":"Rate exceeded for stream"}`, scaler.ReasonUnreachable, true},
		"denied":     {400, `{"__type":"AccessDeniedException","message":"User: arn:aws:iam::1:user/x is not authorized to perform: kinesis:DescribeStreamSummary"}`, scaler.ReasonDenied, false},
	} {
		t.Run(name, func(t *testing.T) {
			at := answering(t, func(string, int) (int, string) { return tc.status, tc.body })
			_, err := open(t, "aws-kinesis-stream", newEnv(), kinesisTrigger("awsEndpoint", at), keys()).Measure(t.Context())
			refused(t, err, tc.reason)
			if pause := scaler.RetryAfterOf(err); (pause > 0) != tc.pause {
				t.Errorf("the pause asked for is %v", pause)
			}
		})
	}
}

func TestKinesisProblems(t *testing.T) {
	if diff := cmp.Diff([]string{"error metadata.streamName"}, problems(t, "aws-kinesis-stream", kinesisTrigger("streamName", "a/b"), keys())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
