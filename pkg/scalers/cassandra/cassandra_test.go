package cassandra

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const query = "SELECT COUNT(*) FROM shop.orders"

func metadata(address string, more ...string) map[string]string {
	return scalertest.Given(map[string]string{"clusterIPAddress": address, "username": "keda", "keyspace": "shop", "query": query, "targetQueryValue": "5"}, more...)
}

func auth() map[string]string { return map[string]string{"password": "password-of-keda"} }

func TestConformance(t *testing.T) {
	node := startFake(t, nil)
	const other = "SELECT COUNT(*) FROM shop.returns"
	hold := func(query string) func(context.Context, float64) {
		return func(_ context.Context, n float64) { node.set(query, bigint(int64(n))) }
	}
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("cassandra.example:9042", "consistency", "LOCAL_QUORUM"), Auth: auth(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, node.addr)
			host, port, _ := net.SplitHostPort(proxy.Addr)
			hold(query)(t.Context(), 0)
			return scalertest.Fixture{
				Metadata: map[string]string{"clusterIPAddress": host, "port": port}, Proxy: proxy, Set: hold(query),
				Deny:     func() { node.set(query, table{code: 0x2100}) },
				Allow:    func() { hold(query)(t.Context(), 1) },
				Siblings: []scalertest.Sibling{{Metadata: map[string]string{"query": other}, Set: hold(other)}},
				Bad:      map[string]string{"query": "SELECT COUNT(*) FROM shop.none"},
			}
		},
	})
	if got := node.seen()[0]; got != query+" at 6" {
		t.Errorf("asked %s; expected the query at LOCAL_QUORUM, which is 6", got)
	}
}

func open(t testing.TB, pool *scalertest.Pool, v param.Values) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{Pool: pool})
}

// TestAnswers: every type of numbers is read, and nothing else counts; the
// server's errors are told by their codes.
func TestAnswers(t *testing.T) {
	node := startFake(t, nil)
	cell := func(kind uint16, values ...[]byte) table {
		a := table{columns: []column{{"n", kind}}}
		for _, v := range values {
			a.rows = append(a.rows, [][]byte{v})
		}
		return a
	}
	double := func(f float64) []byte { return binary.BigEndian.AppendUint64(nil, math.Float64bits(f)) }
	one := bigint(1).rows[0][0]
	for name, c := range map[string]struct {
		answer table
		value  float64
		reason scaler.Reason
		said   string
	}{
		"bigint":           {bigint(1 << 40), 1 << 40, "", ""},
		"negative":         {bigint(-3), -3, "", ""},
		"int":              {cell(typeInt, []byte{0, 0, 1, 0}), 256, "", ""},
		"varint":           {cell(typeVarint, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}), math.Exp2(64), "", ""},
		"double":           {cell(typeDouble, double(2.5)), 2.5, "", ""},
		"float":            {cell(typeFloat, binary.BigEndian.AppendUint32(nil, math.Float32bits(0.5))), 0.5, "", ""},
		"decimal":          {cell(typeDecimal, []byte{0, 0, 0, 2, 0x01, 0x2C}), 3, "", ""},
		"negative decimal": {cell(typeDecimal, []byte{0, 0, 0, 1, 0xF1}), -1.5, "", ""},
		"large decimal":    {cell(typeDecimal, []byte{0xFF, 0xFF, 0xFF, 0xFE, 3}), 300, "", ""},
		"several rows":     {cell(typeBigint, one, one), 1, "", "of which the first counts"},
		"no rows":          {cell(typeBigint), 0, "", "counts as 0"},
		"null":             {cell(typeBigint, nil), 0, scaler.ReasonBadAnswer, "is null"},
		"not finite":       {cell(typeDouble, double(math.Inf(1))), 0, scaler.ReasonBadAnswer, "not finite"},
		"text":             {cell(typeVarchar, []byte("3")), 0, scaler.ReasonBadAnswer, "none of numbers"},
		"boolean":          {cell(typeBoolean, []byte{1}), 0, scaler.ReasonBadAnswer, "none of numbers"},
		"short decimal":    {cell(typeDecimal, []byte{0, 0, 0, 1}), 0, scaler.ReasonBadAnswer, "malformed"},
		"odd decimal":      {cell(typeDecimal, []byte{0x7F, 0, 0, 1, 1}), 0, scaler.ReasonBadAnswer, "malformed"},
		"two columns":      {table{columns: []column{{"a", typeInt}, {"b", typeInt}}, rows: [][][]byte{{one, one}}}, 0, scaler.ReasonBadAnswer, "2 columns"},
		"no permission":    {table{code: 0x2100}, 0, scaler.ReasonDenied, "may not run"},
		"bad query":        {table{code: 0x2000}, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"overloaded":       {table{code: 0x1001}, 0, scaler.ReasonUnreachable, "can't answer now"},
	} {
		t.Run(name, func(t *testing.T) {
			// The driver remembers a statement's columns, so each has its own.
			own := query + " WHERE state = '" + name + "'"
			node.set(own, c.answer)
			r, err := open(t, &scalertest.Pool{}, param.Values{Metadata: metadata(node.addr, "query", own), Auth: auth()}).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "the server's text")
			} else if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.said) || (c.said == "") != (r.Note == "") {
				t.Errorf("measured %+v, %v; expected %v and %q", r, err, c.value, c.said)
			}
		})
	}
}

// TestMeaning: what more nodes answer, whose errors carry more than a text.
func TestMeaning(t *testing.T) {
	for code, want := range map[int]scaler.Reason{
		0x000A: scaler.ReasonMisconfigured, 0x0100: scaler.ReasonDenied, 0x1000: scaler.ReasonUnreachable, 0x1200: scaler.ReasonUnreachable,
		0x1300: scaler.ReasonUnreachable, 0x1400: scaler.ReasonMisconfigured, 0x2400: scaler.ReasonBadAnswer,
	} {
		if reason, text := meaning(code); reason != want || text == "" {
			t.Errorf("0x%04X is %s, %q; expected %s", code, reason, text, want)
		}
	}
}

// TestLogin: a wrong password is told as one.
func TestLogin(t *testing.T) {
	node := startFake(t, nil)
	_, err := open(t, &scalertest.Pool{}, param.Values{Metadata: metadata(node.addr), Auth: map[string]string{"password": "wrong-password"}}).Measure(t.Context())
	if scaler.ReasonOf(err) != scaler.ReasonDenied || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("got %v; expected that it is denied", err)
	}
}

// TestOneSession: the triggers of a cluster share two connections.
func TestOneSession(t *testing.T) {
	node := startFake(t, nil)
	pool := &scalertest.Pool{}
	for i := range 5 {
		own := fmt.Sprintf("%s WHERE n = %d", query, i)
		node.set(own, bigint(int64(i)))
		r, err := open(t, pool, param.Values{Metadata: metadata(node.addr, "query", own), Auth: auth()}).Measure(t.Context())
		if err != nil || r.Value != float64(i) {
			t.Errorf("measured %+v, %v; expected %d", r, err, i)
		}
	}
	node.mu.Lock()
	defer node.mu.Unlock()
	if node.connections != 2 {
		t.Errorf("there are %d connections; expected 2", node.connections)
	}
}

// TestTLS: the node's certificate is checked for the name that the trigger
// has, and it sees the trigger's.
func TestTLS(t *testing.T) {
	authority, client := conntest.NewAuthority(t), conntest.Pair{}
	own := authority.Issue(t, "node")
	pair, err := tls.X509KeyPair([]byte(own.Cert), []byte(own.Key))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(authority.PEM))
	node := startFake(t, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12})
	node.set(query, bigint(3))
	client = authority.Issue(t, "keda")
	with := func(more map[string]string) param.Values {
		a := auth()
		maps.Copy(a, map[string]string{"tls": "enable", "cert": client.Cert, "key": client.Key})
		maps.Copy(a, more)
		return param.Values{Metadata: metadata(node.addr), Auth: a}
	}
	if r, err := open(t, &scalertest.Pool{}, with(map[string]string{"ca": authority.PEM})).Measure(t.Context()); err != nil || r.Value != 3 {
		t.Errorf("measured %+v, %v", r, err)
	}
	if _, err := open(t, &scalertest.Pool{}, with(nil)).Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("got %v from a node of an unknown authority", err)
	}
}

func TestChecks(t *testing.T) {
	for name, c := range map[string]struct {
		metadata map[string]string
		said     string
	}{
		"no port":     {metadata("cassandra"), "metadata.port: is missing"},
		"odd port":    {metadata("cassandra:cql"), "metadata.clusterIPAddress: has the port"},
		"no host":     {metadata(":9042"), "metadata.clusterIPAddress: has no host"},
		"several":     {metadata("a:9042,b:9042"), "metadata.clusterIPAddress: found"},
		"port":        {metadata("a", "port", "70000"), "metadata.port: found"},
		"consistency": {metadata("a:1", "consistency", "some"), "metadata.consistency: found"},
		"protocol":    {metadata("a:1", "protocolVersion", "2"), "metadata.protocolVersion: found"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.metadata, Auth: auth()})
			if len(ps) != 1 || !strings.HasPrefix(ps[0].String(), c.said) {
				t.Errorf("got %v; expected only %q", ps, c.said)
			}
		})
	}
	for _, address := range []map[string]string{metadata("10.0.0.1:9042"), metadata("10.0.0.1", "port", "9042"), metadata("::1", "port", "9042"), metadata("[::1]:9042")} {
		if ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: address, Auth: auth()}); len(ps) > 0 {
			t.Errorf("%v: %v", address, ps)
		}
	}
}

// BenchmarkTriggers polls 100 triggers on one node.
func BenchmarkTriggers(b *testing.B) {
	node := startFake(b, nil)
	pool := &scalertest.Pool{}
	scalertest.BenchTriggers(b, node.addr, func(addr string, i int) scaler.Source {
		own := fmt.Sprintf("%s WHERE n = %d", query, i)
		node.set(own, bigint(3))
		return open(b, pool, param.Values{Metadata: metadata(addr, "query", own), Auth: auth()})
	})
}
