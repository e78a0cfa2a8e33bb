// Package mosquittoserver runs a real Mosquitto for tests.
//
// It owns the process and its folder; both end with the test.
package mosquittoserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	client "github.com/eclipse/paho.mqtt.golang"

	"github.com/kedago/keda/test/servers/process"
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
	server, err := process.Program("mosquitto", "mosquitto")
	passwd, err2 := process.Program("mosquitto_passwd", "mosquitto")
	process.Need(t, "Mosquitto", errors.Join(err, err2))
	s := process.Try(t, "Mosquitto", 2, func(at []string) (*Server, error) {
		folder := t.TempDir()
		s := &Server{Address: at[0], users: filepath.Join(folder, "users"), passwd: passwd}
		if secure != nil {
			s.Secure = at[1]
		}
		config, err := s.prepare(folder, secure)
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(server, "-c", config)
		err = process.Run(t, cmd, s.ready)
		s.process = cmd.Process
		return s, err
	})
	t.Cleanup(func() { s.admin.Disconnect(0) })
	return s
}

// prepare writes the server's files and returns the path of its settings.
func (s *Server) prepare(folder string, secure *TLS) (string, error) {
	if err := os.WriteFile(s.users, nil, 0o600); err != nil {
		return "", err
	}
	if err := s.setUser(User, Password); err != nil {
		return "", err
	}
	text := "per_listener_settings false\nallow_anonymous false\npassword_file " + s.users + "\nsys_interval 1\npersistence false\n" +
		"max_queued_messages 0\nlistener " + process.Port(s.Address) + " 127.0.0.1\n"
	if os.Geteuid() == 0 {
		text = "user root\n" + text // else it changes to a user that can't read our files
	}
	if secure != nil {
		text += "listener " + process.Port(s.Secure) + " 127.0.0.1\nrequire_certificate true\n"
		for name, pem := range map[string]string{"cafile": secure.CA, "certfile": secure.Cert, "keyfile": secure.Key} {
			file := filepath.Join(folder, name)
			if err := os.WriteFile(file, []byte(pem), 0o600); err != nil {
				return "", err
			}
			text += name + " " + file + "\n"
		}
	}
	config := filepath.Join(folder, "mosquitto.conf")
	return config, os.WriteFile(config, []byte(text), 0o600)
}

func (s *Server) ready(context.Context) error {
	c, err := s.connect(User, Password)
	if err == nil {
		s.admin = c
	}
	return err
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
