package certs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"
)

// Vault holds the files that several replicas share.
type Vault interface {
	// Load returns the files, none when nobody has saved any, and their
	// version, which Save wants back.
	Load(ctx context.Context) (files Files, version string, err error)
	// Save replaces the files. ErrOutdated says that somebody else has saved
	// since the version was loaded.
	Save(ctx context.Context, files Files, version string) error
}

// ErrOutdated says that the files were saved by somebody else meanwhile.
var ErrOutdated = errors.New("the shared certificates have changed meanwhile")

// saves is how often a replica tries when others save at the same moment. The
// loser of a race finds good files the next time.
const saves = 10

// EnsureShared makes the vault hold what Renew returns, and dir a copy of it.
// A vault that was emptied gets back what the folder holds: others still serve
// and trust that.
func EnsureShared(ctx context.Context, v Vault, dir string, dnsNames []string, ips []net.IP, now time.Time) (Bundle, error) {
	own, err := readFolder(dir)
	if err != nil {
		return Bundle{}, err
	}
	for range saves {
		shared, version, err := v.Load(ctx)
		if err != nil {
			return Bundle{}, err
		}
		have := shared
		if len(have) == 0 {
			have = own
		}
		files, b, err := Renew(have, dnsNames, ips, now)
		if err != nil {
			return Bundle{}, err
		}
		if !same(files, shared) {
			err = v.Save(ctx, files, version)
		}
		if errors.Is(err, ErrOutdated) {
			continue
		}
		if err != nil {
			return Bundle{}, err
		}
		b.Changed = b.Changed || !same(files, own)
		return b.in(dir), writeFolder(dir, files)
	}
	return Bundle{}, fmt.Errorf("%w: tried %d times", ErrOutdated, saves)
}

func same(a, b Files) bool {
	return maps.EqualFunc(a, b, func(x, y []byte) bool { return string(x) == string(y) })
}
