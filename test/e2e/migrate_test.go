package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/plane"
	"github.com/kedago/keda/internal/up"
)

// newOwnStory has a control plane of its own, in which no operator of ours
// runs yet.
func newOwnStory(t *testing.T) *story {
	t.Helper()
	requirePlane(t)
	t.Parallel()
	c := &cluster{dir: t.TempDir(), helper: shared.helper}
	var err error
	c.plane, err = plane.Start(t.Context(), plane.Options{
		Binary: c.helper, StateDir: filepath.Join(c.dir, "plane"), HPASyncPeriod: time.Second, HPAClientQPS: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.plane.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	s := &story{T: t, cluster: c, ctx: t.Context(), namespace: "shop"}
	s.must(c.connect())
	s.must(up.Install(s.ctx, c.client))
	s.must(s.client.Create(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}))
	log, err := os.Create(c.logFile())
	s.must(err)
	c.options = up.OperatorOptions{Binary: shared.options.Binary, Kubeconfig: filepath.Join(c.dir, "operator.kubeconfig"), StateDir: c.dir, Log: log}
	s.must(up.OperatorKubeconfig(s.ctx, c.client, c.config, c.options.Kubeconfig))
	return s
}

// keda runs the command line against the story's cluster.
func (s *story) keda(args ...string) (code int, stdout, stderr string) {
	s.Helper()
	cmd := exec.CommandContext(s.ctx, s.options.Binary, append(args, "--kubeconfig", s.plane.Kubeconfig())...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.failf("running keda %v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

const upstreamOperator = "keda-operator"

// upstreamCluster is a cluster as upstream's KEDA leaves it: a ScaledObject at
// three replicas, its HPA, the APIService and the operator.
func upstreamCluster(s *story) *kedav1.ScaledObject {
	s.Helper()
	s.create(deployment(worker, 3))
	o := scaledObject([]kedav1.ScaleTriggers{{Type: "cron", Metadata: map[string]string{
		"timezone": "UTC", "start": "0 0 1 1 *", "end": "59 23 31 12 *", "desiredReplicas": "3",
	}}})
	s.create(o)
	one := resource.MustParse("1")
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.namespace, Name: "keda-hpa-" + o.Name, Labels: map[string]string{"app.kubernetes.io/managed-by": "keda-operator"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(o, kedav1.SchemeGroupVersion.WithKind("ScaledObject"))},
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: worker}, MaxReplicas: 100,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
				Metric: autoscalingv2.MetricIdentifier{Name: "s0-cron-of-upstream", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"scaledobject.keda.sh/name": o.Name}}},
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &one},
			}}},
		},
	}
	s.must(s.client.Create(s.ctx, hpa, client.FieldOwner("keda")))
	s.must(s.client.Create(s.ctx, deployment(upstreamOperator, 1, func(d *appsv1.Deployment) {
		d.Namespace = up.Namespace
		d.Spec.Template.Spec.Containers[0].Image = "ghcr.io/kedacore/keda:2.20.0"
	})))
	api := externalAPIService()
	api.Object["spec"] = map[string]any{
		"group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
		"service": map[string]any{"namespace": up.Namespace, "name": "upstream-metrics", "port": int64(443)}, "insecureSkipTLSVerify": true,
	}
	s.must(s.client.Create(s.ctx, api))
	s.must(s.client.Create(s.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: up.Namespace, Name: "keda-metrics-apiserver"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443, TargetPort: intstr.FromInt32(6443)}}},
	}))
	return o
}

func externalAPIService() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	u.SetName("v1beta1.external.metrics.k8s.io")
	return u
}

// metricsService is where the APIService leads.
func (s *story) metricsService() string {
	s.Helper()
	u := externalAPIService()
	s.must(s.client.Get(s.ctx, client.ObjectKeyFromObject(u), u))
	name, _, _ := unstructured.NestedString(u.Object, "spec", "service", "name")
	return name
}

// upstreamReplicas is the size of upstream's operator.
func (s *story) upstreamReplicas() int32 {
	s.Helper()
	var d appsv1.Deployment
	s.must(s.client.Get(s.ctx, client.ObjectKey{Namespace: up.Namespace, Name: upstreamOperator}, &d))
	return *d.Spec.Replicas
}

func fieldManagers(h *autoscalingv2.HorizontalPodAutoscaler) []string {
	var out []string
	for _, e := range h.ManagedFields {
		if e.Subresource == "" {
			out = append(out, e.Manager)
		}
	}
	slices.Sort(out)
	return out
}

func mustSay(s *story, text string, parts ...string) {
	s.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			s.failf("expected %q in:\n%s", part, text)
		}
	}
}

// TestMigrate moves a cluster over from upstream's KEDA and back, and no
// replica moves.
func TestMigrate(t *testing.T) {
	s := newOwnStory(t)
	o := upstreamCluster(s)
	name := "keda-hpa-" + o.Name
	replicas := s.follow(worker)
	before := s.hpa(name)

	code, out, errs := s.keda("migrate", "--from-upstream")
	if code != 0 {
		s.failf("exit code %d: %s%s", code, out, errs)
	}
	mustSay(s, out, "upstream  operator Deployment keda/keda-operator, ghcr.io/kedacore/keda:2.20.0, 1 replicas", "served by Service keda/upstream-metrics:443",
		"ScaledObject shop/"+o.Name+": ready", "written by keda:", "spec.metrics[0]: s0-cron-of-upstream", "1. scale Deployment keda/keda-operator", "Nothing was changed.")
	code, _, errs = s.keda("migrate", "--from-upstream", "--apply")
	if code != 2 || !strings.Contains(errs, "--stop-upstream") {
		s.failf("--apply beside upstream's operator: exit code %d: %s", code, errs)
	}
	if diff := cmp.Diff(before.Spec, s.hpa(name).Spec); diff != "" || s.upstreamReplicas() != 1 || s.metricsService() != "upstream-metrics" {
		s.failf("something was written, such as to the HPA:\n%s", diff)
	}

	code, out, errs = s.keda("migrate", "--from-upstream", "--apply", "--stop-upstream")
	if code != 0 {
		s.failf("exit code %d: %s%s", code, out, errs)
	}
	mustSay(s, out, "scale Deployment keda/keda-operator", "lead APIService", "take over HPA shop/"+name)
	taken := s.hpa(name)
	if got := fieldManagers(taken); slices.Contains(got, "keda") || !slices.Contains(got, "keda-operator") {
		s.failf("the HPA's fields belong to %v", got)
	}
	if s.upstreamReplicas() != 0 || s.metricsService() != "keda-metrics-apiserver" {
		s.failf("upstream's operator has %d replicas, metrics come from %s", s.upstreamReplicas(), s.metricsService())
	}
	s.takesOverQuietly(o, taken)

	code, out, errs = s.keda("migrate", "--from-upstream", "--back")
	if code != 0 {
		s.failf("exit code %d: %s%s", code, out, errs)
	}
	mustSay(s, out, "give HPA shop/"+name+" back", "lead APIService", "scale Deployment keda/keda-operator from 0 to 1")
	after := s.hpa(name)
	if diff := cmp.Diff(before.Spec, after.Spec) + cmp.Diff(before.Labels, after.Labels); diff != "" {
		s.failf("the HPA given back (-before +after):\n%s", diff)
	}
	if got := fieldManagers(after); !slices.Contains(got, "keda") || slices.Contains(got, "keda-operator") {
		s.failf("the fields of the HPA given back belong to %v", got)
	}
	if s.upstreamReplicas() != 1 || s.metricsService() != "upstream-metrics" {
		s.failf("upstream's operator has %d replicas, metrics come from %s", s.upstreamReplicas(), s.metricsService())
	}
	if diff := cmp.Diff([]int32{3}, replicas.seen()); diff != "" {
		s.failf("replicas moved:\n%s", diff)
	}
	if code, out, _ := s.keda("migrate", "--from-upstream", "--back"); code != 0 || out != "" {
		s.failf("a second --back: exit code %d:\n%s", code, out)
	}
}

// takesOverQuietly runs our operator until the HPA works with it, and says that
// it had nothing to write there.
func (s *story) takesOverQuietly(o *kedav1.ScaledObject, taken *autoscalingv2.HorizontalPodAutoscaler) {
	s.Helper()
	operator, err := up.StartOperator(s.ctx, s.client, s.options)
	s.must(err)
	defer operator.Stop()
	(&subject{story: s, kind: kedav1.SchemeGroupVersion.WithKind(model.KindScaledObject), name: o.Name}).ready()
	s.eventually("the HPA works by our metrics", func() error {
		for _, c := range s.hpa(taken.Name).Status.Conditions {
			if c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", s.hpa(taken.Name).Status.Conditions)
	})
	if diff := cmp.Diff(taken.Spec, s.hpa(taken.Name).Spec); diff != "" {
		s.failf("the operator changed the HPA that had been taken over:\n%s", diff)
	}
	if _, out, _ := s.keda("migrate", "--from-upstream"); strings.Contains(out, "take over HPA") || !strings.Contains(out, "stays as it is") {
		s.failf("a second look says:\n%s", out)
	}
}
