package azure

import (
	"fmt"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

// TestEventhubFirstAPI passes the suite's declarations with both connection
// strings from the container's environment.
func TestEventhubFirstAPI(t *testing.T) {
	for name, tc := range map[string]struct{ metadata, env map[string]string }{
		"usual variables": {map[string]string{}, map[string]string{"EventHub": exampleHub, "AzureWebJobsStorage": exampleStorage}},
		"named variables": {map[string]string{"connection": "HUB", "storageConnection": "STORAGE", "blobContainer": "hosts"}, map[string]string{"HUB": exampleHub, "STORAGE": exampleStorage}},
	} {
		t.Run(name, func(t *testing.T) {
			scalertest.Run(t, scalertest.Case{Kind: kind(t, "azure-eventhub"), Metadata: tc.metadata, Env: tc.env, EnvNames: true})
		})
	}
}

func TestEventhubProblems(t *testing.T) {
	connected := map[string]string{"connection": exampleHub, "storageConnection": exampleStorage}
	namespace := map[string]string{"connection": exampleBus, "storageConnection": exampleStorage}
	const identity = "eventHubNamespace"
	for name, tc := range map[string]struct {
		pairs []string
		auth  map[string]string
		want  []string
	}{
		"connection strings":      {nil, connected, nil},
		"hub by name":             {[]string{"eventHubName", "payments"}, namespace, nil},
		"hub named twice":         {[]string{"eventHubName", "payments"}, connected, nil},
		"hub named differently":   {[]string{"eventHubName", "others"}, connected, []string{"warning metadata.eventHubName"}},
		"identity":                {[]string{identity, "orders", "eventHubName", "payments", "storageAccountName", "orders"}, nil, nil},
		"identity and connection": {[]string{identity, "orders", "eventHubName", "payments"}, map[string]string{"storageConnection": exampleStorage}, nil},
		"private": {[]string{
			identity, "orders", "eventHubName", "payments", "storageAccountName", "orders",
			"cloud", "Private", "endpointSuffix", "servicebus.airgap.example", "storageEndpointSuffix", "airgap.example",
		}, nil, nil},
		"private without suffixes": {
			[]string{identity, "orders", "eventHubName", "payments", "storageAccountName", "orders", "cloud", "Private"}, nil,
			[]string{"error metadata.endpointSuffix", "error metadata.storageEndpointSuffix"},
		},
		"nothing":                {nil, nil, []string{"error metadata.eventHubNamespace", "error metadata.eventHubName", "error metadata.storageAccountName"}},
		"no hub":                 {nil, namespace, []string{"error metadata.eventHubName"}},
		"no hub for identity":    {[]string{identity, "orders", "storageAccountName", "orders"}, nil, []string{"error metadata.eventHubName"}},
		"odd hub":                {[]string{"eventHubName", "a/../b"}, namespace, []string{"error metadata.eventHubName"}},
		"odd namespace":          {[]string{identity, "evil.example/", "eventHubName", "payments"}, connected, []string{"error metadata.eventHubNamespace"}},
		"odd account":            {[]string{"storageAccountName", "evil.example"}, connected, []string{"error metadata.storageAccountName"}},
		"odd connection":         {nil, map[string]string{"connection": "Endpoint=sb://orders/;SharedAccessKey=" + accountKey, "storageConnection": exampleStorage}, []string{"error authenticationRef.connection", "error metadata.eventHubName"}},
		"odd storage connection": {nil, map[string]string{"connection": exampleHub, "storageConnection": accountKey}, []string{"error authenticationRef.storageConnection"}},
		"odd container":          {[]string{"blobContainer", "A/B"}, connected, []string{"error metadata.blobContainer"}},
		"no container":           {[]string{"blobContainer", ""}, connected, []string{"error metadata.blobContainer"}},
		"function's container":   {[]string{"checkpointStrategy", checkpointFunction}, connected, []string{"warning metadata.blobContainer"}},
		"strategy of no kind":    {[]string{"checkpointStrategy", "blob"}, connected, []string{"error metadata.checkpointStrategy"}},
		"another case":           {[]string{"checkpointStrategy", "BlobMetadata"}, connected, nil},
		"zero threshold":         {[]string{"unprocessedEventThreshold", "0"}, connected, []string{"error metadata.unprocessedEventThreshold"}},
		"negative staleness":     {[]string{"stalePartitionInfoThreshold", "-1"}, connected, []string{"error metadata.stalePartitionInfoThreshold"}},
		"retired parameter":      {[]string{"eventHubResourceURL", "https://eventhubs.airgap.example/"}, connected, []string{"warning metadata.eventHubResourceURL"}},
	} {
		t.Run(name, func(t *testing.T) { problemsOf(t, "azure-eventhub", eventhubTrigger(tc.pairs...), tc.auth, tc.want) })
	}
}

// TestEventhubPending: what is not known yet is not missing.
func TestEventhubPending(t *testing.T) {
	for name, v := range map[string]param.Values{
		"authentication": {Metadata: eventhubTrigger(), AuthPending: map[string]bool{"connection": true, "storageConnection": true}},
		"environment": {
			Metadata:   eventhubTrigger("connectionFromEnv", "HUB", "storageConnectionFromEnv", "STORAGE"),
			EnvPending: true,
		},
		"hub's name": {
			Metadata: eventhubTrigger("eventHubNameFromEnv", "NAME"), Auth: map[string]string{"connection": exampleBus, "storageConnection": exampleStorage},
			EnvPending: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if ps := scaler.Decode(&eventhubConfig{}, v); len(ps) > 0 {
				t.Errorf("problems: %v", ps)
			}
		})
	}
}

func TestEventhubWhoAsks(t *testing.T) {
	workload := scaler.Identity{Provider: conn.AzureWorkload}
	auth := func(hub, storage string) map[string]string {
		return map[string]string{"connection": hub, "storageConnection": storage}
	}
	identity := []string{"eventHubNamespace", "orders", "eventHubName", "payments"}
	for name, tc := range map[string]struct {
		identity      scaler.Identity
		pairs         []string
		auth          map[string]string
		host, storage string // empty when it is refused
		token         bool
		mentions      string
	}{
		"connection strings":       {auth: auth(exampleHub, exampleStorage), host: "orders.servicebus.windows.net", storage: "orders.blob.core.windows.net"},
		"identity":                 {identity: workload, pairs: append(identity, "storageAccountName", "shop"), host: "orders.servicebus.windows.net", storage: "shop.blob.core.windows.net", token: true},
		"identity of a cloud":      {identity: workload, pairs: append(identity, "storageAccountName", "shop", "cloud", "AzureChinaCloud"), host: "orders.servicebus.chinacloudapi.cn", storage: "shop.blob.core.chinacloudapi.cn", token: true},
		"identity, storage's key":  {identity: workload, pairs: append(identity, "storageAccountName", "shop"), auth: auth("", exampleStorage), host: "orders.servicebus.windows.net", storage: "orders.blob.core.windows.net", token: true},
		"none":                     {identity: scaler.Identity{Provider: "none"}, auth: auth(exampleHub, exampleStorage), host: "orders.servicebus.windows.net", storage: "orders.blob.core.windows.net"},
		"nobody":                   {pairs: append(identity, "storageAccountName", "shop"), mentions: "connectionFromEnv"},
		"nobody for the storage":   {pairs: []string{"storageAccountName", "shop"}, auth: auth(exampleHub, ""), mentions: "storageConnectionFromEnv"},
		"no account":               {identity: workload, pairs: identity, mentions: "storageAccountName"},
		"no namespace":             {identity: workload, pairs: []string{"eventHubName", "payments", "storageAccountName", "shop"}, mentions: "eventHubNamespace"},
		"another cloud's identity": {identity: scaler.Identity{Provider: "gcp"}, pairs: append(identity, "storageAccountName", "shop"), mentions: conn.AzureWorkload},
		"no hub":                   {auth: auth(exampleBus, exampleStorage), mentions: "eventHubName"},
		"to a private cloud":       {identity: workload, pairs: append(identity, "cloud", "Private", "endpointSuffix", "evil.example", "storageEndpointSuffix", "evil.example", "storageAccountName", "shop"), mentions: "endpointSuffix"},
	} {
		t.Run(name, func(t *testing.T) {
			operatorIdentity(t)
			c := &eventhubConfig{}
			_ = scaler.Decode(c, param.Values{Metadata: eventhubTrigger(tc.pairs...), Auth: tc.auth}) // what is wrong is found when opening, too
			pool := &scalertest.Pool{}
			src, err := c.Open(t.Context(), scaler.Env{Pool: pool, Identity: tc.identity, Now: time.Now})
			if tc.host == "" {
				refused(t, err, scaler.ReasonMisconfigured, tc.mentions)
			} else {
				if err != nil {
					t.Fatal(err)
				}
				s := src.(*eventhubSource)
				if s.Host() != tc.host || s.checkpoints.Host() != tc.storage || (s.hub.bus.token != nil) != tc.token || s.hub.tls == nil {
					t.Errorf("got %s and %s, a token %t; want %s and %s, %t", s.Host(), s.checkpoints.Host(), s.hub.bus.token != nil, tc.host, tc.storage, tc.token)
				}
				_ = src.Close()
			}
			if held := pool.Held(); held != 0 {
				t.Errorf("%d leases are held", held)
			}
		})
	}
}

// TestEventhubShares checks that triggers share connections exactly when hub
// and credentials are the same.
func TestEventhubShares(t *testing.T) {
	env := newEnv()
	var all []*eventhubSource
	for _, connection := range []string{
		exampleHub, "SharedAccessKey=dGhlLWtleQ== ; endpoint=sb://orders.servicebus.windows.net;SharedAccessKeyName=keda;EntityPath=payments\n",
		exampleBus + ";EntityPath=refunds", "Endpoint=sb://orders.servicebus.windows.net/;SharedAccessKeyName=keda;SharedAccessKey=b3RoZXI=;EntityPath=payments",
		"Endpoint=sb://orders.servicebus.windows.net/;SharedAccessKeyName=other;SharedAccessKey=dGhlLWtleQ==;EntityPath=payments",
		exampleHub + ";UseDevelopmentEmulator=true",
	} {
		all = append(all, open(t, "azure-eventhub", env, eventhubTrigger(), map[string]string{"connection": connection, "storageConnection": exampleStorage}).(*eventhubSource))
	}
	for i := range all {
		for j := range i {
			want := i == 1 && j == 0
			if same := all[i].hub == all[j].hub; same != want || (all[i].BatchKey() == all[j].BatchKey()) != want {
				t.Errorf("triggers %d and %d share a connection: %t, want %t", j, i, same, want)
			}
		}
	}
}

// TestEventhubCap: no more replicas than partitions are asked for, while
// activation looks at all events.
func TestEventhubCap(t *testing.T) {
	for name, tc := range map[string]struct{ last, want, activation float64 }{
		"below":  {last: 99, want: 100, activation: 100},
		"at":     {last: 149, want: 150, activation: 150},
		"beyond": {last: 9_999_999, want: 150, activation: 10_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			found := newHubProgress([]hubPartition{{id: "0", first: 0, last: int64(tc.last)}, {id: "1", last: -1}, {id: "2", last: -1}})
			r, err := (&eventhubSource{target: 50}).reading(found)
			if err != nil || r.Value != tc.want || *r.ActivationValue != tc.activation {
				t.Errorf("got %+v, %v; want %v and %v", r, err, tc.want, tc.activation)
			}
		})
	}
}

// TestEventhubBatch: many consumer groups of a hub cost it one reading, and a
// storage account that does not answer holds up its own triggers only.
func TestEventhubBatch(t *testing.T) {
	hubs, storage := eventhubserver.Start(t), azuriteserver.Start(t)
	saved := newCheckpoints(t, storage)
	saved.container("checkpoints")
	hubs.Hub("payments", eventhubserver.Partition{ID: "0", First: 0, Last: 99}, eventhubserver.Partition{ID: "1", First: 0, Last: 99})
	env := newEnv()
	proxy := scalertest.NewProxy(t, storage.Blob)
	var sources []scaler.Source
	const groups = 10
	for i := range groups {
		group, blob := fmt.Sprint("group-", i), storage.Blob
		saved.put("checkpoints", "127.0.0.1/payments/"+group+"/checkpoint/0", "", "sequencenumber", fmt.Sprint(99-i))
		saved.put("checkpoints", "127.0.0.1/payments/"+group+"/checkpoint/1", "", "sequencenumber", "99")
		if i == groups/2 {
			blob = proxy.Addr
		}
		sources = append(sources, open(t, "azure-eventhub", env, eventhubTrigger("consumerGroup", group), hubAuth(hubs.Addr, blob, "payments")))
	}
	proxy.Down()
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		switch {
		case i == groups/2:
			refused(t, r.Err, scaler.ReasonUnreachable, "group-5")
		case r.Err != nil || r.Reading.Value != float64(i):
			t.Errorf("group %d: %+v", i, r)
		}
	}
	if seen := hubs.Seen(); seen.Hubs != 1 || seen.Partitions != 2 || seen.Connections != 1 {
		t.Errorf("the hub was asked %+v", seen)
	}
}
