// Package mosquittoserver runs a real Mosquitto for tests.
//
// It owns the process and its folder; both end with the test.
package mosquittoserver

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	client "github.com/eclipse/paho.mqtt.golang"
)

// User and Password are those of the administrator, who may do all.
const (
	User     = "admin"
	Password = "admin-password"
)

// Server is a running Mosquitto. It takes no anonymous clients.
type Server struct {
	// Address and Secure are where it listens, 127.0.0.1:port; Secure is empty without TLS.
	Address, Secure string

	process *os.Process
	users   string // the password file
	passwd  string // the program that writes it
	admin   client.Client
}

// TLS are files in PEM form. Clients must have a certificate.
type TLS struct{ CA, Cert, Key string }

// Start runs Mosquitto until the test ends. Without the binaries the test is
// skipped, or fails where the environment has CI=true. secure may be nil.
func Start(t testing.TB, secure *TLS) *Server {
	t.Helper()
	server, err := find("mosquitto")
	passwd, err2 := find("mosquitto_passwd")
	if errors.Join(err, err2) != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no mosquitto in PATH; CI needs one")
		}
		t.Skip("there is no mosquitto in PATH")
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		s, err := start(t, server, passwd, secure)
		if err == nil {
			return s
		}
		t.Logf("starting Mosquitto: %v", err)
	}
	t.Fatal("Mosquitto did not start")
	return nil
}

// find looks where Debian puts servers too, which is not in everybody's PATH.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port, l.Close()
}

func start(t testing.TB, server, passwd string, secure *TLS) (*Server, error) {
	folder := t.TempDir()
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Address: "127.0.0.1:" + port, users: filepath.Join(folder, "users"), passwd: passwd}
	if err := os.WriteFile(s.users, nil, 0o600); err != nil {
		return nil, err
	}
	if err := s.setUser(User, Password); err != nil {
		return nil, err
	}
	text := "per_listener_settings false\nallow_anonymous false\npassword_file " + s.users + "\nsys_interval 1\npersistence false\n" +
		"max_queued_messages 0\nlistener " + port + " 127.0.0.1\n"
	if os.Geteuid() == 0 {
		text = "user root\n" + text // else it changes to a user that can't read our files
	}
	if secure != nil {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s.Secure = "127.0.0.1:" + port
		text += "listener " + port + " 127.0.0.1\nrequire_certificate true\n"
		for name, pem := range map[string]string{"cafile": secure.CA, "certfile": secure.Cert, "keyfile": secure.Key} {
			file := filepath.Join(folder, name)
			if err := os.WriteFile(file, []byte(pem), 0o600); err != nil {
				return nil, err
			}
			text += name + " " + file + "\n"
		}
	}
	config := filepath.Join(folder, "mosquitto.conf")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return s, s.run(t, server, config)
}

func (s *Server) run(t testing.TB, server, config string) error {
	var said bytes.Buffer
	cmd := exec.Command(server, "-c", config) //nolint:gosec // found in a known place
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process = cmd.Process
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := s.connect(User, Password)
		if err == nil {
			s.admin = c
			break
		}
		select {
		case <-ended:
			return fmt.Errorf("it ended: %s", said.String())
		default:
		}
		if time.Now().After(end) {
			stop()
			return fmt.Errorf("it did not become ready: %w: %s", err, said.String())
		}
	}
	t.Cleanup(func() { s.admin.Disconnect(0); stop() })
	return nil
}

func (s *Server) connect(user, password string) (client.Client, error) {
	o := client.NewClientOptions().AddBroker("tcp://" + s.Address).SetUsername(user).SetPassword(password)
	o.SetAutoReconnect(false).SetConnectRetry(false)
	c := client.NewClient(o)
	token := c.Connect()
	token.Wait()
	return c, token.Error()
}

// Publish publishes a message and waits until the broker has taken it.
func (s *Server) Publish(t testing.TB, topic, payload string, retained bool) {
	t.Helper()
	token := s.admin.Publish(topic, 1, retained, payload)
	if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatalf("publishing: %v", token.Error())
	}
}

func (s *Server) setUser(user, password string) error {
	if out, err := exec.Command(s.passwd, "-b", s.users, user, password).CombinedOutput(); err != nil { //nolint:gosec // found in a known place
		return fmt.Errorf("mosquitto_passwd: %w: %s", err, out)
	}
	return nil
}

// SetPassword makes a user, or changes its password, and waits until it counts.
func (s *Server) SetPassword(t testing.TB, user, password string) {
	t.Helper()
	if err := s.setUser(user, password); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := s.connect(user, password)
		if err == nil {
			c.Disconnect(0)
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the password does not count: %v", err)
		}
	}
}
