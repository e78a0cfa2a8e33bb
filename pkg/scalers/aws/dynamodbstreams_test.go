package aws

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

func streamsTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{"tableName": "orders", "awsRegion": motoserver.Region}, pairs...)
}

// TestStreamsConformance runs against moto, whose streams have one shard.
func TestStreamsConformance(t *testing.T) {
	s := motoserver.Start(t)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "aws-dynamodb-streams"), Metadata: streamsTrigger(), Auth: keys(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f, _ := fixture(t, s)
			name := fmt.Sprint("orders-", names.Add(1))
			f.Metadata["tableName"] = name
			f.Set = newTable(t, s, name, true).set
			f.Values = []float64{0, 3}
			f.Expect = func(float64) float64 { return 1 }
			return f
		},
	})
}

func TestStreamsMissing(t *testing.T) {
	s := motoserver.Start(t)
	newTable(t, s, "plain", false)
	for _, name := range []string{"plain", "nowhere"} {
		_, err := open(t, "aws-dynamodb-streams", newEnv(), streamsTrigger("tableName", name, "awsEndpoint", s.URL), keys()).Measure(t.Context())
		refused(t, err, scaler.ReasonMissing, name)
	}
}

// shardList is a page with open and closed shards.
func shardList(open, closed int, last string) string {
	var out []string
	for range open {
		out = append(out, `{"ShardId":"o","SequenceNumberRange":{"StartingSequenceNumber":"1"}}`)
	}
	for range closed {
		out = append(out, `{"ShardId":"c","SequenceNumberRange":{"StartingSequenceNumber":"1","EndingSequenceNumber":"2"}}`)
	}
	return `{"StreamDescription":{"StreamStatus":"ENABLED",` + last + `"Shards":[` + strings.Join(out, ",") + `]}}`
}

const withStream = `{"Table":{"LatestStreamArn":"arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/1"}}`

func TestStreamsShards(t *testing.T) {
	var seen []string
	at := answering(t, func(action string, n int) (int, string) {
		seen = append(seen, action)
		switch {
		case action == "DescribeTable":
			return 200, withStream
		case n%2 == 1:
			return 200, shardList(3, 4, `"LastEvaluatedShardId":"shard-7",`)
		}
		return 200, shardList(2, 1, "")
	})
	src := open(t, "aws-dynamodb-streams", newEnv(), streamsTrigger("awsEndpoint", at), keys())
	for range 2 {
		if r, err := src.Measure(t.Context()); err != nil || r.Value != 5 {
			t.Fatalf("got %+v, %v; want 5", r, err)
		}
	}
	want := []string{"DescribeTable", "DescribeStream", "DescribeStream", "DescribeStream", "DescribeStream"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestStreamsReplaced checks that a stream that was turned off and on again
// is found within the same poll.
func TestStreamsReplaced(t *testing.T) {
	at := answering(t, func(action string, n int) (int, string) {
		switch {
		case action == "DescribeTable":
			return 200, withStream
		case n == 2:
			return 200, `{"StreamDescription":{"StreamStatus":"DISABLED","Shards":[]}}`
		}
		return 200, shardList(n, 0, "")
	})
	src := open(t, "aws-dynamodb-streams", newEnv(), streamsTrigger("awsEndpoint", at), keys())
	for _, want := range []float64{1, 3} {
		if r, err := src.Measure(context.Background()); err != nil || r.Value != want {
			t.Fatalf("got %+v, %v; want %v", r, err, want)
		}
	}
}

func TestStreamsAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		table, stream string
		reason        scaler.Reason
	}{
		"no table":     {`{}`, ``, scaler.ReasonBadAnswer},
		"no stream":    {`{"Table":{}}`, ``, scaler.ReasonMissing},
		"empty":        {withStream, `{}`, scaler.ReasonBadAnswer},
		"no status":    {withStream, `{"StreamDescription":{"Shards":[]}}`, scaler.ReasonBadAnswer},
		"no range":     {withStream, `{"StreamDescription":{"StreamStatus":"ENABLED","Shards":[{"ShardId":"x"}]}}`, scaler.ReasonBadAnswer},
		"turned off":   {withStream, `{"StreamDescription":{"StreamStatus":"DISABLED"}}`, scaler.ReasonMissing},
		"endless page": {withStream, shardList(1, 0, `"LastEvaluatedShardId":"s",`), scaler.ReasonBadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			at := answering(t, func(action string, _ int) (int, string) {
				if action == "DescribeTable" {
					return 200, tc.table
				}
				return 200, tc.stream
			})
			_, err := open(t, "aws-dynamodb-streams", newEnv(), streamsTrigger("awsEndpoint", at), keys()).Measure(t.Context())
			refused(t, err, tc.reason)
		})
	}
}
