package aws

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

// table is a table of a moto whose items wait.
type table struct {
	t      testing.TB
	client *dynamodb.Client
	name   string
	items  int
}

func newTable(t testing.TB, s *motoserver.Server, name string, streams bool) *table {
	t.Helper()
	tb := &table{t: t, client: newDynamodb(admin(s.URL)), name: name}
	in := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("state"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("state"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("id"), KeyType: types.KeyTypeRange}},
	}
	if streams {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeKeysOnly}
	}
	if _, err := tb.client.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return tb
}

// set makes the table hold n items that wait.
func (tb *table) set(ctx context.Context, n float64) {
	tb.t.Helper()
	var all []types.WriteRequest
	for ; tb.items < int(n); tb.items++ {
		all = append(all, types.WriteRequest{PutRequest: &types.PutRequest{Item: item(tb.items)}})
	}
	for ; tb.items > int(n); tb.items-- {
		all = append(all, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: item(tb.items - 1)}})
	}
	for len(all) > 0 {
		some := all[:min(25, len(all))]
		all = all[len(some):]
		if _, err := tb.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{tb.name: some}}); err != nil {
			tb.t.Fatal(err)
		}
	}
}

func item(id int) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"state": &types.AttributeValueMemberS{Value: "waiting"}, "id": &types.AttributeValueMemberN{Value: strconv.Itoa(id)}}
}

func dynamodbTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{
		"tableName": "jobs", "keyConditionExpression": "#s = :s", "expressionAttributeNames": `{"#s":"state"}`,
		"expressionAttributeValues": `{":s":{"S":"waiting"}}`, "targetValue": "5", "awsRegion": motoserver.Region,
	}, pairs...)
}

func TestDynamodbConformance(t *testing.T) {
	s := motoserver.Start(t)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "aws-dynamodb"), Metadata: dynamodbTrigger(), Auth: keys(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f, _ := fixture(t, s)
			name := fmt.Sprint("jobs-", names.Add(1))
			f.Metadata["tableName"] = name
			f.Set = newTable(t, s, name, false).set
			f.Values = []float64{0, 3, 60, 1, 0}
			return f
		},
	})
}

func TestDynamodbConditions(t *testing.T) {
	s := motoserver.Start(t)
	newTable(t, s, "jobs", false).set(t.Context(), 7)
	for name, tc := range map[string]struct {
		pairs  []string
		want   float64
		reason scaler.Reason
	}{
		"all":        {nil, 7, ""},
		"a range":    {[]string{"keyConditionExpression", "#s = :s AND id < :n", "expressionAttributeValues", `{":s":{"S":"waiting"},":n":{"N":"3"}}`}, 3, ""},
		"others":     {[]string{"expressionAttributeValues", `{":s":{"S":"done"}}`}, 0, ""},
		"no table":   {[]string{"tableName", "nowhere"}, 0, scaler.ReasonMissing},
		"nonsense":   {[]string{"keyConditionExpression", "=="}, 0, scaler.ReasonMisconfigured},
		"no such #n": {[]string{"keyConditionExpression", "#x = :s"}, 0, scaler.ReasonMisconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := open(t, "aws-dynamodb", newEnv(), dynamodbTrigger(append(tc.pairs, "awsEndpoint", s.URL)...), keys()).Measure(t.Context())
			if tc.reason != "" {
				refused(t, err, tc.reason)
				return
			}
			if err != nil || r.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

func TestDynamodbAnswers(t *testing.T) {
	const used = `"ConsumedCapacity":{"TableName":"jobs","CapacityUnits":0.5}`
	for name, tc := range map[string]struct {
		first, second string
		want          float64
		reason        scaler.Reason
	}{
		"two pages": {`{"Count":30,"ScannedCount":40,` + used + `,"LastEvaluatedKey":{"id":{"N":"3"}}}`, `{"Count":4,"ScannedCount":5,` + used + `}`, 34, ""},
		"second missing": {`{"Count":30,"ScannedCount":40,` + used + `,"LastEvaluatedKey":{"id":{"N":"3"}}}`, `{}`,
			0, scaler.ReasonBadAnswer},
		"empty":  {`{}`, ``, 0, scaler.ReasonBadAnswer},
		"no DB":  {`hello`, ``, 0, scaler.ReasonBadAnswer},
		"a zero": {`{"Count":0,"ScannedCount":0,` + used + `}`, ``, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := answering(t, func(_ string, n int) (int, string) {
				if n == 1 {
					return 200, tc.first
				}
				return 200, tc.second
			})
			r, err := open(t, "aws-dynamodb", newEnv(), dynamodbTrigger("awsEndpoint", at), keys()).Measure(t.Context())
			if tc.reason != "" {
				refused(t, err, tc.reason)
				return
			}
			if err != nil || r.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

func TestDynamodbThrottled(t *testing.T) {
	at := answering(t, func(string, int) (int, string) {
		return 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`
	})
	_, err := open(t, "aws-dynamodb", newEnv(), dynamodbTrigger("awsEndpoint", at), keys()).Measure(t.Context())
	refused(t, err, scaler.ReasonUnreachable)
	if scaler.RetryAfterOf(err) <= 0 {
		t.Error("no pause is asked for")
	}
}

func TestDynamodbProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		pairs []string
		want  []string
	}{
		"right":        {nil, nil},
		"names":        {[]string{"expressionAttributeNames", `["#s"]`}, []string{"error metadata.expressionAttributeNames"}},
		"values":       {[]string{"expressionAttributeValues", `{":s":"waiting"}`}, []string{"error metadata.expressionAttributeValues"}},
		"unknown type": {[]string{"expressionAttributeValues", `{":s":{"Text":"waiting"}}`}, []string{"error metadata.expressionAttributeValues"}},
		"no type":      {[]string{"expressionAttributeValues", `{":s":{}}`}, []string{"error metadata.expressionAttributeValues"}},
		"odd table":    {[]string{"tableName", "a b"}, []string{"error metadata.tableName"}},
		"no target":    {[]string{"targetValue", ""}, []string{"error metadata.targetValue"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, problems(t, "aws-dynamodb", dynamodbTrigger(tc.pairs...), keys())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
