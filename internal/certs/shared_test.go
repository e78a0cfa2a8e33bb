package certs

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"crypto/tls"

	"github.com/google/go-cmp/cmp"
)

// memory is a Vault in memory.
type memory struct {
	mu      sync.Mutex
	files   Files
	version int
	saves   int
	// before runs when files are about to be saved.
	before func(*memory)
}

func (m *memory) Load(context.Context) (Files, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.files), strconv.Itoa(m.version), nil
}

func (m *memory) Save(_ context.Context, f Files, version string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		m.before(m)
	}
	if version != strconv.Itoa(m.version) {
		return ErrOutdated
	}
	m.files, m.saves = maps.Clone(f), m.saves+1
	m.version++
	return nil
}

func share(t *testing.T, v Vault, dir string, names []string, now time.Time) Bundle {
	t.Helper()
	b, err := EnsureShared(t.Context(), v, dir, names, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReplicasShareFiles(t *testing.T) {
	v, one, two := &memory{}, t.TempDir(), t.TempDir()
	if b := share(t, v, one, names, start); !b.Changed {
		t.Error("the first replica made nothing")
	}
	if b := share(t, v, two, names, start); !b.Changed {
		t.Error("the second replica's folder was empty, but nothing is said to have changed")
	}
	if diff := cmp.Diff(files(t, one), files(t, two)); diff != "" {
		t.Errorf("the replicas' folders differ:\n%s", diff)
	}
	for _, dir := range []string{one, two, one} {
		if b := share(t, v, dir, names, start.Add(time.Hour)); b.Changed {
			t.Error("nothing was due, but something changed")
		}
	}
	if v.saves != 1 {
		t.Errorf("the files were saved %d times, expected once", v.saves)
	}
	renewal := start.Add(servingLife / 3 * 2)
	share(t, v, two, names, renewal)
	if b := share(t, v, one, names, renewal); !b.Changed {
		t.Error("another replica's renewal was not taken over")
	}
	if diff := cmp.Diff(files(t, one), files(t, two)); diff != "" {
		t.Errorf("after the renewal the replicas' folders differ:\n%s", diff)
	}
}

// TestEmptiedVault: who empties the vault makes no replica forget what others
// trust.
func TestEmptiedVault(t *testing.T) {
	v, dir := &memory{}, t.TempDir()
	share(t, v, dir, names, start)
	before := files(t, dir)
	v.files = nil
	v.version++
	if b := share(t, v, dir, names, start); b.Changed {
		t.Error("certificates were made anew")
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("the folder changed:\n%s", diff)
	}
	if len(v.files) != 4 {
		t.Errorf("the vault holds %d files, expected 4", len(v.files))
	}
}

// TestRolesWithOtherNames: each role may know names that the others don't.
func TestRolesWithOtherNames(t *testing.T) {
	v, dir := &memory{}, t.TempDir()
	share(t, v, dir, []string{"operator"}, start)
	share(t, v, dir, []string{"metrics"}, start)
	if b := share(t, v, dir, []string{"operator"}, start); b.Changed {
		t.Error("the operator's name was lost to the other role's")
	}
	pair, err := tls.X509KeyPair(v.files[fileCert], v.files[fileKey])
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(slices.Values(pair.Leaf.DNSNames)); !slices.Equal(got, []string{"metrics", "operator"}) {
		t.Errorf("the certificate is for %v", got)
	}
}

func TestLostRace(t *testing.T) {
	winner := &memory{}
	share(t, winner, t.TempDir(), names, start)
	v := &memory{before: func(m *memory) {
		m.files, m.version, m.before = winner.files, m.version+1, nil
	}}
	dir := t.TempDir()
	share(t, v, dir, names, start)
	if got := files(t, dir); got[fileCert] != string(winner.files[fileCert]) {
		t.Error("the loser of the race does not serve the winner's certificate")
	}
	always := &memory{}
	always.before = func(m *memory) { m.version++ }
	if _, err := EnsureShared(t.Context(), always, t.TempDir(), names, nil, start); !errors.Is(err, ErrOutdated) {
		t.Errorf("a vault that never takes anything: %v, expected %v", err, ErrOutdated)
	}
}

func TestForeignVault(t *testing.T) {
	v := &memory{files: Files{fileCert: []byte("a certificate of somebody else")}}
	if _, err := EnsureShared(t.Context(), v, t.TempDir(), names, []net.IP{}, start); !errors.Is(err, ErrForeign) {
		t.Errorf("%v, expected %v", err, ErrForeign)
	}
	if v.saves != 0 {
		t.Error("somebody else's files were replaced")
	}
}
