package activemqserver

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Artemis is a running ActiveMQ Artemis with its console.
type Artemis struct {
	jolokia
}

// StartArtemis runs ActiveMQ Artemis until the test ends. Where it can't be
// had the test is skipped, or fails where the environment has CI=true.
func StartArtemis(t testing.TB) *Artemis {
	t.Helper()
	home, err := fetch()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("ActiveMQ Artemis is needed in CI: %v", err)
		}
		t.Skipf("no ActiveMQ Artemis: %v", err)
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		s, err := startArtemis(t, home)
		if err == nil {
			return s
		}
		t.Logf("starting ActiveMQ Artemis: %v", err)
	}
	t.Fatal("ActiveMQ Artemis did not start")
	return nil
}

// fetch returns the folder of the distribution, fetched if need be.
func fetch() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	var problem bytes.Buffer
	cmd := exec.Command(filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "artemis.sh"))
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func startArtemis(t testing.TB, home string) (*Artemis, error) {
	var ports [2]string // of the console and of the broker
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		_, ports[i], _ = net.SplitHostPort(l.Addr().String())
	}
	instance := filepath.Join(t.TempDir(), "artemis")
	out, err := exec.Command("sh", filepath.Join(home, "bin", "artemis"), "create", "--silent", "--user", User, "--password", Password, //nolint:gosec // ours
		"--require-login", "--name", Broker, "--http-host", "127.0.0.1", "--http-port", ports[0], "--host", "127.0.0.1", "--default-port", ports[1],
		"--no-amqp-acceptor", "--no-hornetq-acceptor", "--no-mqtt-acceptor", "--no-stomp-acceptor", "--nio", "--no-autotune",
		"--java-options", "-Xms64m -Xmx256m", instance).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return runArtemis(t, instance, ports[0])
}

func runArtemis(t testing.TB, instance, port string) (*Artemis, error) {
	s := &Artemis{jolokia{Addr: "127.0.0.1:" + port, path: "/console/jolokia/"}}
	var said bytes.Buffer
	cmd := exec.Command("sh", filepath.Join(instance, "bin", "artemis"), "run") //nolint:gosec // ours
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended } // the script has become Java
	if err := s.waitReady(ended); err != nil {
		stop()
		return nil, errors.Join(err, errors.New(said.String()))
	}
	t.Cleanup(stop)
	return s, nil
}

// Fill makes a queue of an address hold n messages. routing is ANYCAST or
// MULTICAST.
func (s *Artemis) Fill(t testing.TB, address, queue, routing string, n int) {
	t.Helper()
	broker := fmt.Sprintf(`org.apache.activemq.artemis:broker="%s"`, Broker)
	of := fmt.Sprintf(`%s,component=addresses,address="%s",subcomponent=queues,routing-type="%s",queue="%s"`, broker, address, strings.ToLower(routing), queue)
	if s.do(request{Type: "read", MBean: of, Attribute: "Name"}) != nil {
		creation := request{Type: "exec", MBean: broker, Operation: "createQueue(java.lang.String,java.lang.String,java.lang.String)", Arguments: []any{address, queue, routing}}
		if err := s.do(creation); err != nil {
			t.Fatalf("making the queue %s: %v", queue, err)
		}
	}
	all := []request{{Type: "exec", MBean: of, Operation: "removeAllMessages()"}}
	for range n {
		all = append(all, request{
			Type: "exec", MBean: of, Arguments: []any{map[string]string{}, 3, "x", false, User, Password},
			Operation: "sendMessage(java.util.Map,int,java.lang.String,boolean,java.lang.String,java.lang.String)",
		})
	}
	if err := s.do(all...); err != nil {
		t.Fatalf("filling the queue %s: %v", queue, err)
	}
}
