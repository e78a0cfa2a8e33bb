package e2e

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	applyv1 "github.com/kedago/keda/client/applyconfiguration/keda.sh/v1alpha1"
	"github.com/kedago/keda/client/clientset"
	"github.com/kedago/keda/client/informers"
)

// TestTypedClient: what the typed client applies is scaled, and its informer
// shows what became of it.
func TestTypedClient(t *testing.T) {
	s := newStory(t)
	keda, err := clientset.NewForConfig(s.config)
	s.must(err)
	s.create(deployment(worker, 0))

	factory := informers.NewSharedInformerFactoryWithOptions(keda, 0, informers.WithNamespace(s.namespace))
	lister := factory.Keda().V1alpha1().ScaledObjects().Lister()
	factory.Start(s.ctx.Done())
	factory.WaitForCacheSync(s.ctx.Done())

	object := applyv1.ScaledObject("typed", s.namespace).WithSpec(applyv1.ScaledObjectSpec().
		WithScaleTargetRef(applyv1.ScaleTarget().WithName(worker)).
		WithMinReplicaCount(2).
		WithTriggers(applyv1.ScaleTriggers().WithType("cron").WithMetadata(map[string]string{
			"timezone": "UTC", "start": "0 0 1 1 *", "end": "0 0 2 1 *", "desiredReplicas": "3",
		})))
	applied, err := keda.KedaV1alpha1().ScaledObjects(s.namespace).Apply(s.ctx, object, metav1.ApplyOptions{FieldManager: "e2e"})
	s.must(err)
	if applied.UID == "" || applied.Spec.MaxReplicaCount != nil {
		s.failf("applied %+v", applied)
	}
	s.eventually("the informer shows that the object is ready", func() error {
		o, err := lister.ScaledObjects(s.namespace).Get("typed")
		if err != nil {
			return err
		}
		for _, c := range o.Status.Conditions {
			if c.Type == "Ready" && c.Status == metav1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", o.Status.Conditions)
	})
	s.replicas(2)
	s.must(keda.KedaV1alpha1().ScaledObjects(s.namespace).Delete(s.ctx, "typed", metav1.DeleteOptions{}))
	if _, err := keda.KedaV1alpha1().ScaledObjects(s.namespace).Get(s.ctx, "nobody", metav1.GetOptions{}); err == nil || !strings.Contains(err.Error(), "scaledobjects.keda.sh") {
		s.failf("an object that isn't there: %v", err)
	}
}
