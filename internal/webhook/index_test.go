package webhook

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/convert"
)

// indexer adds the indexes to a fake cluster.
type indexer struct{ *fake.ClientBuilder }

func (x indexer) IndexField(_ context.Context, o client.Object, field string, values client.IndexerFunc) error {
	x.WithIndex(o, field, values)
	return nil
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, kedav1.AddToScheme, firstv1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// indexed is a cluster with the indexes. found hears how many objects each list gave.
func indexed(t *testing.T, found func(int), objects ...client.Object) client.Client {
	t.Helper()
	b := fake.NewClientBuilder().WithScheme(newScheme(t)).WithObjects(objects...)
	for _, add := range []func(context.Context, client.FieldIndexer) error{IndexWorkloads, IndexHPAs} {
		if err := add(t.Context(), indexer{b}); err != nil {
			t.Fatal(err)
		}
	}
	return b.WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			err := c.List(ctx, list, opts...)
			switch l := list.(type) {
			case *kedav1.ScaledObjectList:
				found(len(l.Items))
			case *firstv1.ScaledObjectList:
				found(len(l.Items))
			case *autoscalingv2.HorizontalPodAutoscalerList:
				found(len(l.Items))
			}
			return err
		},
	}).Build()
}

func scaling(namespace, name, target string, change ...func(*kedav1.ScaledObject)) *kedav1.ScaledObject {
	o := scaledObject(change...)
	o.Namespace, o.Name, o.Spec.ScaleTargetRef.Name = namespace, name, target
	return o
}

func hpa(name, target string, owner *metav1.OwnerReference) *autoscalingv2.HorizontalPodAutoscaler {
	o := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: target}},
	}
	if owner != nil {
		owner.Controller = new(true)
		o.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	return o
}

// TestIndex: who scales the same target, or has an HPA of the same name, is
// found in either group; whoever else there is is not looked at.
func TestIndex(t *testing.T) {
	named := func(name string) func(*kedav1.ScaledObject) {
		return func(o *kedav1.ScaledObject) {
			o.Spec.Advanced = &kedav1.AdvancedConfig{HorizontalPodAutoscalerConfig: &kedav1.HorizontalPodAutoscalerConfig{Name: name}}
		}
	}
	leaving := scaling("default", "leaving", "app", func(o *kedav1.ScaledObject) {
		o.DeletionTimestamp, o.Finalizers = new(metav1.Now()), []string{"finalizer.keda.sh"}
	})
	old := &firstv1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "old"},
		Spec:       firstv1.ScaledObjectSpec{ScaleTargetRef: &firstv1.ObjectReference{DeploymentName: "app"}},
	}
	ours := func(group string) *metav1.OwnerReference {
		return &metav1.OwnerReference{APIVersion: group + "/v1alpha1", Kind: "ScaledObject", Name: "x", UID: "1"}
	}
	objects := []client.Object{
		scaling("default", "worker", "app"), scaling("default", "other", "app"), scaling("default", "unrelated", "another"),
		scaling("elsewhere", "same", "app"), scaling("default", "thief", "another2", named("keda-hpa-worker")), leaving, old,
		scaling("default", "rollout", "app", func(o *kedav1.ScaledObject) {
			o.Spec.ScaleTargetRef.APIVersion, o.Spec.ScaleTargetRef.Kind = "argoproj.io/v1alpha1", "Rollout"
		}),
		hpa("mine", "app", nil), hpa("keda-hpa-worker", "third", nil), hpa("made", "app", ours("keda.sh")), hpa("made-first", "app", ours("keda.k8s.io")),
		hpa("elses", "app", &metav1.OwnerReference{APIVersion: "example.org/v1", Kind: "ScaledObject", Name: "x", UID: "1"}), hpa("unrelated", "another", nil),
	}
	for i := range 50 { // of no interest
		objects = append(objects, scaling("default", "n"+string(rune('a'+i)), "t"+string(rune('a'+i))))
	}
	seen := 0
	c := indexed(t, func(n int) { seen += n }, objects...)
	x := Index{WorkloadCache: c, HPACache: c}
	w, _ := convert.ScaledObject(scaling("default", "worker", "app"))

	rivals, err := x.Rivals(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rivals {
		got = append(got, r.Key.String())
	}
	slices.Sort(got)
	want := []string{"ScaledObject.keda.k8s.io default/old", "ScaledObject.keda.sh default/other", "ScaledObject.keda.sh default/thief"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rivals (-want +got):\n%s", diff)
	}
	if seen > 6 {
		t.Errorf("the lists gave %d objects; expected those with the target or the HPA's name only", seen)
	}
	hpas, err := x.HPAs(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, h := range hpas {
		got = append(got, h.Name.Name+" of "+h.Target.Kind+" "+h.Target.Name)
	}
	slices.Sort(got)
	want = []string{"elses of Deployment app", "keda-hpa-worker of Deployment third", "mine of Deployment app"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("HPAs (-want +got):\n%s", diff)
	}
}

// TestIndexWithoutAnswer: what an index can't tell is asked of the API server,
// if that is wanted.
func TestIndexWithoutAnswer(t *testing.T) {
	noAnswer := errors.New("not watched")
	broken := interceptor.NewClient(fake.NewClientBuilder().WithScheme(newScheme(t)).Build(), interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return noAnswer
		},
	})
	x := Index{WorkloadCache: broken, HPACache: broken}
	w, _ := convert.ScaledObject(scaling("default", "worker", "app"))
	if _, err := x.Rivals(t.Context(), w); !errors.Is(err, noAnswer) {
		t.Errorf("rivals: %v; expected %v", err, noAnswer)
	}
	if _, err := x.HPAs(t.Context(), w); !errors.Is(err, noAnswer) {
		t.Errorf("HPAs: %v; expected %v", err, noAnswer)
	}
	x.Live = fake.NewClientBuilder().WithScheme(newScheme(t)).WithObjects(scaling("default", "other", "app"), hpa("mine", "app", nil)).Build()
	if got, err := x.Rivals(t.Context(), w); err != nil || len(got) != 1 {
		t.Errorf("rivals: %d, %v; expected one", len(got), err)
	}
	if got, err := x.HPAs(t.Context(), w); err != nil || len(got) != 1 {
		t.Errorf("HPAs: %d, %v; expected one", len(got), err)
	}
}

// TestJobOfFirstAPI: a workload that runs Jobs scales no target.
func TestJobOfFirstAPI(t *testing.T) {
	o := &firstv1.ScaledObject{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "job"}, Spec: firstv1.ScaledObjectSpec{ScaleType: "job"}}
	c := indexed(t, func(int) {}, o)
	w, _ := convert.FirstScaledObject(o)
	if w.Job == nil {
		t.Fatal("the object runs no Jobs; expected it to")
	}
	if got, err := (Index{WorkloadCache: c, HPACache: c}).Rivals(t.Context(), w); err != nil || len(got) != 0 {
		t.Errorf("rivals %v, %v; expected none", got, err)
	}
}
