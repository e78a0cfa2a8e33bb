package azure

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

// busTriggers opens a trigger for each queue.
func busTriggers(t testing.TB, b *busFake, env scaler.Env, queues ...string) (out []scaler.Source) {
	t.Helper()
	for _, q := range queues {
		out = append(out, open(t, "azure-servicebus", env, map[string]string{"queueName": q}, busAuth(b.addr)))
	}
	return out
}

func measureBatch(t testing.TB, sources []scaler.Source) []scaler.Result {
	t.Helper()
	return sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources)
}

// manyQueues makes queues q000, q001 … with as many messages.
func manyQueues(b *busFake, n int) (names []string) {
	for i := range n {
		name := fmt.Sprintf("q%03d", i)
		b.queues[name] = i
		names = append(names, name)
	}
	return names
}

func TestServicebusBatch(t *testing.T) {
	const listing = "$Resources/Queues"
	for name, tc := range map[string]struct {
		queues int
		ask    []string
		want   []string // what is asked in the first round, and
		then   []string // in the second, the same where nil
	}{
		"one":                            {queues: 10, ask: []string{"q001"}, want: []string{"q001"}},
		"few":                            {queues: 10, ask: []string{"q001", "q002", "q003"}, want: []string{"q001", "q002", "q003"}},
		"the same twice":                 {queues: 10, ask: []string{"q001", "Q001", "q002", "q003"}, want: []string{"q001", "q002", "q003"}},
		"enough for a listing":           {queues: 10, ask: []string{"q001", "q002", "q003", "Q004"}, want: []string{listing}},
		"on the second page":             {queues: 150, ask: []string{"q001", "q002", "q003", "q149"}, want: []string{listing, listing + " from 100"}},
		"found before the last page":     {queues: 450, ask: []string{"q001", "q002", "q003", "q004"}, want: []string{listing}},
		"missing":                        {queues: 10, ask: []string{"q001", "q002", "q003", "q004", "gone"}, want: []string{listing, "gone"}},
		"too far on: not listed again":   {queues: 450, ask: []string{"q001", "q002", "q003", "q449"}, want: []string{listing, listing + " from 100", "q449"}, then: []string{"q001", "q002", "q003", "q449"}},
		"many: listed as far as it pays": {queues: 450, ask: []string{"q001", "q002", "q003", "q004", "q005", "q006", "q007", "q008", "q009", "q449"}, want: []string{listing, listing + " from 100", listing + " from 200", listing + " from 300", listing + " from 400"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBusFake(t)
			manyQueues(b, tc.queues)
			sources := busTriggers(t, b, b.newEnv(), tc.ask...)
			for round, want := range [][]string{tc.want, tc.then} {
				if want == nil {
					want = tc.want
				}
				for i, r := range measureBatch(t, sources) {
					n, there := find(b.queues, tc.ask[i])
					switch {
					case !there:
						refused(t, r.Err, scaler.ReasonMissing, tc.ask[i])
					case r.Err != nil || r.Reading.Value != float64(n):
						t.Errorf("round %d, %s: %+v; want %d", round, tc.ask[i], r, n)
					}
				}
				if diff := cmp.Diff(want, b.took()); diff != "" {
					t.Errorf("round %d (-want +got):\n%s", round, diff)
				}
			}
		})
	}
}

// TestServicebusHintExpires: a namespace that has shrunk is listed again.
func TestServicebusHintExpires(t *testing.T) {
	b := newBusFake(t)
	manyQueues(b, 450)
	now := time.Now()
	env := b.newEnv()
	env.Now = func() time.Time { return now }
	sources := busTriggers(t, b, env, "q001", "q002", "q003", "q449")
	measureBatch(t, sources)
	b.took()
	b.change(func(b *busFake) {
		for i := 10; i < 440; i++ {
			delete(b.queues, fmt.Sprintf("q%03d", i))
		}
	})
	for _, step := range []struct {
		after    time.Duration
		requests int
	}{{0, 4}, {busHintLife - time.Second, 4}, {time.Second, 1}, {time.Minute, 1}} {
		now = now.Add(step.after)
		for i, r := range measureBatch(t, sources) {
			if r.Err != nil {
				t.Errorf("trigger %d: %v", i, r.Err)
			}
		}
		if got := b.took(); len(got) != step.requests {
			t.Errorf("after %v: asked %v; want %d requests", step.after, got, step.requests)
		}
	}
}

// TestServicebusNarrowCredentials: those that are good for one queue alone
// still measure it, and the namespace is not asked in vain each time.
func TestServicebusNarrowCredentials(t *testing.T) {
	b := newBusFake(t)
	names := manyQueues(b, 5)
	b.only = "q001"
	sources := busTriggers(t, b, b.newEnv(), names...)
	for round, want := range []int{6, 5} {
		for i, r := range measureBatch(t, sources) {
			if i != 1 {
				refused(t, r.Err, scaler.ReasonDenied, names[i])
			} else if r.Err != nil || r.Reading.Value != 1 {
				t.Errorf("round %d: %+v", round, r)
			}
		}
		if got := b.took(); len(got) != want {
			t.Errorf("round %d: asked %v; want %d requests", round, got, want)
		}
	}
}

// TestServicebusBusy: a namespace that asks for patience is left alone.
func TestServicebusBusy(t *testing.T) {
	b := newBusFake(t)
	sources := busTriggers(t, b, b.newEnv(), manyQueues(b, 10)...)
	b.reply = func(string) *answer {
		return &answer{http.StatusTooManyRequests, map[string]string{"Retry-After": "7"}, ""}
	}
	for _, r := range measureBatch(t, sources) {
		refused(t, r.Err, scaler.ReasonUnreachable, "429")
		if pause := scaler.RetryAfterOf(r.Err); pause != 7*time.Second {
			t.Errorf("the pause is %v", pause)
		}
	}
	if got := b.took(); len(got) != 1 {
		t.Errorf("asked %v", got)
	}
}

// TestServicebusMixed: queues, patterns and subscriptions of one namespace in
// one round; what the patterns need answers the queues, too.
func TestServicebusMixed(t *testing.T) {
	b := newBusFake(t)
	b.queues = map[string]int{"jobs-1": 3, "jobs-2": 4, "jobs-22": 5, "JOBS-3": 9, "other": 100}
	b.topics = map[string]map[string]int{"orders": {"billing": 6, "audit": 8}, "quiet": {}}
	triggers := []struct {
		metadata map[string]string
		want     float64
		note     string
		reason   scaler.Reason
	}{
		{metadata: map[string]string{"queueName": "jobs-[0-9]", "useRegex": "true"}, want: 7},
		{metadata: map[string]string{"queueName": "jobs-[0-9]+", "useRegex": "true", "operation": "max"}, want: 5},
		{metadata: map[string]string{"queueName": "jobs-.*", "useRegex": "true", "operation": "avg"}, want: 4},
		{metadata: map[string]string{"queueName": "jobs-.|other", "useRegex": "true", "operation": "avg"}, want: 107.0 / 3},
		{metadata: map[string]string{"queueName": "(?i)jobs-.", "useRegex": "true"}, want: 16},
		{metadata: map[string]string{"queueName": "jobs", "useRegex": "true"}, note: "none of 5 names"},
		{metadata: map[string]string{"queueName": "other"}, want: 100},
		{metadata: map[string]string{"topicName": "orders", "subscriptionName": ".*i.*", "useRegex": "true"}, want: 14},
		{metadata: map[string]string{"topicName": "Orders", "subscriptionName": "Billing"}, want: 6},
		{metadata: map[string]string{"topicName": "quiet", "subscriptionName": ".*", "useRegex": "true"}, note: "none of 0 names"},
		{metadata: map[string]string{"topicName": "gone", "subscriptionName": ".*", "useRegex": "true"}, reason: scaler.ReasonMissing},
		{metadata: map[string]string{"topicName": "lost", "subscriptionName": "billing"}, reason: scaler.ReasonMissing},
	}
	var sources []scaler.Source
	for _, tr := range triggers {
		sources = append(sources, open(t, "azure-servicebus", b.newEnv(), tr.metadata, busAuth(b.addr)))
	}
	for i, r := range measureBatch(t, sources) {
		tr := triggers[i]
		if tr.reason != "" {
			refused(t, r.Err, tr.reason)
			continue
		}
		if r.Err != nil || r.Reading.Value != tr.want || !strings.Contains(r.Reading.Note, tr.note) || r.Reading.Empty != (tr.note != "") {
			t.Errorf("%v: %+v; want %v", tr.metadata, r, tr.want)
		}
	}
	want := []string{"$Resources/Queues", "gone", "gone/Subscriptions", "lost/Subscriptions/billing", "orders/Subscriptions", "quiet", "quiet/Subscriptions"}
	if diff := cmp.Diff(want, b.took()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestServicebusAnswers: whatever the service answers for a queue, for a
// subscription or as a listing, no number comes of what is none.
func TestServicebusAnswers(t *testing.T) {
	queue, subscription := busEntry("jobs", "QueueDescription", 5), busEntry("billing", "SubscriptionDescription", 5)
	feed := func(entries ...string) string {
		return `<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Queues</title>` + strings.Join(entries, "") + `</feed>`
	}
	less := func(entry, part string) string {
		start := strings.Index(entry, "<"+part)
		end := strings.Index(entry[start:], "</"+part) + start
		return entry[:start] + entry[end+strings.Index(entry[end:], ">")+1:]
	}
	emptied := func(entry string) string { return strings.Replace(entry, ">5</d2p1:Active", "></d2p1:Active", 1) }
	const named, of, matching = "queue", "subscription", "pattern"
	for name, tc := range map[string]struct {
		trigger  string
		answer   answer
		reason   scaler.Reason
		mentions string
	}{
		"queue, HTML":                    {named, answer{200, nil, "<html>secret</html>"}, scaler.ReasonBadAnswer, `"jobs"`},
		"queue, text":                    {named, answer{200, nil, "it works"}, scaler.ReasonBadAnswer, ""},
		"queue, cut off":                 {named, answer{200, nil, queue[:len(queue)/2]}, scaler.ReasonBadAnswer, ""},
		"queue, no content":              {named, answer{200, nil, less(queue, "content")}, scaler.ReasonBadAnswer, "lacks"},
		"queue, no numbers":              {named, answer{200, nil, less(queue, "CountDetails")}, scaler.ReasonBadAnswer, ""},
		"queue, no active number":        {named, answer{200, nil, less(queue, "d2p1:ActiveMessageCount")}, scaler.ReasonBadAnswer, "number of messages"},
		"queue, empty active number":     {named, answer{200, nil, emptied(queue)}, scaler.ReasonBadAnswer, "number of messages"},
		"queue, negative number":         {named, answer{200, nil, busEntry("jobs", "QueueDescription", -5)}, scaler.ReasonBadAnswer, "number of messages"},
		"queue, too large a number":      {named, answer{200, nil, strings.Replace(queue, ">5</d2p1:Active", ">99999999999</d2p1:Active", 1)}, scaler.ReasonBadAnswer, ""},
		"queue is a topic":               {named, answer{200, nil, busEntry("jobs", "TopicDescription", 5)}, scaler.ReasonMisconfigured, "is a topic"},
		"queue, 404":                     {named, answer{404, nil, "<Error><Code>404</Code><Detail>secret</Detail></Error>"}, scaler.ReasonMissing, `"jobs"`},
		"queue, 403":                     {named, answer{403, nil, ""}, scaler.ReasonDenied, "403"},
		"queue, 500":                     {named, answer{500, nil, "secret"}, scaler.ReasonUnreachable, "500"},
		"queue, redirected":              {named, answer{307, map[string]string{"Location": "https://169.254.169.254/"}, ""}, scaler.ReasonBadAnswer, ""},
		"subscription, no content":       {of, answer{200, nil, less(subscription, "content")}, scaler.ReasonBadAnswer, "lacks"},
		"subscription, no numbers":       {of, answer{200, nil, less(subscription, "CountDetails")}, scaler.ReasonBadAnswer, ""},
		"subscription, no active number": {of, answer{200, nil, less(subscription, "d2p1:ActiveMessageCount")}, scaler.ReasonBadAnswer, "lacks"},
		"subscription, empty number":     {of, answer{200, nil, emptied(subscription)}, scaler.ReasonBadAnswer, "number of messages"},
		"subscription, total missing":    {of, answer{200, nil, less(subscription, "MessageCount")}, scaler.ReasonBadAnswer, "lacks"},
		"listing, HTML":                  {matching, answer{200, nil, "<html>secret</html>"}, scaler.ReasonBadAnswer, ""},
		"listing, an entry":              {matching, answer{200, nil, queue}, scaler.ReasonBadAnswer, ""},
		"listing, one without a number":  {matching, answer{200, nil, feed(queue, less(queue, "d2p1:ActiveMessageCount"))}, scaler.ReasonBadAnswer, "number of messages"},
		"listing, one without content":   {matching, answer{200, nil, feed(less(queue, "content"), queue)}, scaler.ReasonBadAnswer, "lacks"},
		"listing, 401":                   {matching, answer{401, nil, "secret"}, scaler.ReasonDenied, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			metadata := map[string]map[string]string{
				named: {"queueName": "jobs"}, of: {"topicName": "orders", "subscriptionName": "billing"}, matching: {"queueName": "jobs", "useRegex": "true"},
			}[tc.trigger]
			b := newBusFake(t)
			b.reply = func(string) *answer { return &tc.answer }
			r, err := open(t, "azure-servicebus", b.newEnv(), metadata, busAuth(b.addr)).Measure(t.Context())
			refused(t, err, tc.reason, tc.mentions)
			if r.Value != 0 || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), eventhubserver.Key) {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

// TestServicebusShares checks that triggers share clients exactly when
// namespace and credentials are the same.
func TestServicebusShares(t *testing.T) {
	env := newEnv()
	var all []*servicebusSource
	for _, connection := range []string{
		exampleBus, exampleBus + ";EntityPath=jobs", strings.Replace(exampleBus, "dGhl", "b3Ro", 1), strings.Replace(exampleBus, "sb://orders", "sb://others", 1), strings.Replace(exampleBus, "=keda", "=other", 1),
	} {
		all = append(all, open(t, "azure-servicebus", env, map[string]string{"queueName": "jobs"}, map[string]string{"connection": connection}).(*servicebusSource))
	}
	for i := range all {
		for j := range i {
			want := i == 1 && j == 0
			if same := all[i].client == all[j].client; same != want || (all[i].BatchKey() == all[j].BatchKey()) != want {
				t.Errorf("triggers %d and %d share a client: %t, want %t", j, i, same, want)
			}
		}
	}
}
