// Package krb5server runs MIT Kerberos' KDC for tests.
//
// It owns the process, its database and its folder; all end with the test.
package krb5server

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kedago/keda/test/servers/process"
)

// Realm is the realm of every KDC.
const Realm = "KEDA.TEST"

// KDC is a running KDC of the realm, without principals but its own.
type KDC struct {
	// Address is where it listens for TCP, 127.0.0.1:port.
	Address string
	// Config is the path of a krb5.conf for clients.
	Config string

	folder, kadmin string
	env            []string
}

// Missing says what this machine lacks to run a KDC; it is nil in CI, where
// Start fails instead.
func Missing() error {
	if os.Getenv("CI") == "true" {
		return nil
	}
	_, err := programs()
	return err
}

func programs() (paths [3]string, err error) {
	for i, name := range []string{"krb5kdc", "kadmin.local", "kdb5_util"} {
		if paths[i], err = process.Program(name, "krb5"); err != nil {
			return paths, err
		}
	}
	return paths, nil
}

// Start runs a KDC until the test ends. Without the binaries the test is
// skipped, or fails where the environment has CI=true.
func Start(t testing.TB) *KDC {
	t.Helper()
	paths, err := programs()
	process.Need(t, "MIT Kerberos", err)
	return process.Try(t, "a KDC", 1, func(at []string) (*KDC, error) {
		k := &KDC{Address: at[0], folder: t.TempDir(), kadmin: paths[1]}
		if err := k.prepare(paths[2]); err != nil {
			return nil, err
		}
		cmd := exec.Command(paths[0], "-n", "-r", Realm)
		cmd.Env = k.env
		return k, process.Run(t, cmd, k.ready)
	})
}

// prepare writes the settings and the empty database.
func (k *KDC) prepare(util string) error {
	k.Config = filepath.Join(k.folder, "krb5.conf")
	profile := filepath.Join(k.folder, "kdc.conf")
	k.env = append(os.Environ(), "KRB5_CONFIG="+k.Config, "KRB5_KDC_PROFILE="+profile)
	for path, text := range map[string]string{k.Config: k.clientConfig(), profile: k.profile()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return k.run(util, "create", "-s", "-P", "master-password", "-r", Realm)
}

func (k *KDC) ready(ctx context.Context) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", k.Address)
	if err != nil {
		return err
	}
	return c.Close()
}

// clientConfig has clients use TCP, where the KDC is sure to own the port.
func (k *KDC) clientConfig() string {
	return fmt.Sprintf(`[libdefaults]
  default_realm = %[1]s
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  udp_preference_limit = 1
[realms]
  %[1]s = {
    kdc = %[2]s
  }
[domain_realm]
  localhost = %[1]s
`, Realm, k.Address)
}

func (k *KDC) profile() string {
	return fmt.Sprintf(`[kdcdefaults]
  kdc_listen = 127.0.0.1:%[2]s
  kdc_tcp_listen = 127.0.0.1:%[2]s
[realms]
  %[1]s = {
    database_name = %[3]s/principals
    key_stash_file = %[3]s/stash
    acl_file = %[3]s/acl
    max_life = 1h
  }
`, Realm, process.Port(k.Address), k.folder)
}

func (k *KDC) run(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Env = k.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, out)
	}
	return nil
}

// Admin runs a command of kadmin, e.g. "modprinc", "-allow_tix", "keda".
func (k *KDC) Admin(t testing.TB, command ...string) {
	t.Helper()
	if err := k.run(k.kadmin, append([]string{"-r", Realm}, command...)...); err != nil {
		t.Fatal(err)
	}
}

// AddUser makes a principal with a password, which must prove itself before
// it gets an answer, as is usual.
func (k *KDC) AddUser(t testing.TB, name, password string) {
	t.Helper()
	k.Admin(t, "addprinc", "+requires_preauth", "-pw", password, name)
}

// AddKeytab makes a principal with random keys and returns the path of a
// keytab with them.
func (k *KDC) AddKeytab(t testing.TB, name string) string {
	t.Helper()
	k.Admin(t, "addprinc", "+requires_preauth", "-randkey", name)
	return k.NewKeys(t, name)
}

// NewKeys gives a principal new random keys, which makes its former keytabs
// invalid, and returns the path of a keytab with the new ones.
func (k *KDC) NewKeys(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keytab")
	k.Admin(t, "ktadd", "-k", path, name)
	return path
}
