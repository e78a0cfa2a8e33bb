// Package ha runs the roles apart, several of each, on a control plane of its
// own, and takes them away one after the other: the leader, the API server,
// etcd, the network, the right time. It also runs the programs for the edge's
// processors, emulated.
package ha

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/deploy/rbac"
	"github.com/kedago/keda/internal/certs"
	"github.com/kedago/keda/internal/plane"
	"github.com/kedago/keda/internal/up"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// service is the Service of the APIService, by which the API server knows the
// certificate.
const service = "keda-local"

// cluster is a control plane with the CustomResourceDefinitions and the
// permissions of the operator.
type cluster struct {
	t     *testing.T
	ctx   context.Context
	plane *plane.Plane
	dir   string
	state string
	// config and client are the administrator's.
	config *rest.Config
	client client.WithWatch
}

// roles are two operators and a metrics server, as they are deployed apart.
type roles struct {
	*cluster
	// network is between them and the API server, links between the metrics
	// server and each operator.
	network *scalertest.Proxy
	links   []*scalertest.Proxy

	kubeconfig, certs string
	relays            [2]int // each operator's port for replicas
	secure            int
	operators         []*role
	server            *role
	active            int // how many workloads run
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	helper, err := plane.Find()
	if errors.Is(err, plane.ErrNotBuilt) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI needs the local control plane: %v", err)
		}
		t.Skipf("needs the local control plane: %v", err)
	}
	must(t, err)
	dir := t.TempDir()
	c := &cluster{t: t, ctx: t.Context(), dir: dir, state: filepath.Join(dir, "plane")}
	c.plane, err = plane.Start(t.Context(), plane.Options{Binary: helper, StateDir: c.state, HPASyncPeriod: time.Second, HPAClientQPS: 1000})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.plane.Stop(ctx); err != nil {
			t.Errorf("stopping the control plane: %v", err)
		}
	})
	c.connect()
	must(t, up.Install(c.ctx, c.client))
	return c
}

// newRoles starts the roles; program gives the executable of each.
func newRoles(c *cluster, program func(role string) string) *roles {
	t := c.t
	t.Helper()
	r := &roles{cluster: c, kubeconfig: filepath.Join(c.dir, "kubeconfig"), certs: filepath.Join(c.dir, "certs")}
	server, err := url.Parse(r.config.Host)
	must(t, err)
	r.network = scalertest.NewProxy(t, server.Host)
	through := rest.CopyConfig(r.config)
	through.Host = "https://" + r.network.Addr
	must(t, up.OperatorKubeconfig(r.ctx, r.client, through, r.kubeconfig))
	r.ports()
	r.register()
	var links []string
	for i, port := range r.relays {
		name, address := fmt.Sprintf("operator-%d", i), "127.0.0.1:"+strconv.Itoa(port)
		r.operators = append(r.operators, r.start(name, program(name), "operator", "--leader-elect", "--egress-allow=127.0.0.0/8",
			"--metrics-service-bind-address="+address))
		link := scalertest.NewProxy(t, address)
		r.links, links = append(r.links, link), append(links, link.Addr)
	}
	front := r.front(links).Addr().(*net.TCPAddr).Port
	r.server = r.start("metrics-server", program("metrics-server"), "metrics-server", "--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(r.secure),
		"--metrics-service-address=localhost:"+strconv.Itoa(front))
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) connect() {
	c.t.Helper()
	var err error
	c.config, err = clientcmd.BuildConfigFromFlags("", c.plane.Kubeconfig())
	must(c.t, err)
	c.config.QPS = -1
	s := kruntime.NewScheme()
	must(c.t, scheme.AddToScheme(s))
	must(c.t, kedav1.AddToScheme(s))
	log.SetLogger(logr.Discard()) // it would complain that there is none
	c.client, err = client.NewWithWatch(c.config, client.Options{Scheme: s})
	must(c.t, err)
}

// build compiles keda as the tests are, with the race detector or without.
func (c *cluster) build() string {
	c.t.Helper()
	if raceEnabled {
		return c.buildFor(nil, "-race")
	}
	return c.buildFor(nil)
}

// buildFor compiles keda with what is added to the environment.
func (c *cluster) buildFor(env []string, flags ...string) string {
	c.t.Helper()
	binary := filepath.Join(c.dir, "keda")
	cmd := exec.CommandContext(c.ctx, "go", append(append([]string{"build", "-o", binary}, flags...), "./cmd/keda")...)
	_, here, _, _ := runtime.Caller(0)
	cmd.Dir, cmd.Env = filepath.Join(filepath.Dir(here), "..", ".."), append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("building keda: %v\n%s", err, out)
	}
	return binary
}

func unstructuredOf(content map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: content}
}

func (r *roles) ports() {
	r.t.Helper()
	for _, p := range []*int{&r.relays[0], &r.relays[1], &r.secure} {
		l, err := (&net.ListenConfig{}).Listen(r.ctx, "tcp", "127.0.0.1:0")
		must(r.t, err)
		*p = l.Addr().(*net.TCPAddr).Port
		defer func() { _ = l.Close() }()
	}
}

// register makes the certificate that the roles share, and leads the API
// server to the metrics server.
func (r *roles) register() {
	r.t.Helper()
	b, err := certs.Ensure(r.certs, []string{"localhost", service + "." + up.Namespace + ".svc"}, []net.IP{net.IPv4(127, 0, 0, 1)}, time.Now())
	must(r.t, err)
	must(r.t, r.client.Create(r.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: up.Namespace, Name: service},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}))
	api := rbac.APIService(b.CA, up.Namespace, service, int32(r.secure)) //nolint:gosec // a port
	content, err := kruntime.DefaultUnstructuredConverter.ToUnstructured(api)
	must(r.t, err)
	delete(content, "status")
	must(r.t, r.client.Apply(r.ctx, client.ApplyConfigurationFromUnstructured(unstructuredOf(content)), client.FieldOwner("test"), client.ForceOwnership))
}

// role is a process of ours that is started again when it ends by itself, as a
// container is.
type role struct {
	name string
	log  string
	cmd  func() *exec.Cmd

	mu      sync.Mutex
	current *exec.Cmd
	starts  int
	stopped bool
	done    chan struct{}
}

func (r *roles) start(name, binary string, args ...string) *role {
	r.t.Helper()
	args = append(args, "--kubeconfig="+r.kubeconfig, "--cert-dir="+r.certs, "--metrics-server-service-name="+service,
		"--metrics-bind-address=0", "--health-probe-bind-address=0")
	p := &role{name: name, log: filepath.Join(filepath.Dir(r.kubeconfig), name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(r.t, err)
	p.cmd = func() *exec.Cmd {
		cmd := exec.Command(binary, args...)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	go p.run(r.t)
	r.t.Cleanup(func() {
		p.stop()
		_ = out.Close()
		if r.t.Failed() {
			lines := strings.Split(p.text(), "\n")
			r.t.Logf("%s, started %d times, said last:\n%s", name, p.starts, strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
	})
	return p
}

func (p *role) run(t *testing.T) {
	// A child is bound to the thread that started it.
	runtime.LockOSThread()
	defer close(p.done)
	for {
		p.mu.Lock()
		if p.stopped {
			p.mu.Unlock()
			return
		}
		p.current = p.cmd()
		p.starts++
		err := p.current.Start()
		cmd := p.current
		p.mu.Unlock()
		if err != nil {
			t.Errorf("starting %s: %v", p.name, err)
			return
		}
		_ = cmd.Wait() // how it ends is what the test is about
		time.Sleep(500 * time.Millisecond)
	}
}

func (p *role) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && p.current.Process != nil {
		_ = p.current.Process.Signal(s)
	}
}

func (p *role) stop() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *role) text() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

func (p *role) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// led is how often a process has become the leader.
func (p *role) led() int {
	return strings.Count(p.text(), "serving the replicas of the external metrics API")
}

// leader waits until one of the operators leads that did not in before.
func (r *roles) leader(before map[*role]int) *role {
	r.t.Helper()
	var found *role
	r.eventually("an operator leads", time.Minute, func() error {
		for _, p := range r.operators {
			if p.led() > before[p] {
				found = p
				return nil
			}
		}
		return errors.New("none does")
	})
	return found
}

func (r *roles) leads() map[*role]int {
	out := map[*role]int{}
	for _, p := range r.operators {
		out[p] = p.led()
	}
	return out
}

func (c *cluster) eventually(what string, patience time.Duration, is func() error) {
	c.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = is(); err == nil {
			return
		}
	}
	c.t.Fatalf("it does not come to be that %s: %v", what, err)
}

// component returns the process of a part of the control plane.
func (c *cluster) component(name string) *os.Process {
	c.t.Helper()
	entries, err := os.ReadDir("/proc")
	must(c.t, err)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue
		}
		words := strings.Split(string(line), "\x00")
		if len(words) > 1 && (words[1] == name || filepath.Base(words[0]) == name) && strings.Contains(string(line), c.state) {
			p, err := os.FindProcess(pid)
			must(c.t, err)
			return p
		}
	}
	c.t.Fatalf("no process of the control plane is %s", name)
	return nil
}
