package translate

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scalers"
)

var update = flag.Bool("update", false, "rewrite the expected files")

func translated(to Group, texts ...string) Result {
	var inputs []Input
	for i, text := range texts {
		inputs = append(inputs, Input{Name: string(rune('a'+i)) + ".yaml", Data: []byte(text)})
	}
	return Translate(inputs, Options{Catalog: scalers.Catalog(), To: to})
}

func findings(r Result) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.String())
	}
	return out
}

// TestFiles compares whole files: those of testdata that end in .first.yaml
// and .today.yaml are input, with the other name and .txt they are expected.
func TestFiles(t *testing.T) {
	for suffix, to := range map[string]Group{".first.yaml": model.GroupToday, ".today.yaml": model.GroupFirst} {
		names, err := filepath.Glob("testdata/*" + suffix)
		if err != nil || len(names) == 0 {
			t.Fatalf("testdata has no %s: %v", suffix, err)
		}
		for _, name := range names {
			t.Run(filepath.Base(name), func(t *testing.T) {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				r := Translate([]Input{{Name: "in.yaml", Data: data}}, Options{Catalog: scalers.Catalog(), To: to})
				expect(t, name+".golden", string(r.Text))
				expect(t, name+".txt", strings.Join(findings(r), "\n")+"\n")
			})
		}
	}
}

func expect(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

const (
	firstJob = `apiVersion: keda.k8s.io/v1alpha1
kind: ScaledObject
metadata: {name: resize}
spec:
  scaleType: job
  jobTargetRef: {template: {spec: {containers: [{name: a, env: [{name: Q, value: x}]}]}}}
  cooldownPeriod: 30
  triggers: [{type: rabbitmq, metadata: {host: Q, queueName: q}}]
`
	statefulSet = `apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: db}
spec:
  scaleTargetRef: {kind: StatefulSet, name: db}
  triggers: [{type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *}, authenticationRef: {name: shared}}]
`
	user = `apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web}
spec:
  scaleTargetRef: {name: web}
  triggers: [{type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *}, authenticationRef: {name: shared}}]
`
	shared = `apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: shared}
spec:
  env: [{parameter: a, name: b}]
`
)

func TestFindings(t *testing.T) {
	today, first := model.GroupToday, model.GroupFirst
	tests := map[string]struct {
		to    Group
		texts []string
		want  []string // findings in order, each by a part
		has   []string // parts of the output
		count int      // objects translated
	}{
		"a job": {today, []string{firstJob}, []string{"a.yaml:7: note: ScaledObject resize: spec.cooldownPeriod: has no effect on Jobs"}, []string{"kind: ScaledJob", "strategy: gradual", "hostFromEnv: Q"}, 1},
		"a variable that may be one": {today, []string{strings.Replace(strings.Replace(firstJob, "env: [{name: Q, value: x}]", "envFrom: [{secretRef: {name: s}}]", 1), "  cooldownPeriod: 30\n", "", 1)},
			[]string{"spec.triggers[0].metadata.host: is taken for the name of an environment variable"}, []string{"hostFromEnv: Q"}, 1},
		"an address, not a variable": {today, []string{strings.Replace(strings.Replace(firstJob, "host: Q", "host: amqp://q", 1), "  cooldownPeriod: 30\n", "", 1)}, nil, []string{"host: 'amqp://q'"}, 1},
		"both targets":               {today, []string{strings.Replace(firstJob, "scaleType: job", "scaleTargetRef: {deploymentName: x}", 1)}, []string{"a.yaml:6: warning: ScaledObject resize: spec.jobTargetRef: is there beside scaleTargetRef; expected one of them; the object stays as it is"}, []string{"keda.k8s.io"}, 0},
		"no spec":                    {today, []string{"apiVersion: keda.k8s.io/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\n"}, []string{"a.yaml:1: warning: ScaledObject a: spec: is missing or no object"}, []string{"keda.k8s.io"}, 0},
		"an unknown trigger":         {today, []string{strings.Replace(strings.Replace(firstJob, "rabbitmq", "stan", 1), "  cooldownPeriod: 30\n", "", 1)}, []string{`spec.triggers[0].type: found "stan", which is no trigger type of this build`}, []string{"host: Q"}, 1},
		"an identity that has ended": {today, []string{"apiVersion: keda.k8s.io/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: a, namespace: n}\nspec:\n  podIdentity: {provider: aws-kiam}\n"},
			[]string{"a.yaml:5: warning: TriggerAuthentication n/a: spec.podIdentity: found the provider aws-kiam, which keda.sh does not have"}, []string{"spec: {}"}, 1},
		"what can't be read": {today, []string{"a: ["}, []string{"a.yaml:1: warning: the document can't be read and stays as it is"}, []string{"a: ["}, 0},
		"a StatefulSet and all who share its credentials": {first, []string{user, statefulSet, shared}, []string{
			"a.yaml:6: warning: ScaledObject web: spec.triggers[0].authenticationRef.name: names the TriggerAuthentication shared, which stays in keda.sh/v1alpha1",
			`b.yaml:5: warning: ScaledObject db: spec.scaleTargetRef.kind: found "StatefulSet"; expected Deployment`,
			"c.yaml:2: warning: TriggerAuthentication shared: is used by the ScaledObject db, which stays in keda.sh/v1alpha1",
		}, nil, 0},
		"a Deployment and its credentials": {first, []string{user, shared}, nil, []string{"deploymentName: web"}, 2},
		"credentials for the cluster":      {first, []string{"apiVersion: keda.sh/v1alpha1\nkind: ClusterTriggerAuthentication\nmetadata: {name: a}\nspec: {}\n"}, []string{"found ClusterTriggerAuthentication"}, nil, 0},
		"credentials with more": {first, []string{shared + "  filePath: f\n  hashiCorpVault: {address: a, authentication: token, namespace: n, credential: {tokenFrom: {}}, secrets: [{parameter: p, path: s, key: k, type: pki}]}\n  podIdentity: {provider: aws, roleArn: r}\n"}, []string{
			"spec.filePath: has no counterpart", "spec.hashiCorpVault.namespace: has no counterpart", "spec.hashiCorpVault.credential.tokenFrom: has no", "spec.hashiCorpVault.secrets[0].type: has no",
			"spec.podIdentity.roleArn: has no counterpart", `spec.podIdentity.provider: found "aws"; expected none, gcp or aws-eks`,
		}, nil, 0},
		"a secret in the open": {first, []string{strings.Replace(user, "type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *}", "type: postgresql, metadata: {connection: s3cr3t, query: q, targetQueryValue: '1'}", 1)},
			[]string{"spec.triggers[0].metadata.connection: is given as a value"}, nil, 0},
		"settings of today": {first, []string{strings.Replace(user, "  triggers: [{", `  idleReplicaCount: 0
  fallback: {replicas: 1, failureThreshold: 2}
  advanced: {restoreToOriginalReplicaCount: true, horizontalPodAutoscalerConfig: {name: keda-hpa-web, behavior: {}}, scalingModifiers: {formula: a}}
  triggers: [{metricType: Value, useCachedMetrics: false, `, 1)}, []string{
			"spec.idleReplicaCount: has no", "spec.fallback: has no", "spec.advanced.horizontalPodAutoscalerConfig.behavior: has no",
			"spec.advanced.restoreToOriginalReplicaCount: has no", "spec.advanced.scalingModifiers: has no", "spec.triggers[0].metricType: has no",
		}, []string{"keda.k8s.io"}, 1},
		"a ScaledJob": {first, []string{`apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: a}
spec:
  jobTargetRef: {template: {}}
  successfulJobsHistoryLimit: 100
  failedJobsHistoryLimit: 3
  scalingStrategy: {strategy: accurate, multipleScalersCalculation: max}
  triggers: [{type: azure-queue, metadata: {queueName: q, connectionFromEnv: C}}]
`}, []string{"spec.rollout.strategy: is gradual", "a.yaml:7: warning: ScaledJob a: spec.failedJobsHistoryLimit: has no", "spec.scalingStrategy.strategy: has no"}, []string{"kind: ScaledObject", "scaleType: job", "connection: C"}, 1},
		"what the HPA measures": {first, []string{strings.Replace(user, "type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *}, authenticationRef: {name: shared}", "type: cpu, metricType: Utilization, metadata: {value: '50'}", 1)},
			nil, []string{"metadata: {value: '50', type: Utilization}"}, 1},
		"and back": {today, []string{strings.Replace(firstJob, "{type: rabbitmq, metadata: {host: Q, queueName: q}}", "{type: cpu, metadata: {type: Utilization, value: '50'}}", 1)},
			[]string{"spec.cooldownPeriod"}, []string{"{type: cpu, metadata: {value: '50'}, metricType: Utilization}"}, 1},
		"an HPA that was taken over": {first, []string{strings.Replace(strings.Replace(user, "{name: web}\nspec", "{name: web, annotations: {scaledobject.keda.sh/transfer-hpa-ownership: 'true'}}\nspec", 1), "  triggers", "  advanced: {horizontalPodAutoscalerConfig: {name: mine}}\n  triggers", 1)},
			[]string{"metadata.annotations.scaledobject.keda.sh/transfer-hpa-ownership: has no effect", "horizontalPodAutoscalerConfig.name: has no counterpart"}, []string{"metadata: {name: web}\n"}, 1},
		"nothing of the group": {first, []string{firstJob, "a: 1\n", "", "# only this\n"}, nil, []string{firstJob, "---\na: 1\n", "# only this"}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := translated(tt.to, tt.texts...)
			got := findings(r)
			if len(got) != len(tt.want) {
				t.Fatalf("findings:\n%s\nexpected %d", strings.Join(got, "\n"), len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("found %q; expected %q", got[i], want)
				}
			}
			for _, part := range tt.has {
				if !strings.Contains(string(r.Text), part) {
					t.Errorf("the output has no %q:\n%s", part, r.Text)
				}
			}
			if r.Translated != tt.count {
				t.Errorf("%d objects were translated; expected %d", r.Translated, tt.count)
			}
			if strings.Contains(strings.Join(got, ""), "s3cr3t") {
				t.Error("a finding shows a credential")
			}
		})
	}
}

// TestJSON: JSON stays JSON, with its fields in order.
func TestJSON(t *testing.T) {
	in := `{"kind":"List","apiVersion":"v1","items":[
	{"apiVersion":"keda.k8s.io/v1alpha1","kind":"ScaledObject","metadata":{"name":"a<b"},
	 "spec":{"pollingInterval":5,"scaleTargetRef":{"deploymentName":"x"},"triggers":[{"type":"cron","metadata":{"desiredReplicas":"3"}}]}}]}`
	r := translated(model.GroupToday, in)
	var got bytes.Buffer
	if err := json.Compact(&got, r.Text); err != nil {
		t.Fatalf("%v:\n%s", err, r.Text)
	}
	want := `{"kind":"List","apiVersion":"v1","items":[{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","metadata":{"name":"a<b"},` +
		`"spec":{"pollingInterval":5,"scaleTargetRef":{"name":"x"},"triggers":[{"type":"cron","metadata":{"desiredReplicas":"3"}}]}}]}`
	if got.String() != want {
		t.Errorf("got  %s\nwant %s", got.String(), want)
	}
}

// TestAliases: a change of one object is none of another that shares text with it.
func TestAliases(t *testing.T) {
	r := translated(model.GroupToday, `apiVersion: v1
kind: List
shared: &spec
  scaleTargetRef: {deploymentName: x}
  triggers: []
items:
- {apiVersion: keda.k8s.io/v1alpha1, kind: ScaledObject, metadata: {name: a}, spec: {<<: *spec, pollingInterval: 7}}
- {apiVersion: example.com/v1, kind: Other, metadata: {name: b}, spec: *spec}
`)
	var list struct {
		Items []struct {
			Spec struct {
				ScaleTargetRef  map[string]string `json:"scaleTargetRef"`
				PollingInterval int               `json:"pollingInterval"`
			} `json:"spec"`
		} `json:"items"`
	}
	if err := yaml.Unmarshal(r.Text, &list); err != nil {
		t.Fatalf("%v:\n%s", err, r.Text)
	}
	if len(list.Items) != 2 || list.Items[0].Spec.ScaleTargetRef["name"] != "x" || list.Items[1].Spec.ScaleTargetRef["deploymentName"] != "x" || list.Items[0].Spec.PollingInterval != 7 {
		t.Errorf("got %+v from\n%s", list, r.Text)
	}
}
