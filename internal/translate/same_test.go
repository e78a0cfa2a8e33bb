package translate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scalers"
)

func read[T any](t *testing.T, text []byte) *T {
	t.Helper()
	o := new(T)
	if err := yaml.UnmarshalStrict(text, o); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return o
}

// ignored are the fields that differ between the groups by design.
func ignored() cmp.Option {
	return cmp.Options{
		cmpopts.EquateEmpty(), cmpopts.IgnoreFields(model.Workload{}, "Key", "HPA", "Triggers"), cmpopts.IgnoreFields(model.Job{}, "Labels"),
	}
}

// TestSameWorkload: the operator does the same for an object and for its
// translation, there and back again.
func TestSameWorkload(t *testing.T) {
	const head = "apiVersion: keda.k8s.io/v1alpha1\nkind: ScaledObject\nmetadata: {name: a, annotations: {autoscaling.keda.sh/paused-replicas: '2'}}\nspec:\n"
	deployment := head + `  scaleTargetRef: {deploymentName: app, containerName: c}
  pollingInterval: 3
  cooldownPeriod: 4
  minReplicaCount: 5
  maxReplicaCount: 6
  triggers: [{type: kafka, name: n, metadata: {brokerList: b, topic: t}, authenticationRef: {name: x}}]
`
	there := translated(model.GroupToday, deployment)
	first, _ := convert.FirstScaledObject(read[firstv1.ScaledObject](t, []byte(deployment)))
	today, ps := convert.ScaledObject(read[kedav1.ScaledObject](t, there.Text))
	back, _ := convert.FirstScaledObject(read[firstv1.ScaledObject](t, translated(model.GroupFirst, string(there.Text)).Text))
	if diff := cmp.Diff(first, today, ignored()); diff != "" || len(ps) > 0 {
		t.Errorf("a Deployment's ScaledObject became another (-first +today), %v:\n%s", ps, diff)
	}
	if diff := cmp.Diff(first.HPA, back.HPA); diff != "" {
		t.Errorf("the HPA after both ways:\n%s", diff)
	}
	if diff := cmp.Diff(today.Triggers, back.Triggers); diff != "" {
		t.Errorf("triggers:\n%s", diff)
	}

	job := head + `  jobTargetRef: {parallelism: 2, template: {spec: {restartPolicy: Never, containers: [{name: a}]}}}
  maxReplicaCount: 6
  triggers: [{type: cron, metadata: {timezone: UTC}}]
`
	there = translated(model.GroupToday, job)
	first, _ = convert.FirstScaledObject(read[firstv1.ScaledObject](t, []byte(job)))
	today, ps = convert.ScaledJob(read[kedav1.ScaledJob](t, there.Text))
	back, _ = convert.FirstScaledObject(read[firstv1.ScaledObject](t, translated(model.GroupFirst, string(there.Text)).Text))
	jobTimes := cmpopts.IgnoreFields(model.Workload{}, "Cooldown") // of no meaning for Jobs
	if diff := cmp.Diff(first, today, ignored(), jobTimes); diff != "" || len(ps) > 0 {
		t.Errorf("a ScaledObject with Jobs became another ScaledJob (-first +today), %v:\n%s", ps, diff)
	}
	if diff := cmp.Diff(first, back, ignored()); diff != "" {
		t.Errorf("a ScaledObject with Jobs after both ways:\n%s", diff)
	}
}

// TestSameParameters: every example of every trigger type that the first API
// can express comes back from there as it was, and reads the same there.
func TestSameParameters(t *testing.T) {
	tried := 0
	for _, k := range scalers.Catalog().Kinds() {
		for _, e := range k.Examples {
			o := kedav1.ScaledObject{}
			o.APIVersion, o.Kind, o.Name = "keda.sh/v1alpha1", "ScaledObject", "a"
			o.Spec.ScaleTargetRef = &kedav1.ScaleTarget{Name: "app"}
			o.Spec.Triggers = []kedav1.ScaleTriggers{{Type: k.Name, Metadata: e.Metadata}}
			text, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			r := translated(model.GroupFirst, string(text))
			if r.Translated == 0 {
				continue // a value in the open, where the first API takes variables only
			}
			tried++
			there := read[firstv1.ScaledObject](t, r.Text)
			want := decoded(t, k, param.Values{Metadata: e.Metadata, Auth: e.Auth, Env: e.Env})
			got := decoded(t, k, param.Values{Metadata: there.Spec.Triggers[0].Metadata, Auth: e.Auth, Env: e.Env, EnvNames: true})
			if want != got {
				t.Errorf("%s, %s: is measured as %s here and as %s in keda.k8s.io", k.Name, e.Title, want, got)
			}
			again := translated(model.GroupToday, string(r.Text))
			final := decoded(t, k, param.Values{Metadata: read[kedav1.ScaledObject](t, again.Text).Spec.Triggers[0].Metadata, Auth: e.Auth, Env: withDefaults(e.Env)})
			if want != final {
				t.Errorf("%s, %s: is measured as %s before and as %s after both ways", k.Name, e.Title, want, final)
			}
		}
	}
	if tried < 40 {
		t.Errorf("only %d examples were tried", tried)
	}
}

// withDefaults is a container's environment that has the variables that the
// first API takes by default.
func withDefaults(env map[string]string) map[string]string {
	out := map[string]string{"AzureWebJobsStorage": "x", "EventHub": "x", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
	for name, value := range env {
		out[name] = value
	}
	return out
}

// decoded is the metric's name, and what is wrong with the parameters.
func decoded(t *testing.T, k scaler.Kind, v param.Values) string {
	t.Helper()
	c := k.New()
	if ps := scaler.Decode(c, v).Errors(); len(ps) > 0 {
		t.Errorf("%s: %v", k.Name, ps.Err())
	}
	return c.Metric()
}
