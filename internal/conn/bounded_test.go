package conn

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// endless is a connection whose server never stops sending.
type endless struct{ net.Conn }

func (endless) Read(p []byte) (int, error)  { return len(p), nil }
func (endless) Write(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error                { return nil }

func TestEndlessAnswers(t *testing.T) {
	now := time.Unix(0, 0)
	c := bounded(endless{}, func() time.Time { return now })
	read := func(n int64) error {
		_, err := io.CopyN(io.Discard, c, n)
		return err
	}
	if err := read(answerBudget); err != nil {
		t.Fatalf("within the limit: %v", err)
	}
	if _, err := c.Write([]byte("next")); err != nil {
		t.Fatal(err)
	}
	if err := read(answerBudget); err != nil {
		t.Errorf("in answer to another request: %v", err)
	}
	now = now.Add(answerWindow + time.Second)
	if err := read(answerBudget); err != nil {
		t.Errorf("after some time: %v", err)
	}
	if err := read(1 << 20); !errors.Is(err, errAnswerTooLarge) {
		t.Errorf("without end: got %v, want %v", err, errAnswerTooLarge)
	}
}

// TestVendorsAnswers: the clients of vendors read no more than their limit.
func TestVendorsAnswers(t *testing.T) {
	const limit = 1000
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", limit))
		if r.URL.Path == "/more" {
			_, _ = io.WriteString(w, "x")
		}
	})
	client, release, err := SharedHTTP(testEnv(), limit)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for path, bad := range map[string]bool{"/": false, "/more": true} {
		resp, err := client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if (err != nil) != bad || len(got) > limit {
			t.Errorf("%s: read %d bytes, %v; want an error %t", path, len(got), err, bad)
		}
	}
}
