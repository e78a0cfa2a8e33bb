package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/kedago/keda/internal/app"
	"github.com/kedago/keda/pkg/scaler"
)

func newAllCommand(catalog scaler.Catalog) *cobra.Command {
	f := newRoleFlags(os.Getenv)
	cmd := &cobra.Command{
		Use:   "all",
		Short: "Run the operator and the metrics server in one process",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			logger, err := f.log.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			f.options.Log = logger
			return app.RunAll(cmd.Context(), catalog, f.options)
		},
	}
	f.bind(cmd)
	return cmd
}
