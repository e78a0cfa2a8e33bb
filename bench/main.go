// Command bench measures KEDA with many ScaledObjects on the local control
// plane: how long until all HPAs exist, what it costs at rest, and how soon an
// item or a backlog is answered by replicas. It prints one JSON document.
//
// It owns the processes it starts (control plane, operator, source) and ends
// them. What it measures it sees from outside: Deployments by a watch of the
// API server, memory and CPU by /proc, the source by a proxy in between.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	n, partitions int
	source        string
	broker        string
	api           string
	binary        string
	notify        string
	idleProbe     time.Duration
	hpaQPS        int
	settle, rest  time.Duration
	tries         int
	backlogTries  int
	profile       string
	state         string
}

func (o *options) register(f *flag.FlagSet) {
	f.IntVar(&o.n, "n", 1000, "ScaledObjects, each with its own Deployment and its own list, or topic and group")
	f.StringVar(&o.source, "source", "redis", "redis or kafka")
	f.IntVar(&o.partitions, "partitions", 10, "partitions of each topic")
	f.StringVar(&o.broker, "broker", "auto", "real (Apache Kafka), fake (the protocol served by a Go process), or auto: real where this machine can run it")
	f.StringVar(&o.api, "api", "keda.sh", "API group of the ScaledObjects, keda.sh or keda.k8s.io")
	f.StringVar(&o.binary, "binary", os.Getenv("KEDA_BINARY"), "the keda executable (KEDA_BINARY)")
	f.StringVar(&o.notify, "redis-notify", "KEA", "notify-keyspace-events of the Redis server; empty for a server that does not tell of arrivals")
	f.DurationVar(&o.idleProbe, "idle-probe-interval", 0, "the operator's flag of that name")
	f.IntVar(&o.hpaQPS, "hpa-client-qps", 0, "requests a second of the HPA controller; 0 for Kubernetes' default of 20")
	f.DurationVar(&o.settle, "settle", 45*time.Second, "pause between the set-up and the measurement at rest")
	f.DurationVar(&o.rest, "rest", 90*time.Second, "length of the measurement at rest, at least 60s")
	f.IntVar(&o.tries, "tries", 20, "single items added to idle ScaledObjects, one after the other")
	f.IntVar(&o.backlogTries, "backlog-tries", 3, "backlogs added to idle ScaledObjects, one after the other")
	f.StringVar(&o.profile, "profile", "", "folder for the operator's CPU profile at rest and its heap profile after it; the profiler costs a little itself")
	f.StringVar(&o.state, "state", "", "folder in which a new one for logs and state is made and kept; a temporary one when empty")
}

func (o *options) check() error {
	tries := o.tries + o.backlogTries
	switch {
	case o.source != "redis" && o.source != "kafka":
		return fmt.Errorf("-source is %q, expected redis or kafka", o.source)
	case o.broker != "auto" && o.broker != "real" && o.broker != "fake":
		return fmt.Errorf("-broker is %q, expected auto, real or fake", o.broker)
	case o.api != groupToday && o.api != groupFirst:
		return fmt.Errorf("-api is %q, expected %s or %s", o.api, groupToday, groupFirst)
	case o.partitions < 1:
		return fmt.Errorf("-partitions is %d, expected 1 or more", o.partitions)
	case o.tries < 1 || o.backlogTries < 1:
		return fmt.Errorf("-tries is %d and -backlog-tries is %d, expected 1 or more of each", o.tries, o.backlogTries)
	case len(idle(o.n, tries)) < tries:
		return fmt.Errorf("-n %d leaves %d idle ScaledObjects, expected one for each of the %d tries", o.n, len(idle(o.n, tries)), tries)
	case o.rest < time.Minute:
		return fmt.Errorf("-rest is %s, expected 1m or more: two polling intervals", o.rest)
	case o.binary == "":
		return fmt.Errorf("no keda executable given; name it with -binary or KEDA_BINARY")
	}
	return nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == serveFake {
		exit(runFakeBroker(os.Args[2:]))
	}
	var o options
	o.register(flag.CommandLine)
	flag.Parse()
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, o options) error {
	b := &bench{options: o, started: time.Now()}
	report, err := b.run(ctx)
	b.close()
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(report)
}
