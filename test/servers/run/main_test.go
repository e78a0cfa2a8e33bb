package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
)

// lines collects what is printed, and calls back at the last line.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	last func()
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(string(p), "Ctrl-C") {
		l.last()
	}
	return l.text.Write(p)
}

func TestRun(t *testing.T) {
	var mu sync.Mutex
	var did []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		did = append(did, what)
	}
	all := []server{
		{"good", func(tb testing.TB) string {
			dir := tb.TempDir()
			tb.Cleanup(func() { note("good ended") })
			if dir == "" {
				tb.Error("no folder")
			}
			return "127.0.0.1:1"
		}},
		{"absent", func(tb testing.TB) string {
			tb.Cleanup(func() { note("absent ended") })
			tb.Skipf("no %s in PATH", "absentd")
			note("absent went on")
			return ""
		}},
	}
	ctx, stop := context.WithCancel(t.Context())
	out := &lines{last: stop}
	if err := run(ctx, out, all, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"good        127.0.0.1:1\n", "absent      not here: no absentd in PATH\n"} {
		if !strings.Contains(out.text.String(), want) {
			t.Errorf("printed %q, expected %q in it", out.text.String(), want)
		}
	}
	slices.Sort(did)
	if !slices.Equal(did, []string{"absent ended", "good ended"}) {
		t.Errorf("what happened: %v", did)
	}

	if err := run(t.Context(), &lines{last: func() {}}, all, []string{"absent"}); err == nil || !strings.Contains(err.Error(), "absent can't start here") {
		t.Errorf("one that was asked for and is not here: %v", err)
	}
	if err := run(t.Context(), &lines{last: func() {}}, all, []string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "expected some of good, absent") {
		t.Errorf("an unknown name: %v", err)
	}
}
