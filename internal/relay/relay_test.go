package relay

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kedago/keda/internal/certs"
	"github.com/kedago/keda/internal/model"
)

// source is an operator's knowledge.
type source struct {
	mu    sync.Mutex
	known map[model.Key]Workload
	asked int
	fresh func(Workload) Workload // what a measurement finds
}

func (s *source) Keys() []model.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []model.Key
	for k := range s.known {
		out = append(out, k)
	}
	return out
}

func (s *source) Known(_ context.Context, k model.Key) (Workload, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.known[k]
	return w, ok
}

func (s *source) Ask(_ context.Context, namespace, metric string) []Workload {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	var out []Workload
	for k, w := range s.known {
		for _, a := range w.Answers {
			if w.Namespace == namespace && strings.EqualFold(a.Metric, metric) {
				one := w
				one.ID, one.Answers = k.String(), []Answer{a}
				if s.fresh != nil {
					one = s.fresh(one)
				}
				out = append(out, one)
			}
		}
	}
	return out
}

func (s *source) set(k model.Key, w Workload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[k] = w
}

func (s *source) remove(k model.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, k)
}

func (s *source) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

var (
	begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	shop  = model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "shop", Name: "orders"}
	mail  = model.Key{Group: model.GroupFirst, Kind: model.KindScaledObject, Namespace: "mail", Name: "outbox"}
)

func workload(k model.Key, metric string, value float64, at time.Time) Workload {
	return Workload{
		Namespace: k.Namespace, SelectorKey: "scaledobject.keda.sh/name", SelectorValue: k.Name, Interval: 30 * time.Second,
		Answers: []Answer{{Metric: metric, Value: value, At: at, GoodUntil: at.Add(90 * time.Second)}},
	}
}

func unmeasured(k model.Key, metric string) Workload {
	w := workload(k, metric, 0, begin)
	w.Answers = []Answer{{Metric: metric, Failure: "the source has not been measured yet"}}
	return w
}

// rig is an operator and a replica with the certificate that they share.
type rig struct {
	t       *testing.T
	files   Files
	address string
	clock   *clocktesting.FakePassiveClock // the replica's
	// operators is the operator's, the replica's where it is nil.
	operators clock.PassiveClock
	copy      *Copy
}

const serverName = "keda-operator.keda.svc"

func newFiles(t *testing.T, names ...string) Files {
	t.Helper()
	b, err := certs.Ensure(t.TempDir(), names, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return Files{CA: b.CAFile, Cert: b.CertFile, Key: b.KeyFile, Names: names}
}

func newRig(t *testing.T, files Files) *rig {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, files: files, address: l.Addr().String(), clock: clocktesting.NewFakePassiveClock(begin)}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r.copy, err = NewCopy(Options{
		Address: r.address, Credentials: Credentials(files, serverName), Clock: r.clock, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.copy.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("following: %v", err)
		}
	})
	return r
}

// operator serves a source until stop is called.
func (r *rig) operator(s *source) (server *Server, stop func()) {
	r.t.Helper()
	var l net.Listener
	r.eventually("the port is free", func() bool {
		var err error
		l, err = (&net.ListenConfig{}).Listen(r.t.Context(), "tcp", r.address)
		return err == nil
	})
	var now clock.PassiveClock = r.clock
	if r.operators != nil {
		now = r.operators
	}
	server = NewServer(s, now, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, l, Credentials(r.files, "")) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("serving: %v", err)
		}
	})
	r.t.Cleanup(stop)
	return server, stop
}

func (r *rig) eventually(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("it does not come to be that %s", what)
		}
	}
}

func (r *rig) away() bool {
	r.copy.mu.RLock()
	defer r.copy.mu.RUnlock()
	return !r.copy.connected
}

func (r *rig) ready() {
	r.eventually("the copy is ready", func() bool { return r.copy.Ready() == nil })
}

// metric returns the only answer.
func (r *rig) metric(k model.Key, name string) Answer {
	r.t.Helper()
	got := r.copy.Metric(r.t.Context(), k.Namespace, name)
	if len(got) != 1 || len(got[0].Answers) != 1 || got[0].ID != k.String() {
		r.t.Fatalf("%s of %s: %+v, expected one answer", name, k, got)
	}
	return got[0].Answers[0]
}

func TestCopyFollows(t *testing.T) {
	r := newRig(t, newFiles(t, serverName))
	if err := r.copy.Ready(); err == nil {
		t.Error("a copy that has received nothing says that it is ready")
	}
	s := &source{known: map[model.Key]Workload{shop: workload(shop, "s0-kafka-Orders", 7, begin)}}
	server, _ := r.operator(s)
	r.ready()
	want := Answer{Metric: "s0-kafka-Orders", Value: 7, At: begin, GoodUntil: begin.Add(90 * time.Second)}
	// The HPA controller asks in small letters.
	if diff := cmp.Diff(want, r.metric(shop, "s0-kafka-orders"), cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if got := r.copy.Metric(t.Context(), "mail", "s0-kafka-orders"); len(got) != 0 {
		t.Errorf("another namespace is told %+v", got)
	}
	s.set(mail, workload(mail, "s0-mqtt-outbox", 3, begin))
	s.set(shop, workload(shop, "s0-kafka-Orders", 8, begin))
	server.Changed(mail)
	server.Changed(shop)
	r.eventually("both changes are known", func() bool {
		return len(r.copy.Names()) == 2 && r.metric(shop, "s0-kafka-orders").Value == 8
	})
	s.remove(mail)
	server.Changed(mail)
	r.eventually("the removal is known", func() bool { return slices.Equal(r.copy.Names(), []string{"s0-kafka-Orders"}) })
}

// TestClocksApart: how old an answer is does not depend on whose clock is
// right.
func TestClocksApart(t *testing.T) {
	for _, apart := range []time.Duration{-time.Hour, time.Hour} {
		r := newRig(t, newFiles(t, serverName))
		measured := begin.Add(apart)
		r.operators = clocktesting.NewFakePassiveClock(measured.Add(3 * time.Second))
		s := &source{known: map[model.Key]Workload{shop: workload(shop, "s0-lag", 7, measured)}}
		_, stop := r.operator(s)
		r.ready()
		want := Answer{Metric: "s0-lag", Value: 7, At: begin.Add(-3 * time.Second), GoodUntil: begin.Add(87 * time.Second)}
		if diff := cmp.Diff(want, r.metric(shop, "s0-lag"), cmp.Comparer(time.Time.Equal)); diff != "" || s.questions() != 0 {
			t.Errorf("apart by %s: answer after %d questions (-want +got):\n%s", apart, s.questions(), diff)
		}
		stop()
		r.eventually("the operator is away", r.away)
		r.clock.SetTime(begin.Add(86 * time.Second))
		if got := r.metric(shop, "s0-lag"); got.Value != 7 || got.Failure != "" {
			t.Errorf("apart by %s, after 89 s without an operator: %+v, expected 7", apart, got)
		}
		r.clock.SetTime(begin.Add(88 * time.Second))
		if got := r.metric(shop, "s0-lag"); got.Failure == "" {
			t.Errorf("apart by %s, after 91 s without an operator: %+v, expected a failure", apart, got)
		}
	}
}

// TestOldAnswersAreAsked: what is younger than 10 s is told from memory, what
// is older is asked for.
func TestOldAnswersAreAsked(t *testing.T) {
	r := newRig(t, newFiles(t, serverName))
	s := &source{known: map[model.Key]Workload{shop: workload(shop, "s0-lag", 7, begin)}, fresh: func(w Workload) Workload {
		w.Answers[0].Value, w.Answers[0].At = 9, r.clock.Now()
		return w
	}}
	r.operator(s)
	r.ready()
	r.clock.SetTime(begin.Add(freshFor))
	if got := r.metric(shop, "s0-lag").Value; got != 7 || s.questions() != 0 {
		t.Errorf("after 10 s: %v after %d questions, expected 7 without one", got, s.questions())
	}
	r.clock.SetTime(begin.Add(freshFor + time.Second))
	if got := r.metric(shop, "s0-lag").Value; got != 9 || s.questions() != 1 {
		t.Errorf("after 11 s: %v after %d questions, expected 9 after one", got, s.questions())
	}
	// A workload that was not sent yet is found by asking.
	s.set(mail, workload(mail, "s0-new", 3, begin))
	if got := r.metric(mail, "s0-new").Value; got != 9 {
		t.Errorf("a new workload: %v, expected 9", got)
	}
}

// TestOperatorAway: the last values are told while they are good, then why
// there is none; and what a new operator has not measured yet stays known.
func TestOperatorAway(t *testing.T) {
	r := newRig(t, newFiles(t, serverName))
	s := &source{known: map[model.Key]Workload{shop: workload(shop, "s0-lag", 7, begin)}}
	_, stop := r.operator(s)
	r.ready()
	stop()
	r.eventually("the loss is noticed", r.away)
	if err := r.copy.Ready(); err != nil {
		t.Errorf("without an operator the copy is not ready any more: %v", err)
	}
	r.clock.SetTime(begin.Add(89 * time.Second))
	if a := r.metric(shop, "s0-lag"); a.Value != 7 || a.Failure != "" {
		t.Errorf("while the value is good: %+v", a)
	}

	next := &source{known: map[model.Key]Workload{shop: unmeasured(shop, "s0-lag")}}
	server, stop := r.operator(next)
	r.eventually("the next operator is followed", func() bool { return !r.away() })
	if a := r.metric(shop, "s0-lag"); a.Value != 7 || a.Failure != "" {
		t.Errorf("the next operator has measured nothing yet: %+v", a)
	}
	next.set(shop, workload(shop, "s0-lag", 5, r.clock.Now()))
	server.Changed(shop)
	r.eventually("the next operator's value is known", func() bool { return r.metric(shop, "s0-lag").Value == 5 })
	stop()
	r.eventually("the loss is noticed", r.away)
	r.clock.SetTime(begin.Add(89*time.Second + 90*time.Second))
	if a := r.metric(shop, "s0-lag"); !strings.Contains(a.Failure, "too old") || !strings.Contains(a.Failure, "operator is away") {
		t.Errorf("when the value is too old: %+v", a)
	}
}

// TestIdleAnswers: that there is nothing to do is told by the operator only.
// Since the copy was made, the workload may have been activated.
func TestIdleAnswers(t *testing.T) {
	r := newRig(t, newFiles(t, serverName))
	idle := workload(shop, "s0-lag", 0, begin)
	idle.Answers[0].Idle = true
	s := &source{known: map[model.Key]Workload{shop: idle}}
	_, stop := r.operator(s)
	r.ready()
	if a := r.metric(shop, "s0-lag"); a.Failure != "" || !a.Idle || s.questions() != 1 {
		t.Errorf("with the operator: %+v after %d questions, expected the value after one", a, s.questions())
	}
	stop()
	r.eventually("the loss is noticed", r.away)
	if a := r.metric(shop, "s0-lag"); !strings.Contains(a.Failure, "nothing to do") {
		t.Errorf("without the operator: %+v, expected a failure", a)
	}
	next := &source{known: map[model.Key]Workload{shop: unmeasured(shop, "s0-lag")}}
	r.operator(next)
	r.eventually("the next operator is followed", func() bool { return !r.away() })
	if a := r.metric(shop, "s0-lag"); a.Failure == "" {
		t.Errorf("the next operator has measured nothing yet: %+v, expected a failure", a)
	}
}

// TestForgottenWorkload: what the next operator does not know is told until it
// is too old, and forgotten then.
func TestForgottenWorkload(t *testing.T) {
	r := newRig(t, newFiles(t, serverName))
	_, stop := r.operator(&source{known: map[model.Key]Workload{shop: workload(shop, "s0-lag", 7, begin)}})
	r.ready()
	stop()
	r.eventually("the loss is noticed", r.away)
	empty := &source{known: map[model.Key]Workload{mail: workload(mail, "s0-new", 3, begin)}}
	_, stop = r.operator(empty)
	r.eventually("the next operator is followed", func() bool { return len(r.copy.Names()) == 2 })
	if got := r.copy.Held("shop", "s0-lag"); len(got) != 1 || got[0].Answers[0].Value != 7 {
		t.Errorf("what the next operator has not come to: %+v", got)
	}
	r.clock.SetTime(begin.Add(time.Minute)) // too old to be told without asking
	if a := r.metric(shop, "s0-lag"); a.Value != 7 || a.Failure != "" {
		t.Errorf("asked for what the next operator has not come to: %+v", a)
	}
	stop()
	r.eventually("the loss is noticed", r.away)
	r.clock.SetTime(begin.Add(2 * time.Minute))
	r.operator(empty)
	r.eventually("it is forgotten", func() bool { return slices.Equal(r.copy.Names(), []string{"s0-new"}) })
}

// TestStrangers: who has no certificate of ours, or one of our authority that
// is somebody else's, is refused.
func TestStrangers(t *testing.T) {
	ours := newFiles(t, serverName)
	other := newFiles(t, serverName)
	someone := newFiles(t, "someone.else.svc")
	for name, files := range map[string]Files{
		"another authority":        other,
		"another's certificate":    {CA: ours.CA, Cert: other.Cert, Key: other.Key, Names: ours.Names},
		"no file":                  {CA: filepath.Join(t.TempDir(), "none"), Cert: ours.Cert, Key: ours.Key},
		"a name that is not known": {CA: someone.CA, Cert: someone.Cert, Key: someone.Key, Names: someone.Names},
	} {
		t.Run(name, func(t *testing.T) {
			server := ours
			if name == "a name that is not known" {
				server = Files{CA: someone.CA, Cert: someone.Cert, Key: someone.Key, Names: []string{serverName}}
			}
			r := newRig(t, server)
			r.operator(&source{known: map[model.Key]Workload{shop: workload(shop, "s0-lag", 7, begin)}})
			c, err := NewCopy(Options{Address: r.address, Credentials: Credentials(files, files.nameOrOurs()), Clock: r.clock, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.conn.Close() }()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if err := c.follow(ctx); err == nil || c.Ready() == nil {
				t.Errorf("a stranger was told everything")
			}
		})
	}
}

// nameOrOurs is whom a client expects.
func (f Files) nameOrOurs() string {
	if len(f.Names) > 0 {
		return f.Names[0]
	}
	return serverName
}

// TestRenewedCertificates: each connection uses the files as they are.
func TestRenewedCertificates(t *testing.T) {
	dir := t.TempDir()
	b, err := certs.Ensure(dir, []string{serverName}, nil, time.Now().Add(-300*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Files{CA: b.CAFile, Cert: b.CertFile, Key: b.KeyFile, Names: []string{serverName}})
	s := &source{known: map[model.Key]Workload{shop: workload(shop, "s0-lag", 7, begin)}}
	_, stop := r.operator(s)
	r.ready()
	if renewed, err := certs.Ensure(dir, []string{serverName}, nil, time.Now()); err != nil || !renewed.Changed {
		t.Fatalf("the renewal: %+v, %v", renewed, err)
	}
	stop()
	r.eventually("the loss is noticed", r.away)
	r.operator(s)
	r.eventually("it is followed again", func() bool { return !r.away() })
}
