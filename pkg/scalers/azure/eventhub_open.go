package azure

import (
	"cmp"
	"context"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// Open implements scaler.Config.
func (c *eventhubConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	s := &eventhubSource{target: c.target, stale: c.stale}
	if err := c.openHub(env, s); err != nil {
		return nil, err
	}
	if err := c.openCheckpoints(env, s); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// openHub leases the connection to the hub.
func (c *eventhubConfig) openHub(env scaler.Env, s *eventhubSource) error {
	b, release, err := openBus(env, c.connection, c.namespace, &c.cloud, eventhubNames())
	if err != nil {
		return err
	}
	s.release = append(s.release, release)
	hub := cmp.Or(b.entity, c.hub)
	if hub == "" {
		_ = s.Close()
		return scaler.Misconfigured(nil, "eventHubName is missing; expected the hub's name, or EntityPath in the connection string")
	}
	key := scaler.PoolKey{Driver: "azure-eventhub", Address: audienceOf(b, hub) + " " + conn.OptionsKey(env.HTTP), Credentials: b.digest()}
	s.hub, release, err = scaler.Lease(env.Pool, key, func() (*hubClient, error) { return newHubClient(env, b, hub, &c.cloud) })
	if err != nil {
		_ = s.Close()
		return scaler.Misconfigured(err, "preparing the connection to the event hub %q", hub)
	}
	s.key, s.release = key.Driver+" "+key.Address+" "+key.Credentials, append(s.release, release)
	return nil
}

// openCheckpoints leases the client of the storage account.
func (c *eventhubConfig) openCheckpoints(env scaler.Env, s *eventhubSource) error {
	account := c.storageAccess()
	identity := env.Identity.Provider != "" && env.Identity.Provider != "none"
	switch {
	case !c.storage.IsZero():
		env.Identity = scaler.Identity{}
	case !identity:
		return scaler.Misconfigured(nil, "there are no credentials for the storage account with the checkpoints; expected storageConnection in the authenticationRef, storageConnectionFromEnv in the metadata, or the podIdentity %s together with storageAccountName", conn.AzureWorkload)
	case c.account == "":
		return scaler.Misconfigured(nil, "podIdentity %s: storageAccountName is missing; expected the name of the storage account with the checkpoints", env.Identity.Provider)
	}
	client, err := openStorage(env, account, newBlobService)
	if err != nil {
		return err
	}
	s.release = append(s.release, func() { _ = client.Close() })
	s.checkpoints = &checkpointReader{
		storageClient: client, group: c.group,
		places: checkpointPlaces(c.strategy, c.container, hostOnly(s.hub.bus.host), s.hub.hub, c.group),
	}
	return nil
}

// storageAccess is the storage account with the checkpoints.
func (c *eventhubConfig) storageAccess() *storage {
	return &storage{service: conn.AzureBlob, connection: c.storage, account: c.account, cloud: c.cloud.WithSuffix("blob." + strings.Trim(c.storageSuffix, "."))}
}
