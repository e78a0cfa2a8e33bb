// Command keda is the operator, the metrics server and the command line of
// KEDA, chosen by its first argument. As kubectl-keda it is a kubectl plug-in.
package main

import (
	"os"

	"github.com/kedago/keda/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
