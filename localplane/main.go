// Command localplane is a whole Kubernetes control plane in one file: etcd,
// kube-apiserver, kube-controller-manager, kube-scheduler, KWOK for the nodes,
// and kubectl, each as a sub-command, and "up", which runs them together.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/kedago/keda/localplane/internal/component"
	"github.com/kedago/keda/localplane/internal/entry"
	"github.com/kedago/keda/localplane/internal/plane"
	"github.com/kedago/keda/localplane/internal/supervise"
)

const exitUsage = 2

func usage() string {
	return "usage: localplane up [FLAGS]           run a local control plane until stopped (up -h lists the flags)\n" +
		"       localplane COMPONENT [ARGS]     run as one of " + strings.Join(component.Names(), ", ") + "\n"
}

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	switch {
	case len(args) == 0:
		fmt.Fprint(os.Stderr, usage())
		return exitUsage
	case args[0] == "up":
		return up(args[1:])
	case component.Known(args[0]):
		if os.Getenv(plane.ChildVariable) != "" && !supervise.KernelKills {
			supervise.WatchParent(context.Background(), func() { os.Exit(1) })
		}
		return entry.Run(args[0], args[1:])
	case args[0] == "help" || args[0] == "-h" || args[0] == "--help":
		fmt.Print(usage())
		return 0
	}
	fmt.Fprintf(os.Stderr, "localplane: unknown command %q\n%s", args[0], usage())
	return exitUsage
}

func up(args []string) int {
	config, err := plane.ParseFlags(args, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "localplane:", err)
		return exitUsage
	}
	executable, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "localplane: find its own executable:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a reader that went must not end us before our children
	if config.ExitWithParent {
		supervise.WatchParent(ctx, stop)
		supervise.WatchPipe(os.Stdin, stop)
	}
	if err := plane.Up(ctx, config, executable, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "localplane:", err)
		return 1
	}
	return 0
}
