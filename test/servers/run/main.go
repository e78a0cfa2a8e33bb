// Command run starts the servers that tests use, on the loopback and on free
// ports, prints where they are, and ends them on Ctrl-C. Names as arguments
// choose some of them.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	azuriteserver "github.com/kedago/keda/test/servers/azurite"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
	ferretserver "github.com/kedago/keda/test/servers/ferretdb"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
	mariadbserver "github.com/kedago/keda/test/servers/mariadb"
	mosquittoserver "github.com/kedago/keda/test/servers/mosquitto"
	motoserver "github.com/kedago/keda/test/servers/moto"
	pgserver "github.com/kedago/keda/test/servers/postgresql"
	promserver "github.com/kedago/keda/test/servers/prometheus"
	pubsubserver "github.com/kedago/keda/test/servers/pubsub"
	rabbitmqserver "github.com/kedago/keda/test/servers/rabbitmq"
	redisserver "github.com/kedago/keda/test/servers/redis"
)

// server starts one and says where it is.
type server struct {
	name  string
	start func(testing.TB) string
}

func servers() []server {
	return []server{
		{"azurite", func(t testing.TB) string {
			s := azuriteserver.Start(t)
			return azuriteserver.Connection(s.Queue, s.Blob)
		}},
		{"eventhub", func(t testing.TB) string { return "amqp://" + eventhubserver.Start(t).Addr }},
		{"ferretdb", func(t testing.TB) string { return "mongodb://" + ferretserver.Start(t).Address }},
		{"kafka", func(t testing.TB) string { return kafkaserver.StartReal(t).Plain }},
		{"mariadb", func(t testing.TB) string { return mariadbserver.Start(t).Address }},
		{"moto", func(t testing.TB) string { return motoserver.Start(t).URL }},
		{"mosquitto", func(t testing.TB) string { return "mqtt://" + mosquittoserver.Start(t, nil).Address }},
		{"postgresql", func(t testing.TB) string { return pgserver.Start(t, nil, nil).Address }},
		{"prometheus", func(t testing.TB) string { return promserver.Start(t).URL }},
		{"pubsub", func(t testing.TB) string { return pubsubserver.Start(t).URL }},
		{"rabbitmq", func(t testing.TB) string {
			s := rabbitmqserver.Start(t, nil)
			return "amqp://" + s.AMQP + " http://" + s.HTTP
		}},
		{"redis", func(t testing.TB) string { return "redis://" + redisserver.Start(t).Addr }},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_ = os.Setenv("KEDA_TEST_REAL", "1") // Apache Kafka, which tests leave out unless asked for
	if err := run(ctx, os.Stdout, servers(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

// run starts the servers that are named, all when none is, and ends them with
// ctx. One that can't start is named; that is an error only when it was asked for.
func run(ctx context.Context, out io.Writer, all []server, wanted []string) error {
	for _, name := range wanted {
		if !slices.ContainsFunc(all, func(s server) bool { return s.name == name }) {
			return fmt.Errorf("found %q; expected some of %s", name, strings.Join(names(all), ", "))
		}
	}
	var mu sync.Mutex
	var failed []string
	var started []*rig
	var each sync.WaitGroup
	for _, s := range all {
		if len(wanted) > 0 && !slices.Contains(wanted, s.name) {
			continue
		}
		r := newRig(ctx, s.name)
		started = append(started, r)
		each.Go(func() {
			where, why := r.try(s.start)
			mu.Lock()
			defer mu.Unlock()
			if why != "" {
				failed = append(failed, s.name)
				where = "not here: " + why
			}
			_, _ = fmt.Fprintf(out, "%-11s %s\n", s.name, where)
		})
	}
	each.Wait()
	if len(failed) > 0 && len(wanted) > 0 {
		end(started)
		return fmt.Errorf("%s can't start here", strings.Join(failed, ", "))
	}
	if len(failed) < len(started) {
		_, _ = fmt.Fprintln(out, "Ctrl-C ends them.")
		<-ctx.Done()
	}
	end(started)
	return nil
}

func end(started []*rig) {
	var each sync.WaitGroup
	for _, r := range started {
		each.Go(r.end)
	}
	each.Wait()
}

func names(all []server) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.name
	}
	return out
}
