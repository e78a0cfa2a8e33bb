package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kedago/keda/internal/rbac"
	"github.com/kedago/keda/internal/validate"
	"github.com/kedago/keda/pkg/scaler"
)

func newRBACCommand(catalog scaler.Catalog) *cobra.Command {
	var in files
	o := rbac.Options{Catalog: catalog}
	cmd := &cobra.Command{
		Use:   "rbac -f FILE|DIR|-",
		Short: "Print the smallest permissions that manifests need",
		Long: `Reads ScaledObjects, ScaledJobs and auth objects of keda.sh and keda.k8s.io,
with the Deployments and other targets among them, and prints the Roles and
bindings that an operator needs for them and nothing else: targets and Secrets
by name, service accounts by name where tokens are issued for them.

The operator then runs with --watch-namespaces, as the output says. What can't
be told from the files, such as the Secrets of an auth object that is not
among them, is a comment in the output and on standard error.

The exit code is 0, 1 when something is not known, and 2 when an input can't
be read or the command line is wrong.`,
		Example: `  keda rbac -f manifests/ | kubectl apply -f -
  kubectl get so,sj,ta,cta,deployments -A -o yaml | keda rbac -f -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := in.check(args); err != nil {
				return err
			}
			return runRBAC(cmd, in, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Namespace, "operator-namespace", "keda", "the operator's namespace")
	f.StringVar(&o.ServiceAccount, "service-account", "keda-operator", "the operator's service account")
	f.StringVar(&o.ClusterNamespace, "cluster-object-namespace", "", "namespace in which ClusterTriggerAuthentications find their Secrets; the operator's when empty")
	in.bind(cmd)
	return cmd
}

func runRBAC(cmd *cobra.Command, files []string, o rbac.Options) error {
	inputs, err := validate.Open(files, cmd.InOrStdin())
	if err != nil {
		return &exitError{exitUnreadable, err}
	}
	var objects rbac.Objects
	for _, in := range inputs {
		if err := objects.Load(in.Name, in.Data); err != nil {
			return &exitError{exitUnreadable, err}
		}
	}
	if len(objects.Workloads) == 0 {
		return &exitError{exitUnreadable, errors.New("the files have no ScaledObject and no ScaledJob")}
	}
	result := rbac.Derive(objects, o)
	if err := result.Write(cmd.OutOrStdout(), o); err != nil {
		return fmt.Errorf("writing the permissions: %w", err)
	}
	if len(result.Unknown) == 0 {
		return nil
	}
	for _, u := range result.Unknown {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), u)
	}
	return &exitError{code: exitInvalid}
}
