package kafkaserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

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
)

// Real is a running Apache Kafka: one broker in KRaft mode, with ACLs.
type Real struct {
	// Plain is the address without TLS and SASL, where everything is allowed.
	Plain string
	// SASL is the address with SASL, without TLS. OAuth tokens are taken
	// without a signature.
	SASL string
	// TLS is the address with TLS and no SASL; CA is its authority (PEM).
	TLS, CA string

	jars, folder string
	stop         func()
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
func StartReal(t testing.TB) *Real {
	t.Helper()
	RealWanted(t)
	jars, err := resolve()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Apache Kafka is needed in CI: %v", err)
		}
		t.Skipf("no Apache Kafka: %v", err)
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		r := &Real{jars: jars, folder: t.TempDir(), stop: func() {}}
		if err = r.format(t); err == nil {
			err = r.Start()
		}
		if err == nil {
			t.Cleanup(func() { r.stop() })
			return r
		}
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

// format writes the configuration and prepares the log folder.
func (r *Real) format(t testing.TB) error {
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	r.Plain, r.SASL, r.TLS = at(0), at(1), at(2)
	authority := conntest.NewAuthority(t)
	r.CA = authority.PEM
	config := properties(r, at(3), authority.Issue(t, "broker"), filepath.Join(r.folder, "log"))
	if err := os.WriteFile(r.config(), []byte(config), 0o600); err != nil {
		return err
	}
	args := []string{"format", "--standalone", "--cluster-id", "a2VkYS10ZXN0LWNsdXN0ZXI", "--config", r.config()}
	for _, u := range [][2]string{{Admin, AdminPassword}, {Limited, LimitedPassword}} {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, u[0], u[1]))
		}
	}
	out, err := r.java("kafka.tools.StorageTool", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("formatting: %w: %s", err, out)
	}
	return nil
}

func (r *Real) config() string { return filepath.Join(r.folder, "server.properties") }

func (r *Real) java(class string, args ...string) *exec.Cmd {
	all := append([]string{"-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", filepath.Join(r.jars, "*"), class}, args...)
	return exec.Command("java", all...)
}

// Start runs the broker and waits until it answers. StartReal has called it;
// tests call it after Stop.
func (r *Real) Start() error {
	java := r.java("kafka.Kafka", r.config())
	// The shell ends the broker when the test's process ends, however it does.
	cmd := exec.Command("sh", append([]string{"-c", `"$@" & p=$!; cat >/dev/null; kill $p; wait $p`, "sh"}, java.Args...)...)
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	r.stop = sync.OnceFunc(func() { _ = life.Close(); <-ended })
	if err := r.waitReady(); err != nil {
		r.stop()
		return fmt.Errorf("%w: %s", err, said.String())
	}
	return nil
}

// Stop ends the broker and waits for its end. Its data stays.
func (r *Real) Stop() { r.stop() }

func (r *Real) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(r.Plain))
	if err != nil {
		return err
	}
	defer c.Close()
	for ctx.Err() == nil {
		if err = c.Ping(ctx); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(errors.New("no answer within a minute"), err)
}

func properties(r *Real, controller string, pair conntest.Pair, log string) string {
	pem := func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", `\n`) }
	lines := []string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.bootstrap.servers=" + controller,
		"controller.listener.names=CONTROLLER",
		fmt.Sprintf("listeners=PLAINTEXT://%s,SASL://%s,TLS://%s,CONTROLLER://%s", r.Plain, r.SASL, r.TLS, controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://%s,SASL://%s,TLS://%s", r.Plain, r.SASL, r.TLS),
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + log,
		"auto.create.topics.enable=true", // so that a test sees whether looking creates
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS;User:" + Admin,
		"listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		fmt.Sprintf("listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%s=%q user_%s=%q;",
			Admin, AdminPassword, Limited, LimitedPassword),
		"listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"listener.name.sasl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;", // tokens without a signature
		"listener.name.tls.ssl.keystore.type=PEM",
		"listener.name.tls.ssl.keystore.certificate.chain=" + pem(pair.Cert),
		"listener.name.tls.ssl.keystore.key=" + pem(pair.Key),
		"listener.name.tls.ssl.truststore.type=PEM",
		"listener.name.tls.ssl.truststore.certificates=" + pem(r.CA),
	}
	return strings.Join(lines, "\n") + "\n"
}

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
