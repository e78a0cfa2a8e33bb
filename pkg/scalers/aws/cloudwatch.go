package aws

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func cloudwatchKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "aws-cloudwatch",
		Title: "Amazon CloudWatch",
		About: "The newest value of a CloudWatch metric, or of an expression (metric math, SEARCH, Metrics Insights) that gives one series.",
		Since: "1.0",
		Permissions: "`cloudwatch:GetMetricData`, which knows no single metrics. " +
			"For another account's metrics (awsAccountId) the two accounts must be linked in CloudWatch.",
		Cost: "One GetMetricData request a poll for up to 500 triggers with the same region, credentials, period and window. AWS bills metrics, not requests: " +
			"polling one metric every 30 seconds reads 86,400 metrics a month, about 0.86 USD at 0.01 USD a thousand; an expression counts every metric it reads.",
		ByHand: "aws cloudwatch get-metric-statistics --namespace AWS/SQS --metric-name ApproximateAgeOfOldestMessage --dimensions Name=QueueName,Value=orders " +
			"--statistics Maximum --period 60 --start-time 2026-01-01T10:00:00Z --end-time 2026-01-01T10:05:00Z",
		Examples: []scaler.Example{
			{
				Title: "The age of the oldest message of a queue",
				Metadata: map[string]string{
					"namespace": "AWS/SQS", "metricName": "ApproximateAgeOfOldestMessage", "dimensionName": "QueueName", "dimensionValue": "orders",
					"metricStat": "Maximum", "metricStatPeriod": "60", "targetMetricValue": "120", "minMetricValue": "0", "awsRegion": "eu-west-1",
				},
				Auth: exampleAuth(),
			},
			{
				Title: "How far the consumers of a Kinesis stream are behind, in milliseconds",
				Metadata: map[string]string{
					"namespace": "AWS/Kinesis", "metricName": "GetRecords.IteratorAgeMilliseconds", "dimensionName": "StreamName", "dimensionValue": "orders",
					"metricStat": "Maximum", "metricStatPeriod": "60", "targetMetricValue": "60000", "minMetricValue": "0", "awsRegion": "eu-west-1",
					"identityOwner": "operator",
				},
			},
			{
				Title: "An expression, where no data is a failure",
				Metadata: map[string]string{
					"expression":        `SELECT MAX("ApproximateNumberOfMessagesVisible") FROM "AWS/SQS" WHERE QueueName = 'orders'`,
					"targetMetricValue": "10", "minMetricValue": "0", "ignoreNullValues": "false", "awsRegion": "eu-west-1",
				},
				Auth: map[string]string{"awsRoleArn": "arn:aws:iam::111122223333:role/keda"},
			},
		},
		New: func() scaler.Config { return &cloudwatchConfig{} },
	}}
}

type cloudwatchConfig struct {
	namespace, metric           string
	dimensionNames              string
	dimensionValues             string
	expression                  string
	target, activation, minimum float64
	ignoreEmpty, refuseEmpty    bool
	collection, period, offset  int64
	stat, unit, account         string
	aws                         conn.AWS
}

// Params implements scaler.Config.
func (c *cloudwatchConfig) Params() param.Set {
	const aDay = 24 * 60 * 60
	return param.Set{
		param.Text("namespace", &c.namespace).Example("AWS/SQS").Doc("Namespace of the metric; without expression."),
		param.Text("metricName", &c.metric).Example("ApproximateAgeOfOldestMessage").Doc("Name of the metric; without expression."),
		param.Text("dimensionName", &c.dimensionNames).Example("QueueName").Doc("Names of the metric's dimensions, separated by semicolons; all that it has."),
		param.Text("dimensionValue", &c.dimensionValues).Example("orders").Doc("Values of the dimensions, separated by semicolons, in the same order."),
		param.Text("expression", &c.expression).Example(`SELECT SUM("Requests") FROM "Shop"`).
			Doc("Expression to evaluate in place of a metric; its result must be one series."),
		param.Float("targetMetricValue", &c.target).Required().Target().Doc("Value of the metric per replica."),
		param.Float("activationTargetMetricValue", &c.activation).Activation().Doc("Value of the metric above which the workload is active."),
		param.Float("minMetricValue", &c.minimum).Required().Example("0").Doc("Value that counts when CloudWatch has no data in the window."),
		param.Bool("ignoreNullValues", &c.ignoreEmpty).Default(true).Doc("Whether no data counts as minMetricValue; otherwise it is a failure."),
		param.Bool("errorWhenMetricValuesEmpty", &c.refuseEmpty).Deprecated("use ignoreNullValues, which says the opposite").Doc("Whether no data is a failure."),
		param.Int("metricCollectionTime", &c.collection).Default(300).Min(1).Max(30 * aDay).Doc("Length of the window that is looked at, in seconds."),
		param.Text("metricStat", &c.stat).Default("Average").Example("p99").
			Doc("Statistic over each period: Average, Sum, Minimum, Maximum, SampleCount, or another that CloudWatch has, such as p99."),
		param.Text("metricUnit", &c.unit).Example("Count").Doc("Unit that the values must have been written with; any when unset."),
		param.Int("metricStatPeriod", &c.period).Default(300).Min(1).Max(aDay).
			Doc("Length of a period, in seconds: 1, 5, 10, 20, 30 or a multiple of 60."),
		param.Int("metricEndTimeOffset", &c.offset).Default(0).Min(0).Max(30 * aDay).
			Doc("How long ago the window ends, in seconds, for metrics that arrive late. It is moved to the end of a whole period."),
		param.Text("awsAccountId", &c.account).Example("111122223333").Doc("Account that owns the metric, where it is another one."),
	}.With(c.aws.Params())
}

var (
	cloudwatchStat = regexp.MustCompile(`^(SampleCount|Average|Sum|Minimum|Maximum|IQM|(p|tm|wm|tc|ts|pr|TM|WM|TC|TS|PR)(\d{1,3}(\.\d+)?|\([\d.%:]+\)))$`)
	awsAccount     = regexp.MustCompile(`^\d{12}$`)
)

// Check implements scaler.Checker.
func (c *cloudwatchConfig) Check() param.Problems {
	ps := c.aws.Check()
	names, values := splitSemicolons(c.dimensionNames), splitSemicolons(c.dimensionValues)
	switch {
	case c.expression != "":
		for name, value := range map[string]string{"namespace": c.namespace, "metricName": c.metric} {
			if value != "" {
				ps.Warnf("metadata."+name, "has no effect beside expression")
			}
		}
		slices.SortFunc(ps, func(a, b param.Problem) int { return strings.Compare(a.Path, b.Path) })
	default:
		if c.namespace == "" {
			ps.Errorf("metadata.namespace", "is missing; expected the metric's namespace, or an expression")
		}
		if c.metric == "" {
			ps.Errorf("metadata.metricName", "is missing; expected the metric's name, or an expression")
		}
		if len(names) != len(values) || slices.Contains(names, "") || slices.Contains(values, "") {
			ps.Errorf("metadata.dimensionValue", "found %d values for %d names in dimensionName; expected one each, none empty", len(values), len(names))
		}
	}
	if !cloudwatchStat.MatchString(c.stat) {
		ps.Errorf("metadata.metricStat", "found %q; expected Average, Sum, Minimum, Maximum, SampleCount or another of CloudWatch's statistics, such as p99", c.stat)
	}
	if units := types.StandardUnit("").Values(); c.unit != "" && !slices.Contains(units, types.StandardUnit(c.unit)) {
		ps.Errorf("metadata.metricUnit", "found %q; expected one of CloudWatch's units, such as Count or Seconds", c.unit)
	}
	if c.period%60 != 0 && !slices.Contains([]int64{1, 5, 10, 20, 30}, c.period) {
		ps.Errorf("metadata.metricStatPeriod", "found %d; expected 1, 5, 10, 20, 30 or a multiple of 60", c.period)
	}
	if c.collection < c.period {
		ps.Errorf("metadata.metricCollectionTime", "found %d, which is shorter than the period of %d; expected at least one period", c.collection, c.period)
	}
	if c.account != "" && !awsAccount.MatchString(c.account) {
		ps.Errorf("metadata.awsAccountId", "found %q; expected 12 digits", c.account)
	}
	return ps
}

// splitSemicolons splits a list as upstream does; an empty text is no list.
func splitSemicolons(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	out := strings.Split(text, ";")
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}

// Metric implements scaler.Config.
func (c *cloudwatchConfig) Metric() string {
	if c.expression != "" {
		return "aws-cloudwatch"
	}
	return "aws-cloudwatch-" + c.metric
}

// window is what a query looks at.
type window struct{ start, end time.Time }

// window ends with a whole period: half a period would give half a sum.
func (c *cloudwatchConfig) window(now time.Time) window {
	end := now.Add(-time.Duration(c.offset) * time.Second).Truncate(time.Duration(c.period) * time.Second).UTC()
	return window{start: end.Add(-time.Duration(c.collection) * time.Second), end: end}
}

// queries is one query.
func (c *cloudwatchConfig) queries(first int) []types.MetricDataQuery {
	return []types.MetricDataQuery{c.query(queryID(first))}
}

func (c *cloudwatchConfig) query(id *string) types.MetricDataQuery {
	q := types.MetricDataQuery{Id: id, ReturnData: aws.Bool(true)}
	if c.account != "" {
		q.AccountId = &c.account
	}
	period := aws.Int32(int32(c.period)) //nolint:gosec // at most a day
	if c.expression != "" {
		q.Expression, q.Period = &c.expression, period
		return q
	}
	q.MetricStat = &types.MetricStat{
		Metric: &types.Metric{Namespace: &c.namespace, MetricName: &c.metric}, Period: period, Stat: &c.stat, Unit: types.StandardUnit(c.unit),
	}
	values := splitSemicolons(c.dimensionValues)
	for i, name := range splitSemicolons(c.dimensionNames) {
		q.MetricStat.Metric.Dimensions = append(q.MetricStat.Metric.Dimensions, types.Dimension{Name: &name, Value: &values[i]})
	}
	return q
}

// insights says whether the expression is a Metrics Insights query, of which
// a request can hold one.
func (c *cloudwatchConfig) insights() bool {
	first, _, _ := strings.Cut(strings.TrimSpace(c.expression), " ")
	return strings.EqualFold(first, "SELECT")
}

// Open implements scaler.Config.
func (c *cloudwatchConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	return openCloudwatch(env, &c.aws, c)
}

// openCloudwatch opens a source for what is wanted.
func openCloudwatch(env scaler.Env, a *conn.AWS, w wanted) (scaler.Source, error) {
	client, err := conn.OpenAWS(env, a, "cloudwatch", newCloudwatch)
	if err != nil {
		return nil, err
	}
	now := env.Now
	if now == nil {
		now = time.Now
	}
	return &cloudwatchSource{AWSClient: client, wanted: w, now: now}, nil
}

// newCloudwatch speaks JSON, which AWS takes as well as the SDK's own choice
// of CBOR, and which emulators behind an awsEndpoint know too.
func newCloudwatch(a aws.Config) *cloudwatch.Client {
	return cloudwatch.NewFromConfig(a, func(o *cloudwatch.Options) {
		o.Protocol = awsjson.New10(schemas.GraniteServiceVersion20100801)
	})
}
