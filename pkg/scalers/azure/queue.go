package azure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The values of queueLengthStrategy.
const (
	queueAll         = "all"
	queueVisibleOnly = "visibleonly"
)

// queueMostPeeked is how many messages the service shows at once.
const queueMostPeeked = 32

func queueKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "azure-queue",
		Title: "Azure Storage queues",
		About: "The messages of a storage queue: all that are not deleted, or only those that a consumer could take now. " +
			"The number of visible messages is exact up to 31; the service counts no further, so from 32 on all messages count.",
		Since:       "1.0",
		Permissions: "The role Storage Queue Data Reader on the queue or the account; of a SAS, the permission to read.",
		Cost: "One request a poll and queue, two with queueLengthStrategy visibleonly while 32 messages or more are visible; that one also transfers up to 32 messages. " +
			"Azure bills requests: polling one queue every 30 seconds makes 86,400 requests a month, about 0.04 USD at 0.004 USD per 10,000.",
		ByHand: "az storage queue metadata show --name jobs --account-name orders --query approximateMessageCount",
		Examples: []scaler.Example{
			{
				Title:    "A queue, with the account's connection string",
				Metadata: map[string]string{"queueName": "jobs", "queueLength": "5"},
				Auth:     map[string]string{"connection": exampleStorage},
			},
			{
				Title:    "Messages that can be taken now, with the connection string that the container's environment has",
				Metadata: map[string]string{"queueName": "jobs", "queueLength": "5", "queueLengthStrategy": queueVisibleOnly, "connectionFromEnv": "AzureWebJobsStorage"},
				Env:      map[string]string{"AzureWebJobsStorage": exampleStorage},
			},
			{
				Title:    "A queue of Azure Government, with a SAS",
				Metadata: map[string]string{"queueName": "jobs", "queueLength": "5", "activationQueueLength": "2"},
				Auth:     map[string]string{"connection": "QueueEndpoint=https://orders.queue.core.usgovcloudapi.net/;SharedAccessSignature=sv=2026-06-06&sp=r&sig=the-signature"},
			},
		},
		New: func() scaler.Config { return &queueConfig{storage: storage{service: conn.AzureQueue}} },
	}}
}

type queueConfig struct {
	queue      string
	target     float64
	activation float64
	strategy   string
	storage    storage
}

// Params implements scaler.Config.
func (c *queueConfig) Params() param.Set {
	return param.Set{
		param.Text("queueName", &c.queue).Required().Example("jobs").Doc("Name of the queue."),
		param.Float("queueLength", &c.target).Default(5).Target().Doc("Messages per replica."),
		param.Float("activationQueueLength", &c.activation).Activation().Doc("Number of messages above which the workload is active."),
		param.Text("queueLengthStrategy", &c.strategy).OneOf(queueAll, queueVisibleOnly).Default(queueAll).
			Doc("Which messages count: all, or visibleonly for those that no consumer holds and whose delay is over, as long as they are fewer than 32."),
	}.With(c.storage.params())
}

// storageName is what Azure allows as the name of a queue or container.
var storageName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])+$`)

func isStorageName(s string) bool {
	return len(s) >= 3 && len(s) <= 63 && storageName.MatchString(s)
}

// Check implements scaler.Checker.
func (c *queueConfig) Check() param.Problems {
	ps := c.storage.check()
	if !isStorageName(c.queue) {
		ps.Errorf("metadata.queueName", "found %.80q, which no queue can have; expected 3 to 63 lower-case letters, digits and single hyphens", c.queue)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *queueConfig) Metric() string { return "azure-queue-" + c.queue }

// Open implements scaler.Config.
func (c *queueConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := openStorage(env, &c.storage, newQueueService)
	if err != nil {
		return nil, err
	}
	return &queueSource{
		storageClient: client, queue: client.api.NewQueueClient(c.queue), visibleOnly: c.strategy == queueVisibleOnly,
		doing: fmt.Sprintf("reading the length of the queue %q", c.queue),
	}, nil
}

func newQueueService(a storageAccount, o azcore.ClientOptions) (*queueService, error) {
	options := &azqueue.ClientOptions{ClientOptions: o}
	switch {
	case a.token != nil:
		return azqueue.NewServiceClient(a.address(), a.token, options)
	case a.key.IsZero():
		return azqueue.NewServiceClientWithNoCredential(a.address(), options)
	}
	key, err := azqueue.NewSharedKeyCredential(a.name, a.key.Reveal())
	if err != nil {
		return nil, errors.New("the account key is not base64")
	}
	return azqueue.NewServiceClientWithSharedKeyCredential(a.address(), key, options)
}

// queueService is the SDK's client of the queues of an account.
type queueService = azqueue.ServiceClient

// queueSource measures one queue. It owns its share of the client.
type queueSource struct {
	*storageClient[*queueService]
	queue       *azqueue.QueueClient
	visibleOnly bool
	doing       string
}

var _ scaler.Hosted = (*queueSource)(nil)

// Measure implements scaler.Source.
func (s *queueSource) Measure(ctx context.Context) (scaler.Reading, error) {
	visible := 0
	if s.visibleOnly {
		var err error
		if visible, err = s.peek(ctx); err != nil {
			return scaler.Reading{}, err
		}
		if visible < queueMostPeeked {
			return scaler.Reading{Value: float64(visible)}, nil
		}
	}
	got, err := s.queue.GetProperties(ctx, nil)
	if err != nil {
		return scaler.Reading{}, conn.AzureError(err, s.doing)
	}
	if got.ApproximateMessagesCount == nil || *got.ApproximateMessagesCount < 0 {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer holds no number of messages"), "%s", s.doing)
	}
	return scaler.Reading{Value: float64(max(visible, int(*got.ApproximateMessagesCount)))}, nil
}

// peek counts visible messages, up to queueMostPeeked. They stay as they are.
func (s *queueSource) peek(ctx context.Context) (int, error) {
	var raw *http.Response
	most := int32(queueMostPeeked)
	got, err := s.queue.PeekMessages(policy.WithCaptureResponse(ctx, &raw), &azqueue.PeekMessagesOptions{NumberOfMessages: &most})
	if err != nil {
		return 0, conn.AzureError(err, s.doing)
	}
	// The SDK takes any document, even none, for a list without messages.
	if len(got.Messages) == 0 {
		body, err := runtime.Payload(raw)
		if err != nil || !bytes.Contains(body, []byte("<QueueMessagesList")) {
			return 0, scaler.BadAnswer(errors.New("the answer holds no list of messages"), "%s", s.doing)
		}
	}
	return len(got.Messages), nil
}
