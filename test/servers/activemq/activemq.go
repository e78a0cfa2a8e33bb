// Package activemqserver runs a real ActiveMQ Classic for tests, with Jolokia
// where the web console has it, and a real ActiveMQ Artemis.
//
// It owns the processes and their folders, which end with the test.
package activemqserver

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kedago/keda/test/servers/process"
)

// User and Password are those of the consoles; Broker is the brokers' name.
const (
	User     = "keda"
	Password = "password-of-keda"
	Broker   = "localhost"
)

//go:embed Broker.java
var program []byte

// Server is a running ActiveMQ.
type Server struct {
	jolokia
}

// Start runs ActiveMQ until the test ends. Without it the test is skipped, or
// fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	jars, err := find()
	process.Need(t, "ActiveMQ", err)
	return process.Try(t, "ActiveMQ", 1, func(at []string) (*Server, error) {
		s := &Server{jolokia{Addr: at[0], path: "/api/jolokia/"}}
		folder := t.TempDir()
		file := filepath.Join(folder, "Broker.java")
		if err := os.WriteFile(file, program, 0o600); err != nil {
			return nil, err
		}
		cmd := exec.Command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", jars, file, process.Port(s.Addr), Password)
		cmd.Dir = folder
		if _, err := cmd.StdinPipe(); err != nil { // it ends when this end closes
			return nil, err
		}
		return s, process.Run(t, cmd, s.ready)
	})
}

// find returns the class path of Debian's packages.
func find() (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", errors.New("there is no java in PATH")
	}
	const broker, java = "/usr/share/activemq/lib/", "/usr/share/java/"
	needed := []string{broker + "activemq-broker.jar", java + "jolokia-core.jar", java + "json-simple.jar"}
	for _, file := range needed {
		if _, err := os.Stat(file); err != nil {
			return "", fmt.Errorf("there is no %s; hack/servers/activemq.sh installs it", file)
		}
	}
	return strings.Join(append(needed[1:], broker+"*", broker+"optional/*"), ":"), nil
}

const broker = "org.apache.activemq:type=Broker,brokerName=" + Broker

// Fill makes a queue hold n messages.
func (s *Server) Fill(t testing.TB, queue string, n int) {
	t.Helper()
	of := broker + ",destinationType=Queue,destinationName=" + queue
	all := []request{
		{Type: "exec", MBean: broker, Operation: "addQueue(java.lang.String)", Arguments: []any{queue}},
		{Type: "exec", MBean: of, Operation: "purge()"},
	}
	for range n {
		all = append(all, request{Type: "exec", MBean: of, Operation: "sendTextMessage(java.lang.String)", Arguments: []any{"x"}})
	}
	if _, err := s.do(all...); err != nil {
		t.Fatalf("filling the queue %s: %v", queue, err)
	}
}

// SetPassword changes the password of the console's user.
func (s *Server) SetPassword(t testing.TB, password string) {
	t.Helper()
	resp, err := http.Post("http://"+s.Addr+"/password", "text/plain", strings.NewReader(password))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}
