package kafkaserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kedago/keda/internal/conn/conntest"
)

// The users that a Real knows on its SASL listener, by PLAIN and SCRAM.
const (
	// Admin may do everything.
	Admin = "admin"
	// AdminPassword is its password.
	AdminPassword = "admin-password"
	// Limited may do what a test allows it.
	Limited = "limited"
	// LimitedPassword is its password.
	LimitedPassword = "limited-password"
	// KerberosAdmin may do everything; it has no password here.
	KerberosAdmin = "keda"
)

// Real is a running Apache Kafka in KRaft mode, with ACLs.
type Real struct {
	// Plain is the first broker's address without TLS and SASL, where
	// everything is allowed; Brokers are those of all.
	Plain   string
	Brokers []string
	// SASL is the first broker's address with SASL, without TLS. OAuth tokens
	// are taken without a signature.
	SASL string
	// TLS is the first broker's address with TLS and no SASL; CA is its
	// authority (PEM).
	TLS, CA string
	// Kerberos is the first broker's address with SASL's GSSAPI, as
	// localhost:port; empty without the option.
	Kerberos string

	jars  string
	nodes []*node
}

// Option changes how Apache Kafka runs.
type Option func(*plan)

type plan struct {
	brokers      int
	krb5, keytab string
}

// Brokers runs n brokers; the first is the controller too, so only the others
// may be stopped on their own.
func Brokers(n int) Option { return func(p *plan) { p.brokers = n } }

// Kerberos has the first broker listen for GSSAPI as kafka/localhost, by a
// krb5.conf and a keytab with that principal's key, both paths.
func Kerberos(krb5, keytab string) Option {
	return func(p *plan) { p.krb5, p.keytab = krb5, keytab }
}

// RealWanted skips a test unless the environment has KEDA_TEST_REAL=1, so
// that a plain run of the unit tests stays fast.
func RealWanted(t testing.TB) {
	t.Helper()
	if os.Getenv("KEDA_TEST_REAL") != "1" {
		t.Skip("needs KEDA_TEST_REAL=1, which runs Apache Kafka")
	}
}

// StartReal runs Apache Kafka until the test ends. Without a JDK, Maven or
// the network the test is skipped, or fails where the environment has CI=true.
func StartReal(t testing.TB, options ...Option) *Real {
	t.Helper()
	RealWanted(t)
	jars, err := resolve()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Apache Kafka is needed in CI: %v", err)
		}
		t.Skipf("no Apache Kafka: %v", err)
	}
	p := plan{brokers: 1}
	for _, o := range options {
		o(&p)
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		r := &Real{jars: jars}
		if err = r.format(t, p); err == nil {
			err = r.Start()
		}
		if err == nil {
			t.Cleanup(r.Stop)
			return r
		}
		r.Stop()
		t.Logf("starting Apache Kafka: %v", err)
	}
	t.Fatal("Apache Kafka did not start")
	return nil
}

// resolve returns the folder of Kafka's jars, downloaded if need be.
func resolve() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "kafka.sh")
	var problem bytes.Buffer
	cmd := exec.Command(script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// format writes the brokers' configurations and prepares their log folders.
func (r *Real) format(t testing.TB, p plan) error {
	authority := conntest.NewAuthority(t)
	r.CA = authority.PEM
	ports, err := freePorts(p.brokers + 4)
	if err != nil {
		return err
	}
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	controller := at(0)
	r.SASL, r.TLS = at(1), at(2)
	if p.keytab != "" {
		r.Kerberos = fmt.Sprintf("localhost:%d", ports[3])
	}
	for i := range p.brokers {
		n := &node{id: i + 1, plain: at(4 + i), folder: t.TempDir(), jars: r.jars, krb5: p.krb5, stop: func() {}}
		r.Brokers = append(r.Brokers, n.plain)
		r.nodes, r.Plain = append(r.nodes, n), r.Brokers[0]
		c := common(n, controller, p.brokers)
		var args []string
		if i == 0 {
			c = append(c, first(r, n.plain, controller, authority.Issue(t, "broker"))...)
			args = []string{"--standalone"}
		} else {
			c = append(c, other(n.plain)...)
		}
		if i == 0 && r.Kerberos != "" {
			c = append(c, kerberos(p.keytab)...)
		}
		if err := n.format(c, args); err != nil {
			return err
		}
	}
	return nil
}

// Start runs the brokers that don't run and waits until they answer. StartReal
// has called it; tests call it after Stop.
func (r *Real) Start() error {
	for i := range r.nodes {
		if err := r.StartBroker(i); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends all brokers, each after its leaderships have moved where they
// can, and waits for their end. Their data stays.
func (r *Real) Stop() {
	for _, n := range slices.Backward(r.nodes) {
		n.stop()
	}
}

// StartBroker runs one broker, counted from 0, and waits until it answers.
func (r *Real) StartBroker(i int) error { return r.nodes[i].start() }

// StopBroker ends one broker as Stop does.
func (r *Real) StopBroker(i int) { r.nodes[i].stop() }

// KillBroker ends one broker at once.
func (r *Real) KillBroker(i int) { r.nodes[i].kill() }

func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

var _ io.Writer = (*tail)(nil)

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	const most = 8 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
