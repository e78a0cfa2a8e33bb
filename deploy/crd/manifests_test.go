package crd_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

const scaledObject = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: a}
spec:
  scaleTargetRef: {name: worker}
  triggers: [{type: cron, metadata: {}}]
`

const scaledJob = `
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: a}
spec:
  triggers: [{type: cron, metadata: {}}]
  jobTargetRef:
    template:
`

func TestManifests(t *testing.T) {
	tests := []struct {
		name, manifest string
		// at is the path of a value after the API server, separated by dots, and
		// want the value.
		at   string
		want any
		// unknown and refused are parts of what is said; empty means nothing is.
		unknown, refused string
	}{
		{
			name:     "fallback behavior has a default",
			manifest: scaledObject + "  fallback: {failureThreshold: 3, replicas: 6}",
			at:       "spec.fallback.behavior", want: "static",
		},
		{
			name: "the OAuth 2.0 grant has a default",
			manifest: `{apiVersion: keda.sh/v1alpha1, kind: TriggerAuthentication, metadata: {name: a},
 spec: {oauth2: {clientId: a, tokenUrl: "https://b"}}}`,
			at: "spec.oauth2.type", want: "clientCredentials",
		},
		{
			name:     "replica counts have none: explicit zero and unset stay apart",
			manifest: scaledObject, at: "spec.minReplicaCount", want: nil,
		},
		{
			name:     "labels of a Job's pods are kept",
			manifest: scaledJob + "      {metadata: {creationTimestamp: null, generateName: a, labels: {app: b}}, spec: {containers: []}}",
			at:       "spec.jobTargetRef.template.metadata.labels.app", want: "b",
		},
		{
			name:     "a Job's pods need containers",
			manifest: scaledJob + "      {spec: {}}", refused: "spec.jobTargetRef.template.spec.containers: Required",
		},
		{
			name:     "a typo is told",
			manifest: scaledObject + "  pollingIntervall: 5", unknown: "spec.pollingIntervall",
		},
		{
			name:     "an interval of zero is refused",
			manifest: scaledObject + "  pollingInterval: 0", refused: "spec.pollingInterval",
		},
		{
			name: "an identity of the first API is none of today's",
			manifest: `{apiVersion: keda.sh/v1alpha1, kind: TriggerAuthentication, metadata: {name: a},
 spec: {podIdentity: {provider: aws-kiam}}}`,
			refused: "spec.podIdentity.provider",
		},
		{
			name: "an identity of the first API",
			manifest: `{apiVersion: keda.k8s.io/v1alpha1, kind: TriggerAuthentication, metadata: {name: a},
 spec: {podIdentity: {provider: aws-kiam}}}`,
			at: "spec.podIdentity.provider", want: "aws-kiam",
		},
		{
			name: "the first API needs no target for Jobs",
			manifest: `{apiVersion: keda.k8s.io/v1alpha1, kind: ScaledObject, metadata: {name: a},
 spec: {scaleType: job, jobTargetRef: {template: {spec: {containers: []}}}, triggers: []}}`,
			at: "spec.scaleType", want: "job",
		},
		{
			name:     "triggers need metadata",
			manifest: strings.Replace(scaledObject, ", metadata: {}", "", 1), refused: "spec.triggers[0].metadata: Required",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := serve(t, parse(t, tt.manifest))
			said(t, "unknown", got.unknown, tt.unknown)
			said(t, "refused", got.refused, tt.refused)
			if tt.at == "" {
				return
			}
			value, _, err := unstructured.NestedFieldNoCopy(got.object, strings.Split(tt.at, ".")...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, value); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.at, diff)
			}
		})
	}
}

func said(t *testing.T, what string, got []string, want string) {
	t.Helper()
	all := strings.Join(got, "; ")
	if want == "" && all != "" || want != "" && !strings.Contains(all, want) {
		t.Errorf("%s: got %q, want %q", what, all, want)
	}
}

// A Job's own rules say that fields can't be changed once set. A template of
// Jobs may change, so no rule may be left.
func TestTemplatesMayChange(t *testing.T) {
	for id, c := range load(t) {
		raw, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "oldSelf") {
			t.Errorf("%s has a rule about changes", id)
		}
	}
}
