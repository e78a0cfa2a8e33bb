package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"testing"
	"time"
)

func TestSummarize(t *testing.T) {
	var tries []time.Duration
	for i := 20; i > 0; i-- {
		tries = append(tries, time.Duration(i)*time.Second)
	}
	tries = append(tries, -1)
	want := quantiles{Tries: 21, Missed: 1, P50: 10, P90: 18, Max: 20}
	if got := summarize(tries); got != want {
		t.Errorf("found %+v, expected %+v", got, want)
	}
	if got, want := summarize([]time.Duration{-1}), (quantiles{Tries: 1, Missed: 1}); got != want {
		t.Errorf("found %+v, expected %+v", got, want)
	}
	if got, want := summarize([]time.Duration{1500 * time.Microsecond}), (quantiles{Tries: 1, P50: 0.002, P90: 0.002, Max: 0.002}); got != want {
		t.Errorf("found %+v, expected %+v", got, want)
	}
}

func TestThirtyPercentAreActive(t *testing.T) {
	n := 0
	for i := range 1000 {
		if isActive(i) {
			n++
		}
	}
	if n != 300 || len(idle(1000, 1000)) != 700 || len(idle(1000, 25)) != 25 {
		t.Errorf("found %d active and %d idle", n, len(idle(1000, 1000)))
	}
}

// request is a Kafka request of a key with some bytes after it.
func request(key int16, rest int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(2+rest))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	return append(b, make([]byte, rest)...)
}

func TestFramesAreFoundHoweverTheyAreCut(t *testing.T) {
	var stream []byte
	want := map[int16]int{1: 2, 3: 1, 18: 1}
	for _, r := range [][]byte{request(1, 40), request(18, 0), request(1, 7), request(3, 300)} {
		stream = append(stream, r...)
	}
	for size := 1; size <= len(stream); size++ {
		var f frameReader
		got := map[int16]int{}
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			f.read(rest[:n], func(key int16) { got[key]++ })
			rest = rest[n:]
		}
		if !maps.Equal(got, want) {
			t.Fatalf("in pieces of %d: found %v, expected %v", size, got, want)
		}
	}
}

// TestProxyCountsRoundTrips talks through the proxy to a server that answers
// every three bytes with one.
func TestProxyCountsRoundTrips(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	go func() {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		for b := make([]byte, 3); ; {
			if _, err := io.ReadFull(conn, b); err != nil {
				return
			}
			_, _ = conn.Write(b[:1])
		}
	}()
	p, err := startProxy(false)
	if err != nil {
		t.Fatal(err)
	}
	p.serve(server.Addr().String())
	client, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		for _, piece := range []string{"a", "bc"} { // two writes, one round trip
			if _, err := client.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.traffic(); got.trips != 5 || got.connections != 1 || got.bytes != 20 {
		t.Errorf("found %+v", got)
	}
	p.close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlives the proxy")
	}
}

func TestCostSince(t *testing.T) {
	before := cost{connections: 9, trips: 5, bytes: 50, requests: map[string]int64{"LLEN": 10, "PING": 1}}
	after := cost{connections: 3, trips: 8, bytes: 90, requests: map[string]int64{"LLEN": 14, "PING": 1, "GET": 2}}
	got := after.since(before)
	if got.connections != 3 || got.trips != 3 || got.bytes != 40 || got.total() != 6 ||
		!maps.Equal(got.requests, map[string]int64{"LLEN": 4, "GET": 2}) {
		t.Errorf("found %+v", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := options{n: 100, partitions: 1, source: "redis", broker: "auto", api: groupToday, binary: "keda", rest: time.Minute, tries: 20, backlogTries: 3}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*options){
		"source":     func(o *options) { o.source = "amqp" },
		"broker":     func(o *options) { o.broker = "x" },
		"api":        func(o *options) { o.api = "v2" },
		"partitions": func(o *options) { o.partitions = 0 },
		"tries":      func(o *options) { o.tries = 0 },
		"too few":    func(o *options) { o.n = 30 },
		"rest":       func(o *options) { o.rest = time.Second },
		"binary":     func(o *options) { o.binary = "" },
	} {
		o := good
		change(&o)
		if err := o.check(); err == nil {
			t.Errorf("%s: expected an error", name)
		}
	}
}

func TestMemoryAndCPUOfThisProcess(t *testing.T) {
	m, err := memoryOf(os.Getpid())
	if err != nil || m.anonymous < 1 || m.file < 1 || m.total < m.anonymous || m.peak < m.total {
		t.Errorf("found %+v MiB, %v", m, err)
	}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	after := before
	for deadline := time.Now().Add(30 * time.Second); after == before && time.Now().Before(deadline); {
		if after, err = cpuTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if after <= before {
		t.Errorf("no CPU time was used from %s on", before)
	}
	if _, err := cpuTime(-1); err == nil {
		t.Error("no error for a process that does not exist")
	}
}

func TestChildEndsWhenStopped(t *testing.T) {
	c, err := startChild("sh", "-c", "echo ready; exec sleep 600")
	if err != nil {
		t.Fatal(err)
	}
	err = c.awaitReady(t.Context(), func(context.Context) error {
		if c.said.String() != "ready\n" {
			return errors.New("not ready yet")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.stop()
	select {
	case <-c.ended:
	default:
		t.Error("it still runs")
	}
}
