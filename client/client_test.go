package client_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	applyv1 "github.com/kedago/keda/client/applyconfiguration/keda.sh/v1alpha1"
	"github.com/kedago/keda/client/clientset/fake"
	clientscheme "github.com/kedago/keda/client/clientset/scheme"
	"github.com/kedago/keda/client/informers"

	batchapply "k8s.io/client-go/applyconfigurations/batch/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
)

func named(name, namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace}
}

// objects has one of each kind.
func objects() []runtime.Object {
	return []runtime.Object{
		&kedav1.ScaledObject{ObjectMeta: named("so", "ns")},
		&kedav1.ScaledJob{ObjectMeta: named("sj", "ns")},
		&kedav1.TriggerAuthentication{ObjectMeta: named("ta", "ns")},
		&kedav1.ClusterTriggerAuthentication{ObjectMeta: named("cta", "")},
		&firstv1.ScaledObject{ObjectMeta: named("sco", "ns")},
		&firstv1.TriggerAuthentication{ObjectMeta: named("first-ta", "ns")},
		&eventingv1.CloudEventSource{ObjectMeta: named("ces", "ns")},
		&eventingv1.ClusterCloudEventSource{ObjectMeta: named("cces", "")},
	}
}

// TestList reads each kind through its client.
func TestList(t *testing.T) {
	c, ctx, all := fake.NewSimpleClientset(objects()...), t.Context(), metav1.ListOptions{}
	lists := map[string]func() (runtime.Object, error){
		"so":       func() (runtime.Object, error) { return c.KedaV1alpha1().ScaledObjects("ns").List(ctx, all) },
		"sj":       func() (runtime.Object, error) { return c.KedaV1alpha1().ScaledJobs("ns").List(ctx, all) },
		"ta":       func() (runtime.Object, error) { return c.KedaV1alpha1().TriggerAuthentications("ns").List(ctx, all) },
		"cta":      func() (runtime.Object, error) { return c.KedaV1alpha1().ClusterTriggerAuthentications().List(ctx, all) },
		"sco":      func() (runtime.Object, error) { return c.FirstV1alpha1().ScaledObjects("ns").List(ctx, all) },
		"first-ta": func() (runtime.Object, error) { return c.FirstV1alpha1().TriggerAuthentications("ns").List(ctx, all) },
		"ces":      func() (runtime.Object, error) { return c.EventingV1alpha1().CloudEventSources("ns").List(ctx, all) },
		"cces":     func() (runtime.Object, error) { return c.EventingV1alpha1().ClusterCloudEventSources().List(ctx, all) },
	}
	if len(lists) != len(objects()) {
		t.Errorf("%d kinds are listed; expected %d", len(lists), len(objects()))
	}
	for name, list := range lists {
		got, err := list()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		items, err := runtime.DefaultUnstructuredConverter.ToUnstructured(got)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, item := range items["items"].([]any) {
			names = append(names, item.(map[string]any)["metadata"].(map[string]any)["name"].(string))
		}
		if diff := cmp.Diff([]string{name}, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestInformers: an informer's lister has what is there and what comes.
func TestInformers(t *testing.T) {
	c := fake.NewSimpleClientset(objects()...)
	factory := informers.NewSharedInformerFactory(c, 0)
	today := factory.Keda().V1alpha1().ScaledObjects()
	first := factory.First().V1alpha1().ScaledObjects()
	has := make(chan string, 10)
	if _, err := today.Informer().AddEventHandler(added(func(o *kedav1.ScaledObject) { has <- o.Name })); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	first.Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if _, err := c.KedaV1alpha1().ScaledObjects("other").Create(ctx, &kedav1.ScaledObject{ObjectMeta: named("late", "other")}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for seen := map[string]bool{}; !seen["so"] || !seen["late"]; {
		select {
		case name := <-has:
			seen[name] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("the informer has told of %v; expected so and late", seen)
		}
	}
	if o, err := today.Lister().ScaledObjects("other").Get("late"); err != nil || o.Name != "late" {
		t.Errorf("the lister has %v, %v", o, err)
	}
	if list, err := first.Lister().List(labels.Everything()); err != nil || len(list) != 1 || list[0].Name != "sco" {
		t.Errorf("the lister of keda.k8s.io has %v, %v", list, err)
	}
}

// added calls do for each object that comes.
type added func(*kedav1.ScaledObject)

// OnAdd implements cache.ResourceEventHandler.
func (do added) OnAdd(o any, _ bool) { do(o.(*kedav1.ScaledObject)) }

// OnUpdate implements cache.ResourceEventHandler.
func (added) OnUpdate(any, any) {}

// OnDelete implements cache.ResourceEventHandler.
func (added) OnDelete(any) {}

// TestApplyConfiguration: what is not set is not claimed, so a field manager
// owns what it says only.
func TestApplyConfiguration(t *testing.T) {
	job := applyv1.ScaledJob("resize", "shop").WithSpec(applyv1.ScaledJobSpec().
		WithMaxReplicaCount(3).
		WithJobTargetRef(batchapply.JobSpec().WithTemplate(coreapply.PodTemplateSpec().WithSpec(coreapply.PodSpec().WithContainers(coreapply.Container().WithName("a"))))).
		WithTriggers(applyv1.ScaleTriggers().WithType("cron").WithMetadata(map[string]string{"timezone": "UTC"})))
	got, err := yaml.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	const want = `apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata:
  name: resize
  namespace: shop
spec:
  jobTargetRef:
    template:
      spec:
        containers:
        - name: a
  maxReplicaCount: 3
  triggers:
  - metadata:
      timezone: UTC
    type: cron
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSchemes: the client's scheme is its own, and knows all kinds.
func TestSchemes(t *testing.T) {
	for _, o := range objects() {
		kinds, _, err := clientscheme.Scheme.ObjectKinds(o)
		if err != nil || len(kinds) != 1 {
			t.Errorf("%T: %v, %v", o, kinds, err)
		}
		if scheme.Scheme.IsGroupRegistered(kinds[0].Group) {
			t.Errorf("%s is in client-go's scheme, which is not ours to change", kinds[0].Group)
		}
	}
}
