package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kedago/keda/deploy/crd"
	"github.com/kedago/keda/internal/validate"
	"github.com/kedago/keda/pkg/scaler"
)

// The exit codes of keda validate. A command line that is wrong is unreadable.
const (
	exitInvalid    = 1
	exitUnreadable = 2
)

func newValidateCommand(catalog scaler.Catalog) *cobra.Command {
	var in files
	var output, namespace string
	cmd := &cobra.Command{
		Use:   "validate -f FILE|DIR|-",
		Short: "Check manifests without a cluster",
		Long: `Checks ScaledObjects, ScaledJobs, TriggerAuthentications and
ClusterTriggerAuthentications of keda.sh and keda.k8s.io by the rules of the
operator, and prints every problem with its file, line and field.

Secrets, ConfigMaps, Deployments and other workloads among the documents are
used to check references to them; their values are never printed. What is not
among the documents is taken to be in the cluster.

The exit code is 0 when all objects are valid, 1 when one is not, and 2 when
an input can't be read or the command line is wrong.`,
		Example: `  keda validate -f scaledobject.yaml
  keda validate -f manifests/ -o json
  kustomize build . | keda validate -f -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := in.check(args); err != nil {
				return err
			}
			if output != "text" && output != "json" {
				return &exitError{exitUnreadable, fmt.Errorf("--output: found %q; expected text or json", output)}
			}
			return runValidate(cmd, in, output, validate.Options{Catalog: catalog, ClusterNamespace: namespace})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text or json")
	f.StringVar(&namespace, "cluster-object-namespace", "keda", "namespace in which ClusterTriggerAuthentications find their Secrets")
	in.bind(cmd)
	return cmd
}

func runValidate(cmd *cobra.Command, files []string, output string, o validate.Options) error {
	inputs, unreadable := validate.Open(files, cmd.InOrStdin())
	crds, err := crd.Documents()
	if err != nil {
		return err
	}
	if o.Schemas, err = validate.LoadSchemas(crds); err != nil {
		return err
	}
	report := validate.Check(inputs, o)
	write := report.Text
	if output == "json" {
		write = report.JSON
	}
	if err := write(cmd.OutOrStdout()); err != nil {
		return err
	}
	switch {
	case unreadable != nil:
		return &exitError{exitUnreadable, unreadable}
	case report.Unreadable:
		return &exitError{exitUnreadable, errors.New("some documents can't be read")}
	case !report.Valid():
		return &exitError{code: exitInvalid}
	}
	return nil
}
