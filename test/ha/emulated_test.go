package ha

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/up"
	"github.com/kedago/keda/test/servers/process"
)

// emulator finds QEMU's emulator of a processor, by Go's name of it.
func emulator(t *testing.T, processor string) string {
	t.Helper()
	name := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "arm": "arm"}[processor]
	program, err := process.Program("qemu-"+name, "qemu")
	process.Need(t, "QEMU's emulator of "+processor, err)
	return program
}

// script writes a shell script that becomes a command, to which its arguments
// are added.
func (c *cluster) script(name string, command ...string) string {
	c.t.Helper()
	file := filepath.Join(c.dir, name+".sh")
	must(c.t, os.WriteFile(file, []byte("#!/bin/sh\nexec "+strings.Join(command, " ")+` "$@"`+"\n"), 0o700)) //nolint:gosec // it is run
	return file
}

// TestArm runs the operator as one process, as on the edge, compiled for a
// processor of the edge and emulated: workloads go from zero to a count, from
// there to another by the HPA, which reads what the process serves, and to zero.
// KEDA_TEST_PROCESSORS names the processors, arm alone where it is not set: to
// compile for one takes minutes, and the one of 32 bits differs most.
func TestArm(t *testing.T) {
	for processor := range strings.SplitSeq(cmp.Or(os.Getenv("KEDA_TEST_PROCESSORS"), "arm"), ",") {
		t.Run(processor, func(t *testing.T) {
			env := map[string][]string{"arm": {"GOARM=7"}}[processor]
			qemu := emulator(t, processor)
			c := newCluster(t)
			binary := c.buildFor(append(env, "GOOS=linux", "GOARCH="+processor, "CGO_ENABLED=0"), "-trimpath", "-ldflags=-s -w")
			s := newSources(t)
			kubeconfig := filepath.Join(c.dir, "operator")
			must(t, up.OperatorKubeconfig(c.ctx, c.client, c.config, kubeconfig))
			log, err := os.Create(filepath.Join(c.dir, "log"))
			must(t, err)
			o, err := up.StartOperator(c.ctx, c.client, up.OperatorOptions{
				Binary: c.script("keda", qemu, binary), Kubeconfig: kubeconfig, StateDir: c.dir, Args: []string{"--egress-allow=127.0.0.0/8"}, Log: log,
			})
			if err != nil {
				text, _ := os.ReadFile(log.Name())
				t.Fatalf("%v\n%s", err, text)
			}
			t.Cleanup(func() {
				o.Stop()
				_ = log.Close()
			})

			const edge = 10
			name := func(i int) string { return fmt.Sprintf("edge-%d", i) }
			for i := range edge {
				s.set(name(i), replicas)
				c.workload(s, name(i), func(o *kedav1.ScaledObject) {
					o.Spec.CooldownPeriod = new(int32(1))
				})
			}
			for i := range edge {
				c.scaled(name(i), replicas)
			}
			time.Sleep(decide.FollowUp + time.Second) // until then KEDA raises a count by itself
			s.set(name(0), 2*replicas)
			c.scaled(name(0), 2*replicas)
			c.byHPA(name(0), 2*replicas)
			for i := range edge {
				s.set(name(i), 0)
			}
			for i := range edge {
				c.scaled(name(i), 0)
			}
		})
	}
}

// byHPA waits until the HPA of a workload says that it gave it a count.
func (c *cluster) byHPA(name string, count int32) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("the HPA of %s wants %d replicas", name, count), time.Minute, func() error {
		var h autoscalingv2.HorizontalPodAutoscaler
		if err := c.client.Get(c.ctx, client.ObjectKey{Namespace: namespace, Name: "keda-hpa-" + name}, &h); err != nil {
			return err
		}
		if h.Status.DesiredReplicas != count || h.Status.LastScaleTime == nil {
			return fmt.Errorf("it wants %d and scaled last at %v", h.Status.DesiredReplicas, h.Status.LastScaleTime)
		}
		return nil
	})
}

// clocks are the time of day as told to each role, by how much it is off.
type clocks struct {
	c                     *cluster
	preload, qemu, binary string
	names                 []string
}

// program is a role that is told another time: a program in Go asks the kernel
// and no library, but its emulator asks the library for it. What is measured
// from a start, which no clock's owner can set, stays right.
func (k *clocks) program(role string) string {
	k.names = append(k.names, role)
	k.jump(role, 0)
	return k.c.script(role, "env", "LD_PRELOAD="+k.preload, "FAKETIME_TIMESTAMP_FILE="+k.file(role), "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", k.qemu, k.binary)
}

func (k *clocks) file(role string) string { return filepath.Join(k.c.dir, role+".clock") }

// jump moves the clock of a role to be off by d.
func (k *clocks) jump(role string, d time.Duration) {
	k.c.t.Helper()
	file := k.file(role)
	must(k.c.t, os.WriteFile(file+".new", fmt.Appendf(nil, "%+d\n", int(d.Seconds())), 0o600))
	must(k.c.t, os.Rename(file+".new", file))
}

// TestClockJumps moves the time of day under the roles, under one alone and
// under all of them, forth and back, as a clock does that is set. No count falls,
// not even of a workload that waits for its cool-down to end, the metrics are
// answered, and what comes up is acted upon.
func TestClockJumps(t *testing.T) {
	library, err := preload()
	process.Need(t, "libfaketime", err)
	k := &clocks{preload: library, qemu: emulator(t, runtime.GOARCH), c: newCluster(t)}
	k.binary = k.c.buildFor(nil) // the race detector wants addresses that the emulator does not give
	r := newRoles(k.c, k.program)
	s := newSources(t)
	r.workloads(s, 20)
	s.set("cooling", 1) // the HPA never goes below it
	r.workload(s, "cooling", func(o *kedav1.ScaledObject) { o.Spec.CooldownPeriod = new(int32(1800)) })
	r.scaled("cooling", 1)
	counts := r.followCounts()
	reader := r.readMetrics()
	reader.mustAnswer(true)
	leader := r.leader(nil)
	s.set("cooling", 0)

	for i, jump := range []struct {
		what  string
		roles []string
		by    time.Duration
	}{
		{"the leader's clock is an hour ahead", []string{leader.name}, time.Hour},
		{"it is right again", []string{leader.name}, 0},
		{"the leader's clock is half an hour behind", []string{leader.name}, -30 * time.Minute},
		{"all clocks are an hour ahead", k.names, time.Hour},
		{"all clocks are half an hour behind", k.names, -30 * time.Minute},
	} {
		t.Run(jump.what, func(t *testing.T) {
			for _, role := range jump.roles {
				k.jump(role, jump.by)
			}
			time.Sleep(outage / 4) // for as long as a lease lasts
			name := fmt.Sprintf("spare-%d", i)
			s.set(name, 2)
			r.scaled(name, 2)
			r.answers()
			r.scaled("cooling", 1)
		})
	}
	r.unharmed(counts, reader)
	for _, p := range r.operators {
		if n := p.started(); n != 1 {
			t.Errorf("%s has been started %d times", p.name, n)
		}
	}
}

func preload() (string, error) {
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
	if err == nil && len(found) == 0 {
		err = errors.New("there is no libfaketime; hack/servers/faketime.sh installs it")
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}
