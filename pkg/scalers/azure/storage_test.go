package azure

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func TestParseStorage(t *testing.T) {
	const key, sas = "dGhlLWtleQ==", "sv=2026-06-06&sig=a%2Bb%3D"
	for name, tc := range map[string]struct {
		connection string
		service    conn.AzureService
		address    string
	}{
		"usual":           {"DefaultEndpointsProtocol=https;AccountName=orders;AccountKey=" + key + ";EndpointSuffix=core.windows.net", conn.AzureQueue, "https://orders.queue.core.windows.net/"},
		"blob":            {"AccountName=orders;AccountKey=" + key + ";EndpointSuffix=core.chinacloudapi.cn", conn.AzureBlob, "https://orders.blob.core.chinacloudapi.cn/"},
		"least":           {"AccountName=orders;AccountKey=" + key, conn.AzureQueue, "https://orders.queue.core.example/"},
		"any case, space": {" accountname = orders ; ACCOUNTKEY=" + key + ";;", conn.AzureQueue, "https://orders.queue.core.example/"},
		"address":         {"AccountName=devstoreaccount1;AccountKey=" + key + ";QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1/;BlobEndpoint=http://b/", conn.AzureQueue, "http://127.0.0.1:10001/devstoreaccount1/"},
		"SAS":             {"QueueEndpoint=https://orders.queue.core.windows.net;SharedAccessSignature=" + sas, conn.AzureQueue, "https://orders.queue.core.windows.net/?" + sas},
		"SAS with mark":   {"BlobEndpoint=https://orders.blob.core.windows.net/;SharedAccessSignature=?" + sas, conn.AzureBlob, "https://orders.blob.core.windows.net/?" + sas},
		"SAS by name":     {"AccountName=orders;SharedAccessSignature=" + sas, conn.AzureBlob, "https://orders.blob.core.example/?" + sas},
		"key before SAS":  {"AccountName=orders;AccountKey=" + key + ";SharedAccessSignature=" + sas, conn.AzureBlob, "https://orders.blob.core.example/"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := parseStorage(tc.connection, tc.service, "core.example")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.address, a.address()); diff != "" {
				t.Errorf("address (-want +got):\n%s", diff)
			}
			if strings.Contains(a.url.String()+a.digest(), "sig=") || strings.Contains(a.url.String()+a.digest(), key) {
				t.Error("what names the client shows a credential")
			}
		})
	}
}

func TestParseStorageRefused(t *testing.T) {
	const secret = "c2VjcmV0c2VjcmV0"
	for name, tc := range map[string]struct{ connection, want string }{
		"empty":          {"", "neither AccountKey nor SharedAccessSignature"},
		"no pairs":       {secret, "without ="},
		"no key":         {"AccountName=orders", "neither AccountKey nor SharedAccessSignature"},
		"no name":        {"AccountKey=" + secret, "no AccountName"},
		"odd key":        {"AccountName=orders;AccountKey=" + secret + "!", "not base64"},
		"odd name":       {"AccountName=evil.example/;AccountKey=" + secret, "QueueEndpoint"},
		"SAS alone":      {"SharedAccessSignature=sig=" + secret, "QueueEndpoint"},
		"odd address":    {"QueueEndpoint=" + secret + ";SharedAccessSignature=" + secret, "no http or https address"},
		"odd scheme":     {"QueueEndpoint=ftp://" + secret + ";SharedAccessSignature=" + secret, "no http or https address"},
		"user info":      {"QueueEndpoint=https://u:" + secret + "@h;SharedAccessSignature=" + secret, "no http or https address"},
		"query":          {"QueueEndpoint=https://h?sig=" + secret + ";SharedAccessSignature=" + secret, "no http or https address"},
		"odd protocol":   {"DefaultEndpointsProtocol=x;AccountName=orders;AccountKey=" + secret, "no http or https address"},
		"another's only": {"BlobEndpoint=https://h;SharedAccessSignature=" + secret, "QueueEndpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseStorage(tc.connection, conn.AzureQueue, "core.example")
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// operatorIdentity gives the operator a workload identity of the public cloud.
func operatorIdentity(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a.b.c"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant", "AZURE_FEDERATED_TOKEN_FILE": file, "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
	} {
		t.Setenv(name, value)
	}
}

func TestStorageWhoAsks(t *testing.T) {
	workload := scaler.Identity{Provider: conn.AzureWorkload}
	const key = "AccountName=keyed;AccountKey=dGhlLWtleQ=="
	for name, tc := range map[string]struct {
		identity   scaler.Identity
		metadata   map[string]string
		connection string
		host       string // empty when it is refused
		token      bool
		mentions   string
	}{
		"connection":               {connection: key, host: "keyed.queue.core.windows.net"},
		"connection of a cloud":    {metadata: map[string]string{"cloud": "AzureChinaCloud"}, connection: key, host: "keyed.queue.core.chinacloudapi.cn"},
		"none and connection":      {identity: scaler.Identity{Provider: "none"}, connection: key, host: "keyed.queue.core.windows.net"},
		"identity":                 {identity: workload, metadata: map[string]string{"accountName": "orders"}, host: "orders.queue.core.windows.net", token: true},
		"identity goes before":     {identity: workload, metadata: map[string]string{"accountName": "orders"}, connection: key, host: "orders.queue.core.windows.net", token: true},
		"identity of a cloud":      {identity: workload, metadata: map[string]string{"accountName": "orders", "cloud": "AzureUSGovernmentCloud"}, host: "orders.queue.core.usgovcloudapi.net", token: true},
		"the old switch":           {metadata: map[string]string{"accountName": "orders", "useAAdPodIdentity": "true"}, host: "orders.queue.core.windows.net", token: true},
		"identity without account": {identity: workload, connection: key, mentions: "accountName"},
		"another cloud's":          {identity: scaler.Identity{Provider: "gcp"}, metadata: map[string]string{"accountName": "orders"}, mentions: "azure-workload"},
		"nobody":                   {metadata: map[string]string{"accountName": "orders"}, mentions: "connectionFromEnv"},
		"to a private cloud":       {identity: workload, metadata: map[string]string{"accountName": "orders", "cloud": "Private", "endpointSuffix": "queue.evil.example"}, mentions: "endpointSuffix"},
		"to an odd authority":      {identity: workload, metadata: map[string]string{"accountName": "orders", "activeDirectoryEndpoint": "https://login.evil.example"}, mentions: "authority"},
	} {
		t.Run(name, func(t *testing.T) {
			operatorIdentity(t)
			c := &queueConfig{storage: storage{service: conn.AzureQueue}}
			v := param.Values{Metadata: scalertest.With(queueTrigger(), flatten(tc.metadata)...), Auth: map[string]string{"connection": tc.connection}}
			if err := scaler.Decode(c, v).Err(); err != nil {
				t.Fatal(err)
			}
			pool := &scalertest.Pool{}
			env := scaler.Env{Pool: pool, Identity: tc.identity}
			var got storageAccount
			client, err := openStorage(env, &c.storage, func(a storageAccount, _ azcore.ClientOptions) (int, error) { got = a; return 1, nil })
			if tc.host == "" {
				if err == nil {
					_ = client.Close()
				}
				refused(t, err, scaler.ReasonMisconfigured, tc.mentions)
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if client.Host() != tc.host || got.url.Host != tc.host || (got.token != nil) != tc.token || got.token != nil && got.url.Scheme != "https" {
					t.Errorf("got %s with a token %t; want %s with %t", got.url, got.token != nil, tc.host, tc.token)
				}
				_ = client.Close()
			}
			if held := pool.Held(); held != 0 {
				t.Errorf("%d leases are held", held)
			}
		})
	}
}

func flatten(m map[string]string) (pairs []string) {
	for name, value := range m {
		pairs = append(pairs, name, value)
	}
	return pairs
}

// TestStorageShares checks that triggers share clients exactly when account
// and credentials are the same.
func TestStorageShares(t *testing.T) {
	env := newEnv()
	var apis []any
	for _, connection := range []string{
		"AccountName=orders;AccountKey=b25l", "AccountName=orders;AccountKey=b25l", "AccountName=orders;AccountKey=dHdv", "AccountName=others;AccountKey=b25l",
		"AccountName=orders;SharedAccessSignature=one", "AccountName=orders;SharedAccessSignature=two",
	} {
		s := open(t, "azure-queue", env, queueTrigger(), map[string]string{"connection": connection})
		apis = append(apis, s.(*queueSource).api)
	}
	for i := range apis {
		for j := range i {
			if same, want := apis[i] == apis[j], i == 1 && j == 0; same != want {
				t.Errorf("triggers %d and %d share a client: %t, want %t", j, i, same, want)
			}
		}
	}
}

// failingClient makes no client.
func failingClient(storageAccount, azcore.ClientOptions) (int, error) {
	return 0, errors.New("no client")
}

func TestStorageClientFails(t *testing.T) {
	s := &storage{service: conn.AzureQueue, connection: param.Hide("AccountName=orders;AccountKey=b25l")}
	pool := &scalertest.Pool{}
	_, err := openStorage(scaler.Env{Pool: pool}, s, failingClient)
	refused(t, err, scaler.ReasonMisconfigured, "no client")
	if held := pool.Held(); held != 0 {
		t.Errorf("%d leases are held", held)
	}
}

// TestStorageToken checks that both services are asked with the identity's
// token: an authority that is the operator's own issues it, and a service
// wants to see it.
func TestStorageToken(t *testing.T) {
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "azure")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(serveWithToken))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	operatorIdentity(t)
	t.Setenv("AZURE_AUTHORITY_HOST", s.URL)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(ca.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	env := newEnv()
	env.HTTP = scaler.HTTPOptions{CAFiles: []string{file}, Timeout: 5 * time.Second}
	env.Identity = scaler.Identity{Provider: conn.AzureWorkload}
	cred, err := conn.OpenAzureCredential(env, "")
	if err != nil {
		t.Fatal(err)
	}
	defer cred.Close()
	options, release, err := conn.AzureClientOptions(env)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	at, _ := url.Parse(s.URL)
	account := storageAccount{url: at, token: cred}
	queues, err := newQueueService(account, options)
	if err != nil {
		t.Fatal(err)
	}
	containers, err := newBlobService(account, options)
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]scaler.Source{
		"queue": &queueSource{storageClient: &storageClient[*queueService]{}, queue: queues.NewQueueClient("jobs"), doing: "counting"},
		"blob":  &blobSource{storageClient: &storageClient[*blobService]{}, container: containers.NewContainerClient("incoming"), config: &blobConfig{delimiter: "/"}, doing: "counting"},
	} {
		if r, err := src.Measure(context.Background()); err != nil || r.Value != 2 {
			t.Errorf("%s: got %+v, %v; want 2", name, r, err)
		}
	}
}

// serveWithToken is an authority, and a storage account for those who have
// its token.
func serveWithToken(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		at := "https://" + r.Host + "/tenant"
		_, _ = w.Write([]byte(`{"issuer":"` + at + `/v2.0","authorization_endpoint":"` + at + `/authorize","token_endpoint":"` + at + `/token"}`))
	case strings.HasSuffix(r.URL.Path, "/token"):
		_, _ = w.Write([]byte(`{"access_token":"the-token","token_type":"Bearer","expires_in":3600}`))
	case r.Header.Get("Authorization") != "Bearer the-token":
		w.WriteHeader(http.StatusForbidden)
	case r.URL.Path == "/jobs":
		w.Header().Set("X-Ms-Approximate-Messages-Count", "2")
	default:
		_, _ = w.Write([]byte(page("", blob("a", ""), blob("b", ""))))
	}
}
