package ha

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const (
	namespace = "default"
	// active is how many workloads run throughout, each with this many replicas.
	active, replicas = 200, 3
	spares           = 5 // more of them, at zero
	jobs             = 5
	outage           = time.Minute
)

// TestTakenAway takes the leader, the leader for a while, the API server, etcd
// and the network away, in turn. No count of a workload that is active ever falls, the
// HPAs are answered while the API server is there, the next leader acts, and
// no Job is made twice.
func TestTakenAway(t *testing.T) {
	c := newCluster(t)
	binary := c.build()
	r := newRoles(c, func(string) string { return binary })
	s := newSources(t)
	r.workloads(s, active)
	counts := r.followCounts()
	reader := r.readMetrics()

	leader := r.leader(nil)
	t.Run("the leader is killed", func(t *testing.T) {
		before := r.leads()
		reader.mustAnswer(true)
		leader.signal(syscall.SIGKILL)
		killed := time.Now()
		s.set("spare-0", 2)
		leader = r.leader(before)
		r.scaled("spare-0", 2)
		t.Logf("the next leader had acted %s after the death of the one before", time.Since(killed).Round(time.Second))
		reader.mustAnswer(false)
	})
	t.Run("the leader stands still and comes back later", func(t *testing.T) {
		before := r.leads()
		reader.mustAnswer(true)
		leader.signal(syscall.SIGSTOP)
		s.set("spare-1", 2)
		r.leader(before)
		r.scaled("spare-1", 2)
		time.Sleep(outage / 4) // it stands still for longer than its lease
		leader.signal(syscall.SIGCONT)
		r.eventually("the one before has noticed that it does not lead", time.Minute, func() error {
			if leader.started() < 2 {
				return fmt.Errorf("%s goes on", leader.name)
			}
			return nil
		})
		reader.mustAnswer(false)
	})
	for i, name := range []string{"kube-apiserver", "etcd"} {
		t.Run(name+" is silent", func(t *testing.T) {
			p := r.component(name)
			if err := p.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(outage)
			if err := p.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			spare := fmt.Sprintf("spare-%d", 2+i)
			s.set(spare, 2)
			r.scaled(spare, 2)
			r.answers()
		})
	}
	t.Run("the network drops everything", func(t *testing.T) {
		all := append([]*scalertest.Proxy{r.network, s.network}, r.links...)
		for _, p := range all {
			p.Hang()
		}
		s.set("spare-4", 2)
		time.Sleep(outage)
		for _, p := range all {
			p.Up()
		}
		r.scaled("spare-4", 2)
		r.answers()
	})
	r.unharmed(counts, reader)
}

// unharmed tells what must not have happened meanwhile, whatever did.
func (r *roles) unharmed(counts *countLog, reader *metricReader) {
	r.t.Helper()
	for _, fall := range counts.falls() {
		r.t.Error(fall)
	}
	for _, failure := range reader.failures() {
		r.t.Error(failure)
	}
	if n := reader.answered.Load(); n < 100 {
		r.t.Errorf("only %d reads of metrics were answered, expected many", n)
	}
	var made batchv1.JobList
	must(r.t, r.client.List(r.ctx, &made, client.InNamespace(namespace)))
	if len(made.Items) != jobs {
		r.t.Errorf("%d Jobs were made, expected %d", len(made.Items), jobs)
	}
}

// sources are numbers served by HTTP, each under its name.
type sources struct {
	mu     sync.Mutex
	values map[string]int
	// network is between them and who reads them.
	network *scalertest.Proxy
}

func newSources(t *testing.T) *sources {
	t.Helper()
	s := &sources{values: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"value": %d}`, s.values[path.Base(q.URL.Path)])
	}))
	t.Cleanup(server.Close)
	s.network = scalertest.NewProxy(t, server.Listener.Addr().String())
	return s
}

func (s *sources) set(name string, value int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[name] = value
}

func (s *sources) trigger(name string) kedav1.ScaleTriggers {
	return kedav1.ScaleTriggers{Type: "metrics-api", Metadata: map[string]string{
		"url": "http://" + s.network.Addr + "/" + name, "valueLocation": "value", "targetValue": "1", "format": "json",
	}}
}

// workloads makes all of them and waits until they have their counts.
func (r *roles) workloads(s *sources, active int) {
	r.t.Helper()
	r.active = active
	for i := range active {
		name := fmt.Sprintf("active-%d", i)
		s.set(name, replicas)
		r.workload(s, name)
	}
	for i := range spares {
		r.workload(s, fmt.Sprintf("spare-%d", i))
	}
	s.set("jobs", jobs)
	must(r.t, r.client.Create(r.ctx, &kedav1.ScaledJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "jobs"},
		Spec: kedav1.ScaledJobSpec{
			PollingInterval: new(int32(2)), Triggers: []kedav1.ScaleTriggers{s.trigger("jobs")},
			JobTargetRef: &batchv1.JobSpec{BackoffLimit: new(int32(0)), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "registry.example/job:1"}},
				// Nothing is scheduled to such a node, so that the Jobs last.
				NodeSelector: map[string]string{"no-node": "has-this"},
			}}},
		},
	}))
	for i := range active {
		r.scaled(fmt.Sprintf("active-%d", i), replicas)
	}
	r.eventually("all Jobs exist", 2*time.Minute, func() error {
		var made batchv1.JobList
		if err := r.client.List(r.ctx, &made, client.InNamespace(namespace)); err != nil || len(made.Items) != jobs {
			return fmt.Errorf("%d Jobs, %w", len(made.Items), err)
		}
		return nil
	})
	r.answers()
}

func (c *cluster) workload(s *sources, name string, change ...func(*kedav1.ScaledObject)) {
	c.t.Helper()
	labels := map[string]string{"app": name}
	must(c.t, c.client.Create(c.ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/worker:1"}}},
			},
		},
	}))
	o := &kedav1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: kedav1.ScaledObjectSpec{
			ScaleTargetRef: &kedav1.ScaleTarget{Name: name}, PollingInterval: new(int32(2)),
			Triggers: []kedav1.ScaleTriggers{s.trigger(name)},
		},
	}
	for _, f := range change {
		f(o)
	}
	must(c.t, c.client.Create(c.ctx, o))
}

// scaled waits until a Deployment has been given a count.
func (c *cluster) scaled(name string, count int32) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%s has %d replicas", name, count), 3*time.Minute, func() error {
		var d appsv1.Deployment
		if err := c.client.Get(c.ctx, client.ObjectKey{Namespace: namespace, Name: name}, &d); err != nil {
			return err
		}
		if *d.Spec.Replicas != count {
			return fmt.Errorf("it has %d", *d.Spec.Replicas)
		}
		return nil
	})
}

// countLog notes when a Deployment is given fewer replicas than it had.
type countLog struct {
	mu   sync.Mutex
	last map[string]int32
	fell []string
}

// followCounts follows until the test ends, across breaks of the connection.
func (r *roles) followCounts() *countLog {
	l := &countLog{last: map[string]int32{}}
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		for {
			l.follow(r, stop)
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	r.t.Cleanup(func() {
		close(stop)
		done.Wait()
	})
	return l
}

func (l *countLog) follow(r *roles, stop <-chan struct{}) {
	var all appsv1.DeploymentList
	if r.client.List(r.ctx, &all, client.InNamespace(namespace)) != nil {
		return
	}
	for i := range all.Items {
		l.note(&all.Items[i])
	}
	w, err := r.client.Watch(r.ctx, &all, client.InNamespace(namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: all.ResourceVersion}})
	if err != nil {
		return
	}
	defer w.Stop()
	for {
		select {
		case <-stop:
			return
		case e, open := <-w.ResultChan():
			if !open {
				return
			}
			if d, ok := e.Object.(*appsv1.Deployment); ok {
				l.note(d)
			}
		}
	}
}

func (l *countLog) note(d *appsv1.Deployment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := *d.Spec.Replicas
	if before, seen := l.last[d.Name]; seen && now < before {
		l.fell = append(l.fell, fmt.Sprintf("%s fell from %d to %d replicas", d.Name, before, now))
	}
	l.last[d.Name] = now
}

func (l *countLog) falls() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fell
}

// metricReader reads metrics as HPAs do, all the time.
type metricReader struct {
	expected atomic.Bool // whether a failure is one
	answered atomic.Int64
	mu       sync.Mutex
	failed   []string
}

func (m *metricReader) mustAnswer(expected bool) { m.expected.Store(expected) }

func (m *metricReader) failures() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

func (r *roles) read(name string) error {
	k, err := kubernetes.NewForConfig(r.config)
	if err != nil {
		return err
	}
	return k.RESTClient().Get().AbsPath("/apis/external.metrics.k8s.io/v1beta1/namespaces/"+namespace+"/s0-metric-api-value").
		Param("labelSelector", "scaledobject.keda.sh/name="+name).Timeout(10 * time.Second).Do(r.ctx).Error()
}

func (r *roles) readMetrics() *metricReader {
	m := &metricReader{}
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			name := fmt.Sprintf("active-%d", i%r.active)
			began := time.Now()
			err := r.read(name)
			if err == nil {
				m.answered.Add(1)
			} else if m.expected.Load() {
				m.mu.Lock()
				m.failed = append(m.failed, fmt.Sprintf("after %s, %s: %v", time.Since(began).Round(time.Millisecond), name, err))
				m.mu.Unlock()
			}
		}
	})
	r.t.Cleanup(func() {
		close(stop)
		done.Wait()
	})
	return m
}

// answers waits until metrics of all are answered.
func (r *roles) answers() {
	r.t.Helper()
	for i := range r.active {
		name := fmt.Sprintf("active-%d", i)
		r.eventually("the metric of "+name+" is answered", 2*time.Minute, func() error { return r.read(name) })
	}
}
