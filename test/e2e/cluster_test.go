package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/plane"
	"github.com/kedago/keda/internal/up"
)

// cluster is a control plane with the operator at work.
type cluster struct {
	dir    string
	helper string
	plane  *plane.Plane
	// config and client are the administrator's.
	config *rest.Config
	client client.WithWatch

	options up.OperatorOptions
	// stopOther ends somebody else's server of external metrics.
	stopOther func() error
	operator  *up.Operator
	recorder  *recorder
	// denied is how many requests had been refused before the operator ran.
	denied map[string]float64
}

func startCluster(ctx context.Context, helper string) (*cluster, error) {
	dir, err := os.MkdirTemp("", "keda-e2e-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, helper: helper}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, c.logTail("")), c.end())
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context) error {
	binary, err := kedaBinary(ctx, c.dir)
	if err != nil {
		return err
	}
	c.plane, err = plane.Start(ctx, plane.Options{
		Binary: c.helper, StateDir: filepath.Join(c.dir, "plane"), HPASyncPeriod: time.Second, HPAClientQPS: 1000,
	})
	if err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	if err := up.Install(ctx, c.client); err != nil {
		return err
	}
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	c.options = up.OperatorOptions{
		Binary: binary, Kubeconfig: filepath.Join(c.dir, "operator.kubeconfig"), StateDir: c.dir, Log: log,
		Judged: &metav1.LabelSelector{MatchLabels: judged()},
	}
	if c.recorder, err = newRecorder(c.config); err != nil {
		return err
	}
	if c.options.Args, c.stopOther, err = serveOtherMetrics(c.dir); err != nil {
		return err
	}
	if err := up.OperatorKubeconfig(ctx, c.client, c.recorder.config(c.config), c.options.Kubeconfig); err != nil {
		return err
	}
	if c.denied, err = c.deniedRequests(ctx); err != nil {
		return err
	}
	c.operator, err = up.StartOperator(ctx, c.client, c.options)
	return err
}

func (c *cluster) connect() error {
	var err error
	if c.config, err = clientcmd.BuildConfigFromFlags("", c.plane.Kubeconfig()); err != nil {
		return err
	}
	c.config.QPS = -1
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, firstv1.AddToScheme, kedav1.AddToScheme, eventingv1.AddToScheme} {
		if err := add(s); err != nil {
			return err
		}
	}
	c.client, err = client.NewWithWatch(c.config, client.Options{Scheme: s})
	return err
}

// restartOperator starts it anew after it was killed.
func (c *cluster) restartOperator(ctx context.Context) error {
	var err error
	c.operator, err = up.StartOperator(ctx, c.client, c.options)
	return err
}

func (c *cluster) stop() {
	if err := c.end(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the cluster:", err)
	}
}

func (c *cluster) end() error {
	if c.operator != nil {
		c.operator.Stop()
	}
	if c.recorder != nil {
		c.recorder.server.CloseClientConnections()
		c.recorder.server.Close()
	}
	var err error
	if c.stopOther != nil {
		err = c.stopOther()
	}
	if c.plane != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = errors.Join(err, c.plane.Stop(ctx))
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

func (c *cluster) logFile() string { return filepath.Join(c.dir, "operator.log") }

// logTail is the end of the operator's log, or of its lines that contain some
// text.
func (c *cluster) logTail(about string) string {
	const most = 25
	text, err := os.ReadFile(c.logFile())
	if err != nil {
		return fmt.Sprintf("the operator's log can't be read: %v", err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, about) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "")
}

// kubectl runs kubectl as the administrator.
func (c *cluster) kubectl(args ...string) (string, error) {
	cmd := exec.Command(c.helper, append([]string{"kubectl", "--kubeconfig", c.plane.Kubeconfig()}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
