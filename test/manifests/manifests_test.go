// Package manifests holds manifests of everything that the documentation of
// KEDA 2.20 gives examples of. This test checks them without a cluster;
// test/e2e sends them to an API server.
package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/deploy/crd"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/translate"
	"github.com/kedago/keda/internal/validate"
	"github.com/kedago/keda/pkg/scalers"
)

// upstream are the trigger types of KEDA 2.20.
func upstream() []string {
	return []string{
		"activemq", "apache-kafka", "arangodb", "artemis-queue", "aws-cloudwatch", "aws-dynamodb", "aws-dynamodb-streams",
		"aws-kinesis-stream", "aws-sqs-queue", "azure-app-insights", "azure-blob", "azure-data-explorer", "azure-eventhub",
		"azure-log-analytics", "azure-monitor", "azure-pipelines", "azure-queue", "azure-servicebus", "beanstalkd", "cassandra",
		"couchdb", "cpu", "cron", "datadog", "dynatrace", "elastic-forecast", "elasticsearch", "etcd", "external", "external-push",
		"forgejo-runner", "gcp-cloudtasks", "gcp-pubsub", "gcp-stackdriver", "gcp-storage", "github-runner", "gitlab-runner",
		"graphite", "huawei-cloudeye", "ibmmq", "influxdb", "ionos-monitoring", "kafka", "keda-add-on", "kubernetes-resource",
		"kubernetes-workload", "liiklus", "loki", "memory", "metrics-api", "mongodb", "mssql", "mysql", "nats-jetstream", "new-relic",
		"nsq", "opensearch", "openstack-metric", "openstack-swift", "postgresql", "predictkube", "prometheus", "pulsar", "rabbitmq",
		"redis", "redis-cluster", "redis-cluster-streams", "redis-sentinel", "redis-sentinel-streams", "redis-streams",
		"selenium-grid", "solace-direct-messaging", "solace-event-queue", "solarwinds", "solr", "splunk", "splunk-observability",
		"sumologic", "temporal",
	}
}

// fields are what the features' manifests must show, each in one of them.
func fields() []string {
	return []string{
		"idleReplicaCount", "initialCooldownPeriod", "cooldownPeriod", "fallback", "restoreToOriginalReplicaCount", "horizontalPodAutoscalerConfig",
		"scalingModifiers", "useCachedMetrics", "metricType", "envSourceContainerName", "scalingStrategy", "rollout", "pendingPodConditions",
		"successfulJobsHistoryLimit", "paused", "paused-replicas", "paused-scale-in", "paused-scale-out", "force-activation", "transfer-hpa-ownership",
		"secretTargetRef", "configMapTargetRef", "env", "podIdentity", "hashiCorpVault", "azureKeyVault", "gcpSecretManager", "awsSecretManager",
		"boundServiceAccountToken", "filePath", "oauth2", "ClusterTriggerAuthentication", "CloudEventSource", "ClusterCloudEventSource", "jobTargetRef",
	}
}

func files(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("*/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("found no manifests: %v", err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func options(t *testing.T) validate.Options {
	t.Helper()
	crds, err := crd.Documents()
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := validate.LoadSchemas(crds)
	if err != nil {
		t.Fatal(err)
	}
	return validate.Options{Catalog: scalers.Catalog(), Schemas: schemas, ClusterNamespace: "keda"}
}

// check validates a file, and returns how many objects it has. mayWarn allows
// problems that are no errors.
func check(t *testing.T, name string, data []byte, o validate.Options, mayWarn bool) int {
	t.Helper()
	report := validate.Check([]validate.Input{{Name: name, Data: data}}, o)
	for _, r := range report.Results {
		if !r.Valid || len(r.Problems) > 0 && !mayWarn {
			var text bytes.Buffer
			if err := report.Text(&text); err != nil {
				t.Fatal(err)
			}
			t.Fatalf("%s\n%s", text.String(), data)
		}
	}
	return len(report.Results)
}

// TestTranslated: what keda convert makes of them, there and back, is as valid
// and has as many objects. In the first API the metric type of cpu and memory
// is a parameter, which gives a warning.
func TestTranslated(t *testing.T) {
	o := options(t)
	for name, data := range files(t) {
		t.Run(name, func(t *testing.T) {
			want := check(t, name, data, o, false)
			for _, to := range []model.Group{model.GroupFirst, model.GroupToday} {
				r := translate.Translate([]translate.Input{{Name: name, Data: data}}, translate.Options{Catalog: o.Catalog, To: to})
				if r.Unreadable {
					t.Fatalf("%v", r.Findings)
				}
				if got := check(t, name+" as "+string(to), r.Text, o, to == model.GroupFirst); got != want {
					t.Errorf("%d objects became %d of %s", want, got, to)
				}
				data = r.Text
			}
		})
	}
}

// TestValid: keda validate has nothing to say about any of them.
func TestValid(t *testing.T) {
	o := options(t)
	for name, data := range files(t) {
		t.Run(name, func(t *testing.T) {
			if check(t, name, data, o, false) == 0 {
				t.Error("there is no object in it")
			}
		})
	}
}

// TestComplete: every trigger type and every feature has a manifest.
func TestComplete(t *testing.T) {
	types, words := map[string]bool{}, map[string]bool{}
	for name, data := range files(t) {
		for _, document := range strings.Split(string(data), "\n---\n") {
			var o struct {
				Kind     string                                     `json:"kind"`
				Metadata map[string]any                             `json:"metadata"`
				Spec     struct{ Triggers []struct{ Type string } } `json:"spec"`
			}
			if err := yaml.Unmarshal([]byte(document), &o); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, trigger := range o.Spec.Triggers {
				types[trigger.Type] = true
			}
		}
		split := func(r rune) bool { return strings.ContainsRune(" \n{}[],:\"/", r) }
		for _, word := range strings.FieldsFunc(string(data), split) {
			words[word] = true
		}
	}
	known := scalers.Catalog()
	for _, trigger := range upstream() {
		if !types[trigger] {
			t.Errorf("no manifest has a trigger of type %s", trigger)
		}
		if _, ok := known.Lookup(trigger); !ok {
			t.Errorf("%s is no trigger type", trigger)
		}
	}
	for _, field := range fields() {
		if !words[field] {
			t.Errorf("no manifest has %s", field)
		}
	}
}
