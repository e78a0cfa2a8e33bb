package app

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
)

// restConfig reads how to reach the API server. There is no client-side rate
// limit unless one is asked for: the server's own priority and fairness
// protects it, and a limit here makes new objects wait.
func restConfig(o Options) (*rest.Config, error) {
	var cfg *rest.Config
	var err error
	if o.Kubeconfig != "" {
		cfg, err = clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	} else {
		cfg, err = rest.InClusterConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("reading how to reach the API server: %w", err)
	}
	cfg.QPS, cfg.Burst = o.KubeAPIQPS, o.KubeAPIBurst
	if o.KubeAPIQPS <= 0 {
		cfg.QPS = -1
	}
	cfg.DisableCompression = o.DisableCompression
	cfg.UserAgent = "keda-operator"
	cfg.WarningHandler = rest.NoWarnings{} // they speak to who writes manifests, once per object
	return cfg, nil
}

func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, firstv1.AddToScheme, kedav1.AddToScheme, eventingv1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("registering API types: %w", err)
		}
	}
	return s, nil
}

func newManager(ctx context.Context, cfg *rest.Config, o Options) (ctrl.Manager, error) {
	s, err := newScheme()
	if err != nil {
		return nil, err
	}
	var selector labels.Selector
	if o.WatchSelector != "" {
		if selector, err = labels.Parse(o.WatchSelector); err != nil {
			return nil, fmt.Errorf("--watch-label-selector: found %q; expected a label selector such as team=a: %w", o.WatchSelector, err)
		}
	}
	ctrl.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	// Everybody else's events are written with JSON; the built-in kinds are
	// cheaper in protobuf, which controller-runtime chooses by itself.
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                        s,
		Logger:                        logr.FromSlogHandler(o.Log.Handler()),
		BaseContext:                   func() context.Context { return ctx },
		Cache:                         cacheOptions(o, selector),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		Metrics:                       metricsserver.Options{BindAddress: o.MetricsAddress},
		HealthProbeBindAddress:        o.HealthAddress,
		PprofBindAddress:              o.ProfilingAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              o.LeaderElectionID,
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &o.LeaseDuration,
		RenewDeadline:                 &o.RenewDeadline,
		RetryPeriod:                   &o.LeaderRetry,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the controllers: %w", err)
	}
	return mgr, nil
}

// cacheOptions keep the memory independent of what is not ours: of other
// people's objects only the few fields that are read are kept.
func cacheOptions(o Options, selector labels.Selector) cache.Options {
	c := cache.Options{
		DefaultTransform:  cache.TransformStripManagedFields(),
		DefaultNamespaces: watchedNamespaces(o),
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}:  {Transform: stripTarget},
			&appsv1.StatefulSet{}: {Transform: stripTarget},
			&autoscalingv2.HorizontalPodAutoscaler{}: {
				Label: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": "keda-operator"}),
			},
			&corev1.Event{}: {Transform: stripEvent},
			&corev1.Pod{}: {
				Transform: stripPod,
				Field:     fields.ParseSelectorOrDie("status.phase!=Succeeded,status.phase!=Failed"),
			},
		},
	}
	for _, kind := range []client.Object{&kedav1.ScaledObject{}, &firstv1.ScaledObject{}, &kedav1.ScaledJob{}} {
		own := cache.ByObject{Label: selector}
		if _, isJob := kind.(*kedav1.ScaledJob); o.judgesOnly && !isJob {
			own.Transform = stripClaim
		}
		c.ByObject[kind] = own
	}
	return c
}

func bareMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation,
	}
}

// stripClaim keeps what a ScaledObject scales and how its HPA is called.
func stripClaim(obj any) (any, error) {
	switch o := obj.(type) {
	case *kedav1.ScaledObject:
		out := &kedav1.ScaledObject{ObjectMeta: bareMeta(o.ObjectMeta), Spec: kedav1.ScaledObjectSpec{ScaleTargetRef: o.Spec.ScaleTargetRef}}
		out.DeletionTimestamp = o.DeletionTimestamp
		if a := o.Spec.Advanced; a != nil && a.HorizontalPodAutoscalerConfig != nil {
			name := a.HorizontalPodAutoscalerConfig.Name
			out.Spec.Advanced = &kedav1.AdvancedConfig{HorizontalPodAutoscalerConfig: &kedav1.HorizontalPodAutoscalerConfig{Name: name}}
		}
		return out, nil
	case *firstv1.ScaledObject:
		out := &firstv1.ScaledObject{ObjectMeta: bareMeta(o.ObjectMeta), Spec: firstv1.ScaledObjectSpec{ScaleType: o.Spec.ScaleType, ScaleTargetRef: o.Spec.ScaleTargetRef}}
		out.DeletionTimestamp = o.DeletionTimestamp
		return out, nil
	}
	return obj, nil
}

// stripTarget keeps the replica counts of Deployments and StatefulSets.
func stripTarget(obj any) (any, error) {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return &appsv1.Deployment{ObjectMeta: bareMeta(o.ObjectMeta), Spec: appsv1.DeploymentSpec{Replicas: o.Spec.Replicas}, Status: appsv1.DeploymentStatus{ReadyReplicas: o.Status.ReadyReplicas}}, nil
	case *appsv1.StatefulSet:
		return &appsv1.StatefulSet{ObjectMeta: bareMeta(o.ObjectMeta), Spec: appsv1.StatefulSetSpec{Replicas: o.Spec.Replicas}, Status: appsv1.StatefulSetStatus{ReadyReplicas: o.Status.ReadyReplicas}}, nil
	}
	return obj, nil
}

// stripPod keeps what kubernetes-workload triggers count by.
func stripPod(obj any) (any, error) {
	if p, ok := obj.(*corev1.Pod); ok {
		meta := bareMeta(p.ObjectMeta)
		meta.Labels = p.Labels
		return &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{NodeName: p.Spec.NodeName}}, nil
	}
	return obj, nil
}

// newScales returns the client of scale subresources.
func newScales(cfg *rest.Config, mgr ctrl.Manager) (scale.ScalesGetter, error) {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(cfg, mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("preparing discovery: %w", err)
	}
	got, err := scale.NewForConfig(cfg, mgr.GetRESTMapper(), dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(d))
	if err != nil {
		return nil, fmt.Errorf("preparing the scale client: %w", err)
	}
	return got, nil
}
