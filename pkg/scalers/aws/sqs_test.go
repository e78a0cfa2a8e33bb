package aws

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

// queue is a queue of a moto.
type queue struct {
	t      testing.TB
	client *sqs.Client
	name   string
	url    string
}

func newQueue(t testing.TB, s *motoserver.Server, name string) *queue {
	t.Helper()
	q := &queue{t: t, client: sqs.NewFromConfig(admin(s.URL)), name: name}
	q.create(t.Context())
	return q
}

func (q *queue) create(ctx context.Context) {
	q.t.Helper()
	got, err := q.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.name})
	if err != nil {
		q.t.Fatal(err)
	}
	q.url = *got.QueueUrl
}

// set makes the queue anew, with n messages; it may be purged once a minute only.
func (q *queue) set(ctx context.Context, n float64) {
	q.t.Helper()
	if _, err := q.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &q.url}); err != nil {
		q.t.Fatal(err)
	}
	q.create(ctx)
	q.send(ctx, int(n), 0)
}

func (q *queue) send(ctx context.Context, n int, delay int32) {
	q.t.Helper()
	for n > 0 {
		in := &sqs.SendMessageBatchInput{QueueUrl: &q.url}
		for i := range min(n, 10) {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String("x"), DelaySeconds: delay})
		}
		if _, err := q.client.SendMessageBatch(ctx, in); err != nil {
			q.t.Fatal(err)
		}
		n -= len(in.Entries)
	}
}

func sqsTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{"queueURL": "jobs", "awsRegion": motoserver.Region}, pairs...)
}

var names atomic.Int64

func TestSQSConformance(t *testing.T) {
	s := motoserver.Start(t)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "aws-sqs-queue"), Metadata: sqsTrigger(), Auth: keys(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f, _ := fixture(t, s)
			name := fmt.Sprint("jobs-", names.Add(1))
			f.Metadata["queueURL"] = name
			f.Set = newQueue(t, s, name).set
			f.Values = []float64{0, 3, 120, 1, 0}
			return f
		},
	})
}

// TestSQSFirstAPI passes the suite's declarations with credentials from the
// container's environment.
func TestSQSFirstAPI(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "aws-sqs-queue"), Metadata: sqsTrigger(), EnvNames: true,
		Env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": secretKey},
	})
}

func TestSQSInFlightAndDelayed(t *testing.T) {
	s := motoserver.Start(t)
	q := newQueue(t, s, "counted")
	q.send(t.Context(), 5, 0)
	if _, err := q.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 2, VisibilityTimeout: 600}); err != nil {
		t.Fatal(err)
	}
	q.send(t.Context(), 4, 600)
	for name, tc := range map[string]struct {
		pairs []string
		want  float64
	}{
		"usual":            {nil, 5},
		"waiting only":     {[]string{"scaleOnInFlight", "false"}, 3},
		"delayed too":      {[]string{"scaleOnDelayed", "true"}, 9},
		"waiting, delayed": {[]string{"scaleOnInFlight", "false", "scaleOnDelayed", "true"}, 7},
		"by address":       {[]string{"queueURL", q.url}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			src := open(t, "aws-sqs-queue", newEnv(), scalertest.With(sqsTrigger("queueURL", "counted", "awsEndpoint", s.URL), tc.pairs...), keys())
			if r, err := src.Measure(t.Context()); err != nil || r.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

func TestSQSDeletedQueue(t *testing.T) {
	s := motoserver.Start(t)
	q := newQueue(t, s, "gone")
	q.set(t.Context(), 2)
	src := open(t, "aws-sqs-queue", newEnv(), sqsTrigger("queueURL", "gone", "awsEndpoint", s.URL), keys())
	if r, err := src.Measure(t.Context()); err != nil || r.Value != 2 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if _, err := q.client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &q.url}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // with the address known, and looked up again
		_, err := src.Measure(t.Context())
		refused(t, err, scaler.ReasonMissing, `"gone"`)
	}
	newQueue(t, s, "gone").set(t.Context(), 3)
	if r, err := src.Measure(t.Context()); err != nil || r.Value != 3 {
		t.Errorf("after it came again: %+v, %v", r, err)
	}
}

func TestSQSAnswers(t *testing.T) {
	const address = "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"
	for name, tc := range map[string]struct {
		status   int
		body     string
		reason   scaler.Reason
		mentions []string
	}{
		"no attributes": {200, `{}`, scaler.ReasonBadAnswer, []string{"ApproximateNumberOfMessages"}},
		"one missing":   {200, `{"Attributes":{"ApproximateNumberOfMessages":"3"}}`, scaler.ReasonBadAnswer, []string{"NotVisible"}},
		"no number":     {200, `{"Attributes":{"ApproximateNumberOfMessages":"many","ApproximateNumberOfMessagesNotVisible":"0"}}`, scaler.ReasonBadAnswer, nil},
		"negative":      {200, `{"Attributes":{"ApproximateNumberOfMessages":"-3","ApproximateNumberOfMessagesNotVisible":"0"}}`, scaler.ReasonBadAnswer, nil},
		"html":          {200, `<html>` + secretKey, scaler.ReasonBadAnswer, nil},
		"denied": {400, `{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"User: arn:aws:iam::111122223333:user/x is not authorized to perform: sqs:getqueueattributes on resource: arn:aws:sqs:eu-west-1:111122223333:jobs because ` + secretKey + `"}`,
			scaler.ReasonDenied, []string{"sqs:getqueueattributes on arn:aws:sqs:eu-west-1:111122223333:jobs"}},
		"bad signature": {403, `{"__type":"SignatureDoesNotMatch","message":"the canonical string is ` + secretKey + `"}`, scaler.ReasonDenied, nil},
		"expired":       {400, `{"__type":"ExpiredTokenException","message":"x"}`, scaler.ReasonDenied, []string{"ExpiredToken"}},
		"missing":       {400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"x"}`, scaler.ReasonMissing, []string{`"jobs"`}},
		"throttled":     {400, `{"__type":"com.amazonaws.sqs#RequestThrottled","message":"x"}`, scaler.ReasonUnreachable, []string{"fewer requests"}},
		"internal":      {500, `{"__type":"InternalFailure","message":"x"}`, scaler.ReasonUnreachable, nil},
		"unknown 503":   {503, `nobody home`, scaler.ReasonUnreachable, []string{"503"}},
		"redirected":    {302, ``, scaler.ReasonBadAnswer, nil},
		"newer code":    {400, `{"__type":"SomethingNew","message":"` + secretKey + `"}`, scaler.ReasonBadAnswer, []string{"SomethingNew"}},
	} {
		t.Run(name, func(t *testing.T) {
			at := answering(t, func(string, int) (int, string) { return tc.status, tc.body })
			src := open(t, "aws-sqs-queue", newEnv(), sqsTrigger("queueURL", address, "awsEndpoint", at), keys())
			r, err := src.Measure(t.Context())
			if r.Value != 0 {
				t.Errorf("got %+v", r)
			}
			refused(t, err, tc.reason, tc.mentions...)
			if pause := scaler.RetryAfterOf(err); (name == "throttled") != (pause > 0) {
				t.Errorf("the pause asked for is %v", pause)
			}
		})
	}
}

// TestSQSCost checks that a poll is one request, and that a name is looked up once.
func TestSQSCost(t *testing.T) {
	var seen []string
	at := answering(t, func(action string, _ int) (int, string) {
		seen = append(seen, action)
		if action == "GetQueueUrl" {
			return 200, `{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"}`
		}
		return 200, `{"Attributes":{"ApproximateNumberOfMessages":"3","ApproximateNumberOfMessagesNotVisible":"1"}}`
	})
	src := open(t, "aws-sqs-queue", newEnv(), sqsTrigger("awsEndpoint", at), keys())
	for range 3 {
		if r, err := src.Measure(t.Context()); err != nil || r.Value != 4 {
			t.Fatalf("got %+v, %v", r, err)
		}
	}
	if diff := cmp.Diff([]string{"GetQueueUrl", "GetQueueAttributes", "GetQueueAttributes", "GetQueueAttributes"}, seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestSQSLinkLocal(t *testing.T) {
	src := open(t, "aws-sqs-queue", newEnv(), sqsTrigger("awsEndpoint", "http://169.254.169.254"), keys())
	_, err := src.Measure(t.Context())
	refused(t, err, scaler.ReasonMisconfigured, "link-local")
}

func TestSQSOperatorTimeout(t *testing.T) {
	held := make(chan struct{})
	at := answering(t, func(string, int) (int, string) { <-held; return 200, `{}` })
	t.Cleanup(func() { close(held) })
	env := newEnv()
	env.HTTP.Timeout = 50 * time.Millisecond
	src := open(t, "aws-sqs-queue", env, sqsTrigger("awsEndpoint", at), keys())
	_, err := src.Measure(t.Context())
	refused(t, err, scaler.ReasonUnreachable)
}

func TestSQSProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata, auth map[string]string
		want           []string
	}{
		"right":            {sqsTrigger(), keys(), nil},
		"fifo":             {sqsTrigger("queueURL", "jobs.fifo"), keys(), nil},
		"nothing":          {nil, nil, []string{"error metadata.queueURL", "error metadata.awsRegion"}},
		"half a pair":      {sqsTrigger(), map[string]string{"awsAccessKeyID": "A"}, []string{"error authenticationRef"}},
		"odd region":       {sqsTrigger("awsRegion", "evil.example/#"), keys(), []string{"error metadata.awsRegion"}},
		"odd role":         {sqsTrigger(), map[string]string{"awsRoleArn": "admin"}, []string{"error authenticationRef.awsRoleArn"}},
		"odd name":         {sqsTrigger("queueURL", "my queue"), keys(), []string{"error metadata.queueURL"}},
		"no scheme":        {sqsTrigger("queueURL", "sqs/1/jobs"), keys(), []string{"error metadata.queueURL"}},
		"endpoint no URL":  {sqsTrigger("awsEndpoint", "localhost:4566"), keys(), []string{"error metadata.awsEndpoint"}},
		"unknown owner":    {sqsTrigger("identityOwner", "me"), keys(), []string{"error metadata.identityOwner"}},
		"region from auth": {map[string]string{"queueURL": "jobs"}, scalertest.With(keys(), "awsRegion", "eu-west-1"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, problems(t, "aws-sqs-queue", tc.metadata, tc.auth)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
