package mqtt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func TestProblems(t *testing.T) {
	right := map[string]string{"host": "mqtt://mqtt:1883", "topic": "a/b", "value": "5"}
	tests := map[string]struct {
		metadata, auth map[string]string
		want           []string
	}{
		"right":               {metadata: right},
		"nothing":             {want: []string{"error metadata.host", "error metadata.topic", "error metadata.value"}},
		"no scheme":           {metadata: scalertest.With(right, "host", "mqtt:1883x"), want: []string{"error metadata.host"}},
		"user in the address": {metadata: scalertest.With(right, "host", "mqtt://u:s3cret@mqtt"), want: []string{"error metadata.host"}},
		"another scheme":      {metadata: scalertest.With(right, "host", "http://mqtt"), want: []string{"error metadata.host"}},
		"bad port":            {metadata: scalertest.With(right, "host", "mqtt://mqtt:70000"), want: []string{"error metadata.host"}},
		"several topics":      {metadata: scalertest.With(right, "topic", "a/+"), want: []string{"error metadata.topic"}},
		"several for a rate":  {metadata: scalertest.With(right, "topic", "a/+/#", "mode", "rate")},
		"bad wildcard":        {metadata: scalertest.With(right, "topic", "a/#/b", "mode", "rate"), want: []string{"error metadata.topic"}},
		"half a wildcard":     {metadata: scalertest.With(right, "topic", "a/b+", "mode", "rate"), want: []string{"error metadata.topic"}},
		"shared subscription": {metadata: scalertest.With(right, "topic", "$share/g/a", "mode", "rate"), want: []string{"error metadata.topic"}},
		"unknown mode":        {metadata: scalertest.With(right, "mode", "count"), want: []string{"error metadata.mode"}},
		"window 0":            {metadata: scalertest.With(right, "mode", "rate", "window", "0"), want: []string{"error metadata.window"}},
		"location of a rate":  {metadata: scalertest.With(right, "mode", "rate", "valueLocation", "x"), want: []string{"warning metadata.valueLocation"}},
		"version 4":           {metadata: scalertest.With(right, "protocolVersion", "4"), want: []string{"error metadata.protocolVersion"}},
		"certificate alone":   {metadata: right, auth: map[string]string{"cert": "c"}, want: []string{"error authenticationRef"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata, Auth: tc.auth})
			for _, p := range ps {
				got = append(got, string(p.Severity)+" "+p.Path)
				if strings.Contains(p.String(), "s3cret") {
					t.Errorf("a problem repeats the password: %s", p)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s%v", diff, ps)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	tests := map[string][]string{ // filter: topics that match, then "", then those that don't
		"a/b":     {"a/b", "", "a", "a/b/c", "a/c"},
		"a/+":     {"a/b", "a/", "", "a", "a/b/c"},
		"a/+/c":   {"a/b/c", "", "a/b", "a/b/d", "a/b/c/d"},
		"a/#":     {"a", "a/b", "a/b/c", "", "b/a", "ab"},
		"#":       {"a", "a/b", "/", "", "$SYS/x"},
		"+/b":     {"a/b", "/b", "", "$SYS/b"},
		"$SYS/#":  {"$SYS/b", "$SYS/b/c", "", "SYS/b"},
		"+/+":     {"/x", "a/b", "", "a"},
		"a/+/#":   {"a/b", "a/b/c", "", "a"},
		"sport/#": {"sport", "sport/tennis", "", "sports"},
	}
	for filter, topics := range tests {
		want := true
		for _, topic := range topics {
			if topic == "" {
				want = false
				continue
			}
			if got := matches(filter, topic); got != want {
				t.Errorf("%s and %s: %t", filter, topic, got)
			}
		}
	}
}

// TestPoolKey checks that triggers share a connection exactly when they may.
func TestPoolKey(t *testing.T) {
	p := pool.New()
	base := map[string]string{"host": "mqtt://mqtt:1883", "topic": "a", "value": "5"}
	open(t, p, base, login1)
	open(t, p, scalertest.With(base, "topic", "b", "value", "3", "host", "tcp://mqtt"), login1)
	if n := p.Len()["mqtt"]; n != 1 {
		t.Fatalf("%d connections, want 1", n)
	}
	for name, other := range map[string][2]map[string]string{
		"password":  {base, {"username": user, "password": "other"}},
		"version":   {scalertest.With(base, "protocolVersion", "5"), login1},
		"port":      {scalertest.With(base, "host", "mqtt://mqtt:1884"), login1},
		"client":    {scalertest.With(base, "clientID", "c"), login1},
		"TLS":       {scalertest.With(base, "tls", "enable"), login1},
		"wildcards": {scalertest.With(base, "topic", "a/+", "mode", "rate"), login1},
	} {
		before := p.Len()["mqtt"]
		open(t, p, other[0], other[1])
		if p.Len()["mqtt"] != before+1 {
			t.Errorf("another %s shares the connection", name)
		}
	}
}

// answer is a broker that answers one packet after the other with these
// bytes, which | parts.
func answer(t *testing.T, packets string) string {
	t.Helper()
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
				defer func() { _ = c.Close() }()
				from := bufio.NewReader(c)
				left := strings.Split(packets, "|")
				for skipPacket(from) == nil {
					if len(left) > 0 {
						_, _ = c.Write([]byte(left[0]))
						left = left[1:]
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// skipPacket reads one packet, as two may come at once. All are short.
func skipPacket(from *bufio.Reader) error {
	if _, err := from.ReadByte(); err != nil { // its kind
		return err
	}
	n, err := binary.ReadUvarint(from)
	if err != nil {
		return err
	}
	_, err = from.Discard(int(n))
	return err
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		version, packets string
		want             scaler.Reason
	}{
		"3: version":        {"3.1.1", "\x20\x02\x00\x01", scaler.ReasonMisconfigured},
		"3: identifier":     {"3.1.1", "\x20\x02\x00\x02", scaler.ReasonMisconfigured},
		"3: unavailable":    {"3.1.1", "\x20\x02\x00\x03", scaler.ReasonUnreachable},
		"3: password":       {"3.1.1", "\x20\x02\x00\x04", scaler.ReasonDenied},
		"3: not authorised": {"3.1.1", "\x20\x02\x00\x05", scaler.ReasonDenied},
		"3: unknown code":   {"3.1.1", "\x20\x02\x00\x77", scaler.ReasonBadAnswer},
		"3: not a CONNACK":  {"3.1.1", "\xd0\x00", scaler.ReasonBadAnswer},
		"3: another server": {"3.1.1", "HTTP/1.1 400 Bad Request\r\n\r\n", scaler.ReasonBadAnswer},
		"3: huge":           {"3.1.1", "\x20\x02\x00\x00|\x30\xff\xff\xff\x7f", scaler.ReasonBadAnswer},
		"3: no length":      {"3.1.1", "\x20\xff\xff\xff\xff\xff", scaler.ReasonBadAnswer},
		"5: version":        {"5", "\x20\x03\x00\x84\x00", scaler.ReasonMisconfigured},
		"5: password":       {"5", "\x20\x03\x00\x86\x00", scaler.ReasonDenied},
		"5: not authorised": {"5", "\x20\x03\x00\x87\x00", scaler.ReasonDenied},
		"5: busy":           {"5", "\x20\x03\x00\x89\x00", scaler.ReasonUnreachable},
		"5: moved":          {"5", "\x20\x03\x00\x9d\x00", scaler.ReasonMisconfigured},
		"5: does not know":  {"5", "\x20\x03\x00\x82\x00", scaler.ReasonBadAnswer},
		"5: another server": {"5", "HTTP/1.1 400 Bad Request\r\n\r\n", scaler.ReasonBadAnswer},
		// accepted, then the subscription is refused
		"3: subscription":     {"3.1.1", "\x20\x02\x00\x00|\x90\x03\x00\x01\x80|\xd0\x00", scaler.ReasonDenied},
		"5: subscription":     {"5", "\x20\x03\x00\x00\x00|\x90\x04\x00\x01\x00\x87|\xd0\x00", scaler.ReasonDenied},
		"5: filter":           {"5", "\x20\x03\x00\x00\x00|\x90\x04\x00\x01\x00\x8f|\xd0\x00", scaler.ReasonMisconfigured},
		"5: taken over":       {"5", "\x20\x03\x00\x00\x00|\xe0\x02\x8e\x00", scaler.ReasonMisconfigured},
		"3: a second CONNACK": {"3.1.1", "\x20\x02\x00\x00|\x20\x02\x00\x00", scaler.ReasonBadAnswer},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			at := answer(t, tc.packets)
			s := open(t, pool.New(), map[string]string{"host": "mqtt://" + at, "topic": "a", "value": "5", "protocolVersion": tc.version}, login1)
			refused(t, s, tc.want, at)
		})
	}
}

// FuzzRead checks that no packet makes the codecs panic or read too much.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"\x20\x02\x00\x00", "\x30\x05\x00\x01aXY", "\x90\x03\x00\x01\x80", "\xe0\x02\x8e\x00", "\x30\xff\xff\xff\x7f"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, w := range []wire{wire3{}, wire5{}} {
			r := bufio.NewReader(bytes.NewReader(data))
			for {
				e, err := w.read(r)
				if err != nil {
					break
				}
				if len(e.payload) > len(data) {
					t.Fatalf("%d bytes of %d", len(e.payload), len(data))
				}
			}
		}
	})
}
