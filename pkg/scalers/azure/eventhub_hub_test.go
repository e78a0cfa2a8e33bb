package azure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

// somePartitions are as many partitions as their number says.
func somePartitions(n int) (told []eventhubserver.Partition, want []hubPartition) {
	for i := range n {
		p := eventhubserver.Partition{ID: fmt.Sprint(i), First: int64(10 * i), Last: int64(20 * i), Empty: i%3 == 2}
		told = append(told, p)
		want = append(want, hubPartition{id: p.ID, first: p.First, last: p.Last, empty: p.Empty})
	}
	return told, want
}

// hubOf is a client of a hub of the stand-in.
func hubOf(t *testing.T, env scaler.Env, connection, hub string) *hubClient {
	t.Helper()
	b, release, err := openBus(env, param.Hide(connection), "", &conn.AzureCloud{}, eventhubNames())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	c, err := newHubClient(env, b, hub, &conn.AzureCloud{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestEventhubStandIn checks the stand-in with the vendor's own client, so
// that it and our client don't share a mistake.
func TestEventhubStandIn(t *testing.T) {
	s := eventhubserver.Start(t)
	told, want := somePartitions(4)
	s.Hub("payments", told...)
	client, err := azeventhubs.NewProducerClientFromConnectionString(eventhubserver.Connection(s.Addr, "payments"), "", &azeventhubs.ProducerClientOptions{RetryOptions: azeventhubs.RetryOptions{MaxRetries: -1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	about, err := client.GetEventHubProperties(t.Context(), nil)
	if err != nil || len(about.PartitionIDs) != len(want) {
		t.Fatalf("the hub has the partitions %v, %v", about.PartitionIDs, err)
	}
	for i, w := range want {
		p, err := client.GetPartitionProperties(t.Context(), about.PartitionIDs[i], nil)
		if err != nil {
			t.Fatal(err)
		}
		got := hubPartition{id: p.PartitionID, first: p.BeginningSequenceNumber, last: p.LastEnqueuedSequenceNumber, empty: p.IsEmpty}
		if got != w {
			t.Errorf("got %+v, want %+v", got, w)
		}
	}
	s.Deny(true)
	var refusal *azeventhubs.Error
	if _, err := client.GetPartitionProperties(t.Context(), "0", nil); !errors.As(err, &refusal) || refusal.Code != azeventhubs.ErrorCodeUnauthorizedAccess {
		t.Errorf("when refused: %v", err)
	}
}

// TestHubPartitions checks what is read, over how many connections and with
// how many questions at a time.
func TestHubPartitions(t *testing.T) {
	s := eventhubserver.Start(t)
	told, want := somePartitions(100)
	s.Hub("payments", told...)
	c := hubOf(t, newEnv(), eventhubserver.Connection(s.Addr, ""), "payments")
	const rounds = 3
	for range rounds {
		got, err := c.partitions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(hubPartition{})); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	seen := s.Seen()
	if seen.AtOnce > hubAsksAtOnce || seen.AtOnce < 2 {
		t.Errorf("%d questions at the same time; want some, and at most %d", seen.AtOnce, hubAsksAtOnce)
	}
	seen.AtOnce = 0
	if diff := cmp.Diff(eventhubserver.Seen{Connections: 1, Puts: 1, Hubs: rounds, Partitions: rounds * len(want)}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHubTakesTurns: several goroutines share one connection.
func TestHubTakesTurns(t *testing.T) {
	s := eventhubserver.Start(t)
	told, _ := somePartitions(5)
	s.Hub("payments", told...)
	c := hubOf(t, newEnv(), eventhubserver.Connection(s.Addr, ""), "payments")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got, err := c.partitions(t.Context()); err != nil || len(got) != len(told) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	all.Wait()
	if seen := s.Seen(); seen.Connections != 1 || seen.Hubs != 8 {
		t.Errorf("%+v; want 8 readings over one connection", seen)
	}
	<-c.turn // somebody is talking to the hub
	defer func() { c.turn <- struct{}{} }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.partitions(ctx)
	refused(t, err, scaler.ReasonUnreachable, `"payments"`)
}

// TestHubRenews: a token is shown again before it ends, on the same connection.
func TestHubRenews(t *testing.T) {
	s := eventhubserver.Start(t)
	told, _ := somePartitions(1)
	s.Hub("payments", told...)
	now := time.Now()
	env := newEnv()
	env.Now = func() time.Time { return now }
	c := hubOf(t, env, eventhubserver.Connection(s.Addr, ""), "payments")
	for _, step := range []struct {
		after time.Duration
		puts  int
	}{{0, 1}, {hubTokenLife - hubTokenMargin - time.Second, 1}, {time.Second, 2}, {time.Minute, 2}, {hubTokenLife, 3}} {
		now = now.Add(step.after)
		if _, err := c.partitions(t.Context()); err != nil {
			t.Fatal(err)
		}
		if seen := s.Seen(); seen.Puts != step.puts || seen.Connections != 1 {
			t.Errorf("after %v: %+v; want %d tokens shown, over one connection", step.after, seen, step.puts)
		}
	}
}

// TestHubConnectionEnded: servers end idle connections; that costs nothing
// but another one.
func TestHubConnectionEnded(t *testing.T) {
	s := eventhubserver.Start(t)
	told, want := somePartitions(2)
	s.Hub("payments", told...)
	proxy := scalertest.NewProxy(t, s.Addr)
	c := hubOf(t, newEnv(), eventhubserver.Connection(proxy.Addr, ""), "payments")
	for i := range 3 {
		if got, err := c.partitions(t.Context()); err != nil || len(got) != len(want) {
			t.Errorf("reading %d: %v, %v", i, got, err)
		}
		proxy.Down()
		proxy.Up()
	}
	if n := s.Seen().Connections; n != 3 {
		t.Errorf("%d connections", n)
	}
}

// TestHubFaults: whatever a server answers is told apart, shows none of its
// text, and does no lasting harm.
func TestHubFaults(t *testing.T) {
	s := eventhubserver.Start(t)
	told, want := somePartitions(4)
	s.Hub("payments", told...)
	for fault, tc := range map[string]struct {
		reason   scaler.Reason
		mentions string
		pause    bool
	}{
		"status 401":                           {reason: scaler.ReasonDenied, mentions: "401"},
		"status 403":                           {reason: scaler.ReasonDenied},
		"status 404":                           {reason: scaler.ReasonMissing, mentions: `"payments"`},
		"status 410":                           {reason: scaler.ReasonMissing},
		"status 400":                           {reason: scaler.ReasonBadAnswer},
		"status 302":                           {reason: scaler.ReasonBadAnswer},
		"status 100":                           {reason: scaler.ReasonBadAnswer},
		"status 429":                           {reason: scaler.ReasonUnreachable, pause: true},
		"status 500":                           {reason: scaler.ReasonUnreachable},
		"status 503":                           {reason: scaler.ReasonUnreachable, pause: true},
		"close amqp:unauthorized-access":       {reason: scaler.ReasonDenied, mentions: "unauthorized-access"},
		"close amqp:connection:forced":         {reason: scaler.ReasonUnreachable},
		"detach amqp:not-found":                {reason: scaler.ReasonMissing},
		"detach com.microsoft:server-busy":     {reason: scaler.ReasonUnreachable, pause: true},
		"detach com.microsoft:entity-disabled": {reason: scaler.ReasonMissing},
		"detach amqp:not-implemented":          {reason: scaler.ReasonBadAnswer},
		"drop":                                 {reason: scaler.ReasonUnreachable},
		"unrelated":                            {reason: scaler.ReasonBadAnswer, mentions: "no question"},
		"bare":                                 {reason: scaler.ReasonBadAnswer, mentions: "no question"},
		"statusless":                           {reason: scaler.ReasonBadAnswer, mentions: "no status"},
		"bodiless":                             {reason: scaler.ReasonBadAnswer, mentions: "names no partitions"},
		"partitionless":                        {reason: scaler.ReasonBadAnswer, mentions: "names no partitions"},
		"odd":                                  {reason: scaler.ReasonBadAnswer, mentions: "by no ID"},
		"other":                                {reason: scaler.ReasonBadAnswer, mentions: "about another"},
		"numberless":                           {reason: scaler.ReasonBadAnswer, mentions: "lacks sequence numbers"},
	} {
		t.Run(fault, func(t *testing.T) {
			c := hubOf(t, newEnv(), eventhubserver.Connection(s.Addr, ""), "payments")
			if _, err := c.partitions(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Fault(fault)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			got, err := c.partitions(ctx)
			s.Fault("")
			refused(t, err, tc.reason, tc.mentions)
			if got != nil || ctx.Err() != nil {
				t.Errorf("got %v; the deadline: %v", got, ctx.Err())
			}
			if pause := scaler.RetryAfterOf(err); tc.pause != (pause > 0) {
				t.Errorf("the pause is %v", pause)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the server's text: %v", err)
			}
			if got, err := c.partitions(t.Context()); err != nil || len(got) != len(want) {
				t.Errorf("afterwards: %v, %v", got, err)
			}
		})
	}
}

func TestHubWrongCredentials(t *testing.T) {
	s := eventhubserver.Start(t)
	told, _ := somePartitions(1)
	s.Hub("payments", told...)
	for name, tc := range map[string]struct {
		connection, hub string
		reason          scaler.Reason
	}{
		"key":       {"Endpoint=sb://" + s.Addr + ";SharedAccessKeyName=keda;SharedAccessKey=" + accountKey + ";UseDevelopmentEmulator=true", "payments", scaler.ReasonDenied},
		"key name":  {"Endpoint=sb://" + s.Addr + ";SharedAccessKeyName=adek;SharedAccessKey=" + eventhubserver.Key + ";UseDevelopmentEmulator=true", "payments", scaler.ReasonDenied},
		"signature": {"Endpoint=sb://" + s.Addr + ";SharedAccessSignature=" + signSAS("keda", eventhubserver.Key, "amqp://"+s.Addr+"/others", "4000000000") + ";UseDevelopmentEmulator=true", "payments", scaler.ReasonDenied},
		"hub":       {eventhubserver.Connection(s.Addr, ""), "never-made", scaler.ReasonMissing},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hubOf(t, newEnv(), tc.connection, tc.hub).partitions(t.Context())
			refused(t, err, tc.reason, tc.hub)
		})
	}
	sas := "Endpoint=sb://" + s.Addr + ";SharedAccessSignature=" + signSAS("keda", eventhubserver.Key, "amqp://"+s.Addr+"/payments", "4000000000") + ";UseDevelopmentEmulator=true"
	if got, err := hubOf(t, newEnv(), sas, "payments").partitions(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("with a ready signature: %v, %v", got, err)
	}
}

// terminate is a TLS server in front of one without, with a certificate of an
// authority, whose file is returned, too.
func terminate(t *testing.T, upstream string) (address, file string) {
	t.Helper()
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "hub")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(ca.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go join(in, upstream)
		}
	}()
	return l.Addr().String(), file
}

// join passes bytes both ways until one side ends.
func join(in net.Conn, upstream string) {
	defer func() { _ = in.Close() }()
	out, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}

// identityToken is a token of an identity that the stand-in accepts, and what
// it was asked for.
type identityToken struct {
	asked []policy.TokenRequestOptions
	text  string
	fails error
}

// GetToken implements azcore.TokenCredential.
func (i *identityToken) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	i.asked = append(i.asked, o)
	return azcore.AccessToken{Token: i.text, ExpiresOn: time.Now().Add(time.Hour)}, i.fails
}

// TestHubTLS checks a connection as to the real service: with TLS, and with
// both kinds of credentials.
func TestHubTLS(t *testing.T) {
	s := eventhubserver.Start(t)
	told, _ := somePartitions(3)
	s.Hub("payments", told...)
	address, file := terminate(t, s.Addr)
	env := newEnv()
	env.HTTP.CAFiles = []string{file}
	connection := "Endpoint=sb://" + address + ";SharedAccessKeyName=" + eventhubserver.KeyName + ";SharedAccessKey=" + eventhubserver.Key
	if got, err := hubOf(t, env, connection, "payments").partitions(t.Context()); err != nil || len(got) != len(told) {
		t.Errorf("with a key: %v, %v", got, err)
	}
	_, err := hubOf(t, newEnv(), connection, "payments").partitions(t.Context())
	refused(t, err, scaler.ReasonMisconfigured, "certificate")

	for name, tc := range map[string]struct {
		token  string
		reason scaler.Reason
	}{"token": {eventhubserver.Token, ""}, "another's token": {"nonsense", scaler.ReasonDenied}} {
		t.Run(name, func(t *testing.T) {
			c := hubOf(t, env, connection, "payments")
			identity := &identityToken{text: tc.token}
			c.bus.token = identity
			got, err := c.partitions(t.Context())
			if tc.reason != "" {
				refused(t, err, tc.reason)
			} else if err != nil || len(got) != len(told) {
				t.Errorf("got %v, %v", got, err)
			}
			for _, o := range identity.asked {
				if diff := cmp.Diff([]string{"https://servicebus.azure.net/.default"}, o.Scopes); diff != "" {
					t.Errorf("scopes (-want +got):\n%s", diff)
				}
			}
			if len(identity.asked) == 0 {
				t.Error("no token was asked for")
			}
		})
	}
}
