package kafka

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kedago/keda/pkg/scaler"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

// fleet opens n triggers, each with its own group and every second with its
// own topic of 10 partitions, of a cluster whose connections are counted.
func fleet(t testing.TB, n int, more ...kfake.Opt) (*kafkaserver.Fake, []scaler.Source, *atomic.Int64) {
	t.Helper()
	var most atomic.Int64
	topics := make([]string, n/2)
	for i := range topics {
		topics[i] = fmt.Sprint("fleet-", i)
	}
	f := kafkaserver.StartFake(t, append(more, kfake.SeedTopics(10, topics...), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		return &countingListener{Listener: l, most: &most}, err
	}))...)
	env := newEnv()
	sources := make([]scaler.Source, n)
	for i := range sources {
		sources[i] = open(t, env, trigger("bootstrapServers", strings.Join(f.Addresses, ","), "consumerGroup", fmt.Sprint("group-", i),
			"topic", topics[i/2], "offsetResetPolicy", "earliest"), nil)
	}
	return f, sources, &most
}

// countingListener notes the most connections that one broker has had at once.
type countingListener struct {
	net.Listener
	now  atomic.Int64
	most *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.most.Store(max(l.most.Load(), l.now.Add(1)))
	return &countedConn{Conn: c, l: l}, nil
}

type countedConn struct {
	net.Conn
	l      *countingListener
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.l.now.Add(-1)
	}
	return c.Conn.Close()
}

// TestCost checks what a poll of many triggers costs the brokers, and that
// watching them all costs one long poll per broker that names no partition.
func TestCost(t *testing.T) {
	const triggers, brokers = 100, 3
	f, sources, most := fleet(t, triggers)
	client := kafkaserver.NewClient(t, kgo.SeedBrokers(f.Addresses...))
	for i := range triggers / 2 {
		client.Produce(t, fmt.Sprint("fleet-", i), 3, 1)
	}
	client.Close()
	most.Store(0)
	f.Requests()
	poll := func() map[kmsg.Key]int {
		for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
			if r.Err != nil || r.Reading.Value != 1 {
				t.Fatalf("trigger %d: %+v", i, r)
			}
		}
		return f.Requests()
	}
	for _, s := range sources {
		if s.(scaler.Batcher).BatchKey() != sources[0].(scaler.Batcher).BatchKey() {
			t.Fatal("triggers on one cluster are not measured together")
		}
	}
	first := poll()
	if n := first[kmsg.FindCoordinator]; n != 1 {
		t.Errorf("the first poll looked for coordinators %d times", n)
	}
	want := map[kmsg.Key]int{kmsg.OffsetFetch: brokers, kmsg.ListOffsets: brokers}
	for range 3 {
		if diff := cmp.Diff(want, poll()); diff != "" {
			t.Errorf("a steady poll (-want +got):\n%s", diff)
		}
	}

	var named, tiny atomic.Int64
	f.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if req := r.(*kmsg.FetchRequest); req.SessionID != 0 && len(req.Topics) == 0 {
			tiny.Add(1)
		} else {
			named.Add(1)
		}
		return nil, nil, false
	})
	var recorders []*recorder
	for _, s := range sources {
		recorders = append(recorders, watch(t, s.(*source)))
	}
	for _, r := range recorders {
		r.await(t, scaler.Watching, 1)
	}
	before := named.Load()
	eventually(t, func() error {
		if n := tiny.Load(); n < 2*brokers {
			return fmt.Errorf("only %d fetches", n)
		}
		return nil
	})
	if after := named.Load(); after != before {
		t.Errorf("%d fetches named partitions while nothing happened", after-before)
	}
	if n := most.Load(); n == 0 || n > 4 {
		t.Errorf("%d connections to one broker", n)
	}
}

// TestMemory holds 3,000 topics of 10 partitions, which took others 35 GiB.
func TestMemory(t *testing.T) {
	const triggers = 6000
	_, sources, _ := fleet(t, triggers)
	used := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := used()
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if r.Err != nil {
			t.Fatalf("trigger %d: %v", i, r.Err)
		}
	}
	grown := used() - before
	t.Logf("%d triggers on %d topics keep %d KiB", triggers, triggers/2, grown>>10)
	if grown > 32<<20 {
		t.Errorf("%d triggers keep %d MiB", triggers, grown>>20)
	}
	runtime.KeepAlive(sources)
}
