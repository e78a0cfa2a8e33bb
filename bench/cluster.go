package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kedago/keda/internal/plane"
	"github.com/kedago/keda/internal/up"
)

const (
	namespace  = "bench"
	groupToday = "keda.sh"
	groupFirst = "keda.k8s.io"
	// workers create objects side by side.
	workers = 16
)

// cluster is the control plane and a watch of what happens in it.
type cluster struct {
	plane  *plane.Plane
	config *rest.Config
	client client.Client
	watch  *watch
}

func startCluster(ctx context.Context, o options, dir string, said io.Writer) (*cluster, error) {
	binary, err := plane.Find()
	if err != nil {
		return nil, err
	}
	p, err := plane.Start(ctx, plane.Options{Binary: binary, StateDir: filepath.Join(dir, "plane"), HPAClientQPS: o.hpaQPS, Stderr: said})
	if err != nil {
		return nil, err
	}
	c := &cluster{plane: p}
	if err := c.connect(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *cluster) connect(ctx context.Context) error {
	log.SetLogger(logr.Discard())
	var err error
	if c.config, err = clientcmd.BuildConfigFromFlags("", c.plane.Kubeconfig()); err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	c.config.QPS = -1
	if c.client, err = client.New(c.config, client.Options{Scheme: scheme.Scheme}); err != nil {
		return fmt.Errorf("preparing a client: %w", err)
	}
	if err := up.Install(ctx, c.client); err != nil {
		return err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := c.client.Create(ctx, ns); err != nil {
		return fmt.Errorf("creating namespace %s: %w", namespace, err)
	}
	c.watch, err = startWatch(ctx, c.config)
	return err
}

func (c *cluster) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_ = c.plane.Stop(ctx)
}

// startOperator runs `keda all` under the identity it has in a cluster.
func (c *cluster) startOperator(ctx context.Context, o options, dir string, profiler string) (*up.Operator, error) {
	identity := filepath.Join(dir, "operator.kubeconfig")
	if err := up.OperatorKubeconfig(ctx, c.client, c.config, identity); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(dir, "operator.log"))
	if err != nil {
		return nil, fmt.Errorf("making the operator's log: %w", err)
	}
	args := []string{"--idle-probe-interval", o.idleProbe.String()}
	if profiler != "" {
		args = append(args, "--profiling-bind-address", profiler)
	}
	op, err := up.StartOperator(ctx, c.client, up.OperatorOptions{Binary: o.binary, Kubeconfig: identity, StateDir: dir, Args: args, Log: file})
	if err != nil {
		return nil, fmt.Errorf("%w; its log is %s", err, file.Name())
	}
	return op, nil
}

func workload(i int) string { return fmt.Sprintf("worker-%04d", i) }

// eachOf calls do for every number below n, some at once.
func eachOf(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

func (c *cluster) createDeployment(ctx context.Context, i int) error {
	none := int32(0)
	labels := map[string]string{"app": workload(i)}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: workload(i)},
		Spec: appsv1.DeploymentSpec{
			Replicas: &none,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "worker", Image: "worker"}}},
			},
		},
	}
	if err := c.client.Create(ctx, d); err != nil {
		return fmt.Errorf("creating Deployment %s: %w", d.Name, err)
	}
	return nil
}

func (c *cluster) createScaledObject(ctx context.Context, api string, i int, s source) error {
	kind, metadata := s.trigger(i)
	target := "name"
	if api == groupFirst {
		target = "deploymentName"
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": api + "/v1alpha1", "kind": "ScaledObject",
		"metadata": map[string]any{"namespace": namespace, "name": workload(i)},
		"spec": map[string]any{
			"scaleTargetRef":  map[string]any{target: workload(i)},
			"pollingInterval": int64(30), "maxReplicaCount": int64(100),
			"triggers": []any{map[string]any{"type": kind, "metadata": metadata}},
		},
	}}
	if err := c.client.Create(ctx, u); err != nil {
		return fmt.Errorf("creating ScaledObject %s: %w", u.GetName(), err)
	}
	return nil
}

// watch sees what Deployments ask for and which HPAs exist.
type watch struct {
	mu       sync.Mutex // guards what follows
	replicas map[string]int32
	hpas     map[string]struct{}
	changed  chan struct{} // closed and replaced with each change
	steps    map[string][]step
}

// step is a replica count that a Deployment was seen to ask for.
type step struct {
	at       time.Time
	replicas int32
}

func startWatch(ctx context.Context, config *rest.Config) (*watch, error) {
	cfg := rest.CopyConfig(config)
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	c, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("preparing a client: %w", err)
	}
	w := &watch{replicas: map[string]int32{}, hpas: map[string]struct{}{}, changed: make(chan struct{}), steps: map[string][]step{}}
	f := informers.NewSharedInformerFactoryWithOptions(c, 0, informers.WithNamespace(namespace))
	for _, informer := range []cache.SharedIndexInformer{
		f.Apps().V1().Deployments().Informer(), f.Autoscaling().V2().HorizontalPodAutoscalers().Informer(),
	} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: w.see, UpdateFunc: func(_, obj any) { w.see(obj) }})
		if err != nil {
			return nil, fmt.Errorf("watching: %w", err)
		}
	}
	f.Start(ctx.Done())
	for kind, ok := range f.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return nil, fmt.Errorf("watching %s: %w", kind, context.Cause(ctx))
		}
	}
	return w, nil
}

func (w *watch) see(obj any) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch o := obj.(type) {
	case *appsv1.Deployment:
		if o.Spec.Replicas == nil || *o.Spec.Replicas == w.replicas[o.Name] {
			return
		}
		w.replicas[o.Name] = *o.Spec.Replicas
		w.steps[o.Name] = append(w.steps[o.Name], step{now, *o.Spec.Replicas})
	case *autoscalingv2.HorizontalPodAutoscaler:
		if _, known := w.hpas[o.Name]; known {
			return
		}
		w.hpas[o.Name] = struct{}{}
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// until waits until the condition holds, which is called with the lock held.
func (w *watch) until(ctx context.Context, what string, holds func() bool) error {
	for {
		w.mu.Lock()
		ok, changed := holds(), w.changed
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx))
		case <-changed:
		}
	}
}

// stepsOf returns what a Deployment asked for since a time.
func (w *watch) stepsOf(name string, since time.Time) []step {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []step
	for _, s := range w.steps[name] {
		if s.at.After(since) {
			out = append(out, s)
		}
	}
	return out
}
