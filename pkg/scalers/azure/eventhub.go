package azure

import (
	"cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const exampleHub = exampleBus + ";EntityPath=payments"

func eventhubKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "azure-eventhub",
		Title: "Azure Event Hubs",
		About: "The events of a hub that a consumer group has not processed yet, by the group's checkpoints in a storage account. " +
			"Of a partition without a checkpoint all events count that it retains. The number is at most unprocessedEventThreshold for each partition, since more replicas than partitions have nothing to do.",
		Since: "1.0",
		Permissions: "A shared access policy with the right to listen, or the role Azure Event Hubs Data Receiver, on the hub or the namespace; " +
			"the role Storage Blob Data Reader on the container with the checkpoints; of a SAS, the permission to read.",
		Cost: "Two round trips to the hub a poll, however many consumer groups are measured, over one connection that stays open. One request to the storage account a poll, consumer group and partition with events, " +
			"two or three where checkpointStrategy allows several places; 13 checkpoints or more in a blob's metadata are listed at once, if the credentials allow it. " +
			"Azure bills the former as reads, and a listing like a dozen: 4 partitions polled every 30 seconds make 345,600 requests a month, about 0.14 USD at 0.004 USD per 10,000.",
		ByHand: "az eventhubs eventhub list --resource-group shop --namespace-name orders --query '[].partitionIds'; the checkpoints: az storage blob list --container-name checkpoints --account-name orders --include m",
		Examples: []scaler.Example{
			{
				Title:    "A consumer group of a current client, with connection strings",
				Metadata: map[string]string{"consumerGroup": "billing", "checkpointStrategy": checkpointMetadata, "blobContainer": "checkpoints", "unprocessedEventThreshold": "64"},
				Auth:     map[string]string{"connection": exampleHub, "storageConnection": exampleStorage},
			},
			{
				Title:    "An Azure Function, with the connection strings that the container's environment has",
				Metadata: map[string]string{"eventHubName": "payments", "connectionFromEnv": "EventHub", "storageConnectionFromEnv": "AzureWebJobsStorage"},
				Env:      map[string]string{"EventHub": exampleBus, "AzureWebJobsStorage": exampleStorage},
			},
			{
				Title: "A podIdentity for both, in Azure Government",
				Metadata: map[string]string{
					"eventHubNamespace": "orders", "eventHubName": "payments", "storageAccountName": "orders", "blobContainer": "checkpoints",
					"checkpointStrategy": checkpointMetadata, "cloud": "AzureUSGovernmentCloud",
				},
			},
		},
		New: func() scaler.Config { return &eventhubConfig{} },
	}}
}

type eventhubConfig struct {
	connection    param.Hidden
	namespace     string
	hub           string
	group         string
	target        float64
	activation    float64
	stale         int64
	strategy      string
	container     string
	storage       param.Hidden
	account       string
	storageSuffix string
	resourceURL   string
	cloud         conn.AzureCloud
	has           struct{ connection, namespace, hub, storage, account bool }
}

// Params implements scaler.Config.
func (c *eventhubConfig) Params() param.Set {
	return param.Set{
		param.Secret("connection", &c.connection).From(param.Auth, param.Metadata, param.Env).NamesEnv("EventHub").IsSet(&c.has.connection).
			Doc("Connection string of the hub or its namespace; in place of a podIdentity."),
		param.Text("eventHubName", &c.hub).From(param.Metadata, param.Env).IsSet(&c.has.hub).Example("payments").Doc("Name of the hub, where the connection string has no EntityPath or there is a podIdentity."),
		param.Text("eventHubNamespace", &c.namespace).From(param.Metadata, param.Env).IsSet(&c.has.namespace).Example("orders").
			Doc("Name of the hub's namespace, when the authenticationRef has the podIdentity azure-workload in place of a connection."),
		param.Text("consumerGroup", &c.group).Default("$Default").Doc("Consumer group whose events count."),
		param.Float("unprocessedEventThreshold", &c.target).Default(64).Target().Doc("Events per replica."),
		param.Float("activationUnprocessedEventThreshold", &c.activation).Activation().Doc("Number of events above which the workload is active."),
		param.Int("stalePartitionInfoThreshold", &c.stale).Default(10000).Min(0).
			Doc("By how many events, at most, a checkpoint may be ahead of what the hub says of a partition for the group to count as done."),
	}.With(param.Group("Checkpoints",
		param.Text("checkpointStrategy", &c.strategy).OneOf(checkpointFunction, checkpointMetadata, checkpointGo, checkpointDapr).
			Doc("How the consumers keep checkpoints: blobMetadata for the current clients for .NET, Java, JavaScript, Python and Go, azureFunction, goSdk for the retired client for Go, dapr for Dapr before 1.10. "+
				"When unset, as the retired event processor hosts did, or like azureFunction without a blobContainer."),
		param.Text("blobContainer", &c.container).Example("checkpoints").Doc("Container with the checkpoints. Azure Functions have one of their own."),
		param.Secret("storageConnection", &c.storage).From(param.Auth, param.Metadata, param.Env).NamesEnv("AzureWebJobsStorage").IsSet(&c.has.storage).
			Doc("Connection string of the storage account with the checkpoints; it goes before a podIdentity."),
		param.Text("storageAccountName", &c.account).IsSet(&c.has.account).Example("orders").Doc("Name of the storage account, where a podIdentity reads the checkpoints."),
		param.Text("storageEndpointSuffix", &c.storageSuffix).Example("airgap.example").Doc("What follows .blob. in the storage account's address, for the cloud Private."),
	)).With(c.cloud.Params()).With(param.Set{
		param.Text("eventHubResourceURL", &c.resourceURL).Deprecated("leave it out; tokens are asked for Event Hubs as such").Doc("Not used."),
	})
}

// hubName is what Azure allows as the name of a hub.
var hubName = param.NewForm(`^[A-Za-z0-9][A-Za-z0-9._-]*$`, 256)

func eventhubNames() busNames { return busNames{"the event hub", "eventHubNamespace"} }

// Check implements scaler.Checker.
func (c *eventhubConfig) Check() param.Problems {
	ps := append(c.cloud.Check(), checkBus(c.connection, c.namespace, c.has.connection, eventhubNames())...)
	entity := ""
	if b, err := parseBus(c.connection.Reveal()); err == nil {
		entity = b.entity
	}
	// A connection string whose value is not known here may name the hub.
	hidden := c.has.connection && c.connection.IsZero()
	switch hub := cmp.Or(c.hub, entity); {
	case hub == "" && !c.has.hub && !hidden:
		ps.Errorf("metadata.eventHubName", "is missing; expected the hub's name, or EntityPath in the connection string")
	case hub != "" && !hubName.MatchString(hub):
		ps.Errorf("metadata.eventHubName", "found %.80q, which no hub can have; expected letters, digits, periods, hyphens and underscores", hub)
	case c.hub != "" && entity != "" && c.hub != entity:
		ps.Warnf("metadata.eventHubName", "found %.80q, and another name as EntityPath in the connection string; expected one of them, the connection string's is used", c.hub)
	}
	return append(ps, c.checkStorage()...)
}

// checkStorage finds checkpoints that can't be found.
func (c *eventhubConfig) checkStorage() (ps param.Problems) {
	if c.cloud.Private() && c.account != "" && c.storageSuffix == "" {
		ps.Errorf("metadata.storageEndpointSuffix", "is missing; expected what follows .blob. in the storage account's address, since cloud is Private")
	}
	if !c.has.storage && !c.has.account {
		ps.Errorf("metadata.storageAccountName", "is missing; expected the name of the account with the checkpoints for a podIdentity, or a connection string in storageConnection")
	}
	if c.account != "" && !accountForm.MatchString(c.account) {
		ps.Errorf("metadata.storageAccountName", "found %.40q; expected 3 to 24 lower-case letters and digits", c.account)
	}
	if !c.storage.IsZero() {
		if _, err := parseStorage(c.storage.Reveal(), conn.AzureBlob, c.cloud.StorageSuffix()); err != nil {
			ps.Errorf("authenticationRef.storageConnection", "found a connection string that %v; expected one as the account's access keys page shows it", err)
		}
	}
	switch {
	case c.container == "" && c.strategy != "" && c.strategy != checkpointFunction:
		ps.Errorf("metadata.blobContainer", "is missing; expected the container with the checkpoints, since checkpointStrategy is %s", c.strategy)
	case c.container != "" && c.strategy == checkpointFunction:
		ps.Warnf("metadata.blobContainer", "is not used; Azure Functions keep checkpoints in the container %s", functionContainer)
	case c.container != "" && !isStorageName(c.container):
		ps.Errorf("metadata.blobContainer", "found %.80q, which no container can have; expected 3 to 63 lower-case letters, digits and single hyphens", c.container)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *eventhubConfig) Metric() string { return "azure-eventhub-" + c.group }
