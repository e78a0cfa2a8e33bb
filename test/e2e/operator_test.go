package e2e

import (
	"crypto/tls"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kedago/keda/internal/certs"
	"github.com/kedago/keda/internal/model"
)

// TestOperatorKilled: an operator that is killed while workloads are active
// costs no replica, and its successor goes on where it was. It runs before all
// tests that run side by side, since they share the operator.
func TestOperatorKilled(t *testing.T) {
	s := newSerialStory(t)
	m, quiet := newMeter(s, 4), newMeter(s, 2)
	s.create(deployment(worker, 0), deployment("quiet", 0))
	o := s.apply(scaledObject(m.trigger(1)))
	long := scaledObject(quiet.trigger(1))
	long.Name, long.Spec.ScaleTargetRef.Name, long.Spec.CooldownPeriod = "quiet", "quiet", new(int32(600))
	cooling := s.apply(long)
	s.settled(4)
	s.settledOf("quiet", 2)
	quiet.set(0)
	cooling.expect(model.ConditionActive, "False", "ScalerCooldown")
	o.ready()
	before, err := o.read()
	s.must(err)
	replicas, other := s.follow(worker), s.follow("quiet")

	s.operator.Kill()
	m.set(6) // nobody looks
	s.must(s.restartOperator(s.ctx))

	s.settled(6)
	o.ready()
	quiet.askedAgain(3)
	for _, l := range []*replicaLog{replicas, other} {
		if seen := l.seen(); !slices.IsSorted(seen) {
			s.failf("the counts were %v; expected them never to fall", seen)
		}
	}
	after, err := o.read()
	s.must(err)
	if before.GetGeneration() != after.GetGeneration() {
		s.failf("the restart changed the object: generation %d, then %d", before.GetGeneration(), after.GetGeneration())
	}
	m.set(0)
	o.decided(model.RuleZero, 6, 0)
}

// TestCertificateReplaced: a new serving certificate is served without a
// restart, and no read of a metric fails meanwhile.
func TestCertificateReplaced(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	s.create(deployment(worker, 0))
	s.apply(scaledObject(m.trigger(1)))
	s.settled(2)
	address, _ := servingAddress(s)
	old := servedSerial(s, address)

	// As a renewal does: a new certificate by the same authority.
	dir := filepath.Join(s.dir, "certs")
	s.must(os.Remove(filepath.Join(dir, "tls.crt")))
	_, err := certs.Ensure(dir, []string{"localhost", "keda-local.keda.svc"}, []net.IP{net.IPv4(127, 0, 0, 1)}, time.Now())
	s.must(err)
	s.eventually("the new certificate is served", func() error {
		_, err := raw(s.ctx, s.config, externalMetrics+"/namespaces/"+s.namespace+"/s0-metric-api-value")
		s.must(err)
		if served := servedSerial(s, address); served.Cmp(old) == 0 {
			return fmt.Errorf("the old one is")
		}
		return nil
	})
	_, err = raw(s.ctx, s.config, externalMetrics+"/namespaces/"+s.namespace+"/s0-metric-api-value")
	s.must(err)
	m.set(3)
	s.settled(3)
}

func servedSerial(s *story, address string) *big.Int {
	s.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // only looked at
	s.must(err)
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber
}
