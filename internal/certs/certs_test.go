package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

var (
	names = []string{"keda-metrics-apiserver.keda.svc", "localhost"}
	ips   = []net.IP{net.IPv4(127, 0, 0, 1)}
	start = time.Now()
)

func ensure(t *testing.T, dir string, now time.Time) Bundle {
	t.Helper()
	b, err := Ensure(dir, names, ips, now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files returns what the folder's files hold, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(content)
	}
	return out
}

func TestServesOverTLS(t *testing.T) {
	b := ensure(t, t.TempDir(), start)
	pair, err := tls.LoadX509KeyPair(b.CertFile, b.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b.CA) {
		t.Fatal("the bundle holds no certificate")
	}
	for name, wantErr := range map[string]bool{"localhost": false, "127.0.0.1": false, "keda-metrics-apiserver.keda.svc": false, "elsewhere": true} {
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name}}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if (err != nil) != wantErr {
			t.Errorf("as %s: error %v, want one: %t", name, err, wantErr)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

func TestEnsure(t *testing.T) {
	day := 24 * time.Hour
	tests := map[string]struct {
		after  time.Duration
		damage func(t *testing.T, dir string)
		names  []string
		want   []string // files that are made anew
	}{
		"nothing is due":                       {after: 242 * day},
		"the certificate's last third":         {after: 244 * day, want: []string{"tls.crt", "tls.key"}},
		"the certificate has expired":          {after: 400 * day, want: []string{"tls.crt", "tls.key"}},
		"another name":                         {names: []string{"localhost", "other"}, want: []string{"tls.crt", "tls.key"}},
		"fewer names are covered already":      {names: []string{"localhost"}},
		"the authority's last third":           {after: 2440 * day, want: []string{"ca.crt", "ca.key", "tls.crt", "tls.key"}},
		"the serving key is gone":              {damage: remove("tls.key"), want: []string{"tls.crt", "tls.key"}},
		"the serving certificate is nonsense":  {damage: scribble("tls.crt"), want: []string{"tls.crt", "tls.key"}},
		"the authority is gone":                {damage: remove("ca.crt"), want: []string{"ca.crt", "ca.key", "tls.crt", "tls.key"}},
		"the authority's key is nonsense":      {damage: scribble("ca.key"), want: []string{"ca.crt", "ca.key", "tls.crt", "tls.key"}},
		"the clock was ahead and is right now": {after: -30 * day, want: []string{"tls.crt", "tls.key"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if first := ensure(t, dir, start); !first.Changed {
				t.Error("an empty folder: nothing changed, want new certificates")
			}
			before := files(t, dir)
			if tt.damage != nil {
				tt.damage(t, dir)
			}
			if tt.names == nil {
				tt.names = names
			}
			b, err := Ensure(dir, tt.names, ips, start.Add(tt.after))
			if err != nil {
				t.Fatal(err)
			}
			var changed []string
			after := files(t, dir)
			for _, f := range []string{"ca.crt", "ca.key", "tls.crt", "tls.key"} {
				if before[f] != after[f] {
					changed = append(changed, f)
				}
			}
			if diff := cmp.Diff(tt.want, changed); diff != "" {
				t.Errorf("files made anew (-want +got):\n%s", diff)
			}
			if b.Changed != (len(tt.want) > 0) {
				t.Errorf("Changed is %t", b.Changed)
			}
			if len(after) != 4 {
				t.Errorf("the folder holds %d files, want 4", len(after))
			}
			if now := start.Add(tt.after); !b.Renew.After(now) {
				t.Errorf("the next renewal is %s, which is not after %s", b.Renew, now)
			}
		})
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func scribble(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAuthorityRenewal follows one folder: the authority's renewal leaves the
// serving certificate of its predecessor in use and trusted.
func TestAuthorityRenewal(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, start)
	due := start.Add(authorityLife / 3 * 2)
	old := ensure(t, dir, due.Add(-100*24*time.Hour)) // a serving certificate that is not due when the authority is
	cert := files(t, dir)["tls.crt"]

	renewed := ensure(t, dir, due)
	if got := len(decodeCertificates(renewed.CA)); got != 2 {
		t.Fatalf("%d authorities are trusted after the renewal, want 2", got)
	}
	if string(renewed.CA) == string(old.CA) {
		t.Error("the authority was not renewed")
	}
	if files(t, dir)["tls.crt"] != cert {
		t.Error("the serving certificate was replaced together with the authority; clients don't know the new one yet")
	}
	last := ensure(t, dir, start.Add(authorityLife+time.Hour))
	if got := len(decodeCertificates(last.CA)); got != 1 {
		t.Errorf("%d authorities are trusted after the first one's end, want 1", got)
	}
}

func TestForeignFolder(t *testing.T) {
	dir := t.TempDir()
	mine := "a certificate of somebody else"
	if err := os.WriteFile(filepath.Join(dir, "tls.crt"), []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(dir, names, ips, start); !errors.Is(err, ErrForeign) {
		t.Errorf("Ensure: %v, want %v", err, ErrForeign)
	}
	if got := files(t, dir); len(got) != 1 || got["tls.crt"] != mine {
		t.Errorf("the folder was changed: %d files", len(got))
	}
}

func TestKeysArePrivate(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, start)
	for _, f := range []string{"ca.key", "tls.key"} {
		info, err := os.Stat(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != fs.FileMode(0o600) {
			t.Errorf("%s has mode %o, want 600", f, got)
		}
	}
}

func TestKeeper(t *testing.T) {
	fake := clocktesting.NewFakeClock(start)
	changes := make(chan Bundle)
	dir := t.TempDir()
	k := &Keeper{Dir: dir, DNSNames: names, IPs: ips, Clock: fake, Log: slog.New(slog.DiscardHandler), OnChange: func(b Bundle) { changes <- b }}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()

	first := <-changes
	waitForTimer(t, fake)
	fake.Step(lookEvery) // nothing is due: no change is told
	waitForTimer(t, fake)
	fake.SetTime(first.Renew)
	if second := <-changes; !second.Renew.After(first.Renew) {
		t.Errorf("after the renewal the next is %s, want later than %s", second.Renew, first.Renew)
	}
	waitForTimer(t, fake)
	remove("tls.crt")(t, dir)
	fake.Step(lookEvery)
	if mended := <-changes; !mended.Changed {
		t.Error("a deleted certificate was not made anew")
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// waitForTimer returns when Run sleeps.
func waitForTimer(t *testing.T, c *clocktesting.FakeClock) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !c.HasWaiters(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Run does not wait for its next turn")
		}
	}
}

func TestKeeperFailsAtStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k := &Keeper{Dir: dir, Clock: clocktesting.NewFakeClock(start), Log: slog.New(slog.DiscardHandler), OnChange: func(Bundle) {}}
	if err := k.Run(t.Context()); err == nil {
		t.Error("Run in a folder that can't be made: no error")
	}
}
