package azure

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

const benchTriggers = 100

// BenchmarkTriggers polls 100 triggers of each type on one account, namespace
// or hub.
func BenchmarkTriggers(b *testing.B) {
	b.Run("azure-queue", benchQueue)
	b.Run("azure-blob", benchBlob)
	for _, subscriptions := range []bool{false, true} {
		b.Run(map[bool]string{false: "azure-servicebus queues", true: "azure-servicebus subscriptions"}[subscriptions], func(b *testing.B) { benchServicebus(b, subscriptions) })
	}
	for _, strategy := range []string{checkpointMetadata, checkpointDapr} {
		b.Run("azure-eventhub "+strategy, func(b *testing.B) { benchEventhub(b, strategy) })
	}
}

// benchQueue is about storage queues.
func benchQueue(b *testing.B) {
	s := azuriteserver.Start(b)
	env := newEnv()
	scalertest.BenchTriggers(b, s.Queue, func(addr string, i int) scaler.Source {
		q := newQueue(b, s, fmt.Sprint("bench-", i))
		return open(b, "azure-queue", env, queueTrigger("queueName", q.name), connected(addr))
	})
}

// benchBlob is about folders of one container.
func benchBlob(b *testing.B) {
	s := azuriteserver.Start(b)
	env := newEnv()
	held := newBlobs(b, s, "incoming")
	scalertest.BenchTriggers(b, s.Blob, func(addr string, i int) scaler.Source {
		folder := fmt.Sprint("folder-", i)
		held.put(b.Context(), folder+"/1", folder+"/2")
		return open(b, "azure-blob", env, blobTrigger("blobPrefix", folder), connected(addr))
	})
}

// benchServicebus is about queues of a namespace, or about subscriptions of
// ten topics.
func benchServicebus(b *testing.B, subscriptions bool) {
	bus := newBusFake(b)
	count, env := scalertest.NewCounter(b, bus.addr), bus.newEnv()
	sources := make([]scaler.Source, benchTriggers)
	for i := range sources {
		name := fmt.Sprintf("bench-%02d", i)
		metadata := map[string]string{"queueName": name}
		if subscriptions {
			topic := fmt.Sprint("topic-", i/10)
			metadata = map[string]string{"topicName": topic, "subscriptionName": name}
			if bus.topics[topic] == nil {
				bus.topics[topic] = map[string]int{}
			}
			bus.topics[topic][name] = 3
		} else {
			bus.queues[name] = 3
		}
		sources[i] = open(b, "azure-servicebus", env, metadata, busAuth(count.Addr))
	}
	asked := 0
	scalertest.Bench(b, sources, func() int64 {
		asked += len(bus.took())
		return int64(asked)
	})
}

// benchEventhub is about consumer groups of one hub with four partitions. It
// counts the questions to the hub and the requests to the storage account with
// the checkpoints.
func benchEventhub(b *testing.B, strategy string) {
	hubs, storage := eventhubserver.Start(b), azuriteserver.Start(b)
	count, env := scalertest.NewCounter(b, storage.Blob), newEnv()
	saved := newCheckpoints(b, storage)
	saved.container("checkpoints")
	partitions := make([]eventhubserver.Partition, 4)
	for p := range partitions {
		partitions[p] = eventhubserver.Partition{ID: fmt.Sprint(p), Last: 99}
	}
	hubs.Hub("payments", partitions...)
	sources := make([]scaler.Source, benchTriggers)
	for i := range sources {
		group := fmt.Sprint("group-", i)
		for p := range partitions {
			place := checkpointPlaces(strategy, "checkpoints", "127.0.0.1", "payments", group)[0]
			saved.put("checkpoints", place.prefix+fmt.Sprint(p), `{"sequence_number": 90}`, "sequencenumber", "90")
		}
		sources[i] = open(b, "azure-eventhub", env, eventhubTrigger("consumerGroup", group, "checkpointStrategy", strategy), hubAuth(hubs.Addr, count.Addr, "payments"))
	}
	scalertest.Bench(b, sources, func() int64 {
		seen := hubs.Seen()
		return count.Asked() + int64(seen.Hubs+seen.Partitions)
	})
}
