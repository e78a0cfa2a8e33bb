package redisserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/test/servers/process"
)

// TLS makes a server listen with TLS only, and ask clients for certificates
// of the authority.
func TLS(t testing.TB, authority conntest.Authority) Option {
	t.Helper()
	folder, pair := t.TempDir(), authority.Issue(t, "server")
	own := authority.Issue(t, "admin")
	client, err := tls.X509KeyPair([]byte(own.Cert), []byte(own.Key))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authority.PEM))
	return func(s *settings) {
		s.plain = false
		s.args = append(s.args,
			"--tls-cert-file", writeFile(t, folder, "cert.pem", pair.Cert),
			"--tls-key-file", writeFile(t, folder, "key.pem", pair.Key),
			"--tls-ca-cert-file", writeFile(t, folder, "ca.pem", authority.PEM),
			"--tls-auth-clients", "yes")
		s.options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{client}}
	}
}

// StartCluster runs a cluster of n masters without replicas, which share the
// slots evenly.
func StartCluster(t testing.TB, n int, options ...Option) []*Server {
	t.Helper()
	buses, err := process.Addresses(n)
	if err != nil {
		t.Fatal(err)
	}
	nodes := make([]*Server, n)
	for i := range nodes {
		// The bus has a port of its own, since the usual one (port + 10000) may
		// not exist.
		nodes[i] = Start(t, append([]Option{Args("--cluster-enabled", "yes", "--cluster-port", process.Port(buses[i]), "--cluster-node-timeout", "2000")}, options...)...)
	}
	const slots = 16384
	for i, node := range nodes {
		node.Do(t, "CLUSTER", "ADDSLOTSRANGE", i*slots/n, (i+1)*slots/n-1)
		node.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for _, node := range nodes[1:] {
		node.Do(t, "CLUSTER", "MEET", "127.0.0.1", nodes[0].Port, busOf(nodes[0]))
	}
	for _, node := range nodes {
		Eventually(t, func() error {
			info, err := node.Try("CLUSTER", "INFO")
			if err != nil {
				return err
			}
			if text := fmt.Sprint(info); !strings.Contains(text, "cluster_state:ok") || !strings.Contains(text, fmt.Sprintf("cluster_known_nodes:%d", n)) {
				return errors.New("the cluster is not ready: " + text)
			}
			return nil
		})
	}
	return nodes
}

// busOf is the cluster port that a node was started with.
func busOf(of *Server) string {
	for i, arg := range of.command {
		if arg == "--cluster-port" {
			return of.command[i+1]
		}
	}
	return ""
}

// StartSentinel runs one sentinel that watches the master at an address under
// a name. Any failure of the master longer than down makes it fail over.
func StartSentinel(t testing.TB, name, master string, down time.Duration, more ...string) *Server {
	t.Helper()
	return startSentinel(t, settings{plain: true}, name, master, down, more)
}

// StartSecureSentinel runs a sentinel that listens with TLS only, and watches
// a master that does so too. It asks clients for certificates of the authority.
func StartSecureSentinel(t testing.TB, name, master string, authority conntest.Authority) *Server {
	t.Helper()
	var s settings
	TLS(t, authority)(&s)
	lines := []string{"tls-replication yes"} // to the master
	for i := 0; i < len(s.args); i += 2 {
		lines = append(lines, strings.TrimPrefix(s.args[i], "--")+" "+s.args[i+1])
	}
	return startSentinel(t, s, name, master, time.Hour, lines)
}

func startSentinel(t testing.TB, s settings, name, master string, down time.Duration, more []string) *Server {
	t.Helper()
	path := binary(t, "redis-sentinel")
	host, masterPort, err := net.SplitHostPort(master)
	if err != nil {
		t.Fatal(err)
	}
	return launch(t, s, func(port, folder string) []string {
		listen := "port " + port
		if !s.plain {
			listen = "port 0\ntls-port " + port
		}
		lines := append([]string{
			listen,
			"bind 127.0.0.1",
			"dir " + folder,
			fmt.Sprintf("sentinel monitor %s %s %s 1", name, host, masterPort),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", name, down.Milliseconds()),
			fmt.Sprintf("sentinel failover-timeout %s 2000", name),
		}, more...)
		return []string{path, writeFile(t, folder, "sentinel.conf", strings.Join(lines, "\n")+"\n")}
	})
}

// Eventually tries until it works.
func Eventually(t testing.TB, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatal(err)
}
