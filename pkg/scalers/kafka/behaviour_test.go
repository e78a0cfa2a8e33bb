package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

// cluster is what behaviours are checked on, fake or real.
type cluster struct {
	address string
	client  *kafkaserver.Client
	env     scaler.Env
}

func newEnv() scaler.Env {
	return scaler.Env{Log: slog.New(slog.DiscardHandler), Pool: pool.New(), Now: time.Now, Namespace: "shop"}
}

var names atomic.Int64

// name makes a name that no other test uses.
func name(prefix string) string { return fmt.Sprintf("%s-%d", prefix, names.Add(1)) }

// open decodes and opens a trigger, which must be right.
func open(t testing.TB, env scaler.Env, metadata, auth map[string]string) *source {
	t.Helper()
	s, err := decoded(t, metadata, auth).Open(context.Background(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*source)
}

func decoded(t testing.TB, metadata, auth map[string]string) *config {
	t.Helper()
	c := &config{}
	if err := scaler.Decode(c, param.Values{Metadata: metadata, Auth: auth}).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) open(t testing.TB, group, topic string, more ...string) *source {
	t.Helper()
	return open(t, c.env, trigger(append([]string{"bootstrapServers", c.address, "consumerGroup", group, "topic", topic}, more...)...), nil)
}

func measure(s scaler.Source) (scaler.Reading, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return s.Measure(ctx)
}

// expect measures and compares value, activation value and note.
func expect(t *testing.T, s scaler.Source, value, activation float64, note string) {
	t.Helper()
	got, err := measure(s)
	if err != nil {
		t.Fatal(err)
	}
	want := scaler.Reading{Value: value, ActivationValue: &activation, Note: got.Note}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if note == "" && got.Note != "" || !strings.Contains(got.Note, note) {
		t.Errorf("note %q, want %q", got.Note, note)
	}
}

// refuse measures and expects an error.
func refuse(t *testing.T, s scaler.Source, reason scaler.Reason, mentions ...string) {
	t.Helper()
	got, err := measure(s)
	if err == nil || scaler.ReasonOf(err) != reason {
		t.Fatalf("got %+v, %v; want %s", got, err, reason)
	}
	for _, m := range mentions {
		if !strings.Contains(err.Error(), m) {
			t.Errorf("%q does not mention %q", err, m)
		}
	}
}

// behaviours hold on every cluster.
func behaviours(t *testing.T, c *cluster) {
	t.Run("lag of one topic", func(t *testing.T) { lagOfOneTopic(t, c) })
	t.Run("options", func(t *testing.T) { options(t, c) })
	t.Run("no committed offset", func(t *testing.T) { noCommittedOffset(t, c) })
	t.Run("offsets deleted", func(t *testing.T) { offsetsDeleted(t, c) })
	t.Run("retention", func(t *testing.T) { retention(t, c) })
	t.Run("topic made anew", func(t *testing.T) { topicMadeAnew(t, c) })
	t.Run("several topics", func(t *testing.T) { severalTopics(t, c) })
	t.Run("a pattern of topics", func(t *testing.T) { patternOfTopics(t, c) })
	t.Run("missing", func(t *testing.T) { missing(t, c) })
	t.Run("watch", func(t *testing.T) { watchBehaviours(t, c) })
}

func lagOfOneTopic(t *testing.T, c *cluster) {
	topic, group := name("topic"), name("group")
	c.client.CreateTopic(t, topic, 3)
	for p := range 3 {
		c.client.Commit(t, group, topic, p, 0)
	}
	s := c.open(t, group, topic, "lagThreshold", "5")
	expect(t, s, 0, 0, "")
	c.client.Produce(t, topic, 0, 4)
	c.client.Produce(t, topic, 2, 3)
	expect(t, s, 7, 7, "")
	c.client.Commit(t, group, topic, 0, 3)
	expect(t, s, 4, 4, "")
	c.client.Produce(t, topic, 1, 96)
	expect(t, s, 15, 100, "") // 3 partitions, 5 records each
	c.client.Commit(t, group, topic, 0, 4)
	c.client.Commit(t, group, topic, 1, 96)
	c.client.Commit(t, group, topic, 2, 3)
	expect(t, s, 0, 0, "")
}

func options(t *testing.T, c *cluster) {
	topic, group := name("topic"), name("group")
	c.client.CreateTopic(t, topic, 4)
	for p := range 4 {
		c.client.Commit(t, group, topic, p, 0)
	}
	c.client.Produce(t, topic, 1, 25)
	c.client.Produce(t, topic, 2, 1)
	for name, tc := range map[string]struct {
		more              []string
		value, activation float64
	}{
		"capped":               {nil, 26, 26},
		"idle consumers":       {[]string{"lagThreshold", "1", "allowIdleConsumers", "true"}, 26, 26},
		"no idle consumers":    {[]string{"lagThreshold", "1"}, 4, 26},
		"partitions with lag":  {[]string{"lagThreshold", "1", "limitToPartitionsWithLag", "true"}, 2, 26},
		"even":                 {[]string{"ensureEvenDistributionOfPartitions", "true"}, 40, 26},
		"one partition":        {[]string{"partitionLimitation", "2"}, 1, 1},
		"a range":              {[]string{"partitionLimitation", "0-1,3", "lagThreshold", "5"}, 15, 25},
		"more than there are":  {[]string{"partitionLimitation", "2-900"}, 1, 1},
		"persistent lag, once": {[]string{"excludePersistentLag", "true"}, 26, 26},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.open(t, group, topic, tc.more...), tc.value, tc.activation, "") })
	}
	t.Run("partitions that do not exist", func(t *testing.T) {
		refuse(t, c.open(t, group, topic, "partitionLimitation", "7"), scaler.ReasonMisconfigured, topic)
	})
	t.Run("persistent lag", func(t *testing.T) { persistentLag(t, c, group, topic) })
}

func persistentLag(t *testing.T, c *cluster, group, topic string) {
	now := time.Now()
	aside := *c
	aside.env = newEnv() // its own connection, with its own clock
	aside.env.Now = func() time.Time { return now }
	s := aside.open(t, group, topic, "excludePersistentLag", "true")
	expect(t, s, 26, 26, "")
	now = now.Add(time.Second)
	expect(t, s, 26, 26, "") // consumers have had no time to commit
	c.client.Commit(t, group, topic, 1, 5)
	now = now.Add(stuckAfter)
	expect(t, s, 20, 21, "1 of 4 partitions have persistent lag")
}

func noCommittedOffset(t *testing.T, c *cluster) {
	topic := name("topic")
	c.client.CreateTopic(t, topic, 2)
	c.client.Produce(t, topic, 0, 30)
	note := "2 of 2 partitions have no committed offset"
	expect(t, c.open(t, name("group"), topic), 2, 2, note)
	expect(t, c.open(t, name("group"), topic, "scaleToZeroOnInvalidOffset", "true"), 0, 0, note)
	expect(t, c.open(t, name("group"), topic, "offsetResetPolicy", "earliest", "lagThreshold", "20"), 30, 30, note)
	expect(t, c.open(t, name("group"), topic, "offsetResetPolicy", "earliest", "scaleToZeroOnInvalidOffset", "true"), 0, 0, note)
	group := name("group")
	c.client.Commit(t, group, topic, 0, 28)
	expect(t, c.open(t, group, topic), 3, 3, "1 of 2 partitions have no committed offset")
}

// offsetsDeleted checks a group whose offsets go, one first, then all, as a
// reset or their expiry takes them.
func offsetsDeleted(t *testing.T, c *cluster) {
	topic, group := name("topic"), name("group")
	c.client.CreateTopic(t, topic, 2)
	for p := range 2 {
		c.client.Produce(t, topic, p, 30)
		c.client.Commit(t, group, topic, p, 20)
	}
	latest, all := c.open(t, group, topic, "lagThreshold", "50"), c.open(t, group, "", "lagThreshold", "50")
	earliest := c.open(t, group, topic, "lagThreshold", "50", "offsetResetPolicy", "earliest")
	for _, s := range []*source{latest, all, earliest} {
		expect(t, s, 20, 20, "")
	}
	c.client.DeleteOffset(t, group, topic, 0)
	one := "1 of 2 partitions have no committed offset"
	expect(t, latest, 11, 11, one)
	expect(t, all, 11, 11, one)
	expect(t, earliest, 40, 40, one)
	c.client.DeleteGroup(t, group)
	both := "2 of 2 partitions have no committed offset"
	expect(t, latest, 2, 2, both)
	expect(t, earliest, 60, 60, both)
	refuse(t, all, scaler.ReasonMissing, group)
	c.client.Commit(t, group, topic, 0, 30)
	c.client.Commit(t, group, topic, 1, 30)
	for _, s := range []*source{latest, all, earliest} {
		expect(t, s, 0, 0, "")
	}
}

func retention(t *testing.T, c *cluster) {
	topic, group := name("topic"), name("group")
	c.client.CreateTopic(t, topic, 1)
	c.client.Produce(t, topic, 0, 20)
	c.client.Commit(t, group, topic, 0, 2)
	c.client.DeleteRecords(t, topic, 0, 15)
	expect(t, c.open(t, group, topic), 5, 5, "older than their oldest record")
	expect(t, c.open(t, name("group"), topic, "offsetResetPolicy", "earliest"), 5, 5, "no committed offset")
}

// topicMadeAnew checks offsets that the log does not have, as an offset reset
// too far leaves them too.
func topicMadeAnew(t *testing.T, c *cluster) {
	topic, group := name("topic"), name("group")
	c.client.CreateTopic(t, topic, 1)
	c.client.Produce(t, topic, 0, 3)
	c.client.Commit(t, group, topic, 0, 900)
	note := "beyond their end"
	expect(t, c.open(t, group, topic), 1, 1, note)
	expect(t, c.open(t, group, topic, "offsetResetPolicy", "earliest"), 3, 3, note)
	expect(t, c.open(t, group, topic, "scaleToZeroOnInvalidOffset", "true"), 0, 0, note)
}

func severalTopics(t *testing.T, c *cluster) {
	a, b, other, group := name("topic"), name("topic"), name("topic"), name("group")
	for _, topic := range []string{a, b, other} {
		c.client.CreateTopic(t, topic, 2)
		c.client.Produce(t, topic, 1, 50)
	}
	for p := range 2 {
		c.client.Commit(t, group, a, p, 0)
		c.client.Commit(t, group, b, p, 0)
	}
	expect(t, c.open(t, group, a+","+b, "lagThreshold", "30"), 100, 100, "")
	expect(t, c.open(t, group, a+", "+b, "lagThreshold", "20"), 80, 100, "") // 4 partitions in all
	all := c.open(t, group, "", "lagThreshold", "30")
	expect(t, all, 100, 100, "")
	c.client.Commit(t, group, other, 0, 0)
	expect(t, all, 101, 101, "1 of 6 partitions have no committed offset")
}

// patternOfTopics checks that all of a name must match, that topics without a
// committed offset count too, and topics that come and go.
func patternOfTopics(t *testing.T, c *cluster) {
	prefix, group := name("pattern"), name("group")
	now := time.Now()
	aside := *c
	aside.env = newEnv() // its own connection, with its own clock
	aside.env.Now = func() time.Time { return now }
	s := aside.open(t, group, "", "topicRegex", prefix+`\.(a|b|new)`, "lagThreshold", "30")
	refuse(t, s, scaler.ReasonMissing, "topicRegex")
	add := func(topic string, records int, committed bool) {
		c.client.CreateTopic(t, prefix+topic, 1)
		c.client.Produce(t, prefix+topic, 0, records)
		if committed {
			c.client.Commit(t, group, prefix+topic, 0, 0)
		}
	}
	add(".a", 10, true)
	add(".a.dead", 10, true)
	add("-a", 10, true)
	add(".b", 10, false)
	now = now.Add(namesAge)
	note := "1 of 2 partitions have no committed offset"
	expect(t, s, 11, 11, note)
	add(".new", 10, true)
	expect(t, s, 11, 11, note) // not listed yet
	now = now.Add(namesAge)
	expect(t, s, 21, 21, "1 of 3 partitions")
	c.client.DeleteTopic(t, prefix+".a")
	eventually(t, func() error { // a deletion is not done at once, and not known before the brokers are asked
		got, err := measure(s)
		if err == nil && got.Value != 11 {
			err = fmt.Errorf("measured %v after a topic was deleted", got.Value)
		}
		return err
	})
	all := aside.open(t, group, "", "lagThreshold", "30")
	eventually(t, func() error { _, err := measure(all); return err }) // until the group has forgotten the topic
	both := s.MeasureAll(t.Context(), []scaler.Source{s, all})         // together with a trigger on all topics of the group
	for i, want := range []float64{11, 30} {
		if both[i].Err != nil || both[i].Reading.Value != want {
			t.Errorf("trigger %d: %+v, want %v", i, both[i], want)
		}
	}
	r := watch(t, s)
	r.await(t, scaler.Watching, 1)
	c.client.Produce(t, prefix+".b", 0, 1)
	r.await(t, scaler.Arrived, 1)
}

func missing(t *testing.T, c *cluster) {
	topic, group := name("topic"), name("group")
	s := c.open(t, group, topic)
	refuse(t, s, scaler.ReasonMissing, topic)
	refuse(t, s, scaler.ReasonMissing, topic) // looking does not create it
	refuse(t, c.open(t, name("group"), ""), scaler.ReasonMissing, "committed no offset")

	c.client.CreateTopic(t, topic, 1)
	c.client.Commit(t, group, topic, 0, 0)
	eventually(t, func() error { _, err := measure(s); return err })
	c.client.DeleteTopic(t, topic)
	eventually(t, func() error {
		if _, err := measure(s); err == nil || scaler.ReasonOf(err) != scaler.ReasonMissing {
			return fmt.Errorf("a topic that is gone gives %w", err)
		}
		return nil
	})
}

// eventually tries until it works, since clusters tell their brokers of
// changes with some delay.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	if err := soon(try); err != nil {
		t.Fatal(err)
	}
}

// soon tries until it works, for up to 20 seconds.
func soon(try func() error) (err error) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = try(); err == nil {
			return nil
		}
	}
	return err
}
