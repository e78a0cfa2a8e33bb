package kafkaserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/test/servers/process"
)

// node is one broker's process and its data.
type node struct {
	id           int
	plain        string // the address of its plain listener
	folder, jars string
	krb5         string // the path of a krb5.conf; may be empty
	running      bool
	stop, kill   func()
}

func (n *node) config() string { return filepath.Join(n.folder, "server.properties") }

// format writes the configuration and prepares the log folder.
func (n *node) format(config, args []string) error {
	if err := os.WriteFile(n.config(), []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	args = append([]string{"format", "--cluster-id", "a2VkYS10ZXN0LWNsdXN0ZXI", "--config", n.config()}, args...)
	for _, u := range [][2]string{{Admin, AdminPassword}, {Limited, LimitedPassword}} {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, u[0], u[1]))
		}
	}
	out, err := n.java("kafka.tools.StorageTool", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("formatting: %w: %s", err, out)
	}
	return nil
}

func (n *node) java(class string, args ...string) *exec.Cmd {
	all := []string{"-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}
	if n.krb5 != "" {
		all = append(all, "-Djava.security.krb5.conf="+n.krb5)
	}
	all = append(all, "-cp", filepath.Join(n.jars, "*"), class)
	return exec.Command("java", append(all, args...)...)
}

func (n *node) start() error {
	if n.running {
		return nil
	}
	java := n.java("kafka.Kafka", n.config())
	// The shell ends the broker when the test's process ends, however it does,
	// and at once when it is told to. Ctrl-C at the terminal reaches the shell
	// too, which must outlive the broker.
	cmd := exec.Command("sh", append([]string{"-c", `trap '' INT; "$@" & p=$!; read -r how; kill ${how:+-9} $p; wait $p`, "sh"}, java.Args...)...)
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(n.plain))
	if err != nil {
		return err
	}
	defer c.Close()
	stop, err := process.Begin(cmd, c.Ping, process.EndBy(func(*os.Process) { _ = life.Close() }))
	if err != nil {
		return err
	}
	n.stop = sync.OnceFunc(func() { stop(); n.running = false })
	n.kill = func() { _, _ = life.Write([]byte("now\n")); n.stop() }
	n.running = true
	return nil
}

// common is the configuration that all brokers share.
func common(n *node, controller string, brokers int) []string {
	return []string{
		fmt.Sprintf("node.id=%d", n.id),
		"controller.quorum.bootstrap.servers=" + controller,
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT,KRB:SASL_PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(n.folder, "log"),
		"auto.create.topics.enable=true", // so that a test sees whether looking creates
		fmt.Sprintf("offsets.topic.replication.factor=%d", brokers),
		"offsets.topic.num.partitions=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		"broker.heartbeat.interval.ms=500", // so that a broker that is killed is missed soon
		"broker.session.timeout.ms=3000",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS;User:" + Admin + ";User:" + KerberosAdmin,
	}
}

// first is the configuration of the broker that is the controller too and has
// all listeners.
func first(r *Real, plain, controller string, pair conntest.Pair) []string {
	pem := func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", `\n`) }
	listeners := fmt.Sprintf("PLAINTEXT://%s,SASL://%s,TLS://%s", plain, r.SASL, r.TLS)
	if r.Kerberos != "" {
		listeners += ",KRB://" + r.Kerberos
	}
	return []string{
		"process.roles=broker,controller",
		fmt.Sprintf("listeners=%s,CONTROLLER://%s", listeners, controller),
		"advertised.listeners=" + listeners,
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
}

// other is the configuration of the other brokers.
func other(plain string) []string {
	return []string{"process.roles=broker", "listeners=PLAINTEXT://" + plain, "advertised.listeners=PLAINTEXT://" + plain}
}

// kerberos is the configuration of the listener for GSSAPI.
func kerberos(keytab string) []string {
	return []string{
		"listener.name.krb.sasl.enabled.mechanisms=GSSAPI",
		"listener.name.krb.sasl.kerberos.service.name=kafka",
		fmt.Sprintf("listener.name.krb.gssapi.sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab=%q principal=\"kafka/localhost\";", keytab),
	}
}
