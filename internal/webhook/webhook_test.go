package webhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
)

func trigger(change func(*kedav1.ScaleTriggers)) func(*kedav1.ScaledObject) {
	return func(o *kedav1.ScaledObject) { change(&o.Spec.Triggers[0]) }
}

// TestScaledObject: what is wrong for good is refused, what may still come
// right is warned of.
func TestScaledObject(t *testing.T) {
	app := lint.TargetName{Group: "apps", Kind: "Deployment", Namespace: "default", Name: "app"}
	rival := &model.Workload{
		Key:    model.Key{Group: model.GroupFirst, Kind: model.KindScaledObject, Namespace: "default", Name: "old"},
		Target: model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"}, HPA: model.HPA{Name: "keda-hpa-app", SelectorValue: "app"},
	}
	withAuth := trigger(func(t *kedav1.ScaleTriggers) {
		t.AuthenticationRef = &kedav1.AuthenticationRef{Name: "creds"}
		delete(t.Metadata, "host")
	})
	ofEnv := trigger(func(t *kedav1.ScaleTriggers) {
		delete(t.Metadata, "host")
		t.Metadata["hostFromEnv"] = "HOST"
	})
	ofCPU := func(o *kedav1.ScaledObject) {
		o.Spec.MinReplicaCount = new(int32(1))
		o.Spec.Triggers = []kedav1.ScaleTriggers{{Type: "cpu", MetricType: "Utilization", Metadata: map[string]string{"value": "80"}}}
	}
	bare := map[string]*corev1.PodSpec{"app": {Containers: []corev1.Container{{Name: "main"}}}}
	tests := map[string]struct {
		change   func(*kedav1.ScaledObject)
		cluster  known
		message  string
		warnings []string
	}{
		"right": {change: func(*kedav1.ScaledObject) {}},
		"all problems at once": {
			change: func(o *kedav1.ScaledObject) {
				o.Spec.MinReplicaCount, o.Spec.MaxReplicaCount = new(int32(5)), new(int32(2))
				o.Spec.Triggers[0].Metadata = map[string]string{"host": "h", "queueNam": "jobs", "queueLength": "many"}
			},
			message: `ScaledObject default/worker has 3 problems: spec.minReplicaCount: found 5, above maxReplicaCount, which is 2; expected at most that; ` +
				`spec.triggers[0].metadata.queueName: is missing`,
			warnings: []string{"spec.triggers[0].metadata.queueNam: is not a parameter of this trigger (did you mean queueName?)"},
		},
		"another ScaledObject": {
			change: func(*kedav1.ScaledObject) {}, cluster: known{rivals: []*model.Workload{rival}},
			message: `ScaledObject default/worker has 1 problem: spec.scaleTargetRef.name: Deployment "app" is already scaled by ScaledObject.keda.k8s.io default/old; expected one object per target (put all triggers into one object)`,
		},
		"another HPA": {
			change: func(*kedav1.ScaledObject) {}, cluster: known{hpas: []lint.HPA{{Name: lint.Name{Namespace: "default", Name: "mine"}, Target: app}}},
			message: `Deployment "app" is already scaled by HorizontalPodAutoscaler mine; expected one scaler per target`,
		},
		"a cluster that does not answer": {
			change: func(*kedav1.ScaledObject) {}, cluster: known{err: errors.New("no answer")},
			warnings: []string{
				"spec.scaleTargetRef: whether another ScaledObject scales the target could not be checked: no answer",
				"spec.scaleTargetRef: whether another HorizontalPodAutoscaler scales the target could not be checked: no answer",
			},
		},
		"an auth object that is missing": {
			change:   withAuth,
			warnings: []string{`spec.triggers[0].authenticationRef: names the TriggerAuthentication "creds", which does not exist in namespace default (as the cluster is now)`},
		},
		"an auth object that gives something else": {
			change: withAuth, cluster: known{auths: map[string]*model.AuthSpec{"creds": {Secrets: []model.AuthKey{{Parameter: "password", Name: "s", Key: "k"}}}}},
			warnings: []string{`spec.triggers[0].metadata.host: is missing`},
		},
		"an auth object that gives it": {
			change: withAuth, cluster: known{auths: map[string]*model.AuthSpec{"creds": {Secrets: []model.AuthKey{{Parameter: "host", Name: "s", Key: "k"}}}}},
		},
		"a variable that the target has not": {
			change: ofEnv, cluster: known{pods: bare},
			warnings: []string{`spec.triggers[0].metadata.hostFromEnv: `},
		},
		"a variable of a target to come": {change: ofEnv},
		"cpu without a request": {
			change: ofCPU, cluster: known{pods: bare},
			message: `spec.triggers[0]: measures a share of the cpu that containers request, while the container "main" of the Deployment app requests none`,
		},
		"cpu of a target to come": {
			change:   ofCPU,
			warnings: []string{`spec.scaleTargetRef: names the Deployment "app", which does not exist yet, so whether the containers of the target request what the triggers measure could not be checked`},
		},
		"cpu alone to zero": {
			change: func(o *kedav1.ScaledObject) {
				ofCPU(o)
				o.Spec.MinReplicaCount = nil
				o.Spec.Triggers[0].MetricType, o.Spec.Triggers[0].Metadata["value"] = "AverageValue", "100m"
			},
			message: "spec.minReplicaCount: found 0, or nothing, with cpu and memory triggers only",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := handler(t, &tt.cluster).Handle(t.Context(), request(t, scaledObject(tt.change), nil))
			if want := tt.message == ""; got.Allowed != want {
				t.Fatalf("allowed is %v; expected %v: %+v", got.Allowed, want, got.Result)
			}
			if !strings.Contains(got.Result.Message, tt.message) {
				t.Errorf("message %q;\nexpected %q in it", got.Result.Message, tt.message)
			}
			if len(got.Warnings) != len(tt.warnings) {
				t.Fatalf("warnings %q;\nexpected %q", got.Warnings, tt.warnings)
			}
			for i, w := range tt.warnings {
				if !strings.HasPrefix(got.Warnings[i], w) {
					t.Errorf("warning %q;\nexpected %q", got.Warnings[i], w)
				}
			}
		})
	}
}

// TestOtherKinds: each kind is judged by its own rules, and what is no kind of
// ours is let through.
func TestOtherKinds(t *testing.T) {
	meta := func(kind, version string) (metav1.TypeMeta, metav1.ObjectMeta) {
		return metav1.TypeMeta{APIVersion: version, Kind: kind}, metav1.ObjectMeta{Namespace: "default", Name: "it"}
	}
	today, first := kedav1.SchemeGroupVersion.String(), firstv1.SchemeGroupVersion.String()
	var (
		job        kedav1.ScaledJob
		old        firstv1.ScaledObject
		auth       kedav1.TriggerAuthentication
		firstAuth  firstv1.TriggerAuthentication
		cluster    kedav1.ClusterTriggerAuthentication
		events     eventingv1.ClusterCloudEventSource
		deployment corev1.Pod
	)
	job.TypeMeta, job.ObjectMeta = meta(model.KindScaledJob, today)
	old.TypeMeta, old.ObjectMeta = meta(model.KindScaledObject, first)
	old.Spec.ScaleTargetRef = &firstv1.ObjectReference{DeploymentName: "app"}
	auth.TypeMeta, auth.ObjectMeta = meta(model.KindTriggerAuthentication, today)
	auth.Spec.SecretTargetRef = []kedav1.AuthSecretTargetRef{{Parameter: "password", Name: "redis"}}
	firstAuth.TypeMeta, firstAuth.ObjectMeta = meta(model.KindTriggerAuthentication, first)
	firstAuth.Spec.SecretTargetRef = []firstv1.AuthSecretTargetRef{{Parameter: "password", Key: "key"}}
	cluster.TypeMeta, cluster.ObjectMeta = meta(model.KindClusterTriggerAuthentication, today)
	cluster.Namespace, cluster.Spec.FilePath = "", "../etc/passwd"
	events.TypeMeta, events.ObjectMeta = meta(model.KindClusterCloudEventSource, eventingv1.SchemeGroupVersion.String())
	events.Namespace = ""
	deployment.TypeMeta, deployment.ObjectMeta = meta("Pod", "v1")
	tests := map[string]struct {
		obj  runtime.Object
		want string
	}{
		"ScaledJob":                               {&job, "ScaledJob default/it has 2 problems: spec.triggers: is empty; expected at least one trigger; spec.jobTargetRef.template.spec.containers: is empty"},
		"ScaledObject of the first API":           {&old, "ScaledObject default/it has 1 problem: spec.triggers: is empty"},
		"TriggerAuthentication":                   {&auth, "TriggerAuthentication default/it has 1 problem: spec.secretTargetRef[0].key: is missing"},
		"TriggerAuthentication of the first API":  {&firstAuth, "TriggerAuthentication default/it has 1 problem: spec.secretTargetRef[0].name: is missing"},
		"ClusterTriggerAuthentication":            {&cluster, `ClusterTriggerAuthentication it has 1 problem: spec.filePath: found "../etc/passwd"`},
		"ClusterCloudEventSource":                 {&events, "ClusterCloudEventSource it has 1 problem: spec.destination"},
		"a kind that is not ours, so not decoded": {&deployment, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := handler(t, &known{}).Handle(t.Context(), request(t, tt.obj, nil))
			if got.Allowed != (tt.want == "") || !strings.HasPrefix(got.Result.Message, tt.want) {
				t.Errorf("allowed %v, %q;\nexpected %q", got.Allowed, got.Result.Message, tt.want)
			}
		})
	}
}

// TestUpdate: an update that changes nothing of what is judged passes whatever
// is wrong, and asks the cluster nothing.
func TestUpdate(t *testing.T) {
	broken := func(o *kedav1.ScaledObject) { o.Spec.MaxReplicaCount = new(int32(0)) }
	taken := known{rivals: []*model.Workload{{
		Key:    model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "default", Name: "other"},
		Target: model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"}, HPA: model.HPA{Name: "keda-hpa-other", SelectorValue: "other"},
	}}}
	tests := map[string]struct {
		old, now []func(*kedav1.ScaledObject)
		cluster  known
		allowed  bool
		silent   bool
		warnings int
	}{
		"a finalizer goes": {
			old: []func(*kedav1.ScaledObject){broken, func(o *kedav1.ScaledObject) { o.Finalizers = []string{"finalizer.keda.sh"} }},
			now: []func(*kedav1.ScaledObject){broken}, allowed: true, silent: true,
		},
		"a label comes": {
			old: []func(*kedav1.ScaledObject){broken},
			now: []func(*kedav1.ScaledObject){broken, func(o *kedav1.ScaledObject) { o.Labels = map[string]string{"a": "b"} }}, allowed: true, silent: true,
		},
		"applied again": {
			old: []func(*kedav1.ScaledObject){broken, func(o *kedav1.ScaledObject) { o.Annotations = map[string]string{lastApplied: "{}"} }},
			now: []func(*kedav1.ScaledObject){broken}, allowed: true, silent: true,
		},
		"being deleted": {
			old: []func(*kedav1.ScaledObject){broken},
			now: []func(*kedav1.ScaledObject){broken, func(o *kedav1.ScaledObject) {
				o.DeletionTimestamp, o.Spec.MinReplicaCount = new(metav1.Now()), new(int32(7))
			}}, allowed: true, silent: true,
		},
		"paused": {
			old: []func(*kedav1.ScaledObject){broken},
			now: []func(*kedav1.ScaledObject){broken, func(o *kedav1.ScaledObject) {
				o.Annotations = map[string]string{"autoscaling.keda.sh/paused": "true"}
			}}, allowed: true, warnings: 1,
		},
		"an annotation that is wrong": {
			now: []func(*kedav1.ScaledObject){func(o *kedav1.ScaledObject) {
				o.Annotations = map[string]string{"autoscaling.keda.sh/paused-replicas": "many"}
			}},
		},
		"the spec changes": {now: []func(*kedav1.ScaledObject){broken}},
		"moved to a target that is taken": {
			old: []func(*kedav1.ScaledObject){func(o *kedav1.ScaledObject) { o.Spec.ScaleTargetRef.Name = "free" }}, cluster: taken,
		},
		"something else changes while the target is taken": {
			now: []func(*kedav1.ScaledObject){func(o *kedav1.ScaledObject) { o.Spec.CooldownPeriod = new(int32(5)) }}, cluster: taken, allowed: true, warnings: 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := handler(t, &tt.cluster).Handle(t.Context(), request(t, scaledObject(tt.now...), scaledObject(tt.old...)))
			if got.Allowed != tt.allowed || len(got.Warnings) != tt.warnings {
				t.Errorf("allowed %v with warnings %q; expected %v and %d warnings: %v", got.Allowed, got.Warnings, tt.allowed, tt.warnings, got.Result)
			}
			if silent := tt.cluster.asked == 0; silent != tt.silent {
				t.Errorf("the cluster was asked %d times", tt.cluster.asked)
			}
		})
	}
}

// TestRefusal: programs get each problem by field, and who counts is told.
func TestRefusal(t *testing.T) {
	h := handler(t, &known{})
	var told []Judgement
	h.opts.Told = func(j Judgement) { told = append(told, j) }
	got := h.Handle(t.Context(), request(t, scaledObject(func(o *kedav1.ScaledObject) { o.Spec.MaxReplicaCount = new(int32(0)) }), nil))
	want := &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: "ScaledObject default/worker has 1 problem: spec.maxReplicaCount: found 0; expected 1 or more",
		Details: &metav1.StatusDetails{Name: "worker", Group: "keda.sh", Kind: "ScaledObject", Causes: []metav1.StatusCause{
			{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.maxReplicaCount", Message: "found 0; expected 1 or more"},
		}},
	}
	if diff := cmp.Diff(want, got.Result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	h.Handle(t.Context(), request(t, scaledObject(), nil))
	judged := []Judgement{
		{Kind: "ScaledObject", Namespace: "default", Name: "worker", Operation: "CREATE", Refused: true},
		{Kind: "ScaledObject", Namespace: "default", Name: "worker", Operation: "CREATE"},
	}
	if diff := cmp.Diff(judged, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestUnreadable: an object that can't be decoded is refused, a deletion never.
func TestUnreadable(t *testing.T) {
	req := request(t, scaledObject(), nil)
	req.Object.Raw = []byte(`{"spec":{"maxReplicaCount":"two"}}`)
	if got := handler(t, &known{}).Handle(t.Context(), req); got.Allowed || got.Result.Code != http.StatusBadRequest {
		t.Errorf("got %+v; expected a refusal", got)
	}
	req.Operation = admissionv1.Delete
	if got := handler(t, &known{}).Handle(t.Context(), req); !got.Allowed {
		t.Errorf("a deletion: %+v; expected it to be allowed", got)
	}
}

// TestSlowCluster: a cluster that does not answer costs a rule, not the answer.
func TestSlowCluster(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := handler(t, &known{})
	h.opts.Cluster = waiting{&known{}}
	got := h.Handle(ctx, request(t, scaledObject(), nil))
	if !got.Allowed || len(got.Warnings) != 2 {
		t.Errorf("got %+v; expected two warnings", got)
	}
}

// waiting answers when nobody waits any more.
type waiting struct{ *known }

func (waiting) Rivals(ctx context.Context, _ *model.Workload) ([]*model.Workload, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (waiting) HPAs(ctx context.Context, _ *model.Workload) ([]lint.HPA, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
