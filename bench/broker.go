package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// startRealKafka runs Apache Kafka, one broker in KRaft mode.
func startRealKafka(ctx context.Context, o options, dir string) (source, error) {
	jars, err := resolveKafka(ctx)
	if err != nil {
		return nil, err
	}
	var ports [2]int
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	p, err := startProxy(true)
	if err != nil {
		return nil, err
	}
	server, err := startJava(ctx, jars, filepath.Join(dir, "kafka"), kafkaProperties(local(ports[0]), local(ports[1]), p.address(), dir), heapMiB(o))
	if err != nil {
		p.close()
		return nil, err
	}
	return connectKafka(ctx, o, server, p, local(ports[0]), "Apache Kafka "+strings.TrimPrefix(filepath.Base(jars), "kafka-"))
}

// resolveKafka returns the folder of Kafka's jars, downloaded if need be.
func resolveKafka(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join("hack", "servers", "kafka.sh"))
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("getting Apache Kafka (run from the project's folder): %w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func heapMiB(o options) int { return 512 + o.n*o.partitions/20 }

func kafkaProperties(listen, controller, advertise, dir string) string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.bootstrap.servers=" + controller,
		"controller.listener.names=CONTROLLER",
		"listeners=PLAINTEXT://" + listen + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + advertise,
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "kafka", "log"),
		"log.index.size.max.bytes=4096", // else each partition reserves 20 MiB of address space
		"auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=8",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
	}, "\n") + "\n"
}

// startJava formats the log folder and runs the broker.
func startJava(ctx context.Context, jars, dir, properties string, heap int) (*child, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("preparing Apache Kafka: %w", err)
	}
	config := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(config, []byte(properties), 0o600); err != nil {
		return nil, fmt.Errorf("preparing Apache Kafka: %w", err)
	}
	java := func(class string, args ...string) []string {
		flags := []string{"java", "-Xmx" + strconv.Itoa(heap) + "m", "-XX:+UseSerialGC", "-cp", filepath.Join(jars, "*"), class}
		return append(flags, args...)
	}
	format := java("kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", "a2VkYS10ZXN0LWNsdXN0ZXI", "--config", config)
	if out, err := exec.CommandContext(ctx, format[0], format[1:]...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("formatting Apache Kafka's folder: %w: %s", err, out)
	}
	return startChild(java("kafka.Kafka", config)...)
}

// serveFake is the first argument with which this program is a broker.
const serveFake = "serve-kafka"

// startFakeKafka serves the Kafka protocol from a process of its own.
func startFakeKafka(ctx context.Context, o options) (source, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding our own executable: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := startProxy(true)
	if err != nil {
		return nil, err
	}
	server, err := startChild(self, serveFake, "-listen", local(port), "-advertise", p.address())
	if err != nil {
		p.close()
		return nil, err
	}
	return connectKafka(ctx, o, server, p, local(port), "kfake (the Kafka protocol in a Go process)")
}

// runFakeBroker is this program as a broker; it runs until killed.
func runFakeBroker(args []string) error {
	f := flag.NewFlagSet(serveFake, flag.ExitOnError)
	listen := f.String("listen", "", "address to listen at")
	advertise := f.String("advertise", "", "address to tell clients")
	_ = f.Parse(args) // it exits
	said, err := net.ResolveTCPAddr("tcp", *advertise)
	if err != nil {
		return fmt.Errorf("-advertise: %w", err)
	}
	_, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(func(string, string) (net.Listener, error) {
		l, err := net.Listen("tcp", *listen)
		if err != nil {
			return nil, err
		}
		return advertised{l, said}, nil
	}))
	if err != nil {
		return fmt.Errorf("serving the Kafka protocol: %w", err)
	}
	select {}
}

// advertised is a listener that says it is somewhere else.
type advertised struct {
	net.Listener
	at net.Addr
}

// Addr implements net.Listener.
func (a advertised) Addr() net.Addr { return a.at }
