package redis

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// said is a connection whose server says something.
type said struct {
	net.Conn
	io.Reader
}

func (s said) Read(p []byte) (int, error) { return s.Reader.Read(p) }
func (said) Write(p []byte) (int, error)  { return len(p), nil }
func (said) Close() error                 { return nil }

func TestBounds(t *testing.T) {
	tests := map[string]struct {
		text string
		bad  bool
	}{
		"numbers, texts and lists": {text: ":5\r\n$5\r\nhello\r\n*2\r\n$-1\r\n*-1\r\n+OK\r\n-ERR no\r\n"},
		"a text like a length":     {text: "$14\r\n$999999999999\n\r\n:1\r\n"},
		"the longest text":         {text: "$8388608\r\n"},
		"a longer text":            {text: "$8388609\r\n", bad: true},
		"a text beyond numbers":    {text: "$99999999999999999999\r\n", bad: true},
		"a huge list":              {text: "*1000000000000\r\n", bad: true},
		"a huge map":               {text: "%1000000\r\n", bad: true},
		"lists in lists":           {text: strings.Repeat("*100000\r\n", 10), bad: true},
		"small lists in lists":     {text: strings.Repeat("*100\r\n", 1000)},
		"after a text":             {text: "$5\r\nhello\r\n*1000000000000\r\n", bad: true},
		"a line without end":       {text: "+" + strings.Repeat("x", mostLine+1), bad: true},
		"a long line with an end":  {text: "+" + strings.Repeat("x", mostLine+1) + "\r\n", bad: true},
		"no protocol":              {text: "HTTP/1.1 400\r\n\r\n"},
	}
	for name, tc := range tests {
		for how, r := range map[string]io.Reader{"at once": strings.NewReader(tc.text), "by bytes": iotest.OneByteReader(strings.NewReader(tc.text))} {
			t.Run(name+" "+how, func(t *testing.T) {
				got, err := io.ReadAll(bounds(said{Reader: r}, time.Now))
				if tc.bad != errors.Is(err, errTooLarge) {
					t.Errorf("got %v, want it refused %t", err, tc.bad)
				}
				if !tc.bad && string(got) != tc.text {
					t.Errorf("read %q, want %q", got, tc.text)
				}
			})
		}
	}
}

func TestBoundsOfManyRequests(t *testing.T) {
	now := time.Unix(0, 0)
	list := "*400000\r\n"
	c := bounds(said{Reader: strings.NewReader(strings.Repeat(list, 5))}, func() time.Time { return now })
	read := func() error {
		_, err := io.ReadFull(c, make([]byte, len(list)))
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("next")); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Errorf("in answer to another request: %v", err)
	}
	now = now.Add(itemsWindow + time.Second)
	if err := read(); err != nil {
		t.Errorf("after some time: %v", err)
	}
	if err := read(); !errors.Is(err, errTooLarge) {
		t.Errorf("at once after that: got %v, want %v", err, errTooLarge)
	}
}

// TestServerAnnouncesTooMuch checks with the client that a length alone does
// not make the operator end: it would make room for it.
func TestServerAnnouncesTooMuch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(c, "$1000000000000\r\n")
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	v := param.Values{Metadata: map[string]string{"address": l.Addr().String(), "listName": "l", "listLength": "5"}}
	s := scalertest.Open(t, kindOf(t, "redis").New(), v, scaler.Env{Now: time.Now})
	if r, err := s.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonBadAnswer || !strings.Contains(err.Error(), "too large") {
		t.Errorf("measured %+v, %v; want BadAnswer", r, err)
	}
}
