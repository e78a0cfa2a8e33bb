package azure

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/sas"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
)

// queue is a queue of an Azurite.
type queue struct {
	t      testing.TB
	name   string
	client *azqueue.QueueClient
}

func newQueue(t testing.TB, s *azuriteserver.Server, name string) *queue {
	t.Helper()
	client, err := newQueueService(adminAccount(t, s, conn.AzureQueue))
	if err != nil {
		t.Fatal(err)
	}
	q := &queue{t: t, name: name, client: client.NewQueueClient(name)}
	if _, err := q.client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return q
}

// set makes the queue hold n messages.
func (q *queue) set(ctx context.Context, n float64) {
	q.t.Helper()
	if _, err := q.client.ClearMessages(ctx, nil); err != nil {
		q.t.Fatal(err)
	}
	q.send(ctx, int(n), 0)
}

// send adds messages that are delayed by seconds.
func (q *queue) send(ctx context.Context, n int, seconds int32) {
	q.t.Helper()
	for range n {
		if _, err := q.client.EnqueueMessage(ctx, "x", &azqueue.EnqueueMessageOptions{VisibilityTimeout: &seconds}); err != nil {
			q.t.Fatal(err)
		}
	}
}

// queuePolicy is a stored access policy that a SAS of the queue depends on.
const queuePolicy = "tests"

// allow and deny make and remove the policy.
func (q *queue) allow() {
	q.t.Helper()
	id, can := queuePolicy, "r"
	from, until := time.Now().Add(-time.Hour).UTC(), time.Now().Add(time.Hour).UTC()
	q.setPolicies(&azqueue.SignedIdentifier{ID: &id, AccessPolicy: &azqueue.AccessPolicy{Permission: &can, Start: &from, Expiry: &until}})
}

func (q *queue) deny() { q.t.Helper(); q.setPolicies() }

func (q *queue) setPolicies(p ...*azqueue.SignedIdentifier) {
	q.t.Helper()
	if _, err := q.client.SetAccessPolicy(context.Background(), &azqueue.SetAccessPolicyOptions{QueueACL: p}); err != nil {
		q.t.Fatal(err)
	}
}

// connection is a connection string with a SAS that depends on the policy.
func (q *queue) connection(address string) string {
	q.t.Helper()
	key, err := azqueue.NewSharedKeyCredential(azuriteserver.Account, azuriteserver.Key)
	if err != nil {
		q.t.Fatal(err)
	}
	query, err := sas.QueueSignatureValues{QueueName: q.name, Identifier: queuePolicy}.SignWithSharedKey(key)
	if err != nil {
		q.t.Fatal(err)
	}
	return fmt.Sprintf("QueueEndpoint=http://%s/%s;SharedAccessSignature=%s", address, azuriteserver.Account, query.Encode())
}

func queueTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{"queueName": "jobs"}, pairs...)
}

var names atomic.Int64

func TestQueueConformance(t *testing.T) {
	s := azuriteserver.Start(t)
	for _, strategy := range []string{queueAll, queueVisibleOnly} {
		t.Run(strategy, func(t *testing.T) {
			scalertest.Run(t, scalertest.Case{
				Kind: kind(t, "azure-queue"), Metadata: queueTrigger("queueLengthStrategy", strategy), Auth: connected("127.0.0.1:1"),
				Fixture: func(t *testing.T) scalertest.Fixture {
					proxy := scalertest.NewProxy(t, s.Queue)
					q := newQueue(t, s, fmt.Sprint("jobs-", names.Add(1)))
					return scalertest.Fixture{
						Metadata: map[string]string{"queueName": q.name}, Auth: connected(proxy.Addr), Proxy: proxy,
						Set: q.set, Values: []float64{0, 3, 60, 1, 0},
					}
				},
			})
		})
	}
}

// TestQueueConformanceSAS has a SAS for credentials, and its refusal.
func TestQueueConformanceSAS(t *testing.T) {
	s := azuriteserver.Start(t)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "azure-queue"), Metadata: queueTrigger(), Auth: connected("127.0.0.1:1"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, s.Queue)
			q := newQueue(t, s, fmt.Sprint("jobs-", names.Add(1)))
			q.allow()
			return scalertest.Fixture{
				Metadata: map[string]string{"queueName": q.name}, Auth: map[string]string{"connection": q.connection(proxy.Addr)}, Proxy: proxy,
				Set: q.set, Values: []float64{0, 3, 0}, Deny: q.deny, Allow: q.allow,
			}
		},
	})
}

// TestQueueFirstAPI passes the suite's declarations with the connection string
// from the container's environment.
func TestQueueFirstAPI(t *testing.T) {
	for name, tc := range map[string]struct{ metadata, env map[string]string }{
		"usual variable": {queueTrigger(), map[string]string{"AzureWebJobsStorage": exampleStorage}},
		"named variable": {queueTrigger("connection", "STORAGE"), map[string]string{"STORAGE": exampleStorage}},
	} {
		t.Run(name, func(t *testing.T) {
			scalertest.Run(t, scalertest.Case{Kind: kind(t, "azure-queue"), Metadata: tc.metadata, Env: tc.env, EnvNames: true})
		})
	}
}

func TestQueueVisibleOnly(t *testing.T) {
	s := azuriteserver.Start(t)
	for name, tc := range map[string]struct {
		visible, held, delayed int
		all, visibleOnly       float64
	}{
		"empty":               {0, 0, 0, 0, 0},
		"all held or delayed": {0, 2, 3, 5, 0},
		"some held":           {5, 2, 4, 11, 5},
		"the last exact":      {31, 0, 4, 35, 31},
		"more than is shown":  {32, 1, 4, 37, 37},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, s, fmt.Sprint("seen-", names.Add(1)))
			q.send(t.Context(), tc.held, 0)
			most, long := int32(32), int32(600)
			if _, err := q.client.DequeueMessages(t.Context(), &azqueue.DequeueMessagesOptions{NumberOfMessages: &most, VisibilityTimeout: &long}); err != nil {
				t.Fatal(err)
			}
			q.send(t.Context(), tc.delayed, long)
			q.send(t.Context(), tc.visible, 0)
			for strategy, want := range map[string]float64{"all": tc.all, "VisibleOnly": tc.visibleOnly} {
				src := open(t, "azure-queue", newEnv(), queueTrigger("queueName", q.name, "queueLengthStrategy", strategy), connected(s.Queue))
				if r, err := src.Measure(t.Context()); err != nil || r.Value != want {
					t.Errorf("%s: got %+v, %v; want %v", strategy, r, err, want)
				}
			}
		})
	}
}

func TestQueueRefused(t *testing.T) {
	s := azuriteserver.Start(t)
	q := newQueue(t, s, "gone")
	for _, strategy := range []string{queueAll, queueVisibleOnly} {
		t.Run(strategy, func(t *testing.T) {
			trigger := queueTrigger("queueName", q.name, "queueLengthStrategy", strategy)
			wrong := strings.Replace(azuriteserver.Connection(s.Queue, s.Blob), azuriteserver.Key, "d3Jvbmc=", 1)
			_, err := open(t, "azure-queue", newEnv(), trigger, map[string]string{"connection": wrong}).Measure(t.Context())
			refused(t, err, scaler.ReasonDenied, `"gone"`, "account key")
			missing := scalertest.With(trigger, "queueName", "never-made")
			_, err = open(t, "azure-queue", newEnv(), missing, connected(s.Queue)).Measure(t.Context())
			refused(t, err, scaler.ReasonMissing, `"never-made"`, "QueueNotFound")
		})
	}
	src := open(t, "azure-queue", newEnv(), queueTrigger("queueName", q.name), connected(s.Queue))
	if _, err := src.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := q.client.Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, err := src.Measure(t.Context())
	refused(t, err, scaler.ReasonMissing, `"gone"`)
	newQueue(t, s, "gone").send(t.Context(), 3, 0)
	if r, err := src.Measure(t.Context()); err != nil || r.Value != 3 {
		t.Errorf("after it came again: %+v, %v", r, err)
	}
}

func TestQueueAnswers(t *testing.T) {
	count := func(n string) map[string]string { return map[string]string{"x-ms-approximate-messages-count": n} }
	code := func(c string) map[string]string {
		return map[string]string{"x-ms-error-code": c, "Content-Type": "application/xml"}
	}
	const detail = `<?xml version="1.0"?><Error><AuthenticationErrorDetail>` + accountKey + `</AuthenticationErrorDetail></Error>`
	for name, tc := range map[string]struct {
		answer   answer
		reason   scaler.Reason
		mentions []string
	}{
		"no count":        {answer{200, nil, ""}, scaler.ReasonBadAnswer, []string{"number of messages"}},
		"no number":       {answer{200, count("many"), ""}, scaler.ReasonBadAnswer, nil},
		"negative":        {answer{200, count("-3"), ""}, scaler.ReasonBadAnswer, nil},
		"past the range":  {answer{200, count("99999999999"), ""}, scaler.ReasonBadAnswer, nil},
		"denied":          {answer{403, code("AuthenticationFailed"), detail}, scaler.ReasonDenied, []string{"AuthenticationFailed"}},
		"no permission":   {answer{403, code("AuthorizationPermissionMismatch"), detail}, scaler.ReasonDenied, []string{"role"}},
		"code in body":    {answer{403, nil, `<Error><Code>AuthorizationFailure</Code><Message>` + accountKey + `</Message></Error>`}, scaler.ReasonDenied, []string{"AuthorizationFailure"}},
		"missing":         {answer{404, code("QueueNotFound"), detail}, scaler.ReasonMissing, []string{`"jobs"`}},
		"busy":            {answer{503, code("ServerBusy"), detail}, scaler.ReasonUnreachable, []string{"ServerBusy"}},
		"internal":        {answer{500, code("InternalError"), detail}, scaler.ReasonUnreachable, nil},
		"some 502":        {answer{502, nil, accountKey}, scaler.ReasonUnreachable, []string{"502"}},
		"redirected":      {answer{302, map[string]string{"Location": "http://169.254.169.254/"}, ""}, scaler.ReasonBadAnswer, []string{"302"}},
		"newer code":      {answer{400, code("SomethingNew"), detail}, scaler.ReasonBadAnswer, []string{"SomethingNew"}},
		"not for queries": {answer{204, count("3"), ""}, scaler.ReasonBadAnswer, nil},
	} {
		t.Run(name, func(t *testing.T) {
			at := answering(t, func(string) answer { return tc.answer })
			src := open(t, "azure-queue", newEnv(), queueTrigger(), connected(at))
			r, err := src.Measure(t.Context())
			if r.Value != 0 {
				t.Errorf("got %+v", r)
			}
			refused(t, err, tc.reason, tc.mentions...)
			if pause := scaler.RetryAfterOf(err); (name == "busy") != (pause > 0) {
				t.Errorf("the pause asked for is %v", pause)
			}
		})
	}
}

func TestQueuePeekAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":  "",
		"html":     "<html>it works</html>",
		"text":     "it works",
		"cut off":  `<?xml version="1.0"?><QueueMessagesList><QueueMess`,
		"an error": `<Error><Code>x</Code></Error>`,
	} {
		t.Run(name, func(t *testing.T) {
			at := answering(t, func(string) answer { return answer{200, nil, body} })
			src := open(t, "azure-queue", newEnv(), queueTrigger("queueLengthStrategy", queueVisibleOnly), connected(at))
			_, err := src.Measure(t.Context())
			refused(t, err, scaler.ReasonBadAnswer, `"jobs"`)
		})
	}
}

// TestQueueCost checks the number of requests, and that the count is not
// lowered by an approximation that lags behind.
func TestQueueCost(t *testing.T) {
	var seen []string
	peeked := 0
	at := answering(t, func(request string) answer {
		if strings.Contains(request, "peekonly=true") {
			seen = append(seen, "peek")
			return answer{200, nil, "<QueueMessagesList>" + strings.Repeat("<QueueMessage/>", peeked) + "</QueueMessagesList>"}
		}
		seen = append(seen, "count")
		return answer{200, map[string]string{"x-ms-approximate-messages-count": "30"}, ""}
	})
	all := open(t, "azure-queue", newEnv(), queueTrigger(), connected(at))
	visible := open(t, "azure-queue", newEnv(), queueTrigger("queueLengthStrategy", queueVisibleOnly), connected(at))
	for _, step := range []struct {
		src    scaler.Source
		peeked int
		want   float64
	}{{all, 0, 30}, {visible, 31, 31}, {visible, 32, 32}} {
		peeked = step.peeked
		if r, err := step.src.Measure(t.Context()); err != nil || r.Value != step.want {
			t.Errorf("got %+v, %v; want %v", r, err, step.want)
		}
	}
	if diff := cmp.Diff([]string{"count", "peek", "peek", "count"}, seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestQueueProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata, auth map[string]string
		want           []string
	}{
		"right":          {queueTrigger(), connected("h"), nil},
		"nothing":        {nil, nil, []string{"error metadata.queueName"}},
		"no account":     {queueTrigger(), nil, []string{"error metadata.accountName"}},
		"identity":       {queueTrigger("accountName", "orders"), nil, nil},
		"old identity":   {queueTrigger("accountName", "orders", "useAAdPodIdentity", "true"), nil, []string{"warning metadata.useAAdPodIdentity"}},
		"odd account":    {queueTrigger("accountName", "evil.example/"), nil, []string{"error metadata.accountName"}},
		"odd name":       {queueTrigger("queueName", "a/../b?c"), connected("h"), []string{"error metadata.queueName"}},
		"double hyphen":  {queueTrigger("queueName", "a--b"), connected("h"), []string{"error metadata.queueName"}},
		"odd strategy":   {queueTrigger("queueLengthStrategy", "visible"), connected("h"), []string{"error metadata.queueLengthStrategy"}},
		"odd connection": {queueTrigger(), map[string]string{"connection": "AccountName=orders;" + accountKey}, []string{"error authenticationRef.connection"}},
		"private":        {queueTrigger("accountName", "orders", "cloud", "private"), nil, []string{"error metadata.endpointSuffix"}},
		"target of zero": {queueTrigger("queueLength", "0"), connected("h"), []string{"error metadata.queueLength"}},
	} {
		t.Run(name, func(t *testing.T) { problemsOf(t, "azure-queue", tc.metadata, tc.auth, tc.want) })
	}
}
