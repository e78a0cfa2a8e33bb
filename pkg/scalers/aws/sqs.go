package aws

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func sqsKinds() []scaler.Kind {
	const queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/orders"
	return []scaler.Kind{{
		Name:        "aws-sqs-queue",
		Title:       "Amazon SQS",
		About:       "The messages of an SQS queue: those that wait, by default those in flight too, and on demand those that are delayed.",
		Since:       "1.0",
		Permissions: "`sqs:GetQueueAttributes` on the queue; `sqs:GetQueueUrl` too where the queue is given by its name.",
		Cost: "One request a poll and queue. AWS bills requests: polling one queue every 30 seconds makes 86,400 requests a month, about 0.035 USD at 0.40 USD a million. " +
			"A queue given by its name costs one more request when it is first polled.",
		ByHand: "aws sqs get-queue-attributes --queue-url " + queue + " --attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible",
		Examples: []scaler.Example{
			{
				Title:    "A queue, with a key pair",
				Metadata: map[string]string{"queueURL": queue, "queueLength": "5", "awsRegion": "eu-west-1"},
				Auth:     exampleAuth(),
			},
			{
				Title: "A queue by its name, with the operator's own role, without messages in flight",
				Metadata: map[string]string{
					"queueURL": "orders", "queueLength": "5", "awsRegion": "eu-west-1", "identityOwner": "operator", "scaleOnInFlight": "false",
				},
			},
			{
				Title:    "A queue, with the operator's pod identity",
				Metadata: map[string]string{"queueURL": queue, "queueLength": "5", "awsRegion": "eu-west-1"},
				Identity: "aws",
			},
			{
				Title:    "A queue whose address the container's environment has",
				Metadata: map[string]string{"queueURLFromEnv": "QUEUE_URL", "queueLength": "5", "awsRegion": "eu-west-1"},
				Auth:     map[string]string{"awsRoleArn": "arn:aws:iam::111122223333:role/orders"},
				Env:      map[string]string{"QUEUE_URL": queue},
			},
		},
		New: func() scaler.Config { return &sqsConfig{} },
	}}
}

type sqsConfig struct {
	queue      string
	target     float64
	activation float64
	inFlight   bool
	delayed    bool
	aws        conn.AWS
}

// Params implements scaler.Config.
func (c *sqsConfig) Params() param.Set {
	return param.Set{
		param.Text("queueURL", &c.queue).From(param.Metadata, param.Env).Required().Example("https://sqs.eu-west-1.amazonaws.com/111122223333/orders").
			Doc("Address of the queue, or its name within the account of the credentials."),
		param.Float("queueLength", &c.target).Default(5).Target().Doc("Messages per replica."),
		param.Float("activationQueueLength", &c.activation).Activation().Doc("Number of messages above which the workload is active."),
		param.Bool("scaleOnInFlight", &c.inFlight).Default(true).Doc("Whether messages that a consumer has received and not deleted count."),
		param.Bool("scaleOnDelayed", &c.delayed).Default(false).Doc("Whether messages whose delay is not over count."),
	}.With(c.aws.Params())
}

var sqsName = param.NewForm(`^[A-Za-z0-9_-]+(\.fifo)?$`, 80)

// Check implements scaler.Checker.
func (c *sqsConfig) Check() param.Problems {
	ps := c.aws.Check()
	if c.queue == "" {
		return ps // it comes from an environment that is not known here
	}
	if !strings.Contains(c.queue, "/") {
		if !sqsName.MatchString(c.queue) {
			ps.Errorf("metadata.queueURL", "found a value that is no address and can't be a queue's name; expected an address such as https://sqs.eu-west-1.amazonaws.com/111122223333/orders, or a name")
		}
		return ps
	}
	u, err := url.Parse(c.queue)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || sqsNameOf(c.queue) == "" {
		ps.Errorf("metadata.queueURL", "found a malformed address; expected one such as https://sqs.eu-west-1.amazonaws.com/111122223333/orders, or a name")
	}
	return ps
}

// sqsNameOf is the last part of the address, or the name itself.
func sqsNameOf(queue string) string {
	queue = strings.TrimRight(queue, "/")
	return queue[strings.LastIndexByte(queue, '/')+1:]
}

// Metric implements scaler.Config, as upstream names it.
func (c *sqsConfig) Metric() string { return "aws-sqs-" + sqsNameOf(c.queue) }

// Open implements scaler.Config.
func (c *sqsConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenAWS(env, &c.aws, "sqs", func(a aws.Config) *sqs.Client { return sqs.NewFromConfig(a) })
	if err != nil {
		return nil, err
	}
	s := &sqsSource{AWSClient: client, config: c}
	s.attributes = []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages}
	if c.inFlight {
		s.attributes = append(s.attributes, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)
	}
	if c.delayed {
		s.attributes = append(s.attributes, types.QueueAttributeNameApproximateNumberOfMessagesDelayed)
	}
	return s, nil
}

// sqsSource measures one queue. It owns its share of the client.
type sqsSource struct {
	*conn.AWSClient[*sqs.Client]
	config     *sqsConfig
	attributes []types.QueueAttributeName
	address    atomic.Pointer[string] // of a queue given by name, once looked up
}

// Host implements scaler.Hosted.
func (s *sqsSource) Host() string { return s.AWSClient.Host }

// Measure implements scaler.Source.
func (s *sqsSource) Measure(ctx context.Context) (scaler.Reading, error) {
	address, err := s.queueURL(ctx)
	if err != nil {
		return scaler.Reading{}, err
	}
	doing := fmt.Sprintf("reading the length of the queue %q", sqsNameOf(s.config.queue))
	got, err := s.API.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &address, AttributeNames: s.attributes})
	if err != nil {
		err = conn.AWSError(err, doing)
		if scaler.ReasonOf(err) == scaler.ReasonMissing {
			s.address.Store(nil) // it may come again, elsewhere
		}
		return scaler.Reading{}, err
	}
	var sum float64
	for _, name := range s.attributes {
		n, err := strconv.ParseUint(got.Attributes[string(name)], 10, 63)
		if err != nil {
			return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("the answer holds no number %s", name), "%s", doing)
		}
		sum += float64(n)
	}
	return scaler.Reading{Value: sum}, nil
}

// queueURL is the queue's address, looked up once for a name.
func (s *sqsSource) queueURL(ctx context.Context) (string, error) {
	if strings.Contains(s.config.queue, "/") {
		return s.config.queue, nil
	}
	if known := s.address.Load(); known != nil {
		return *known, nil
	}
	doing := fmt.Sprintf("looking up the queue %q", s.config.queue)
	got, err := s.API.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &s.config.queue})
	if err != nil {
		return "", conn.AWSError(err, doing)
	}
	if aws.ToString(got.QueueUrl) == "" {
		return "", scaler.BadAnswer(errors.New("the answer holds no address"), "%s", doing)
	}
	s.address.Store(got.QueueUrl)
	return *got.QueueUrl, nil
}

var _ scaler.Hosted = (*sqsSource)(nil)
