package client_test

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	applyv1 "github.com/kedago/keda/client/applyconfiguration/keda.sh/v1alpha1"
	"github.com/kedago/keda/client/clientset"
	"github.com/kedago/keda/client/informers"
)

// Apply a ScaledObject, and read it from an informer's copy.
func Example() {
	ctx := context.Background()
	scale := func(config *rest.Config) error {
		keda, err := clientset.NewForConfig(config)
		if err != nil {
			return err
		}
		object := applyv1.ScaledObject("orders", "shop").WithSpec(applyv1.ScaledObjectSpec().
			WithScaleTargetRef(applyv1.ScaleTarget().WithName("orders")).
			WithMaxReplicaCount(20).
			WithTriggers(applyv1.ScaleTriggers().WithType("kafka").WithMetadata(map[string]string{
				"bootstrapServers": "kafka.shop:9092", "consumerGroup": "orders", "topic": "orders", "lagThreshold": "50",
			})))
		if _, err = keda.KedaV1alpha1().ScaledObjects("shop").Apply(ctx, object, metav1.ApplyOptions{FieldManager: "my-tool"}); err != nil {
			return err
		}
		factory := informers.NewSharedInformerFactory(keda, 0)
		lister := factory.Keda().V1alpha1().ScaledObjects().Lister()
		factory.Start(ctx.Done())
		factory.WaitForCacheSync(ctx.Done())
		_, err = lister.ScaledObjects("shop").Get("orders")
		return err
	}
	err := scale(&rest.Config{Host: "http://127.0.0.1:1"}) // where nobody listens
	fmt.Println(err != nil)
	// Output: true
}
