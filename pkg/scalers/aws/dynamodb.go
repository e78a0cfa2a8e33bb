package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func dynamodbKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "aws-dynamodb",
		Title:       "Amazon DynamoDB",
		About:       "The number of items that a query of a DynamoDB table or index finds.",
		Since:       "2.6",
		Permissions: "`dynamodb:Query` on the table; on the index where indexName is given.",
		Cost: "One request a poll, and one more for each further MiB that the query reads. AWS bills half a read unit for every 4 KiB read, also of items that filterExpression drops: " +
			"a query over 1 MiB uses 128 units, at every poll.",
		ByHand: `aws dynamodb query --table-name jobs --select COUNT --key-condition-expression "#s = :s" ` +
			`--expression-attribute-names '{"#s":"state"}' --expression-attribute-values '{":s":{"S":"waiting"}}'`,
		Examples: []scaler.Example{
			{
				Title: "Items in one state",
				Metadata: map[string]string{
					"tableName": "jobs", "keyConditionExpression": "#s = :s", "expressionAttributeNames": `{"#s":"state"}`,
					"expressionAttributeValues": `{":s":{"S":"waiting"}}`, "targetValue": "10", "awsRegion": "eu-west-1",
				},
				Auth: exampleAuth(),
			},
			{
				Title: "By an index, with a filter and the operator's own role",
				Metadata: map[string]string{
					"tableName": "jobs", "indexName": "by-state", "keyConditionExpression": "#s = :s", "filterExpression": "#p > :p",
					"expressionAttributeNames": `{"#s":"state","#p":"priority"}`, "expressionAttributeValues": `{":s":{"S":"waiting"},":p":{"N":"3"}}`,
					"targetValue": "10", "awsRegion": "eu-west-1", "identityOwner": "operator",
				},
			},
		},
		New: func() scaler.Config { return &dynamodbConfig{} },
	}}
}

type dynamodbConfig struct {
	table, index         string
	condition, filter    string
	namesText, valueText string
	target, activation   float64
	aws                  conn.AWS
}

// Params implements scaler.Config.
func (c *dynamodbConfig) Params() param.Set {
	return param.Set{
		param.Text("tableName", &c.table).Required().Example("jobs").Doc("Name of the table."),
		param.Text("indexName", &c.index).Example("by-state").Doc("Index to query; the table itself when unset."),
		param.Text("keyConditionExpression", &c.condition).Required().Example("#s = :s").Doc("Condition on the key, in DynamoDB's notation."),
		param.Text("filterExpression", &c.filter).Example("#p > :p").Doc("Condition on other attributes. Items that it drops are read and billed."),
		param.Text("expressionAttributeNames", &c.namesText).Required().Example(`{"#s":"state"}`).
			Doc("Names that stand in the expressions for attributes, as a JSON object of texts."),
		param.Text("expressionAttributeValues", &c.valueText).Required().Example(`{":s":{"S":"waiting"}}`).
			Doc("Values that the expressions compare with, as a JSON object in DynamoDB's notation with types."),
		param.Float("targetValue", &c.target).Required().Target().Doc("Items per replica."),
		param.Float("activationTargetValue", &c.activation).Activation().Doc("Number of items above which the workload is active."),
	}.With(c.aws.Params())
}

var dynamodbName = param.NewForm(`^[A-Za-z0-9_.-]{3,}$`, 255)

// Check implements scaler.Checker.
func (c *dynamodbConfig) Check() param.Problems {
	ps := c.aws.Check()
	if !dynamodbName.MatchString(c.table) {
		ps.Errorf("metadata.tableName", "found %q; expected 3 to 255 letters, digits, dots, hyphens and underscores", c.table)
	}
	if _, err := c.names(); err != nil {
		ps.Errorf("metadata.expressionAttributeNames", `found what is no JSON object of texts; expected one such as {"#s":"state"}`)
	}
	if _, err := c.values(); err != nil {
		ps.Errorf("metadata.expressionAttributeValues", `found what is no JSON object of typed values; expected one such as {":s":{"S":"waiting"}}`)
	}
	return ps
}

func (c *dynamodbConfig) names() (map[string]string, error) {
	var out map[string]string
	if err := json.Unmarshal([]byte(c.namesText), &out); err != nil {
		return nil, err
	}
	if len(out) == 0 { // DynamoDB refuses an empty map
		return nil, nil
	}
	return out, nil
}

// values reads DynamoDB's JSON, see
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
func (c *dynamodbConfig) values() (map[string]types.AttributeValue, error) {
	out, err := attributevalue.UnmarshalMapJSON([]byte(c.valueText))
	if err != nil {
		return nil, err
	}
	for name, v := range out {
		if _, unknown := v.(*types.UnknownUnionMember); unknown || v == nil {
			return nil, fmt.Errorf("%q has no type that DynamoDB knows", name)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// Metric implements scaler.Config, as upstream names it.
func (c *dynamodbConfig) Metric() string { return "aws-dynamodb-" + c.table }

// Open implements scaler.Config.
func (c *dynamodbConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	names, err := c.names()
	if err != nil {
		return nil, scaler.Misconfigured(err, "reading expressionAttributeNames")
	}
	values, err := c.values()
	if err != nil {
		return nil, scaler.Misconfigured(err, "reading expressionAttributeValues")
	}
	client, err := conn.OpenAWS(env, &c.aws, "dynamodb", newDynamodb)
	if err != nil {
		return nil, err
	}
	s := &dynamodbSource{AWSClient: client, config: c, input: dynamodb.QueryInput{
		TableName: &c.table, KeyConditionExpression: &c.condition, Select: types.SelectCount,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}}
	if c.index != "" {
		s.input.IndexName = &c.index
	}
	if c.filter != "" {
		s.input.FilterExpression = &c.filter
	}
	return s, nil
}

func newDynamodb(a aws.Config) *dynamodb.Client { return dynamodb.NewFromConfig(a) }

// dynamodbSource counts the items of one query. It owns its share of the
// client.
type dynamodbSource struct {
	*conn.AWSClient[*dynamodb.Client]
	config *dynamodbConfig
	input  dynamodb.QueryInput
}

// Host implements scaler.Hosted.
func (s *dynamodbSource) Host() string { return s.AWSClient.Host }

// Measure implements scaler.Source. A page holds what one MiB of reading
// found, so a count is only right with all of them.
func (s *dynamodbSource) Measure(ctx context.Context) (scaler.Reading, error) {
	doing := fmt.Sprintf("counting items of the table %q", s.config.table)
	input, count := s.input, 0.0
	for {
		page, err := s.API.Query(ctx, &input)
		if err != nil {
			return scaler.Reading{}, conn.AWSError(err, doing)
		}
		if page.ConsumedCapacity == nil || page.Count < 0 { // asked for, so that an empty answer is told from a count of zero
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer holds no count with its ConsumedCapacity"), "%s", doing)
		}
		count += float64(page.Count)
		if len(page.LastEvaluatedKey) == 0 {
			return scaler.Reading{Value: count}, nil
		}
		input.ExclusiveStartKey = page.LastEvaluatedKey
	}
}

var _ scaler.Hosted = (*dynamodbSource)(nil)
