package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// upstreamTypes are the trigger types of KEDA 2.20. What the catalog lacks of
// them is known but not supported yet, rather than mistyped.
func upstreamTypes() []string {
	return []string{
		"activemq", "arangodb", "artemis-queue",
		"aws-cloudwatch", "aws-dynamodb", "aws-dynamodb-streams", "aws-kinesis-stream", "aws-sqs-queue",
		"azure-app-insights", "azure-blob", "azure-data-explorer", "azure-eventhub", "azure-log-analytics",
		"azure-monitor", "azure-pipelines", "azure-queue", "azure-servicebus",
		"beanstalkd", "cassandra", "couchdb", "cpu", "cron", "datadog", "dynatrace",
		"elastic-forecast", "elasticsearch", "etcd", "external", "external-push", "forgejo-runner",
		"gcp-cloudtasks", "gcp-pubsub", "gcp-stackdriver", "gcp-storage", "github-runner", "graphite",
		"huawei-cloudeye", "ibmmq", "influxdb", "kafka", "kubernetes-resource", "kubernetes-workload",
		"liiklus", "loki", "memory", "metrics-api", "mongodb", "mssql", "mysql",
		"nats-jetstream", "new-relic", "nsq", "opensearch", "openstack-metric", "openstack-swift",
		"postgresql", "predictkube", "prometheus", "pulsar", "rabbitmq",
		"redis", "redis-cluster", "redis-cluster-streams", "redis-sentinel", "redis-sentinel-streams", "redis-streams",
		"selenium-grid", "solace-direct-messaging", "solace-event-queue", "solarwinds", "solr",
		"splunk", "splunk-observability", "sumologic", "temporal",
	}
}

// retiredTypes are trigger types whose source has ended, with what to say.
func retiredTypes() map[string]string {
	return map[string]string{
		"stan": "NATS Streaming (STAN) has ended; its successor is NATS JetStream, trigger type nats-jetstream",
	}
}

// lookup finds the kind of a trigger, or says why there is none.
func lookup(c scaler.Catalog, triggerType, path string, ps *param.Problems) (scaler.Kind, bool) {
	if k, ok := c.Lookup(triggerType); ok {
		return k, true
	}
	path += ".type"
	if triggerType == "" {
		ps.Errorf(path, "is missing; expected a trigger type: %s", strings.Join(c.Types(), ", "))
		return scaler.Kind{}, false
	}
	if why, ok := retiredTypes()[triggerType]; ok {
		ps.Errorf(path, "found %q: %s", triggerType, why)
		ps.Hint("move the stream to JetStream and use type: nats-jetstream")
		return scaler.Kind{}, false
	}
	known := upstreamTypes()
	if slices.Contains(known, triggerType) {
		ps.Errorf(path, "found %q, a trigger type that is not supported yet; supported are %s", triggerType, strings.Join(c.Types(), ", "))
		return scaler.Kind{}, false
	}
	ps.Errorf(path, "found %s, which is no trigger type; expected one of %s", quote(triggerType), strings.Join(c.Types(), ", "))
	// A supported type is the better guess when both are near.
	near, ok := c.Nearest(triggerType)
	if !ok {
		near, ok = param.Nearest(triggerType, known)
	}
	if ok {
		ps.Hint("did you mean %s?", near)
	}
	return scaler.Kind{}, false
}

// quote shows a user's text, cut where it would fill a screen.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
