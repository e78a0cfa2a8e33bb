package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kedago/keda/internal/app"
	"github.com/kedago/keda/internal/migrate"
	"github.com/kedago/keda/internal/version"
	"github.com/kedago/keda/pkg/scaler"
)

// The exit codes of keda migrate: an object that can't be taken over, and a
// cluster that can't be read or a command line that is wrong.
const (
	exitNotReady = 1
	exitNoLook   = 2
)

// migrateFlags are the command line of keda migrate.
type migrateFlags struct {
	fromUpstream, apply, back   bool
	stopUpstream, despiteErrors bool
	namespace, output           string
	kubeconfig, context         string
	service, clusterNamespace   string
}

func newMigrateCommand(catalog scaler.Catalog) *cobra.Command {
	var m migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate --from-upstream [--apply|--back]",
		Short: "Move a cluster that runs KEDA over, and back",
		Long: `Looks at a cluster that runs upstream's KEDA and says, for each object, whether
it works here, and what of its HorizontalPodAutoscaler would change. Nothing is
written without --apply or --back.

--apply stops upstream's operator, if --stop-upstream allows it, leads the
external metrics API to this build's Service, if there is one, and takes the
HPAs over by server-side apply. --back undoes that. Each step is printed before
it is done, and no replica count of a workload is ever written.

The exit code is 0, 1 when an object can't be taken over, and 2 when the
cluster can't be read, the command line is wrong, or a step fails.`,
		Example: `  keda migrate --from-upstream
  keda migrate --from-upstream -n shop -o json
  keda migrate --from-upstream --apply --stop-upstream
  keda migrate --from-upstream --back`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &exitError{exitNoLook, fmt.Errorf("found %q; expected flags only", args[0])}
			}
			o, err := m.options(catalog)
			if err != nil {
				return &exitError{exitNoLook, err}
			}
			return m.run(cmd, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&m.fromUpstream, "from-upstream", false, "move from upstream's KEDA; needed, as there is nothing else to move from yet")
	f.BoolVar(&m.apply, "apply", false, "take over")
	f.BoolVar(&m.back, "back", false, "give back what --apply took")
	f.BoolVar(&m.stopUpstream, "stop-upstream", false, "with --apply: allow upstream's operator to be scaled to 0")
	f.BoolVar(&m.despiteErrors, "despite-errors", false, "with --apply: leave objects with errors behind, which are then not scaled")
	f.StringVarP(&m.namespace, "namespace", "n", "", "look at this namespace's objects only")
	f.StringVarP(&m.output, "output", "o", "text", "text or json")
	f.StringVar(&m.kubeconfig, "kubeconfig", "", "file that says how to reach the API server; kubectl's when unset")
	f.StringVar(&m.context, "context", "", "context of the kubeconfig; its current one when unset")
	f.StringVar(&m.service, "metrics-service", "keda/keda-metrics-apiserver:443", "this build's Service of the external metrics API, as namespace/name:port")
	f.StringVar(&m.clusterNamespace, "cluster-object-namespace", "keda", "namespace in which ClusterTriggerAuthentications find their Secrets")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitNoLook, err} })
	return cmd
}

// options checks the flags and connects to the cluster.
func (m *migrateFlags) options(catalog scaler.Catalog) (migrate.Options, error) {
	var none migrate.Options
	switch {
	case !m.fromUpstream:
		return none, errors.New("--from-upstream: is missing; expected it, as it says what to move from")
	case m.apply && m.back:
		return none, errors.New("--back: can't be used with --apply; expected one of them")
	case m.output != "text" && m.output != "json":
		return none, fmt.Errorf("--output: found %q; expected text or json", m.output)
	case m.output == "json" && (m.apply || m.back):
		return none, errors.New("--output: found json; expected text with --apply and --back, which print steps")
	case !m.apply && (m.stopUpstream || m.despiteErrors):
		return none, errors.New("--apply: is missing; expected it with --stop-upstream and --despite-errors")
	}
	service, err := parseService(m.service)
	if err != nil {
		return none, err
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = m.kubeconfig
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: m.context}).ClientConfig()
	if err != nil {
		return none, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	cfg.QPS = -1                  // the API server's priority and fairness protects it
	log.SetLogger(logr.Discard()) // it would complain after 30 seconds that there is none
	scheme, err := migrate.Scheme()
	if err != nil {
		return none, err
	}
	c, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		return none, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return migrate.Options{
		Client: c, Reader: app.ClusterReader(c), Catalog: catalog, Version: version.Get().Version,
		Namespace: m.namespace, ClusterNamespace: m.clusterNamespace, Service: service,
	}, nil
}

// parseService reads namespace/name:port.
func parseService(text string) (migrate.Service, error) {
	namespace, rest, ok := strings.Cut(text, "/")
	name, portText, _ := strings.Cut(rest, ":")
	port, err := strconv.ParseInt(portText, 10, 32)
	if !ok || namespace == "" || name == "" || err != nil || port < 1 || port > 65535 {
		return migrate.Service{}, fmt.Errorf("--metrics-service: found %q; expected namespace/name:port", text)
	}
	return migrate.Service{Namespace: namespace, Name: name, Port: int32(port)}, nil
}

func (m *migrateFlags) run(cmd *cobra.Command, o migrate.Options) error {
	say := func(step string) { _, _ = fmt.Fprintln(cmd.OutOrStdout(), step) }
	switch {
	case m.apply:
		if err := migrate.Apply(cmd.Context(), o, migrate.ApplyOptions{StopUpstream: m.stopUpstream, DespiteErrors: m.despiteErrors}, say); err != nil {
			return &exitError{exitNoLook, err}
		}
		return nil
	case m.back:
		if err := migrate.Back(cmd.Context(), o, say); err != nil {
			return &exitError{exitNoLook, err}
		}
		return nil
	}
	report, err := migrate.Look(cmd.Context(), o)
	if err != nil {
		return &exitError{exitNoLook, err}
	}
	write := report.Text
	if m.output == "json" {
		write = report.JSON
	}
	if err := write(cmd.OutOrStdout()); err != nil {
		return err
	}
	if !report.Ready() {
		return &exitError{code: exitNotReady}
	}
	return nil
}
