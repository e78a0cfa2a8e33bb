package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// idleTimeout keeps connections open between polls; brokers close theirs
	// after 10 minutes.
	idleTimeout = 5 * time.Minute
	// maxAge is how long what is known of a topic is used without asking again.
	maxAge = 5 * time.Minute
	// requestRetries is how often a request whose connection failed is sent
	// again; the next poll is soon enough for more.
	requestRetries = 3
)

// connection is what all triggers with the same brokers and credentials
// share. The pool closes it.
type connection struct {
	client *kgo.Client
	now    func() time.Time
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	onEnd  func() // may be nil
	hub    *hub

	mu           sync.Mutex // guards what follows; never held over I/O
	topics       map[string]topicMeta
	starts       map[string]logStarts
	coordinators map[string]int32
	manyGroups   map[int32]bool // whether a broker takes many groups in one OffsetFetch
	nextBroker   int
	names        []string // all topics' names at namesAt; replaced, never changed
	namesAt      time.Time
	likes        map[string][]string // which of names a pattern matches
}

// poolKey names the connection of a trigger.
func (c *config) poolKey(env scaler.Env) (scaler.PoolKey, error) {
	credentials, err := c.auth.digest(env.Identity)
	if err != nil {
		return scaler.PoolKey{}, err
	}
	servers := slices.Sorted(slices.Values(c.servers))
	return scaler.PoolKey{
		Driver:      "kafka",
		Address:     strings.Join(servers, ",") + " " + conn.OptionsKey(env.HTTP),
		Credentials: credentials,
	}, nil
}

// maxAnswer is the largest answer read, in bytes: the offsets of a group of
// 100,000 partitions have a tenth of it.
const maxAnswer = 32 << 20

// connect prepares a connection. It does no I/O.
func connect(c *config, env scaler.Env) (*connection, error) {
	dialer, err := conn.TriggerDialer(&c.auth.tls, env.HTTP)
	if err != nil {
		return nil, err
	}
	mechanism, onEnd, err := c.auth.mechanism(env)
	if err != nil {
		return nil, err
	}
	// Newer versions of these requests name topics by identifier, which the
	// client would have to look up and keep for each.
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Fetch), 12)
	versions.SetMaxKeyVersion(int16(kmsg.OffsetFetch), 9)
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.servers...),
		kgo.ClientID("keda"),
		kgo.Dialer(dialer),
		kgo.MaxVersions(versions),
		kgo.DisableClientMetrics(),
		kgo.ConnIdleTimeout(idleTimeout),
		kgo.BrokerMaxReadBytes(maxAnswer),
		kgo.FetchMaxBytes(maxAnswer), // which may not be more; nothing is consumed by it
		kgo.FetchMaxBytes(maxAnswer), // the client insists, though our fetches have their own bound
		kgo.MetadataMaxAge(maxAge),
		kgo.RequestRetries(requestRetries),
		kgo.RetryTimeout(10 * time.Second),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(50*time.Millisecond<<min(tries, 4), 500*time.Millisecond) }),
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		if onEnd != nil {
			onEnd()
		}
		return nil, fmt.Errorf("preparing a Kafka client: %w", err)
	}
	k := &connection{
		client: client, now: env.Now, onEnd: onEnd,
		topics: map[string]topicMeta{}, starts: map[string]logStarts{},
		coordinators: map[string]int32{}, manyGroups: map[int32]bool{},
	}
	if k.now == nil {
		k.now = time.Now
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.hub = newHub(k)
	return k, nil
}

// Close implements io.Closer. The pool calls it in the background, when
// nobody uses the connection any more.
func (k *connection) Close() error {
	k.cancel()
	k.client.Close()
	if k.onEnd != nil {
		k.onEnd()
	}
	return nil
}

// broker returns a handle to one broker, which the client finds on first use.
func (k *connection) broker(node int32) *kgo.Broker { return k.client.Broker(int(node)) }

// anyBroker sends a request that every broker can answer. The client's own
// choice of a broker is not used for requests about topics, since it would
// keep their metadata.
func (k *connection) anyBroker(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	const tries = 3
	var err error
	for try := range tries {
		brokers := k.client.DiscoveredBrokers()
		if len(brokers) == 0 || try > 0 {
			if err = k.discover(ctx); err != nil {
				return nil, err
			}
			if brokers = k.client.DiscoveredBrokers(); len(brokers) == 0 {
				return nil, errNoBroker
			}
		}
		k.mu.Lock()
		k.nextBroker++
		b := brokers[k.nextBroker%len(brokers)]
		k.mu.Unlock()
		var resp kmsg.Response
		if resp, err = b.Request(ctx, req); err == nil {
			return resp, nil
		}
		if ctx.Err() != nil || scaler.ReasonOf(failed(err, "")) != scaler.ReasonUnreachable {
			break
		}
	}
	return nil, err
}

// discover asks for the brokers, not for any topic.
func (k *connection) discover(ctx context.Context) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // empty, where nil would mean all
	_, err := k.client.Request(ctx, req)
	return err
}

// each runs do for every key at once and waits for all.
func each[K comparable, V any](work map[K]V, do func(K, V)) {
	var wait sync.WaitGroup
	for key, v := range work {
		wait.Go(func() { do(key, v) })
	}
	wait.Wait()
}
