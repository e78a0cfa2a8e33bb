package etcd

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// server is etcd, in this process.
type server struct {
	address string
	client  *clientv3.Client // may do anything
}

// start runs etcd until the test ends, with TLS if there is an authority, whose
// clients it then wants too.
func start(t testing.TB, ca *conntest.Authority) *server {
	t.Helper()
	c := embed.NewConfig()
	c.Dir = t.TempDir()
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	c.UnsafeNoFsync = true
	c.BcryptCost = 4 // the least, as passwords here protect nothing
	c.ClusterState = embed.ClusterStateFlagNew
	scheme := "http"
	var settings *tls.Config
	if ca != nil {
		scheme = "https"
		settings = serve(t, c, *ca)
	}
	c.ListenClientUrls = []url.URL{{Scheme: scheme, Host: "127.0.0.1:0"}}
	c.AdvertiseClientUrls = c.ListenClientUrls
	c.ListenPeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.AdvertisePeerUrls = c.ListenPeerUrls
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	etcd, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatalf("starting etcd: %v", err)
	}
	t.Cleanup(etcd.Close)
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(time.Minute):
		t.Fatal("etcd is not ready")
	}
	s := &server{address: etcd.Clients[0].Addr().String()}
	s.client, err = clientv3.New(clientv3.Config{Endpoints: []string{scheme + "://" + s.address}, TLS: settings, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.client.Close() })
	return s
}

// serve makes a server use certificates of an authority, and returns the
// settings of its clients.
func serve(t testing.TB, c *embed.Config, ca conntest.Authority) *tls.Config {
	t.Helper()
	pair, folder := ca.Issue(t, "etcd"), t.TempDir()
	for name, text := range map[string]string{"ca": ca.PEM, "cert": pair.Cert, "key": pair.Key} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = filepath.Join(folder, "cert"), filepath.Join(folder, "key")
	c.ClientTLSInfo.TrustedCAFile, c.ClientTLSInfo.ClientCertAuth = filepath.Join(folder, "ca"), true
	own, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := c.ClientTLSInfo.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	settings.Certificates = []tls.Certificate{own}
	return settings
}

// must runs a command of the owner's.
func must[T any](t testing.TB, ask func(context.Context) (T, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := ask(ctx); err != nil {
		t.Fatal(err)
	}
}

func (s *server) put(t testing.TB, key, value string) {
	t.Helper()
	must(t, func(ctx context.Context) (*clientv3.PutResponse, error) { return s.client.Put(ctx, key, value) })
}

// protect makes the user keda, who may read keys that begin with queue, and
// wants everybody to prove who he is.
func (s *server) protect(t testing.TB) {
	t.Helper()
	for _, user := range []string{"root", "keda"} {
		must(t, func(ctx context.Context) (*clientv3.AuthUserAddResponse, error) {
			return s.client.UserAdd(ctx, user, password)
		})
		must(t, func(ctx context.Context) (*clientv3.AuthRoleAddResponse, error) { return s.client.RoleAdd(ctx, user) })
		must(t, func(ctx context.Context) (*clientv3.AuthUserGrantRoleResponse, error) {
			return s.client.UserGrantRole(ctx, user, user)
		})
	}
	must(t, func(ctx context.Context) (*clientv3.AuthRoleGrantPermissionResponse, error) {
		return s.client.RoleGrantPermission(ctx, "keda", "queue", clientv3.GetPrefixRangeEnd("queue"), clientv3.PermissionType(clientv3.PermRead))
	})
	must(t, s.client.AuthEnable)
	as, err := clientv3.New(clientv3.Config{Endpoints: []string{s.address}, Username: "root", Password: password, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = as.Close() })
	s.client = as
}

// change gives keda another password.
func (s *server) change(t testing.TB, to string) {
	t.Helper()
	must(t, func(ctx context.Context) (*clientv3.AuthUserChangePasswordResponse, error) {
		return s.client.UserChangePassword(ctx, "keda", to)
	})
}

const password = "password-of-keda"

func parameters(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"endpoints": address, "watchKey": "queue", "value": "5"}, more...)
}

func open(t testing.TB, v param.Values, p scaler.Pool) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{Pool: p})
}

// fixture is that of one sub-test, with a proxy of its own before the server.
func (s *server) fixture(t *testing.T) scalertest.Fixture {
	t.Helper()
	proxy := scalertest.NewProxy(t, s.address)
	set := func(key string) func(context.Context, float64) {
		return func(_ context.Context, n float64) { s.put(t, key, fmt.Sprint(n)) }
	}
	s.put(t, "queue", "0")
	return scalertest.Fixture{
		Metadata: map[string]string{"endpoints": proxy.Addr}, Proxy: proxy,
		Set:      set("queue"),
		Siblings: []scalertest.Sibling{{Metadata: map[string]string{"watchKey": "queue-2"}, Set: set("queue-2")}, {Metadata: map[string]string{"watchKey": "queue-3"}, Set: set("queue-3")}},
		Bad:      map[string]string{"watchKey": "queue-that-is-missing"},
	}
}
