package azure

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

// checkpoints writes blobs of a container as consumers do.
type checkpoints struct {
	t      testing.TB
	client *blobService
}

func newCheckpoints(t testing.TB, s *azuriteserver.Server) *checkpoints {
	t.Helper()
	client, err := newBlobService(adminAccount(t, s, conn.AzureBlob))
	if err != nil {
		t.Fatal(err)
	}
	return &checkpoints{t, client}
}

// container makes a container.
func (c *checkpoints) container(name string) {
	c.t.Helper()
	if _, err := c.client.CreateContainer(c.t.Context(), name, nil); err != nil {
		c.t.Fatal(err)
	}
}

// put writes a blob, with metadata given by pairs of name and value.
func (c *checkpoints) put(container, name, body string, metadata ...string) {
	c.t.Helper()
	o := &uploadOptions{Metadata: map[string]*string{}}
	for i := 0; i < len(metadata); i += 2 {
		o.Metadata[metadata[i]] = &metadata[i+1]
	}
	client := c.client.NewContainerClient(container).NewBlockBlobClient(name)
	if _, err := client.Upload(c.t.Context(), nopCloser{bytes.NewReader([]byte(body))}, o); err != nil {
		c.t.Fatal(err)
	}
}

func hubAuth(amqp, blob, hub string) map[string]string {
	return map[string]string{"connection": eventhubserver.Connection(amqp, hub), "storageConnection": azuriteserver.Connection("127.0.0.1:1", blob)}
}

func eventhubTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{"consumerGroup": "billing", "checkpointStrategy": checkpointMetadata, "blobContainer": "checkpoints"}, pairs...)
}

// hubFixture is a hub with two partitions: one that was read up to event 99,
// and another without any event.
func hubFixture(t *testing.T, hubs *eventhubserver.Server, saved *checkpoints, amqp, blob string) scalertest.Fixture {
	t.Helper()
	hub := fmt.Sprint("payments-", names.Add(1))
	set := func(_ context.Context, n float64) {
		t.Helper()
		hubs.Hub(hub, eventhubserver.Partition{ID: "0", First: 50, Last: 99 + int64(n)}, eventhubserver.Partition{ID: "1", First: 0, Last: -1, Empty: true})
	}
	set(t.Context(), 0)
	read := func(group string, sequence int) {
		saved.put("checkpoints", fmt.Sprintf("127.0.0.1/%s/%s/checkpoint/0", hub, group), "", "sequencenumber", fmt.Sprint(sequence), "offset", "x")
	}
	read("billing", 99)
	saved.put("broken", fmt.Sprintf("127.0.0.1/%s/billing/checkpoint/0", hub), "", "sequencenumber", "many")
	return scalertest.Fixture{
		Auth: hubAuth(amqp, blob, hub), Set: set, Values: []float64{0, 3, 128, 1, 0},
		Siblings: []scalertest.Sibling{
			{Metadata: map[string]string{"consumerGroup": "audit"}, Set: func(context.Context, float64) { read("audit", 99-3) }},
			{Metadata: map[string]string{"consumerGroup": "Search"}, Set: func(context.Context, float64) { read("search", 99-4) }},
		},
		Bad: map[string]string{"blobContainer": "broken"},
	}
}

func TestEventhubConformance(t *testing.T) {
	hubs, storage := eventhubserver.Start(t), azuriteserver.Start(t)
	saved := newCheckpoints(t, storage)
	saved.container("checkpoints")
	saved.container("broken")
	c := scalertest.Case{Kind: kind(t, "azure-eventhub"), Metadata: eventhubTrigger(), Auth: hubAuth("127.0.0.1:1", "127.0.0.1:1", "payments")}
	c.Fixture = func(t *testing.T) scalertest.Fixture {
		proxy := scalertest.NewProxy(t, hubs.Addr)
		f := hubFixture(t, hubs, saved, proxy.Addr, storage.Blob)
		f.Proxy = proxy
		f.Deny, f.Allow = func() { hubs.Deny(true) }, func() { hubs.Deny(false) }
		return f
	}
	t.Run("hub", func(t *testing.T) { scalertest.Run(t, c) })
	c.Fixture = func(t *testing.T) scalertest.Fixture {
		proxy := scalertest.NewProxy(t, storage.Blob)
		f := hubFixture(t, hubs, saved, hubs.Addr, proxy.Addr)
		f.Proxy = proxy
		return f
	}
	t.Run("checkpoints", func(t *testing.T) { scalertest.Run(t, c) })
}

type uploadOptions = blockblob.UploadOptions

// nopCloser is a reader that needs no closing.
type nopCloser struct{ io.ReadSeeker }

// Close implements io.Closer.
func (nopCloser) Close() error { return nil }
