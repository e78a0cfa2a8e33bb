package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scalers"
)

// reader reads Secrets and auth objects of the fake cluster.
type reader struct{ client.Client }

func (r reader) Secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	var s corev1.Secret
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &s)
	return s.Data, err
}

func (r reader) ConfigMap(context.Context, string, string) (map[string]string, error) {
	return nil, secret.ErrUnseen
}

func (r reader) PodSpec(context.Context, string, model.Target) (*corev1.PodSpec, error) {
	return nil, secret.ErrUnseen
}

func (r reader) Auth(ctx context.Context, _, namespace, name string, _ model.Group) (*model.AuthSpec, error) {
	var o kedav1.TriggerAuthentication
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &o)
	return convert.Auth(&o), err
}

// clusterOf is a fake API server with the objects of testdata/cluster.yaml.
func clusterOf(t *testing.T, funcs interceptor.Funcs) Options {
	t.Helper()
	s, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := os.ReadFile("testdata/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(s).WithReturnManagedFields().WithInterceptorFuncs(funcs)
	for _, text := range strings.Split(string(objects), "---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		if s.Recognizes(u.GroupVersionKind()) {
			o, err := s.New(u.GroupVersionKind())
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict([]byte(text), o); err != nil {
				t.Fatal(err)
			}
			b.WithObjects(o.(client.Object))
			continue
		}
		b.WithObjects(u)
	}
	c := b.Build()
	return Options{
		Client: c, Reader: reader{c}, Catalog: scalers.Catalog(), Version: "main", Namespace: "shop", ClusterNamespace: "keda",
		Service: Service{"keda", "ours", 443},
	}
}

func liveHPA(t *testing.T, o Options) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	var h autoscalingv2.HorizontalPodAutoscaler
	if err := o.Client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "keda-hpa-carts"}, &h); err != nil {
		t.Fatal(err)
	}
	return &h
}

func metricName(h *autoscalingv2.HorizontalPodAutoscaler) string {
	return h.Spec.Metrics[0].External.Metric.Name
}

// TestLook: the report has all that matters and no value of a Secret, and
// nothing is written.
func TestLook(t *testing.T) {
	wrote := func() error { return errors.New("something was written") }
	o := clusterOf(t, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return wrote() },
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error { return wrote() },
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return wrote()
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return wrote() },
	})
	r, err := Look(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	wantInstallation := Installation{
		Upstream:   []Deployment{{"keda", "keda-operator", "operator", "ghcr.io/kedacore/keda:2.20.0", 2}},
		MetricsAPI: &MetricsAPI{Service: Service{"keda", "theirs", 443}, Available: true}, Webhooks: []string{"keda-admission"}, ServiceThere: true,
	}
	if diff := cmp.Diff(wantInstallation, r.Installation); diff != "" {
		t.Errorf("installation (-want +got):\n%s", diff)
	}
	var got []string
	for _, x := range r.Objects {
		line := fmt.Sprintf("%s %s/%s %v", x.Kind, x.Namespace, x.Name, x.Ready())
		if x.HPA != nil {
			line += fmt.Sprintf(" %s missing=%v", x.HPA.Name, x.HPA.Missing)
			for _, c := range x.HPA.Changes {
				line += " " + c.Field
			}
		}
		got = append(got, line)
	}
	want := []string{
		"ScaledObject shop/carts true keda-hpa-carts missing=false metadata.labels.app.kubernetes.io/managed-by metadata.labels.app.kubernetes.io/name metadata.labels.app.kubernetes.io/part-of spec.metrics[0]",
		"ScaledObject shop/unknown false keda-hpa-unknown missing=true", // somebody else's HPA
		"ScaledJob shop/jobs true",
		"TriggerAuthentication shop/redis true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if len(r.Steps) != 3 || !strings.Contains(r.Steps[0], "from 2 to 0") || !strings.Contains(r.Steps[1], "from Service keda/theirs:443 to keda/ours:443") || !strings.Contains(r.Steps[2], "keda-hpa-carts, with 4 changes") {
		t.Errorf("steps are %q", r.Steps)
	}
	var text strings.Builder
	if err := errors.Join(r.Text(&text), r.JSON(&text)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "s3cr3t") {
		t.Error("the report shows a credential")
	}
}

// TestApplyAndBack: a second run of either has nothing left to do, and what
// was noted first is what is written back.
func TestApplyAndBack(t *testing.T) {
	o := clusterOf(t, interceptor.Funcs{})
	before := liveHPA(t, o)
	var said []string
	say := func(s string) { said = append(said, s) }
	if err := Apply(t.Context(), o, ApplyOptions{StopUpstream: true}, say); err == nil || len(said) > 0 {
		t.Fatalf("with an object that has errors: %v, after %q", err, said)
	}
	for range 2 {
		if err := Apply(t.Context(), o, ApplyOptions{StopUpstream: true, DespiteErrors: true}, say); err != nil {
			t.Fatal(err)
		}
	}
	if len(said) != 3 {
		t.Errorf("two runs said %q", said)
	}
	if got := metricName(liveHPA(t, o)); got != "s0-redis-carts" {
		t.Errorf("the metric is %s", got)
	}
	elsewhere := o
	elsewhere.Service.Name = "theirs"
	if err := newMigration(elsewhere).leadMetrics(t.Context()); err != nil { // a second note must not replace the first
		t.Fatal(err)
	}
	said = nil
	for range 2 {
		if err := Back(t.Context(), o, say); err != nil {
			t.Fatal(err)
		}
	}
	if len(said) != 3 {
		t.Errorf("two ways back said %q", said)
	}
	after := liveHPA(t, o)
	if diff := cmp.Diff(before.Spec, after.Spec) + cmp.Diff(before.Labels, after.Labels) + cmp.Diff(before.Annotations, after.Annotations); diff != "" {
		t.Errorf("the HPA given back:\n%s", diff)
	}
	var d appsv1.Deployment
	if err := o.Client.Get(t.Context(), client.ObjectKey{Namespace: "keda", Name: "keda-operator"}, &d); err != nil || *d.Spec.Replicas != 2 || len(d.Annotations) > 0 {
		t.Errorf("upstream's Deployment: %v, %+v %v", err, d.Spec.Replicas, d.Annotations)
	}
	api := apiServiceNamed()
	if err := o.Client.Get(t.Context(), client.ObjectKeyFromObject(api), api); err != nil {
		t.Fatal(err)
	}
	ca, _, _ := unstructured.NestedString(api.Object, "spec", "caBundle")
	if got := metricsAPIOf(api).Service.Name; got != "theirs" || ca != "QQ==" || len(api.GetAnnotations()) > 0 {
		t.Errorf("the APIService leads to %s and trusts %q: %v", got, ca, api.GetAnnotations())
	}
}

// TestInterrupted: a run that ended between the note and the apply is gone on
// with, and the note stays what it was.
func TestInterrupted(t *testing.T) {
	broken := true
	o := clusterOf(t, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
		if broken && patch.Type() == types.ApplyPatchType {
			return errors.New("the line is cut")
		}
		return c.Patch(ctx, obj, patch, opts...)
	}})
	a, say := ApplyOptions{StopUpstream: true, DespiteErrors: true}, func(string) {}
	if err := Apply(t.Context(), o, a, say); err == nil || !strings.Contains(err.Error(), "applying HPA shop/keda-hpa-carts") {
		t.Fatalf("%v", err)
	}
	broken = false
	if err := Apply(t.Context(), o, a, say); err != nil {
		t.Fatal(err)
	}
	if got := liveHPA(t, o); metricName(got) != "s0-redis-carts" || !strings.Contains(got.Annotations[annotationBefore], "s0-of-upstream") {
		t.Errorf("the metric is %s, the note %s", metricName(got), got.Annotations[annotationBefore])
	}
}

// TestConflict: an HPA whose status is written meanwhile is read again.
func TestConflict(t *testing.T) {
	conflicts := 2
	o := clusterOf(t, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
		if _, isHPA := obj.(*autoscalingv2.HorizontalPodAutoscaler); isHPA && conflicts > 0 {
			conflicts--
			return apierrors.NewConflict(autoscalingv2.Resource("horizontalpodautoscalers"), obj.GetName(), errors.New("changed"))
		}
		return c.Patch(ctx, obj, patch, opts...)
	}})
	if err := Apply(t.Context(), o, ApplyOptions{StopUpstream: true, DespiteErrors: true}, func(string) {}); err != nil || conflicts != 0 {
		t.Errorf("%v, with %d conflicts left", err, conflicts)
	}
}

func TestBackRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(ctx context.Context, c client.Client) error
		want   string
	}{
		"while ours runs": {func(ctx context.Context, c client.Client) error {
			return c.Create(ctx, &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: "keda", Name: "ours"},
				Spec:       appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Command: []string{"/keda"}, Args: []string{"all"}}}}}},
			})
		}, "Deployment keda/ours and would write the HPAs again"},
		"a note that can't be read": {func(ctx context.Context, c client.Client) error {
			h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "odd", Annotations: map[string]string{annotationBefore: "{"}}}
			return c.Create(ctx, h)
		}, "giving HPA shop/odd back: its annotation migrate.keda.sh/before can't be read"},
		"replicas that are none": {func(ctx context.Context, c client.Client) error {
			return c.Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "keda", Name: "odd", Annotations: map[string]string{annotationReplicas: "-1"}}})
		}, `Deployment keda/odd: found "-1"; expected a number of replicas`},
		"an APIService's note": {func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, apiServiceNamed(), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"migrate.keda.sh/before":"["}}}`)))
		}, "annotation migrate.keda.sh/before of APIService"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := clusterOf(t, interceptor.Funcs{})
			if err := tt.change(t.Context(), o.Client); err != nil {
				t.Fatal(err)
			}
			if err := Back(t.Context(), o, func(string) {}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; expected %q", err, tt.want)
			}
		})
	}
}

// TestForeignHPA: an object whose target another HPA scales is left alone.
func TestForeignHPA(t *testing.T) {
	o := clusterOf(t, interceptor.Funcs{})
	other := liveHPA(t, o)
	other.Name, other.ResourceVersion, other.OwnerReferences = "by-hand", "", nil
	if err := o.Client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	r, err := Look(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Objects[0]; got.Ready() || !strings.Contains(got.Problems.Err().Error(), "by-hand") {
		t.Errorf("%s has the problems %v", got.Name, got.Problems)
	}
	if slices.ContainsFunc(r.Steps, func(s string) bool { return strings.Contains(s, "take over") }) {
		t.Errorf("the steps are %q", r.Steps)
	}
}

// TestNoKEDA: a cluster without the kinds is told as such.
func TestNoKEDA(t *testing.T) {
	o := clusterOf(t, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		if _, ours := list.(*kedav1.ScaledObjectList); ours {
			return &meta.NoKindMatchError{}
		}
		return c.List(ctx, list, opts...)
	}})
	if _, err := Look(t.Context(), o); err == nil || !strings.Contains(err.Error(), "does not know the kinds of keda.sh") {
		t.Errorf("%v", err)
	}
}

// TestManagers: upstream's name goes, ours comes.
func TestManagers(t *testing.T) {
	o := clusterOf(t, interceptor.Funcs{})
	h := liveHPA(t, o)
	h.Spec.MaxReplicas = 50
	if err := o.Client.Update(t.Context(), h, client.FieldOwner(managerUpstream)); err != nil {
		t.Fatal(err)
	}
	if got := managers(liveHPA(t, o)); !slices.Contains(got, managerUpstream) {
		t.Fatalf("managers are %v", got)
	}
	if err := Apply(t.Context(), o, ApplyOptions{StopUpstream: true, DespiteErrors: true}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	got := liveHPA(t, o)
	if m := managers(got); slices.Contains(m, managerUpstream) || got.Spec.MaxReplicas != 100 {
		t.Errorf("managers are %v, maxReplicas is %d", m, got.Spec.MaxReplicas)
	}
}
