package kafka

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kedago/keda/pkg/scaler"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
	krb5server "github.com/kedago/keda/test/servers/krb5"
)

// TestRealKafka runs on Apache Kafka itself, one broker for all of it.
func TestRealKafka(t *testing.T) {
	kafkaserver.RealWanted(t)
	var options []kafkaserver.Option
	var kdc *krb5server.KDC
	noKDC := krb5server.Missing()
	if noKDC == nil {
		kdc = krb5server.Start(t)
		options = append(options, kafkaserver.Kerberos(kdc.Config, kdc.AddKeytab(t, "kafka/localhost")))
	}
	r := kafkaserver.StartReal(t, options...)
	c := &cluster{address: r.Plain, client: kafkaserver.NewClient(t, kgo.SeedBrokers(r.Plain)), env: newEnv()}
	behaviours(t, c)
	t.Run("SASL and ACLs", func(t *testing.T) { realACLs(t, r, c) })
	t.Run("OAuth", func(t *testing.T) { realOAuth(t, r, c) })
	t.Run("Kerberos", func(t *testing.T) {
		if noKDC != nil {
			t.Skip(noKDC)
		}
		realKerberos(t, r, c, kdc)
	})
	t.Run("TLS", func(t *testing.T) { realTLS(t, r, c) })
	t.Run("transactions", func(t *testing.T) { realTransactions(t, r, c) })
	t.Run("restart", func(t *testing.T) { realRestart(t, r, c) }) // the last, since it interrupts all
}

func realACLs(t *testing.T, r *kafkaserver.Real, c *cluster) {
	_, topic := c.idle(t, 1)
	group := name("group")
	for _, mechanism := range []string{"plaintext", "scram_sha256", "scram_sha512"} {
		meta := trigger("bootstrapServers", r.SASL, "consumerGroup", group, "topic", topic, "sasl", mechanism)
		admin := map[string]string{"username": kafkaserver.Admin, "password": kafkaserver.AdminPassword}
		expect(t, open(t, newEnv(), meta, admin), 1, 1, "no committed offset")
		wrong := map[string]string{"username": kafkaserver.Admin, "password": "wr0ng"}
		refuse(t, open(t, newEnv(), meta, wrong), scaler.ReasonDenied)
	}
	limited := open(t, newEnv(), trigger("bootstrapServers", r.SASL, "consumerGroup", group, "topic", topic, "sasl", "plaintext"),
		map[string]string{"username": kafkaserver.Limited, "password": kafkaserver.LimitedPassword})
	grow(t, c, limited, group, topic)
}

// grow gives a user one permission after the other, and checks what is said
// in between.
func grow(t *testing.T, c *cluster, limited *source, group, topic string) {
	t.Helper()
	refuse(t, limited, scaler.ReasonDenied, "Describe", topic)
	c.client.Allow(t, kafkaserver.Limited, kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationDescribe)
	eventually(t, func() error {
		_, err := measure(limited)
		return wantDenied(err, "Describe", group)
	})
	c.client.Allow(t, kafkaserver.Limited, kmsg.ACLResourceTypeGroup, group, kmsg.ACLOperationDescribe)
	eventually(t, func() error { _, err := measure(limited); return err })
	expect(t, limited, 1, 1, "no committed offset")

	if got := watch(t, limited).await(t, scaler.Refused, 1); wantDenied(got.Err, "Read", topic) != nil {
		t.Errorf("refused with %v", got.Err)
	}
	c.client.Allow(t, kafkaserver.Limited, kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationRead)
	limited.conn.hub.hurry()
	eventually(t, func() error { limited.conn.hub.hurry(); return limited.conn.hub.allLive() })
}

// realOAuth uses tokens without a signature, which the test's broker takes.
func realOAuth(t *testing.T, r *kafkaserver.Real, c *cluster) {
	_, topic := c.idle(t, 1)
	fetched := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fetched++
		if id, secret, _ := req.BasicAuth(); id != "keda" || secret != "s3cret" || req.FormValue("scope") != "kafka" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		now := time.Now().Unix()
		token := part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d,"scope":"kafka"}`, kafkaserver.Admin, now, now+600)) + "."
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":600}`, token)
	}))
	defer s.Close()
	at := func(secret string) *source {
		return open(t, newEnv(), trigger("bootstrapServers", r.SASL, "consumerGroup", name("group"), "topic", topic, "sasl", "oauthbearer"),
			map[string]string{"username": "keda", "password": secret, "oauthTokenEndpointUri": s.URL, "scopes": "kafka", "oauthExtensions": "a=b"})
	}
	expect(t, at("s3cret"), 1, 1, "no committed offset")
	if fetched != 1 {
		t.Errorf("%d tokens were fetched for one client", fetched)
	}
	refuse(t, at("wr0ng"), scaler.ReasonDenied, "OAuth token")
}

func realKerberos(t *testing.T, r *kafkaserver.Real, c *cluster, kdc *krb5server.KDC) {
	_, topic := c.idle(t, 1)
	kdc.AddUser(t, kafkaserver.KerberosAdmin, krbPassword)
	kdc.AddUser(t, kafkaserver.Limited, krbPassword)
	config, group := readFile(t, kdc.Config), name("group")
	at := func(user string, more ...string) *source {
		auth := map[string]string{"username": user, "password": krbPassword, "realm": krb5server.Realm, "kerberosConfig": config}
		for i := 0; i < len(more); i += 2 {
			auth[more[i]] = more[i+1]
			if more[i+1] == "" {
				delete(auth, more[i])
			}
		}
		return open(t, newEnv(), trigger("bootstrapServers", r.Kerberos, "consumerGroup", group, "topic", topic, "sasl", "gssapi"), auth)
	}
	expect(t, at(kafkaserver.KerberosAdmin), 1, 1, "no committed offset")
	refuse(t, at(kafkaserver.KerberosAdmin, "password", "wr0ng"), scaler.ReasonDenied, "Kerberos", "PREAUTH_FAILED")
	refuse(t, at(kafkaserver.KerberosAdmin, "kerberosServiceName", "other"), scaler.ReasonMisconfigured, "kerberosServiceName")
	refuse(t, at(kafkaserver.Limited), scaler.ReasonDenied, "Describe", topic)
	keytab := readFile(t, kdc.NewKeys(t, kafkaserver.KerberosAdmin))
	expect(t, at(kafkaserver.KerberosAdmin, "password", "", "keytab", keytab), 1, 1, "no committed offset")
}

func realTLS(t *testing.T, r *kafkaserver.Real, c *cluster) {
	_, topic := c.idle(t, 1)
	meta := trigger("bootstrapServers", r.TLS, "consumerGroup", name("group"), "topic", topic, "tls", "enable")
	expect(t, open(t, newEnv(), meta, map[string]string{"ca": r.CA}), 1, 1, "no committed offset")
	refuse(t, open(t, newEnv(), meta, nil), scaler.ReasonMisconfigured, "certificate")
	meta["tls"] = "disable"
	refuse(t, open(t, newEnv(), meta, nil), scaler.ReasonUnreachable)
}

// realTransactions checks that the gaps of transactions do no harm: markers
// count as records until a consumer commits past them.
func realTransactions(t *testing.T, r *kafkaserver.Real, c *cluster) {
	s, topic := c.idle(t, 1)
	rec := watch(t, s)
	rec.await(t, scaler.Watching, 1)
	tx := kafkaserver.NewClient(t, kgo.SeedBrokers(r.Plain), kgo.TransactionalID(name("tx")))
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	tx.Produce(t, topic, 0, 3)
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	rec.await(t, scaler.Arrived, 1)
	eventually(t, func() error { // the marker is written a moment later
		if got, err := measure(s); err != nil || got.Value != 4 {
			return fmt.Errorf("got %+v, %w; want 3 records and a marker", got, err)
		}
		return nil
	})
	c.client.Commit(t, s.config.group, topic, 0, 6)
	expect(t, s, 0, 0, "")
}

func realRestart(t *testing.T, r *kafkaserver.Real, c *cluster) {
	s, topic := c.idle(t, 3)
	rec := watch(t, s)
	rec.await(t, scaler.Watching, 1)
	r.Stop()
	refuse(t, s, scaler.ReasonUnreachable)
	rec.await(t, scaler.Broken, 1)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { _, err := measure(s); return err })
	expect(t, s, 0, 0, "")
	rec.await(t, scaler.Watching, 2)
	rec.await(t, scaler.Arrived, 1)
	c.client.Produce(t, topic, 2, 1)
	rec.await(t, scaler.Arrived, 2)
	expect(t, s, 1, 1, "")
}
