package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	deployed "github.com/kedago/keda/deploy/webhook"
	"github.com/kedago/keda/internal/webhook"
)

// TestWebhookPath: the registration leads to where objects are judged.
func TestWebhookPath(t *testing.T) {
	if deployed.Path != webhook.Path || webhook.Paths()[0] != deployed.Path {
		t.Errorf("registered is %s, served are %v", deployed.Path, webhook.Paths())
	}
}

// TestStripped: what the rules across objects look at is kept, all else goes.
func TestStripped(t *testing.T) {
	now := metav1.Now()
	meta := func(change ...func(*metav1.ObjectMeta)) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Namespace: "default", Name: "a", UID: "1", ResourceVersion: "2", DeletionTimestamp: &now}
		for _, c := range change {
			c(&m)
		}
		return m
	}
	more := func(m *metav1.ObjectMeta) {
		m.Labels, m.Annotations = map[string]string{"a": "b"}, map[string]string{"c": "d"}
		m.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	}
	owners := []metav1.OwnerReference{{Kind: "Other", Name: "x"}, {Kind: "ScaledObject", Name: "y", Controller: new(true)}}
	target := &kedav1.ScaleTarget{Name: "app"}
	ref := autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "app"}
	name := &kedav1.HorizontalPodAutoscalerConfig{Name: "mine"}
	tests := map[string]struct {
		strip     func(any) (any, error)
		full, bar client.Object
	}{
		"ScaledObject": {
			stripClaim,
			&kedav1.ScaledObject{ObjectMeta: meta(more), Spec: kedav1.ScaledObjectSpec{
				ScaleTargetRef: target, Triggers: []kedav1.ScaleTriggers{{Type: "cron"}},
				Advanced: &kedav1.AdvancedConfig{
					HorizontalPodAutoscalerConfig: &kedav1.HorizontalPodAutoscalerConfig{Name: "mine", Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{}},
				},
			}},
			&kedav1.ScaledObject{ObjectMeta: meta(), Spec: kedav1.ScaledObjectSpec{ScaleTargetRef: target, Advanced: &kedav1.AdvancedConfig{HorizontalPodAutoscalerConfig: name}}},
		},
		"of the first API": {
			stripClaim,
			&firstv1.ScaledObject{ObjectMeta: meta(more), Spec: firstv1.ScaledObjectSpec{ScaleTargetRef: &firstv1.ObjectReference{DeploymentName: "app"}, Triggers: []firstv1.ScaleTriggers{{Type: "cron"}}}},
			&firstv1.ScaledObject{ObjectMeta: meta(), Spec: firstv1.ScaledObjectSpec{ScaleTargetRef: &firstv1.ObjectReference{DeploymentName: "app"}}},
		},
		"HPA": {
			stripHPA,
			&autoscalingv2.HorizontalPodAutoscaler{
				ObjectMeta: meta(more, func(m *metav1.ObjectMeta) { m.OwnerReferences = owners }),
				Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: ref, MaxReplicas: 5},
			},
			&autoscalingv2.HorizontalPodAutoscaler{
				ObjectMeta: meta(func(m *metav1.ObjectMeta) { m.OwnerReferences = owners[1:] }), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: ref},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.strip(tt.full)
			if diff := cmp.Diff(any(tt.bar), got); err != nil || diff != "" {
				t.Errorf("%v, stripped (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestWatchedByWebhook: a webhook keeps little of the ScaledObjects that it
// watches, also where a label says which those are.
func TestWatchedByWebhook(t *testing.T) {
	selector := labels.SelectorFromSet(labels.Set{"team": "a"})
	for _, judges := range []bool{false, true} {
		seen := 0
		for kind, by := range cacheOptions(Options{judgesOnly: judges}, selector).ByObject {
			switch kind.(type) {
			case *kedav1.ScaledObject, *firstv1.ScaledObject:
				seen++
				if by.Label.String() != selector.String() || (by.Transform != nil) != judges {
					t.Errorf("webhook alone %t: %T is selected by %v, stripped %t", judges, kind, by.Label, by.Transform != nil)
				}
			}
		}
		if seen != 2 {
			t.Errorf("webhook alone %t: %d kinds of ScaledObjects, expected 2", judges, seen)
		}
	}
}

// TestTrustWebhookOnce: the authority in the folder gets into the registration;
// a lasting failure is told once; a cluster without a registration is none.
func TestTrustWebhookOnce(t *testing.T) {
	s, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	config := deployed.Configuration(deployed.Options{Namespace: "keda", Service: "hooks"})
	cluster := fake.NewClientBuilder().WithScheme(s).WithObjects(config).Build()
	var log bytes.Buffer
	o := Options{CertDir: t.TempDir(), Webhook: WebhookOptions{ConfigName: deployed.Name}, Log: slog.New(slog.NewTextHandler(&log, nil))}

	said := webhookTrusting(cluster, cluster, o).once(t.Context(), o, "")
	said = webhookTrusting(cluster, cluster, o).once(t.Context(), o, said)
	if n := strings.Count(log.String(), "level=ERROR"); said == "" || n != 1 {
		t.Errorf("without an authority: %q, told %d times:\n%s", said, n, log.String())
	}
	if err := os.WriteFile(filepath.Join(o.CertDir, "ca.crt"), []byte("authority"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := webhookTrusting(cluster, cluster, o).once(t.Context(), o, said); said != "" {
		t.Errorf("with an authority: %s", said)
	}
	var have admissionv1.ValidatingWebhookConfiguration
	if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(config), &have); err != nil || string(have.Webhooks[0].ClientConfig.CABundle) != "authority" {
		t.Errorf("the registration trusts %q, %v", have.Webhooks[0].ClientConfig.CABundle, err)
	}
	o.Webhook.ConfigName = "another"
	if said := webhookTrusting(cluster, cluster, o).once(t.Context(), o, ""); said != "" {
		t.Errorf("without a registration: %s", said)
	}
}
