// Package activemqserver runs a real ActiveMQ Classic for tests, with Jolokia
// where the web console has it.
//
// It owns the process, which ends with the test.
package activemqserver

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// User and Password are those of the console; Broker is the broker's name.
const (
	User     = "keda"
	Password = "password-of-keda"
	Broker   = "localhost"
)

//go:embed Broker.java
var program []byte

// Server is a running ActiveMQ.
type Server struct {
	// Addr is where the console's Jolokia listens, 127.0.0.1:port.
	Addr string
}

// Start runs ActiveMQ until the test ends. Without it the test is skipped, or
// fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	jars, err := find()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("ActiveMQ is needed in CI: %v", err)
		}
		t.Skipf("no ActiveMQ: %v", err)
	}
	const tries = 3 // the port may be taken between looking and listening
	for range tries {
		s, err := start(t, jars)
		if err == nil {
			return s
		}
		t.Logf("starting ActiveMQ: %v", err)
	}
	t.Fatal("ActiveMQ did not start")
	return nil
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

func start(t testing.TB, jars string) (*Server, error) {
	folder := t.TempDir()
	file := filepath.Join(folder, "Broker.java")
	if err := os.WriteFile(file, program, 0o600); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: l.Addr().String()}
	_ = l.Close()
	_, port, _ := net.SplitHostPort(s.Addr)
	var said bytes.Buffer
	cmd := exec.Command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", jars, file, port, Password)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &said, &said
	if _, err := cmd.StdinPipe(); err != nil { // it ends when this end closes
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	if err := s.waitReady(ended); err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	t.Cleanup(stop)
	return s, nil
}

func (s *Server) waitReady(ended <-chan struct{}) error {
	over := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return errors.New("it ended")
		case <-over:
			return errors.New("it did not become ready")
		case <-tick.C:
		}
		if _, err := s.do(Password, request{Type: "version"}); err == nil {
			return nil
		}
	}
}

// request is one of Jolokia's.
type request struct {
	Type      string `json:"type"`
	MBean     string `json:"mbean,omitempty"`
	Operation string `json:"operation,omitempty"`
	Arguments []any  `json:"arguments,omitempty"`
}

func (s *Server) do(password string, all ...request) ([]byte, error) {
	body, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+s.Addr+"/api/jolokia/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(User, password)
	req.Header.Set("Origin", "http://127.0.0.1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var results []struct {
		Status int    `json:"status"`
		Error  string `json:"error"`
	}
	if err := json.Unmarshal(answer, &results); err != nil || len(results) != len(all) {
		return nil, fmt.Errorf("the server answered %s: %s", resp.Status, answer)
	}
	for _, r := range results {
		if r.Status != http.StatusOK {
			return nil, errors.New(r.Error)
		}
	}
	return answer, nil
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
	if _, err := s.do(Password, all...); err != nil {
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
