package kafkaserver

import (
	"slices"
	"testing"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/test/servers/process"
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
	process.Wanted(t, "Apache Kafka")
}

// StartReal runs Apache Kafka until the test ends. Without a JDK, Maven or
// the network the test is skipped, or fails where the environment has CI=true.
func StartReal(t testing.TB, options ...Option) *Real {
	t.Helper()
	RealWanted(t)
	jars := process.Script(t, "Apache Kafka", "kafka")
	p := plan{brokers: 1}
	for _, o := range options {
		o(&p)
	}
	r := process.Try(t, "Apache Kafka", p.brokers+4, func(at []string) (*Real, error) {
		r := &Real{jars: jars}
		err := r.format(t, p, at)
		if err == nil {
			err = r.Start()
		}
		if err != nil {
			r.Stop()
		}
		return r, err
	})
	t.Cleanup(r.Stop)
	return r
}

// format writes the brokers' configurations and prepares their log folders.
func (r *Real) format(t testing.TB, p plan, at []string) error {
	authority := conntest.NewAuthority(t)
	r.CA = authority.PEM
	controller := at[0]
	r.SASL, r.TLS = at[1], at[2]
	if p.keytab != "" {
		r.Kerberos = "localhost:" + process.Port(at[3])
	}
	for i := range p.brokers {
		n := &node{id: i + 1, plain: at[4+i], folder: t.TempDir(), jars: r.jars, krb5: p.krb5, stop: func() {}}
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
