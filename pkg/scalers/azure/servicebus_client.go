package azure

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// busPage is how many entities one request lists, the most that the service
	// gives.
	busPage = 100
	// busScope is what the vendor's client asks tokens for.
	busScope = "https://servicebus.azure.net//.default"
	// busHintLife is how long it is remembered that listing did not pay.
	busHintLife = 10 * time.Minute
)

// servicebusClient asks one namespace about its queues and subscriptions, for
// all triggers with the same credentials. It is safe for use by several goroutines.
type servicebusClient struct {
	api  *admin.Client
	host string
	bus  *bus
	now  func() time.Time

	mu    sync.Mutex         // guards hints
	hints map[string]busHint // by topic; empty for the namespace's queues
}

// busHint says that a listing does not pay for fewer than so many entities.
type busHint struct {
	fewerThan int
	until     time.Time
}

func newServicebusClient(b *bus, o *admin.ClientOptions, now func() time.Time) (c *servicebusClient, err error) {
	c = &servicebusClient{host: b.host, bus: b, now: now, hints: map[string]busHint{}}
	if b.token != nil {
		c.api, err = admin.NewClient(b.host, b.token, o)
		return c, err
	}
	if c.api, err = admin.NewClientFromConnectionString(b.reveal(), o); err != nil {
		return nil, errors.New("the connection string can't be used") // the SDK's error may repeat it
	}
	return c, nil
}

// pays says whether listing may be cheaper than asking for n entities.
func (c *servicebusClient) pays(topic string, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hints[topic]
	return n >= busListFrom && (n >= h.fewerThan || !c.now().Before(h.until))
}

// avoid remembers that listing did not pay for fewer than n entities.
func (c *servicebusClient) avoid(topic string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hints[topic] = busHint{fewerThan: n, until: c.now().Add(busHintLife)}
}

// busEntity is a queue or subscription and the number of its active messages.
type busEntity struct {
	name   string
	active float64
}

var (
	// errNoSuchEntity is the absence of what was asked for.
	errNoSuchEntity = errors.New("there is no such entity")
	// errIsTopic is another kind of entity with the name of the queue asked for.
	errIsTopic = errors.New("it is a topic; expected a queue, or topicName and subscriptionName")
)

// ready gets a token while the deadline is known. The SDK asks for one without
// any, and finds this.
func (c *servicebusClient) ready(ctx context.Context) error {
	if c.bus.token == nil {
		return nil
	}
	_, err := c.bus.token.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{busScope}})
	return err
}

// one asks for one queue, or for one subscription of a topic.
func (c *servicebusClient) one(ctx context.Context, topic, name string) (e busEntity, err error) {
	ctx, seen := capture(ctx)
	err = guarded(func() error {
		if topic == "" {
			got, err := c.api.GetQueueRuntimeProperties(ctx, name, nil)
			if err != nil || got == nil {
				return missingUnless(err)
			}
			e = busEntity{name, float64(got.ActiveMessageCount)}
			return nil
		}
		got, err := c.api.GetSubscriptionRuntimeProperties(ctx, topic, name, nil)
		if err != nil || got == nil {
			return missingUnless(err)
		}
		e = busEntity{name, float64(got.ActiveMessageCount)}
		return nil
	})
	if err != nil && seen.topic() {
		return e, errIsTopic
	}
	return e, seen.checked(err, 1)
}

func missingUnless(err error) error {
	if err != nil {
		return err
	}
	return errNoSuchEntity
}

// pages lists the queues of the namespace, or a topic's subscriptions, page by
// page until yield says that it has seen enough.
func (c *servicebusClient) pages(ctx context.Context, topic string, yield func([]busEntity) bool) error {
	next := c.pager(topic)
	empty := true
	for {
		pageCtx, seen := capture(ctx)
		var page []busEntity
		var more bool
		err := guarded(func() (err error) {
			page, more, err = next(pageCtx)
			return err
		})
		if err := seen.checked(err, len(page)); err != nil {
			return err
		}
		empty = empty && len(page) == 0
		if !yield(page) || !more {
			break
		}
	}
	if empty && topic != "" {
		return c.topicExists(ctx, topic) // a topic that is missing has no subscriptions, either
	}
	return nil
}

// pager returns what fetches the next page.
func (c *servicebusClient) pager(topic string) func(context.Context) (page []busEntity, more bool, err error) {
	if topic == "" {
		p := c.api.NewListQueuesRuntimePropertiesPager(&admin.ListQueuesRuntimePropertiesOptions{MaxPageSize: busPage})
		return func(ctx context.Context) (page []busEntity, more bool, err error) {
			got, err := p.NextPage(ctx)
			for _, q := range got.QueueRuntimeProperties {
				page = append(page, busEntity{q.QueueName, float64(q.ActiveMessageCount)})
			}
			return page, p.More(), err
		}
	}
	p := c.api.NewListSubscriptionsRuntimePropertiesPager(topic, &admin.ListSubscriptionsRuntimePropertiesOptions{MaxPageSize: busPage})
	return func(ctx context.Context) (page []busEntity, more bool, err error) {
		got, err := p.NextPage(ctx)
		for _, s := range got.SubscriptionRuntimeProperties {
			page = append(page, busEntity{s.SubscriptionName, float64(s.ActiveMessageCount)})
		}
		return page, p.More(), err
	}
}

func (c *servicebusClient) topicExists(ctx context.Context, topic string) error {
	return guarded(func() error {
		got, err := c.api.GetTopicRuntimeProperties(ctx, topic, nil)
		if err != nil || got == nil {
			return missingUnless(err)
		}
		return nil
	})
}

// busDocumentError is an answer that is not what was asked for.
type busDocumentError struct{ text string }

// Error implements error.
func (e *busDocumentError) Error() string { return e.text }

// guarded runs a call of the SDK, which panics on documents that lack parts.
func guarded(call func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = &busDocumentError{"the answer lacks parts of a description"}
		}
	}()
	return call()
}

// seenAnswer is the answer to one call of the SDK.
type seenAnswer struct{ raw *http.Response }

func capture(ctx context.Context) (context.Context, *seenAnswer) {
	s := &seenAnswer{}
	return policy.WithCaptureResponse(ctx, &s.raw), s
}

// topic says whether the answer describes a topic.
func (s *seenAnswer) topic() bool {
	if s.raw == nil {
		return false
	}
	body, err := runtime.Payload(s.raw)
	return err == nil && bytes.Contains(body, []byte("<TopicDescription"))
}

// activeNumber is the number of active messages in a description.
var activeNumber = regexp.MustCompile(`ActiveMessageCount[^<>]*>\s*[0-9]`)

// checked returns err, the outcome of a call about n entities, or what the SDK
// overlooks in the answer: it takes a redirect for a success, any text for the
// end of one, and a number that is missing or empty for 0.
func (s *seenAnswer) checked(err error, n int) error {
	if s.raw == nil || errors.Is(err, errNoSuchEntity) {
		return err
	}
	if status := s.raw.StatusCode; status < 200 || status >= 300 {
		return runtime.NewResponseError(s.raw)
	}
	if errors.Is(err, io.EOF) {
		return &busDocumentError{"the answer is no document of Service Bus"}
	}
	if err != nil {
		return err
	}
	body, err := runtime.Payload(s.raw)
	if err != nil {
		return err
	}
	if len(activeNumber.FindAllIndex(body, n)) < n {
		return &busDocumentError{"the answer lacks a number of messages"}
	}
	return nil
}

// busError classifies an error of a call.
func busError(err error, doing string) error {
	var document *busDocumentError
	switch {
	case errors.Is(err, errNoSuchEntity):
		return scaler.Missing(errNoSuchEntity, "%s", doing)
	case errors.Is(err, errIsTopic):
		return scaler.Misconfigured(errIsTopic, "%s", doing)
	case errors.As(err, &document):
		return scaler.BadAnswer(document, "%s", doing)
	}
	return conn.AzureError(err, doing)
}

// sameName is equal for names of the same entity: letter case does not matter.
func sameName(name string) string { return strings.ToLower(name) }
