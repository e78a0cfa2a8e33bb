package up

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/deploy/rbac"
	"github.com/kedago/keda/deploy/webhook"
	"github.com/kedago/keda/internal/certs"
)

// ServiceAccount is the operator's identity.
const ServiceAccount = "keda-operator"

// metricsService names the Service of the APIService. The API server verifies
// the certificate for this name, wherever it connects to.
const metricsService = "keda-local"

// tokenLife is how long the operator's token is valid; the API server may
// shorten it.
const tokenLife = 24 * 3600

// OperatorKubeconfig writes a kubeconfig with which the operator is its own
// service account, so that a missing permission shows.
func OperatorKubeconfig(ctx context.Context, c client.Client, cfg *rest.Config, file string) error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: ServiceAccount}}
	seconds := int64(tokenLife)
	request := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	if err := c.SubResource("token").Create(ctx, account, request); err != nil {
		return fmt.Errorf("asking for a token of service account %s/%s: %w", Namespace, ServiceAccount, err)
	}
	out := clientcmdapi.NewConfig()
	out.Clusters["plane"] = &clientcmdapi.Cluster{
		Server: cfg.Host, CertificateAuthorityData: cfg.CAData, CertificateAuthority: cfg.CAFile,
		InsecureSkipTLSVerify: cfg.Insecure, TLSServerName: cfg.ServerName,
	}
	out.AuthInfos["operator"] = &clientcmdapi.AuthInfo{Token: request.Status.Token}
	out.Contexts["operator"] = &clientcmdapi.Context{Cluster: "plane", AuthInfo: "operator", Namespace: Namespace}
	out.CurrentContext = "operator"
	if err := clientcmd.WriteToFile(*out, file); err != nil {
		return fmt.Errorf("writing the operator's kubeconfig: %w", err)
	}
	return nil
}

// Operator is a running `keda all`.
type Operator struct {
	// PID is the process.
	PID int
	// MetricsURL is where it serves Prometheus metrics.
	MetricsURL string
	done       chan struct{}
	err        error
	cmd        *exec.Cmd
}

// OperatorOptions say how `keda all` is run.
type OperatorOptions struct {
	// Binary is the keda executable.
	Binary string
	// Kubeconfig is its identity, see OperatorKubeconfig.
	Kubeconfig string
	// StateDir takes its certificates.
	StateDir string
	// Judged limits the admission webhook to namespaces by their labels; all
	// when nil.
	Judged *metav1.LabelSelector
	// Args are further flags.
	Args []string
	// Env is added to the environment.
	Env []string
	Log io.Writer
}

// StartOperator makes certificates, registers the external metrics API and the
// admission webhook at the API server and runs `keda all` until Stop. The API server must be able to
// reach localhost, as the local control plane is.
func StartOperator(ctx context.Context, c client.Client, o OperatorOptions) (*Operator, error) {
	dir := filepath.Join(o.StateDir, "certs")
	bundle, err := certs.Ensure(dir, []string{"localhost", metricsService + "." + Namespace + ".svc"}, []net.IP{net.IPv4(127, 0, 0, 1)}, time.Now())
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	secure, metrics, health, judging := ports[0], ports[1], ports[2], ports[3]
	if err := registerMetricsAPI(ctx, c, bundle.CA, secure); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("https://localhost:%d%s", judging, webhook.Path)
	if err := apply(ctx, c, webhook.Configuration(webhook.Options{URL: address, CA: bundle.CA, Namespaces: o.Judged})); err != nil {
		return nil, err
	}
	args := append([]string{
		"all", "--kubeconfig", o.Kubeconfig, "--cert-dir", dir, "--bind-address", "127.0.0.1",
		"--secure-port", strconv.Itoa(secure), "--webhook-bind-address", "127.0.0.1", "--webhook-port", strconv.Itoa(judging),
		"--metrics-bind-address", "127.0.0.1:" + strconv.Itoa(metrics),
		"--health-probe-bind-address", "127.0.0.1:" + strconv.Itoa(health),
		"--egress-allow", "127.0.0.0/8,::1", // all servers are on this machine
	}, o.Args...)
	cmd := exec.Command(o.Binary, args...)
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", o.Binary, err)
	}
	op := &Operator{PID: cmd.Process.Pid, MetricsURL: fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics), done: make(chan struct{}), cmd: cmd}
	go func() {
		op.err = cmd.Wait()
		close(op.done)
	}()
	if err := op.waitReady(ctx, c, health); err != nil {
		op.Stop()
		return nil, err
	}
	return op, nil
}

// registerMetricsAPI points the API server's aggregation at a local port: a
// Service of type ExternalName is resolved like any host name.
func registerMetricsAPI(ctx context.Context, c client.Client, ca []byte, port int) error {
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: metricsService},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}
	if err := apply(ctx, c, svc); err != nil {
		return err
	}
	return apply(ctx, c, rbac.APIService(ca, Namespace, svc.Name, int32(port)))
}

func (o *Operator) waitReady(ctx context.Context, c client.Client, healthPort int) error {
	url := fmt.Sprintf("http://127.0.0.1:%d/readyz", healthPort)
	httpClient := &http.Client{Timeout: time.Second}
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 60*time.Second, true, func(ctx context.Context) (bool, error) {
		select {
		case <-o.done:
			return false, fmt.Errorf("keda all ended: %w", o.err)
		default:
		}
		resp, err := httpClient.Get(url)
		if last = err; err != nil {
			return false, nil
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return false, nil
		}
		api := &unstructured.Unstructured{}
		api.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
		if last = c.Get(ctx, client.ObjectKey{Name: "v1beta1.external.metrics.k8s.io"}, api); last != nil {
			return false, nil
		}
		return hasTrueCondition(*api, "Available"), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for keda all to be ready: %w", firstOf(last, err))
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

// Done is closed when the process has ended; Err then says how.
func (o *Operator) Done() <-chan struct{} { return o.done }

// Err is how the process ended.
func (o *Operator) Err() error { return o.err }

// Stop ends the process, first asking, then forcing.
func (o *Operator) Stop() {
	_ = o.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-o.done:
	case <-time.After(10 * time.Second):
		_ = o.cmd.Process.Kill()
		<-o.done
	}
}

// Kill ends the process at once, as a crash would.
func (o *Operator) Kill() {
	_ = o.cmd.Process.Kill()
	<-o.done
}

// freePorts finds ports of the loopback that nobody uses now.
func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer func() { _ = l.Close() }()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}
