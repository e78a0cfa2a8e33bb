// Package scalers lists the trigger types of this build. It is the only place
// that imports all of them; nothing but the composition root, the generator
// of the documentation and tests imports it.
package scalers

import (
	"slices"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scalers/activemq"
	"github.com/kedago/keda/pkg/scalers/arangodb"
	"github.com/kedago/keda/pkg/scalers/aws"
	"github.com/kedago/keda/pkg/scalers/azure"
	"github.com/kedago/keda/pkg/scalers/azuremonitor"
	"github.com/kedago/keda/pkg/scalers/azurepipelines"
	"github.com/kedago/keda/pkg/scalers/beanstalkd"
	"github.com/kedago/keda/pkg/scalers/cassandra"
	"github.com/kedago/keda/pkg/scalers/couchdb"
	"github.com/kedago/keda/pkg/scalers/cron"
	"github.com/kedago/keda/pkg/scalers/datadog"
	"github.com/kedago/keda/pkg/scalers/dynatrace"
	"github.com/kedago/keda/pkg/scalers/elasticforecast"
	"github.com/kedago/keda/pkg/scalers/elasticsearch"
	"github.com/kedago/keda/pkg/scalers/etcd"
	"github.com/kedago/keda/pkg/scalers/external"
	"github.com/kedago/keda/pkg/scalers/forgejorunner"
	"github.com/kedago/keda/pkg/scalers/gcp"
	"github.com/kedago/keda/pkg/scalers/githubrunner"
	"github.com/kedago/keda/pkg/scalers/gitlabrunner"
	"github.com/kedago/keda/pkg/scalers/graphite"
	"github.com/kedago/keda/pkg/scalers/huawei"
	"github.com/kedago/keda/pkg/scalers/ibmmq"
	"github.com/kedago/keda/pkg/scalers/influxdb"
	"github.com/kedago/keda/pkg/scalers/kafka"
	"github.com/kedago/keda/pkg/scalers/kubernetesevents"
	"github.com/kedago/keda/pkg/scalers/kubernetesresource"
	"github.com/kedago/keda/pkg/scalers/kubernetesworkload"
	"github.com/kedago/keda/pkg/scalers/liiklus"
	"github.com/kedago/keda/pkg/scalers/metricsapi"
	"github.com/kedago/keda/pkg/scalers/mongodb"
	"github.com/kedago/keda/pkg/scalers/mqtt"
	"github.com/kedago/keda/pkg/scalers/nats"
	"github.com/kedago/keda/pkg/scalers/newrelic"
	"github.com/kedago/keda/pkg/scalers/nsq"
	"github.com/kedago/keda/pkg/scalers/openstack"
	"github.com/kedago/keda/pkg/scalers/predictkube"
	"github.com/kedago/keda/pkg/scalers/prometheus"
	"github.com/kedago/keda/pkg/scalers/pulsar"
	"github.com/kedago/keda/pkg/scalers/rabbitmq"
	"github.com/kedago/keda/pkg/scalers/redis"
	"github.com/kedago/keda/pkg/scalers/resource"
	"github.com/kedago/keda/pkg/scalers/seleniumgrid"
	"github.com/kedago/keda/pkg/scalers/solace"
	"github.com/kedago/keda/pkg/scalers/solarwinds"
	"github.com/kedago/keda/pkg/scalers/solr"
	"github.com/kedago/keda/pkg/scalers/splunk"
	"github.com/kedago/keda/pkg/scalers/sql"
	"github.com/kedago/keda/pkg/scalers/sumologic"
	"github.com/kedago/keda/pkg/scalers/temporal"
)

// Catalog returns all trigger types. It panics when two share a name, which
// no input can cause and a test rules out.
func Catalog() scaler.Catalog {
	c, err := scaler.NewCatalog(slices.Concat(
		activemq.Kinds(),
		arangodb.Kinds(),
		aws.Kinds(),
		azure.Kinds(),
		azuremonitor.Kinds(),
		azurepipelines.Kinds(),
		beanstalkd.Kinds(),
		cassandra.Kinds(),
		couchdb.Kinds(),
		cron.Kinds(),
		datadog.Kinds(),
		dynatrace.Kinds(),
		elasticforecast.Kinds(),
		elasticsearch.Kinds(),
		etcd.Kinds(),
		external.Kinds(),
		forgejorunner.Kinds(),
		gcp.Kinds(),
		githubrunner.Kinds(),
		gitlabrunner.Kinds(),
		graphite.Kinds(),
		huawei.Kinds(),
		ibmmq.Kinds(),
		influxdb.Kinds(),
		kafka.Kinds(),
		kubernetesevents.Kinds(),
		kubernetesresource.Kinds(),
		kubernetesworkload.Kinds(),
		liiklus.Kinds(),
		metricsapi.Kinds(),
		mongodb.Kinds(),
		mqtt.Kinds(),
		nats.Kinds(),
		newrelic.Kinds(),
		nsq.Kinds(),
		openstack.Kinds(),
		predictkube.Kinds(),
		prometheus.Kinds(),
		pulsar.Kinds(),
		rabbitmq.Kinds(),
		redis.Kinds(),
		resource.Kinds(),
		seleniumgrid.Kinds(),
		solace.Kinds(),
		solarwinds.Kinds(),
		solr.Kinds(),
		splunk.Kinds(),
		sql.Kinds(),
		sumologic.Kinds(),
		temporal.Kinds(),
	)...)
	if err != nil {
		panic(err)
	}
	return c
}
