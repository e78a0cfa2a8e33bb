package ports

import (
	"net"
	"strings"
	"testing"
)

func TestFreeAreDifferentAndUsable(t *testing.T) {
	found, err := Free(8)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range found {
		if seen[p] {
			t.Errorf("port %d twice in %v", p, found)
		}
		seen[p] = true
		if err := Check(p, "--port"); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckNamesATakenPort(t *testing.T) {
	l, err := net.Listen("tcp", Address(0))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	err = Check(l.Addr().(*net.TCPAddr).Port, "--apiserver-port")
	if err == nil {
		t.Fatal("no error for a taken port")
	}
	if !strings.Contains(err.Error(), "port "+port+" on 127.0.0.1") || !strings.Contains(err.Error(), "--apiserver-port") {
		t.Errorf("names neither port nor flag: %v", err)
	}
	if !Lost(err.Error()) {
		t.Errorf("not recognised as a lost port: %v", err)
	}
}
