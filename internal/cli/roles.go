package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/kedago/keda/internal/app"
	"github.com/kedago/keda/pkg/scaler"
)

// newRoleCommand makes the command of a role.
func newRoleCommand(use, short string, f *roleFlags, run func(context.Context, app.Options) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			logger, err := f.log.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			f.options.Log = logger
			return run(cmd.Context(), f.options)
		},
	}
	f.bind(cmd)
	return cmd
}

func newAllCommand(catalog scaler.Catalog) *cobra.Command {
	f := newRoleFlags(os.Getenv)
	f.operator()
	f.metricsAPI()
	f.relayServer("0")
	f.relayClient("")
	f.webhook("webhook-port", 0, "webhook-bind-address")
	f.webhookTrust()
	return newRoleCommand("all", "Run all roles in one process", f,
		func(ctx context.Context, o app.Options) error { return app.RunAll(ctx, catalog, o) })
}

func newOperatorCommand(catalog scaler.Catalog) *cobra.Command {
	f := newRoleFlags(os.Getenv)
	f.operator()
	f.relayServer(":9666")
	f.webhookTrust()
	return newRoleCommand("operator", "Run the operator alone; metrics servers are told by it what to tell HPAs", f,
		func(ctx context.Context, o app.Options) error { return app.RunOperator(ctx, catalog, o) })
}

func newMetricsServerCommand() *cobra.Command {
	f := newRoleFlags(os.Getenv)
	f.metricsAPI()
	f.relayClient(app.RelayAddressIn("keda-operator", f.env.text("POD_NAMESPACE", "keda"), "cluster.local"))
	f.ofUpstreamsMetricsServer()
	return newRoleCommand("metrics-server", "Serve the external metrics API from what an operator tells", f, app.RunMetricsServer)
}

func newWebhookCommand(catalog scaler.Catalog) *cobra.Command {
	f := newRoleFlags(os.Getenv)
	f.webhook("port", 9443, "bind-address")
	f.webhookTrust()
	return newRoleCommand("webhook", "Judge objects before the API server stores them", f,
		func(ctx context.Context, o app.Options) error { return app.RunWebhook(ctx, catalog, o) })
}
