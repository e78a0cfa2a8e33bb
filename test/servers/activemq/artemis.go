package activemqserver

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/test/servers/process"
)

// Artemis is a running ActiveMQ Artemis with its console.
type Artemis struct {
	jolokia
}

// StartArtemis runs ActiveMQ Artemis until the test ends. Where it can't be
// had the test is skipped, or fails where the environment has CI=true.
func StartArtemis(t testing.TB) *Artemis {
	t.Helper()
	home := process.Script(t, "ActiveMQ Artemis", "artemis")
	return process.Try(t, "ActiveMQ Artemis", 2, func(at []string) (*Artemis, error) {
		s := &Artemis{jolokia{Addr: at[0], path: "/console/jolokia/"}}
		instance := filepath.Join(t.TempDir(), "artemis")
		if err := s.create(home, instance, process.Port(at[1])); err != nil {
			return nil, err
		}
		cmd := exec.Command("sh", filepath.Join(instance, "bin", "artemis"), "run") // the script becomes Java
		return s, process.Run(t, cmd, s.ready)
	})
}

// create makes the folder of a broker, whose own port is core.
func (s *Artemis) create(home, instance, core string) error {
	out, err := exec.Command("sh", filepath.Join(home, "bin", "artemis"), "create", "--silent", "--user", User, "--password", Password,
		"--require-login", "--name", Broker, "--http-host", "127.0.0.1", "--http-port", process.Port(s.Addr), "--host", "127.0.0.1", "--default-port", core,
		"--no-amqp-acceptor", "--no-hornetq-acceptor", "--no-mqtt-acceptor", "--no-stomp-acceptor", "--nio", "--no-autotune",
		"--java-options", "-Xms64m -Xmx256m", instance).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return fillAnyDisk(filepath.Join(instance, "etc", "broker.xml"))
}

// fillAnyDisk lets the broker work on a disk that is nearly full.
func fillAnyDisk(file string) error {
	const usual, never = "<max-disk-usage>90</max-disk-usage>", "<max-disk-usage>-1</max-disk-usage>"
	text, err := os.ReadFile(file) //nolint:gosec // ours
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(usual)) {
		return fmt.Errorf("there is no %s in %s", usual, file)
	}
	return os.WriteFile(file, bytes.Replace(text, []byte(usual), []byte(never), 1), 0o600)
}

// Fill makes a queue of an address hold n messages. routing is ANYCAST or
// MULTICAST.
func (s *Artemis) Fill(t testing.TB, address, queue, routing string, n int) {
	t.Helper()
	broker := fmt.Sprintf(`org.apache.activemq.artemis:broker="%s"`, Broker)
	of := fmt.Sprintf(`%s,component=addresses,address="%s",subcomponent=queues,routing-type="%s",queue="%s"`, broker, address, strings.ToLower(routing), queue)
	if _, err := s.do(request{Type: "read", MBean: of, Attribute: "Name"}); err != nil {
		creation := request{Type: "exec", MBean: broker, Operation: "createQueue(java.lang.String,java.lang.String,java.lang.String)", Arguments: []any{address, queue, routing}}
		if _, err := s.do(creation); err != nil {
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
	if _, err := s.do(all...); err != nil {
		t.Fatalf("filling the queue %s: %v", queue, err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // it counts a little later
		found, err := s.do(request{Type: "read", MBean: of, Attribute: "MessageCount"})
		if err == nil && string(found) == strconv.Itoa(n) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the queue %s does not come to hold %d messages: %s, %v", queue, n, found, err)
		}
	}
}
