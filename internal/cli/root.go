// Package cli is keda's command line: verbs, flags and exit codes. What the
// verbs do lives in other packages.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kedago/keda/internal/version"
	"github.com/kedago/keda/pkg/scalers"
)

// Main runs the command line and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err != nil {
			_, _ = fmt.Fprintln(stderr, "keda:", exit.err)
		}
		return exit.code
	}
	_, _ = fmt.Fprintln(stderr, "keda:", err)
	return 1
}

func newRoot() *cobra.Command {
	catalog := scalers.Catalog()
	root := &cobra.Command{
		Use:           "keda",
		Short:         "Event-driven autoscaling for Kubernetes workloads",
		Version:       version.Get().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddGroup(
		&cobra.Group{ID: "roles", Title: "Roles in a cluster:"},
		&cobra.Group{ID: "people", Title: "For people:"},
	)
	for _, c := range []*cobra.Command{newAllCommand(catalog), newOperatorCommand(catalog), newMetricsServerCommand(), newWebhookCommand(catalog)} {
		c.GroupID = "roles"
		root.AddCommand(c)
	}
	for _, c := range []*cobra.Command{newUpCommand(), newKubectlCommand(), newValidateCommand(catalog), newConvertCommand(catalog), newMigrateCommand(catalog), newRBACCommand(catalog)} {
		c.GroupID = "people"
		root.AddCommand(c)
	}
	return root
}
