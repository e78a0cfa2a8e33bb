package cassandra

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// The protocol's numbers that the fake needs:
// https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec
const (
	opError, opStartup, opReady, opAuthenticate, opOptions, opSupported = 0x00, 0x01, 0x02, 0x03, 0x05, 0x06
	opQuery, opResult, opPrepare, opExecute, opRegister                 = 0x07, 0x08, 0x09, 0x0A, 0x0B
	opAuthResponse, opAuthSuccess                                       = 0x0F, 0x10

	typeBigint, typeBoolean, typeDecimal, typeDouble, typeFloat, typeInt = 0x02, 0x04, 0x06, 0x07, 0x08, 0x09
	typeUUID, typeVarchar, typeVarint, typeInet                          = 0x0C, 0x0D, 0x0E, 0x10
)

// column is one of a fake table.
type column struct {
	name string
	kind uint16
}

// table is the answer to a query; nil cells are null.
type table struct {
	columns []column
	rows    [][][]byte
	code    int32 // of an error instead
}

// bigint is a table with one number.
func bigint(n int64) table {
	return table{columns: []column{{"count", typeBigint}}, rows: [][][]byte{{binary.BigEndian.AppendUint64(nil, uint64(n))}}}
}

// fake is a Cassandra node of protocol version 4 for one user.
type fake struct {
	addr string

	mu          sync.Mutex
	password    string
	tables      map[string]table // by query
	asked       []string         // queries, with their consistency
	connections int
}

// startFake starts a node that ends with the test; settings are those of TLS.
func startFake(t testing.TB, settings *tls.Config) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{addr: l.Addr().String(), password: "password-of-keda", tables: map[string]table{}}
	if settings != nil {
		l = tls.NewListener(l, settings)
	}
	var open sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = true
			mu.Unlock()
			open.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		open.Wait()
	})
	return f
}

func (f *fake) set(query string, a table) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tables[query] = a
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

func (f *fake) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	f.mu.Lock()
	f.connections++
	f.mu.Unlock()
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(c, head); err != nil || head[0] != 4 {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[5:]))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		op, answer := f.answer(head[4], body)
		out := append([]byte{0x84, 0, head[2], head[3], op}, binary.BigEndian.AppendUint32(nil, uint32(len(answer)))...)
		if _, err := c.Write(append(out, answer...)); err != nil {
			return
		}
	}
}

func (f *fake) answer(op byte, body []byte) (byte, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch op {
	case opOptions:
		return opSupported, []byte{0, 0}
	case opStartup:
		return opAuthenticate, text(nil, "org.apache.cassandra.auth.PasswordAuthenticator")
	case opAuthResponse:
		if string(body[4:]) != "\x00keda\x00"+f.password {
			return refusal(0x0100)
		}
		return opAuthSuccess, []byte{0xFF, 0xFF, 0xFF, 0xFF}
	case opRegister:
		return opReady, nil
	case opPrepare:
		query := string(body[4:])
		return opResult, prepared(query, f.find(query))
	case opQuery:
		n := 4 + binary.BigEndian.Uint32(body)
		return f.run(string(body[4:n]), body[n:])
	case opExecute:
		n := 2 + binary.BigEndian.Uint16(body)
		return f.run(string(body[2:n]), body[n:])
	}
	return refusal(0x000A)
}

// run answers a query, of which after begins with the consistency.
func (f *fake) run(query string, after []byte) (byte, []byte) {
	if !strings.Contains(query, "system") {
		f.asked = append(f.asked, query+" at "+string('0'+after[1]))
	}
	a := f.find(query)
	if a.code != 0 {
		return refusal(a.code)
	}
	return opResult, rows(a)
}

func (f *fake) find(query string) table {
	if a, ok := f.tables[query]; ok {
		return a
	}
	if strings.Contains(query, "system.local") {
		return table{
			columns: []column{{"host_id", typeUUID}, {"release_version", typeVarchar}, {"data_center", typeVarchar}, {"rack", typeVarchar}, {"rpc_address", typeInet}},
			rows:    [][][]byte{{bytes.Repeat([]byte{7}, 16), []byte("4.1.0"), []byte("dc1"), []byte("rack1"), {10, 0, 0, 1}}},
		}
	}
	if strings.Contains(query, "system") {
		return table{columns: []column{{"keyspace_name", typeVarchar}}}
	}
	return table{code: 0x2200}
}

func refusal(code int32) (byte, []byte) {
	return opError, text(binary.BigEndian.AppendUint32(nil, uint32(code)), "the server's text")
}

func text(to []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(s))), s...)
}

// metadata describes the columns of a table, with its name once for all.
func (a table) metadata(to []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, 1)
	to = binary.BigEndian.AppendUint32(to, uint32(len(a.columns)))
	to = text(text(to, "shop"), "orders")
	for _, c := range a.columns {
		to = binary.BigEndian.AppendUint16(text(to, c.name), c.kind)
	}
	return to
}

func rows(a table) []byte {
	out := a.metadata(binary.BigEndian.AppendUint32(nil, 2))
	out = binary.BigEndian.AppendUint32(out, uint32(len(a.rows)))
	for _, row := range a.rows {
		for _, cell := range row {
			if cell == nil {
				out = append(out, 0xFF, 0xFF, 0xFF, 0xFF)
				continue
			}
			out = append(binary.BigEndian.AppendUint32(out, uint32(len(cell))), cell...)
		}
	}
	return out
}

// prepared has the query itself as its ID, and no parameters.
func prepared(query string, a table) []byte {
	out := text(binary.BigEndian.AppendUint32(nil, 4), query)
	out = append(out, make([]byte, 12)...) // no flags, no columns, no key columns
	return a.metadata(out)
}
