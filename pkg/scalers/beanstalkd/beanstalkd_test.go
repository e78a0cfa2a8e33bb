package beanstalkd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	client "github.com/beanstalkd/go-beanstalk"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	beanstalkdserver "github.com/kedago/keda/test/servers/beanstalkd"
)

func trigger(server, tube string) map[string]string {
	return map[string]string{"server": server, "tube": tube, "value": "5"}
}

// TestConformance is with a real server.
func TestConformance(t *testing.T) {
	s := beanstalkdserver.Start(t)
	set := func(t *testing.T, tube string) func(context.Context, float64) {
		return func(_ context.Context, n float64) { s.Fill(t, tube, int(n)) }
	}
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: trigger(s.Addr, "mails"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			p := scalertest.NewProxy(t, s.Addr)
			return scalertest.Fixture{
				Proxy: p, Metadata: map[string]string{"server": p.Addr}, Set: set(t, "mails"),
				Siblings: []scalertest.Sibling{
					{Metadata: map[string]string{"tube": "bills"}, Set: set(t, "bills")},
					{Metadata: map[string]string{"tube": "pictures/(a+b);$_."}, Set: set(t, "pictures/(a+b);$_.")},
				},
			}
		},
	})
}

// TestStates is with a real server: which jobs count.
func TestStates(t *testing.T) {
	s := beanstalkdserver.Start(t)
	s.Fill(t, "work", 4)
	for range 8 {
		s.Put(t, "work", time.Hour)
	}
	work := client.NewTubeSet(s.Conn, "work")
	if _, _, err := work.Reserve(time.Second); err != nil {
		t.Fatal(err)
	}
	id, _, err := work.Reserve(time.Second)
	if err == nil {
		err = s.Conn.Bury(id, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, delayed := trigger(s.Addr, "work"), trigger(s.Addr, "work")
	delayed["includeDelayed"] = "true"
	for want, metadata := range map[float64]map[string]string{3: plain, 11: delayed} { // 2 ready, 1 reserved, 1 buried, 8 delayed
		if r, err := open(t, metadata).Measure(t.Context()); err != nil || r.Value != want || r.Empty {
			t.Errorf("%v: %+v, %v; want %v", metadata, r, err, want)
		}
	}
	r, err := open(t, trigger(s.Addr, "absent")).Measure(t.Context())
	if err != nil || r.Value != 0 || !r.Empty || r.Note == "" {
		t.Errorf("an absent tube: %+v, %v; want 0 with a note", r, err)
	}
}

func open(t testing.TB, metadata map[string]string) scaler.Source {
	t.Helper()
	return openIn(t, &scalertest.Pool{}, metadata)
}

func openIn(t testing.TB, p scaler.Pool, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata}, scaler.Env{Pool: p})
}

// serve answers each command with the next text, and then ends the connection.
func serve(t testing.TB, answers ...string) (address string, asked <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	lines := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			for _, a := range answers {
				line, err := r.ReadString('\n')
				if err != nil {
					break
				}
				lines <- line
				_, _ = io.WriteString(c, a)
			}
			_ = c.Close()
		}
	}()
	return l.Addr().String(), lines
}

func stats(text string) string { return fmt.Sprintf("OK %d\r\n%s\r\n", len(text), text) }

// TestAnswers: what is no number is an error, never 0, and no size that a
// server announces is believed.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"good":           {stats("---\nname: t\ncurrent-jobs-ready: 3\ncurrent-jobs-reserved: 2\ncurrent-jobs-delayed: 9\n"), 5, "", ""},
		"absent":         {"NOT_FOUND\r\n", 0, "", ""},
		"one missing":    {stats("---\ncurrent-jobs-ready: 3\n"), 0, scaler.ReasonBadAnswer, "no current-jobs-reserved"},
		"empty":          {stats(""), 0, scaler.ReasonBadAnswer, "no current-jobs-ready"},
		"no number":      {stats("---\ncurrent-jobs-ready: many\n"), 0, scaler.ReasonBadAnswer, "no whole number"},
		"below 0":        {stats("---\ncurrent-jobs-ready: -1\n"), 0, scaler.ReasonBadAnswer, "no whole number"},
		"refused":        {"OUT_OF_MEMORY\r\n", 0, scaler.ReasonBadAnswer, "refuses the command"},
		"other protocol": {"HTTP/1.1 400 Bad Request\r\n", 0, scaler.ReasonBadAnswer, "not beanstalkd's"},
		"endless line":   {strings.Repeat("x", 10000), 0, scaler.ReasonBadAnswer, "not beanstalkd's"},
		"huge":           {"OK 4000000000\r\n", 0, scaler.ReasonBadAnswer, "not beanstalkd's"},
		"below nothing":  {"OK -5\r\n", 0, scaler.ReasonBadAnswer, "not beanstalkd's"},
		"longer":         {"OK 2\r\nabcdef\r\n", 0, scaler.ReasonBadAnswer, "not beanstalkd's"},
		"cut off":        {"OK 100\r\n---\n", 0, scaler.ReasonUnreachable, ""},
		"nothing":        {"", 0, scaler.ReasonUnreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			address, asked := serve(t, c.answer)
			r, err := open(t, trigger(address, "t")).Measure(t.Context())
			if line := <-asked; line != "stats-tube t\r\n" {
				t.Errorf("asked %q", line)
			}
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said)
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

// TestAgain: a connection that the server has ended is made anew, and one tube
// that is refused fails no other.
func TestAgain(t *testing.T) {
	good := stats("---\ncurrent-jobs-ready: 3\ncurrent-jobs-reserved: 0\n")
	address, _ := serve(t, good, "OUT_OF_MEMORY\r\n", good)
	p := &scalertest.Pool{}
	one := openIn(t, p, trigger(address, "a"))
	sources := []scaler.Source{one, openIn(t, p, trigger(address, "b")), openIn(t, p, trigger(address, "c")), openIn(t, p, trigger(address, "a"))}
	for range 3 {
		for i, r := range one.(scaler.Batcher).MeasureAll(t.Context(), sources) {
			if bad := i == 1; bad != (r.Err != nil) || !bad && r.Reading.Value != 3 {
				t.Errorf("source %d: %+v", i, r)
			}
		}
	}
}

func TestChecks(t *testing.T) {
	for name, c := range map[string]struct {
		server, tube string
		want         string // the address, or with a prefix "!" what the problem mentions
	}{
		"usual":        {"host:1", "t", "host:1"},
		"no port":      {"host", "t", "host:11300"},
		"IPv6":         {"[::1]", "t", "[::1]:11300"},
		"bare IPv6":    {"::1", "t", "[::1]:11300"},
		"scheme":       {"tcp://host:1", "t", "!metadata.server"},
		"no host":      {":1", "t", "!metadata.server"},
		"two commands": {"host:1", "t\r\ndelete 1", "!metadata.tube"},
		"space":        {"host:1", "a b", "!metadata.tube"},
		"hyphen":       {"host:1", "-t", "!metadata.tube"},
		"too long":     {"host:1", strings.Repeat("x", 201), "!metadata.tube"},
	} {
		t.Run(name, func(t *testing.T) {
			config := &config{}
			err := scaler.Decode(config, param.Values{Metadata: trigger(c.server, c.tube)}).Err()
			if said, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), said) {
					t.Errorf("got %v; expected a problem with %q", err, said)
				}
			} else if err != nil || config.address != c.want {
				t.Errorf("got %q, %v; expected %q", config.address, err, c.want)
			}
		})
	}
}

// BenchmarkTriggers polls 100 tubes of one server.
func BenchmarkTriggers(b *testing.B) {
	s := beanstalkdserver.Start(b)
	p := &scalertest.Pool{}
	scalertest.BenchTriggers(b, s.Addr, func(addr string, i int) scaler.Source {
		tube := fmt.Sprint("tube-", i)
		s.Put(b, tube, 0)
		return openIn(b, p, trigger(addr, tube))
	})
}
