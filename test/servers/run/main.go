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

	activemqserver "github.com/kedago/keda/test/servers/activemq"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
	beanstalkdserver "github.com/kedago/keda/test/servers/beanstalkd"
	cassandraserver "github.com/kedago/keda/test/servers/cassandra"
	couchdbserver "github.com/kedago/keda/test/servers/couchdb"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
	ferretserver "github.com/kedago/keda/test/servers/ferretdb"
	graphiteserver "github.com/kedago/keda/test/servers/graphite"
	influxdbserver "github.com/kedago/keda/test/servers/influxdb"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
	mariadbserver "github.com/kedago/keda/test/servers/mariadb"
	mosquittoserver "github.com/kedago/keda/test/servers/mosquitto"
	motoserver "github.com/kedago/keda/test/servers/moto"
	nsqserver "github.com/kedago/keda/test/servers/nsq"
	opensearchserver "github.com/kedago/keda/test/servers/opensearch"
	pgserver "github.com/kedago/keda/test/servers/postgresql"
	promserver "github.com/kedago/keda/test/servers/prometheus"
	pubsubserver "github.com/kedago/keda/test/servers/pubsub"
	rabbitmqserver "github.com/kedago/keda/test/servers/rabbitmq"
	redisserver "github.com/kedago/keda/test/servers/redis"
	seleniumserver "github.com/kedago/keda/test/servers/selenium"
)

// server starts one and says where it is.
type server struct {
	name  string
	start func(testing.TB) string
}

// password is what servers get that want one.
const password = "password-of-keda"

func servers() []server {
	return []server{
		{"activemq", func(t testing.TB) string { return "http://" + activemqserver.Start(t).Addr + "/api/jolokia" }},
		{"artemis", func(t testing.TB) string { return "http://" + activemqserver.StartArtemis(t).Addr + "/console/jolokia" }},
		{"azurite", func(t testing.TB) string {
			s := azuriteserver.Start(t)
			return azuriteserver.Connection(s.Queue, s.Blob)
		}},
		{"beanstalkd", func(t testing.TB) string { return beanstalkdserver.Start(t).Addr }},
		{"cassandra", func(t testing.TB) string { return cassandraserver.Start(t).Addr }},
		{"couchdb", func(t testing.TB) string {
			return "http://" + couchdbserver.User + ":" + password + "@" + couchdbserver.Start(t, password).Addr
		}},
		{"eventhub", func(t testing.TB) string { return "amqp://" + eventhubserver.Start(t).Addr }},
		{"ferretdb", func(t testing.TB) string { return "mongodb://" + ferretserver.Start(t).Address }},
		{"graphite", func(t testing.TB) string {
			s := graphiteserver.Start(t)
			return "http://" + s.Addr + " " + s.Carbon
		}},
		{"influxdb", func(t testing.TB) string {
			return "http://" + influxdbserver.User + ":" + password + "@" + influxdbserver.Start(t, password).Addr
		}},
		{"kafka", func(t testing.TB) string { return kafkaserver.StartReal(t).Plain }},
		{"mariadb", func(t testing.TB) string { return mariadbserver.Start(t).Address }},
		{"moto", func(t testing.TB) string { return motoserver.Start(t).URL }},
		{"mosquitto", func(t testing.TB) string { return "mqtt://" + mosquittoserver.Start(t, nil).Address }},
		{"nsq", func(t testing.TB) string {
			s := nsqserver.Start(t, 1)
			return "http://" + s.Lookup + " http://" + s.Daemons[0]
		}},
		{"opensearch", func(t testing.TB) string { return "http://" + opensearchserver.Start(t).Addr }},
		{"postgresql", func(t testing.TB) string { return pgserver.Start(t, nil, nil).Address }},
		{"prometheus", func(t testing.TB) string { return promserver.Start(t).URL }},
		{"pubsub", func(t testing.TB) string { return pubsubserver.Start(t).URL }},
		{"rabbitmq", func(t testing.TB) string {
			s := rabbitmqserver.Start(t, nil)
			return "amqp://" + s.AMQP + " http://" + s.HTTP
		}},
		{"redis", func(t testing.TB) string { return "redis://" + redisserver.Start(t).Addr }},
		{"selenium", func(t testing.TB) string {
			return "http://" + seleniumserver.User + ":" + seleniumserver.Password + "@" + seleniumserver.Start(t, 2, `{"browserName": "chrome"}`).Addr
		}},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_ = os.Setenv("KEDA_TEST_REAL", "1") // what tests leave out unless asked for
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
