package e2e

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
)

// meter is an HTTP server with one number, for metrics-api triggers.
type meter struct {
	s       *story
	address string

	mu     sync.Mutex
	server *http.Server
	status int
	body   string
	asked  int
	// header and value, when set, are what a request must have to be answered.
	header, value string
}

func newMeter(s *story, value float64) *meter {
	s.Helper()
	m := &meter{s: s, address: ownHost() + ":0"}
	m.set(value)
	m.up()
	s.Cleanup(m.down)
	return m
}

var hosts atomic.Int32

// ownHost is a loopback address for one server that is down at times, where the
// system has more than one: of a shared address the port would be given away
// meanwhile, and somebody else would answer.
func ownHost() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	n := hosts.Add(1)
	return fmt.Sprintf("127.1.%d.%d", n/250, n%250+1)
}

// up listens, at the same address as before.
func (m *meter) up() {
	m.s.Helper()
	var l net.Listener
	m.s.eventually("the source can listen at "+m.address, func() (err error) {
		l, err = net.Listen("tcp", m.address)
		return err
	})
	m.address = l.Addr().String()
	server := &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second}
	m.mu.Lock()
	m.server = server
	m.mu.Unlock()
	go func() { _ = server.Serve(l) }()
}

// down refuses connections, and ends those there are.
func (m *meter) down() {
	m.mu.Lock()
	server := m.server
	m.mu.Unlock()
	_ = server.Close()
}

func (m *meter) set(value float64) {
	m.answer(http.StatusOK, `{"value": `+strconv.FormatFloat(value, 'f', -1, 64)+`}`)
}

// answer sets what is answered from now on.
func (m *meter) answer(status int, body string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status, m.body = status, body
}

// demand makes a header necessary.
func (m *meter) demand(header, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.header, m.value = header, value
}

// requests is how often the meter was asked.
func (m *meter) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// askedAgain waits until the meter was asked some more times.
func (m *meter) askedAgain(times int) {
	m.s.Helper()
	before := m.requests()
	m.s.eventually(fmt.Sprintf("the source is asked %d more times", times), func() error {
		if n := m.requests() - before; n < times {
			return fmt.Errorf("it was asked %d times", n)
		}
		return nil
	})
}

// ServeHTTP implements http.Handler.
func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.header != "" && r.Header.Get(m.header) != m.value {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.WriteHeader(m.status)
	_, _ = io.WriteString(w, m.body)
}

func (m *meter) metadata(target float64, more map[string]string) map[string]string {
	out := map[string]string{
		"url": "http://" + m.address + "/stats", "valueLocation": "value", "targetValue": fmt.Sprint(target),
	}
	maps.Copy(out, more)
	return out
}

// trigger is a metrics-api trigger with the meter's number.
func (m *meter) trigger(target float64, change ...func(*kedav1.ScaleTriggers)) []kedav1.ScaleTriggers {
	t := kedav1.ScaleTriggers{Type: "metrics-api", Metadata: m.metadata(target, nil)}
	for _, c := range change {
		c(&t)
	}
	return []kedav1.ScaleTriggers{t}
}

// first is trigger for the first API.
func (m *meter) first(target float64) firstv1.ScaleTriggers {
	return firstv1.ScaleTriggers{Type: "metrics-api", Metadata: m.metadata(target, nil)}
}

// withMetadata adds parameters to a trigger.
func withMetadata(pairs ...string) func(*kedav1.ScaleTriggers) {
	return func(t *kedav1.ScaleTriggers) {
		for i := 0; i+1 < len(pairs); i += 2 {
			t.Metadata[pairs[i]] = pairs[i+1]
		}
	}
}

// withAuth lets a trigger take parameters from an auth object.
func withAuth(kind, name string) func(*kedav1.ScaleTriggers) {
	return func(t *kedav1.ScaleTriggers) {
		t.AuthenticationRef = &kedav1.AuthenticationRef{Kind: kind, Name: name}
	}
}
