package kafka

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
	krb5server "github.com/kedago/keda/test/servers/krb5"
)

const krbPassword = "krb-s3cret"

// loggingIn is a login to a KDC, at the address of a broker.
func loggingIn(ctx context.Context, k krb, user string, env scaler.Env) error {
	g := &gssapi{krb: &k, user: user, env: env}
	if k.keytab.IsZero() {
		g.password = param.Hide(krbPassword)
	}
	_, first, err := g.Authenticate(ctx, "localhost:9092")
	if err == nil && len(first) == 0 {
		return scaler.BadAnswer(nil, "there is no token")
	}
	return err
}

// krbOf are a trigger's parameters for a KDC's realm.
func krbOf(config string) krb {
	return krb{realm: krb5server.Realm, service: "kafka", config: param.Hide(config)}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestKerberosLogin logs in at a real KDC and is refused by it.
func TestKerberosLogin(t *testing.T) {
	kdc := krb5server.Start(t)
	kdc.AddUser(t, "keda", krbPassword)
	kdc.AddUser(t, "other", "another-password")
	kdc.AddUser(t, "locked", krbPassword)
	kdc.Admin(t, "modprinc", "-allow_tix", "locked")
	kdc.AddKeytab(t, "kafka/localhost")
	keytab := readFile(t, kdc.AddKeytab(t, "svc/keda"))
	old := readFile(t, kdc.AddKeytab(t, "rotated"))
	kdc.NewKeys(t, "rotated")
	config := readFile(t, kdc.Config)
	nowhere := strings.ReplaceAll(config, kdc.Address, "127.0.0.1:1")
	second := strings.ReplaceAll(config, "kdc = "+kdc.Address, "kdc = 127.0.0.1:1\n    kdc = "+kdc.Address)
	linkLocal := strings.ReplaceAll(config, kdc.Address, "169.254.169.254:80")

	tests := map[string]struct {
		user     string
		change   func(*krb)
		reason   scaler.Reason // empty for success
		mentions string
	}{
		"password":             {user: "keda"},
		"without FAST":         {user: "keda", change: func(k *krb) { k.noFAST = true }},
		"keytab":               {user: "svc/keda", change: func(k *krb) { k.keytab = param.Hide(keytab) }},
		"keytab in base64":     {user: "svc/keda", change: func(k *krb) { k.keytab = param.Hide(base64.StdEncoding.EncodeToString([]byte(keytab)) + "\n") }},
		"the second KDC":       {user: "keda", change: func(k *krb) { k.config = param.Hide(second) }},
		"wrong password":       {user: "other", reason: scaler.ReasonDenied, mentions: "PREAUTH_FAILED"},
		"a locked user":        {user: "locked", reason: scaler.ReasonDenied, mentions: "REVOKED"},
		"an unknown user":      {user: "nobody", reason: scaler.ReasonDenied, mentions: "C_PRINCIPAL_UNKNOWN"},
		"an old keytab":        {user: "rotated", change: func(k *krb) { k.keytab = param.Hide(old) }, reason: scaler.ReasonDenied, mentions: "rotated"},
		"an unknown service":   {user: "keda", change: func(k *krb) { k.service = "kafca" }, reason: scaler.ReasonMisconfigured, mentions: "kafca/localhost"},
		"no KDC":               {user: "keda", change: func(k *krb) { k.config = param.Hide(nowhere) }, reason: scaler.ReasonUnreachable, mentions: "127.0.0.1:1"},
		"a link-local address": {user: "keda", change: func(k *krb) { k.config = param.Hide(linkLocal) }, reason: scaler.ReasonMisconfigured, mentions: "link-local"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			k := krbOf(config)
			if tc.change != nil {
				tc.change(&k)
			}
			err := loggingIn(t.Context(), k, tc.user, newEnv())
			switch {
			case tc.reason == "" && err != nil:
				t.Fatal(err)
			case tc.reason == "":
				return
			case err == nil || scaler.ReasonOf(err) != tc.reason:
				t.Fatalf("got %v; want %s", err, tc.reason)
			case !strings.Contains(err.Error(), tc.mentions) || strings.Contains(err.Error(), krbPassword):
				t.Errorf("%q mentions the password, or not %q", err, tc.mentions)
			}
		})
	}
}

// answering is a KDC that answers every message with the same bytes.
func answering(t *testing.T, answer []byte) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				if _, err := readMessage(c); err == nil && answer != nil {
					_, _ = c.Write(answer)
				}
				_, _ = readMessage(c) // until the other side closes
			}()
		}
	}()
	return l.Addr().String()
}

// TestKDCThatMisbehaves checks that no answer harms, and that a silent KDC
// costs no more time than the caller has.
func TestKDCThatMisbehaves(t *testing.T) {
	framed := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	tests := map[string]struct {
		answer []byte
		within time.Duration
		reason scaler.Reason
	}{
		"silence":           {nil, 100 * time.Millisecond, scaler.ReasonUnreachable},
		"an endless answer": {binary.BigEndian.AppendUint32(nil, 1<<31), 5 * time.Second, scaler.ReasonUnreachable},
		"nothing":           {framed(nil), 5 * time.Second, scaler.ReasonDenied},
		"nonsense":          {framed(bytes.Repeat([]byte{0x6b, 0x82, 0xff}, 100)), 5 * time.Second, scaler.ReasonDenied},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			config := "[libdefaults]\n default_realm = R\n[realms]\n " + krb5server.Realm + " = {\n  kdc = " + answering(t, tc.answer) + "\n }\n"
			ctx, cancel := context.WithTimeout(t.Context(), tc.within)
			defer cancel()
			begun := time.Now()
			err := loggingIn(ctx, krbOf(config), "keda", newEnv())
			if err == nil || scaler.ReasonOf(err) != tc.reason {
				t.Errorf("got %v; want %s", err, tc.reason)
			}
			if took := time.Since(begun); took > tc.within+2*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestKerberosProblems checks what decoding says of the parameters.
func TestKerberosProblems(t *testing.T) {
	const good = "[libdefaults]\n default_realm = R\n[realms]\n R = {\n  kdc = kdc:88\n }\n"
	with := func(pairs ...string) map[string]string {
		m := map[string]string{"username": "u", "password": krbPassword, "realm": "R", "kerberosConfig": good}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
			if pairs[i+1] == "" {
				delete(m, pairs[i])
			}
		}
		return m
	}
	tests := map[string]struct {
		auth     map[string]string
		path     string
		mentions string
	}{
		"right":                {auth: with()},
		"directives we skip":   {auth: with("kerberosConfig", strings.Replace(good, "kdc = ", "v4_realm = X\n  kdc = ", 1))},
		"no user":              {with("username", ""), "authenticationRef.username", "gssapi"},
		"no realm":             {with("realm", ""), "authenticationRef.realm", "gssapi"},
		"no configuration":     {with("kerberosConfig", ""), "authenticationRef.kerberosConfig", "gssapi"},
		"no key":               {with("password", ""), "authenticationRef", "neither"},
		"two keys":             {with("keytab", "x"), "authenticationRef", "both"},
		"no keytab":            {with("password", "", "keytab", "no keytab"), "authenticationRef.keytab", "base64"},
		"a keytab cut short":   {with("password", "", "keytab", "\x05\x02\x00\x00\x00\x03\x00\x09\xff"), "authenticationRef.keytab", "keytab"},
		"another user's":       {with("password", "", "keytab", "\x05\x02\x00\x00\x00\x00"), "authenticationRef.keytab", "u@R"},
		"no configuration's":   {with("kerberosConfig", "[realms]\n R"), "authenticationRef.kerberosConfig", "has no kdc"},
		"too long":             {with("kerberosConfig", good+strings.Repeat("x\n", configLines)), "authenticationRef.kerberosConfig", "lines"},
		"another realm":        {with("realm", "OTHER"), "authenticationRef.kerberosConfig", "OTHER"},
		"KDCs in the DNS":      {auth: with("realm", "OTHER", "kerberosConfig", strings.Replace(good, "[realms]", " dns_lookup_kdc = true\n[realms]", 1))},
		"blocks inside blocks": {with("kerberosConfig", strings.Replace(good, "kdc =", "auth_to_local_names = {\n   a = b\n  }\n  kdc =", 1)), "authenticationRef.kerberosConfig", "blocks"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: trigger("sasl", "gssapi"), Auth: tc.auth}).Errors()
			if tc.path == "" {
				if len(ps) > 0 {
					t.Errorf("got %v", ps)
				}
				return
			}
			if len(ps) == 0 || ps[0].Path != tc.path || !strings.Contains(ps[0].String(), tc.mentions) {
				t.Errorf("got %v; want %s with %q", ps, tc.path, tc.mentions)
			}
		})
	}
}

// TestRefusedLogin checks that one measurement is one login, since a KDC locks
// users after some that fail.
func TestRefusedLogin(t *testing.T) {
	kdc := krb5server.Start(t)
	kdc.AddUser(t, "keda", "another-password")
	proxy := scalertest.NewProxy(t, kdc.Address)
	f := kafkaserver.StartFake(t)
	f.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		return req.ResponseKind(), nil, true
	})
	auth := map[string]string{
		"username": "keda", "password": krbPassword, "realm": krb5server.Realm,
		"kerberosConfig": strings.ReplaceAll(readFile(t, kdc.Config), kdc.Address, proxy.Addr),
	}
	s := open(t, newEnv(), trigger("bootstrapServers", strings.Join(f.Addresses, ","), "sasl", "gssapi"), auth)
	const messages = 2 // a login's, the first of which asks how to prove oneself
	for n := range 3 {
		refuse(t, s, scaler.ReasonDenied, "PREAUTH_FAILED")
		if got := proxy.Accepted(); got != (n+1)*messages {
			t.Errorf("%d measurements sent %d messages", n+1, got)
		}
	}
}
