package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/translate"
	"github.com/kedago/keda/internal/validate"
	"github.com/kedago/keda/pkg/scaler"
)

// exitLost is the code of keda convert --strict when something has no counterpart.
const exitLost = 1

func newConvertCommand(catalog scaler.Catalog) *cobra.Command {
	var in files
	var to string
	var strict bool
	cmd := &cobra.Command{
		Use:   "convert -f FILE|DIR|- [--to keda.sh|keda.k8s.io]",
		Short: "Turn manifests of the first API into today's, and back",
		Long: `Writes manifests of keda.k8s.io, KEDA's first API, as those of keda.sh to
standard output, or with --to keda.k8s.io the other way round. Documents of
other kinds pass through unchanged; order, names and comments are kept.

What has no counterpart is said on standard error, with file, line and field.
Deployments among the documents are used to tell values that name an
environment variable from others.

The exit code is 0, 1 with --strict when something has no counterpart, and 2
when an input can't be read or the command line is wrong.`,
		Example: `  keda convert -f scaledobject.yaml > new.yaml
  keda convert -f manifests/ --strict | kubectl apply -f -
  kubectl get sco.v1alpha1.keda.k8s.io -A -o yaml | keda convert -f -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := in.check(args); err != nil {
				return err
			}
			if to != string(model.GroupToday) && to != string(model.GroupFirst) {
				return &exitError{exitUnreadable, fmt.Errorf("--to: found %q; expected keda.sh or keda.k8s.io", to)}
			}
			return runConvert(cmd, in, strict, translate.Options{Catalog: catalog, To: model.Group(to)})
		},
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", string(model.GroupToday), "API group of the output: keda.sh or keda.k8s.io")
	f.BoolVar(&strict, "strict", false, "fail when something has no counterpart")
	in.bind(cmd)
	return cmd
}

func runConvert(cmd *cobra.Command, files []string, strict bool, o translate.Options) error {
	opened, unreadable := validate.Open(files, cmd.InOrStdin())
	inputs := make([]translate.Input, len(opened))
	for i, in := range opened {
		inputs[i] = translate.Input{Name: in.Name, Data: in.Data}
	}
	result := translate.Translate(inputs, o)
	for _, f := range result.Findings {
		if _, err := fmt.Fprintln(cmd.ErrOrStderr(), f); err != nil {
			return fmt.Errorf("writing the findings: %w", err)
		}
	}
	switch {
	case unreadable != nil:
		return &exitError{exitUnreadable, unreadable}
	case result.Unreadable:
		return &exitError{exitUnreadable, errors.New("some documents can't be read")}
	case strict && result.Lost():
		return &exitError{exitLost, errors.New("something has no counterpart, see above; nothing was written, since --strict is set")}
	}
	if _, err := cmd.OutOrStdout().Write(result.Text); err != nil {
		return fmt.Errorf("writing the manifests: %w", err)
	}
	return nil
}
