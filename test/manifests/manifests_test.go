// Package manifests holds manifests of everything that the documentation of
// KEDA 2.20 gives examples of, for the trigger types and features that there
// are here. This test checks them without a cluster; test/e2e sends them to an
// API server.
package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/deploy/crd"
	"github.com/kedago/keda/internal/validate"
	"github.com/kedago/keda/pkg/scalers"
)

// upstream are the trigger types of KEDA 2.20 that there are here.
func upstream() []string {
	return []string{
		"aws-cloudwatch", "aws-dynamodb", "aws-dynamodb-streams", "aws-kinesis-stream", "aws-sqs-queue",
		"azure-blob", "azure-eventhub", "azure-queue", "azure-servicebus", "cpu", "cron", "external", "external-push",
		"gcp-pubsub", "gcp-storage", "kafka", "kubernetes-workload", "liiklus", "memory", "metrics-api", "mongodb", "mssql", "mysql",
		"nats-jetstream", "postgresql", "prometheus", "rabbitmq",
		"redis", "redis-cluster", "redis-cluster-streams", "redis-sentinel", "redis-sentinel-streams", "redis-streams",
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

// TestValid: keda validate has nothing to say about any of them.
func TestValid(t *testing.T) {
	crds, err := crd.Documents()
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := validate.LoadSchemas(crds)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files(t) {
		t.Run(name, func(t *testing.T) {
			report := validate.Check([]validate.Input{{Name: name, Data: data}}, validate.Options{
				Catalog: scalers.Catalog(), Schemas: schemas, ClusterNamespace: "keda",
			})
			if len(report.Results) == 0 {
				t.Error("there is no object in it")
			}
			for _, r := range report.Results {
				if len(r.Problems) > 0 {
					var text bytes.Buffer
					if err := report.Text(&text); err != nil {
						t.Fatal(err)
					}
					t.Fatal(text.String())
				}
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
	known := scalers.Catalog().Types()
	for _, trigger := range upstream() {
		if !types[trigger] {
			t.Errorf("no manifest has a trigger of type %s", trigger)
		}
		if !slices.Contains(known, trigger) {
			t.Errorf("%s is no trigger type", trigger)
		}
	}
	for _, field := range fields() {
		if !words[field] {
			t.Errorf("no manifest has %s", field)
		}
	}
}
