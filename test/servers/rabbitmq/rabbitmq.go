// Package rabbitmqserver runs a real RabbitMQ with its management plug-in for
// tests.
//
// It owns the node, its name service and its folder; all end with the test.
package rabbitmqserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/kedago/keda/test/servers/process"
)

// User and Password are those of the administrator.
const (
	User     = "admin"
	Password = "admin-password"
)

// Server is a running RabbitMQ with an empty virtual host "/".
type Server struct {
	// AMQP, AMQPS and HTTP are addresses, 127.0.0.1:port; AMQPS is empty without TLS.
	AMQP, AMQPS, HTTP string

	mu   sync.Mutex // guards what follows
	conn *amqp.Connection
	ch   *amqp.Channel
}

// TLS are files in PEM form for AMQP over TLS. Clients must have a certificate.
type TLS struct{ CA, Cert, Key string }

// binary is not in PATH on Debian: what is there changes the user.
const binary = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// samples makes statistics a second old at most, in place of 5.
const samples = `[{rabbitmq_management, [{sample_retention_policies, [{global, [{60, 1}]}, {basic, [{60, 1}]}, {detailed, [{10, 1}]}]}]},
{rabbitmq_management_agent, [{sample_retention_policies, [{global, [{60, 1}]}, {basic, [{60, 1}]}, {detailed, [{10, 1}]}]}]}].`

// Start runs RabbitMQ until the test ends. Without the binary the test is
// skipped, or fails where the environment has CI=true. secure may be nil.
func Start(t testing.TB, secure *TLS) *Server {
	t.Helper()
	server, err := exec.LookPath(binary)
	if err != nil {
		server, err = process.Program("rabbitmq-server", "rabbitmq")
	}
	process.Need(t, "RabbitMQ", err)
	return process.Try(t, "RabbitMQ", 5, func(at []string) (*Server, error) {
		s := &Server{AMQP: at[0], HTTP: at[1]}
		if secure != nil {
			s.AMQPS = at[2]
		}
		node, names := process.Port(at[3]), process.Port(at[4])
		env, err := s.prepare(t.TempDir(), secure, node, names)
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(server)
		cmd.Env = env
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		t.Cleanup(func() { endNames(names) })
		group := process.EndBy(func(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }) // the script and the node
		return s, process.Run(t, cmd, s.ready, group, process.Within(90*time.Second))
	})
}

// endNames ends the name service, which outlives the node and refuses to end
// before it.
func endNames(port string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	kill := exec.CommandContext(ctx, "epmd", "-port", port, "-kill")
	kill.Env = append(os.Environ(), "ERL_EPMD_RELAXED_COMMAND_CHECK=true")
	_ = kill.Run()
}

// prepare writes the node's files and returns its environment; node and names
// are the ports of the node and of the name service.
func (s *Server) prepare(folder string, secure *TLS, node, names string) ([]string, error) {
	text := "listeners.tcp.1 = " + s.AMQP + "\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = " + process.Port(s.HTTP) +
		"\ndefault_user = " + User + "\ndefault_pass = " + Password +
		"\ncollect_statistics_interval = 100\nmanagement.db_cache_multiplier = 1\nlog.console = true\nlog.console.level = warning\n"
	if secure != nil {
		text += "listeners.ssl.1 = " + s.AMQPS + "\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
		for name, pem := range map[string]string{"cacertfile": secure.CA, "certfile": secure.Cert, "keyfile": secure.Key} {
			file := filepath.Join(folder, name)
			if err := os.WriteFile(file, []byte(pem), 0o600); err != nil {
				return nil, err
			}
			text += "ssl_options." + name + " = " + file + "\n"
		}
	}
	config, advanced, plugins := filepath.Join(folder, "rabbitmq.conf"), filepath.Join(folder, "advanced.config"), filepath.Join(folder, "plugins")
	if err := errors.Join(os.WriteFile(advanced, []byte(samples), 0o600), os.WriteFile(config, []byte(text), 0o600), os.WriteFile(plugins, []byte("[rabbitmq_management]."), 0o600)); err != nil {
		return nil, err
	}
	return append(os.Environ(), "HOME="+folder, "ERL_CRASH_DUMP="+filepath.Join(folder, "dump"), "ERL_EPMD_PORT="+names, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=keda"+process.Port(s.AMQP)+"@localhost", "RABBITMQ_DIST_PORT="+node, "RABBITMQ_CONFIG_FILE="+config, "RABBITMQ_ADVANCED_CONFIG_FILE="+advanced,
		"RABBITMQ_CONF_ENV_FILE="+filepath.Join(folder, "none"), "RABBITMQ_ENABLED_PLUGINS_FILE="+plugins,
		"RABBITMQ_MNESIA_BASE="+filepath.Join(folder, "data"), "RABBITMQ_LOG_BASE="+folder, "RABBITMQ_LOGS=-",
		"RABBITMQ_PID_FILE="+filepath.Join(folder, "pid"), "RABBITMQ_FEATURE_FLAGS_FILE="+filepath.Join(folder, "flags")), nil
}

func (s *Server) ready(ctx context.Context) error {
	if _, err := s.api(ctx, http.MethodGet, "/api/overview", nil); err != nil {
		return err
	}
	c, err := s.dial()
	if err != nil {
		return err
	}
	return c.Close()
}

func (s *Server) dial() (*amqp.Connection, error) {
	return amqp.Dial("amqp://" + User + ":" + Password + "@" + s.AMQP + "/")
}

func (s *Server) api(ctx context.Context, method, path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.HTTP+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(User, Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, got)
	}
	return got, err
}

// API calls the management API as the administrator.
func (s *Server) API(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	got, err := s.api(context.Background(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Channel returns the administrator's channel on the virtual host "/". One
// caller at a time uses it.
func (s *Server) Channel(t testing.TB) *amqp.Channel {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil && !s.ch.IsClosed() {
		return s.ch
	}
	var err error
	if s.conn == nil || s.conn.IsClosed() {
		if s.conn, err = s.dial(); err != nil {
			t.Fatal(err)
		}
	}
	if s.ch, err = s.conn.Channel(); err != nil {
		t.Fatal(err)
	}
	return s.ch
}

// Declare makes a queue that does not outlive the server.
func (s *Server) Declare(t testing.TB, queue string) {
	t.Helper()
	if _, err := s.Channel(t).QueueDeclare(queue, false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
}

// Set makes a queue hold n ready messages, and waits until the management
// API says so too.
func (s *Server) Set(t testing.TB, queue string, n int) {
	t.Helper()
	ch := s.Channel(t)
	if _, err := ch.QueuePurge(queue, false); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := ch.PublishWithContext(context.Background(), "", queue, false, false, amqp.Publishing{Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	s.Await(t, queue, func(q Queue) bool { return q.Messages != nil && *q.Messages == n && q.Ready == n })
}

// Queue is what the management API says of a queue.
type Queue struct {
	Messages *int `json:"messages"`
	Ready    int  `json:"messages_ready"`
	Unacked  int  `json:"messages_unacknowledged"`
	Stats    struct {
		Publish struct {
			Rate float64 `json:"rate"`
		} `json:"publish_details"`
		Deliver struct {
			Rate float64 `json:"rate"`
		} `json:"deliver_get_details"`
	} `json:"message_stats"`
}

// Await waits until the listing of the management API shows a queue as wanted.
func (s *Server) Await(t testing.TB, queue string, wanted func(Queue) bool) {
	t.Helper()
	path := "/api/queues/%2F?page=1&page_size=" + strconv.Itoa(1) + "&use_regex=false&name=" + url.QueryEscape(queue)
	var last []byte
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		last = s.API(t, http.MethodGet, path, nil)
		var page struct {
			Items []Queue `json:"items"`
		}
		if json.Unmarshal(last, &page) == nil && len(page.Items) > 0 && wanted(page.Items[0]) {
			return
		}
	}
	t.Fatalf("queue %q does not become as wanted: %s", queue, last)
}
