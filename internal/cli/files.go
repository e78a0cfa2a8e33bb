package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// files are the inputs of a verb that reads manifests.
type files []string

// bind adds the flag -f, and lets whatever is wrong with the command line end
// the verb with the code for what can't be read.
func (f *files) bind(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP((*[]string)(f), "filename", "f", nil, "file, folder (with all below it) or - for standard input; may be repeated")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUnreadable, err} })
}

// check returns what is wrong with how they were given.
func (f *files) check(args []string) error {
	switch {
	case len(args) > 0:
		return &exitError{exitUnreadable, fmt.Errorf("found %q without a flag (did you mean -f %s?)", args[0], args[0])}
	case len(*f) == 0:
		return &exitError{exitUnreadable, errors.New("--filename: is missing; expected a file, a folder, or - for standard input")}
	}
	return nil
}
