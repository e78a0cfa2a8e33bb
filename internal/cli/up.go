package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kedago/keda/internal/plane"
	"github.com/kedago/keda/internal/up"
)

// defaultStateDir is where `keda up` keeps its files.
func defaultStateDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "keda", "up")
}

func newUpCommand() *cobra.Command {
	var o up.Options
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run KEDA on a local control plane and show it at work",
		Long: `Starts a real Kubernetes control plane on this machine (etcd, kube-apiserver,
kube-controller-manager, kube-scheduler, KWOK nodes), installs KEDA's API, runs
the operator under the identity it has in a cluster, and shows a ScaledObject
that follows the lag of a Kafka topic. Everything listens on the loopback and
ends with Ctrl-C.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding the keda executable: %w", err)
			}
			o.Binary, o.Out = self, cmd.OutOrStdout()
			if f, ok := o.Out.(*os.File); ok {
				o.Terminal = term.IsTerminal(int(f.Fd()))
			}
			return up.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.NoDemo, "no-demo", false, "start everything but the demonstration")
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "use the cluster of this file instead of a local control plane; its API server must reach this machine's localhost")
	f.DurationVar(&o.HPASyncPeriod, "hpa-sync-period", 15*time.Second, "how often the HPA controller of the local control plane looks at each HPA")
	f.StringVar(&o.StateDir, "state-dir", defaultStateDir(), "folder for the files of the control plane and the operator")
	return cmd
}

// newKubectlCommand runs the kubectl of the local control plane's binary.
func newKubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl ARGS...",
		Short:              "Run kubectl, for those who have none",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			binary, err := plane.Find()
			if err != nil {
				return err
			}
			k := exec.CommandContext(cmd.Context(), binary, append([]string{"kubectl"}, args...)...)
			k.Stdin, k.Stdout, k.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			err = k.Run()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return &exitError{code: exit.ExitCode()}
			}
			return err
		},
	}
}
