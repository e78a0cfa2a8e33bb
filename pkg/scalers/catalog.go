// Package scalers lists the trigger types of this build. It is the only place
// that imports all of them; nothing but the composition root, the generator
// of the documentation and tests imports it.
package scalers

import (
	"slices"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scalers/arangodb"
	"github.com/kedago/keda/pkg/scalers/aws"
	"github.com/kedago/keda/pkg/scalers/azure"
	"github.com/kedago/keda/pkg/scalers/couchdb"
	"github.com/kedago/keda/pkg/scalers/cron"
	"github.com/kedago/keda/pkg/scalers/elasticsearch"
	"github.com/kedago/keda/pkg/scalers/external"
	"github.com/kedago/keda/pkg/scalers/forgejorunner"
	"github.com/kedago/keda/pkg/scalers/gcp"
	"github.com/kedago/keda/pkg/scalers/githubrunner"
	"github.com/kedago/keda/pkg/scalers/gitlabrunner"
	"github.com/kedago/keda/pkg/scalers/graphite"
	"github.com/kedago/keda/pkg/scalers/kafka"
	"github.com/kedago/keda/pkg/scalers/kubernetesevents"
	"github.com/kedago/keda/pkg/scalers/kubernetesresource"
	"github.com/kedago/keda/pkg/scalers/kubernetesworkload"
	"github.com/kedago/keda/pkg/scalers/liiklus"
	"github.com/kedago/keda/pkg/scalers/metricsapi"
	"github.com/kedago/keda/pkg/scalers/mongodb"
	"github.com/kedago/keda/pkg/scalers/mqtt"
	"github.com/kedago/keda/pkg/scalers/nats"
	"github.com/kedago/keda/pkg/scalers/prometheus"
	"github.com/kedago/keda/pkg/scalers/rabbitmq"
	"github.com/kedago/keda/pkg/scalers/redis"
	"github.com/kedago/keda/pkg/scalers/resource"
	"github.com/kedago/keda/pkg/scalers/solr"
	"github.com/kedago/keda/pkg/scalers/sql"
)

// Catalog returns all trigger types. It panics when two share a name, which
// no input can cause and a test rules out.
func Catalog() scaler.Catalog {
	c, err := scaler.NewCatalog(slices.Concat(
		arangodb.Kinds(),
		aws.Kinds(),
		azure.Kinds(),
		couchdb.Kinds(),
		cron.Kinds(),
		elasticsearch.Kinds(),
		external.Kinds(),
		forgejorunner.Kinds(),
		gcp.Kinds(),
		githubrunner.Kinds(),
		gitlabrunner.Kinds(),
		graphite.Kinds(),
		kafka.Kinds(),
		kubernetesevents.Kinds(),
		kubernetesresource.Kinds(),
		kubernetesworkload.Kinds(),
		liiklus.Kinds(),
		metricsapi.Kinds(),
		mongodb.Kinds(),
		mqtt.Kinds(),
		nats.Kinds(),
		prometheus.Kinds(),
		rabbitmq.Kinds(),
		redis.Kinds(),
		resource.Kinds(),
		solr.Kinds(),
		sql.Kinds(),
	)...)
	if err != nil {
		panic(err)
	}
	return c
}
