// Package promserver runs a real Prometheus for tests, and writes samples to
// it directly, so that no test waits for a scrape.
//
// It owns the process and its folder; both end with the test.
package promserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kedago/keda/test/servers/process"
)

// Server is a running Prometheus.
type Server struct {
	// URL is its address, http://127.0.0.1:port.
	URL string

	mu   sync.Mutex // guards last
	last int64      // the time of the newest sample, in milliseconds
}

// moment is now, but later than the moment before: a series takes one sample
// a millisecond.
func (s *Server) moment() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		now := time.Now()
		if now.UnixMilli() > s.last {
			s.last = now.UnixMilli()
			return now
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// Start runs Prometheus until the test ends. Without the binary the test is
// skipped, or fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := process.Program("prometheus", "prometheus")
	process.Need(t, "Prometheus", err)
	return process.Try(t, "Prometheus", 1, func(at []string) (*Server, error) {
		s := &Server{URL: "http://" + at[0]}
		folder := t.TempDir()
		config := filepath.Join(folder, "prometheus.yml")
		if err := os.WriteFile(config, []byte("global: {scrape_interval: 1h}\n"), 0o600); err != nil {
			return nil, err
		}
		cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(folder, "data"),
			"--web.listen-address="+at[0], "--web.enable-remote-write-receiver", "--log.level=warn")
		return s, process.Run(t, cmd, s.ready)
	})
}

func (s *Server) ready(ctx context.Context) error {
	status, err := process.Get(ctx, s.URL+"/-/ready")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the server answered %d", status)
	}
	return err
}

// Push writes one sample, dated now. Labels are pairs of name and value; the
// metric's name is the label __name__.
func (s *Server) Push(t testing.TB, value float64, labels map[string]string) {
	t.Helper()
	body := literal(writeRequest(value, s.moment(), labels))
	req, err := http.NewRequest(http.MethodPost, s.URL+"/api/v1/write", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		t.Fatalf("writing a sample: %s: %s", resp.Status, said)
	}
}

// writeRequest is a prometheus.WriteRequest with one series of one sample, see
// prompb/remote.proto and prompb/types.proto of Prometheus.
func writeRequest(value float64, at time.Time, labels map[string]string) []byte {
	var names []string
	for n := range labels {
		names = append(names, n)
	}
	slices.Sort(names)
	var series []byte
	for _, n := range names {
		var label []byte
		label = protowire.AppendTag(label, 1, protowire.BytesType)
		label = protowire.AppendString(label, n)
		label = protowire.AppendTag(label, 2, protowire.BytesType)
		label = protowire.AppendString(label, labels[n])
		series = protowire.AppendTag(series, 1, protowire.BytesType)
		series = protowire.AppendBytes(series, label)
	}
	var sample []byte
	sample = protowire.AppendTag(sample, 1, protowire.Fixed64Type)
	sample = protowire.AppendFixed64(sample, math.Float64bits(value))
	sample = protowire.AppendTag(sample, 2, protowire.VarintType)
	sample = protowire.AppendVarint(sample, uint64(at.UnixMilli())) //nolint:gosec // after 1970
	series = protowire.AppendTag(series, 2, protowire.BytesType)
	series = protowire.AppendBytes(series, sample)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), series)
}

// literal is data in the snappy block format, uncompressed: its length, then
// one literal with a length of two bytes.
func literal(data []byte) []byte {
	const twoBytes = 61 << 2
	out := binary.AppendUvarint(nil, uint64(len(data)))
	out = append(out, twoBytes)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(data)-1)) //nolint:gosec // one sample is small
	return append(out, data...)
}
