package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	krbclient "github.com/jcmturner/gokrb5/v8/client"
	krbconfig "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/kerberos"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// loginTimeout bounds one login, over all KDCs of a realm.
const loginTimeout = 10 * time.Second

// configLines bounds a krb5.conf: the library compiles several regular
// expressions for each of its lines.
const configLines = 2000

// krb are the parameters of sasl gssapi, beside the user name and password.
type krb struct {
	realm   string
	service string
	keytab  param.Hidden
	config  param.Hidden
	noFAST  bool
	has     struct{ realm, keytab, config bool }
}

func (k *krb) params() param.Set {
	return param.Set{
		param.Secret("keytab", &k.keytab).IsSet(&k.has.keytab).
			Doc("Kerberos keytab with the user's key, as it is or in base64, for gssapi; instead of a password."),
		param.Text("realm", &k.realm).From(param.Auth).IsSet(&k.has.realm).Example("EXAMPLE.COM").Doc("Kerberos realm of the user, for gssapi."),
		param.Secret("kerberosConfig", &k.config).IsSet(&k.has.config).
			Doc("Content of a krb5.conf that says where the KDCs of the realm are, for gssapi. They are asked over TCP."),
		param.Text("kerberosServiceName", &k.service).From(param.Auth).Default("kafka").
			Doc("First part of the brokers' principal, service/host@REALM, for gssapi."),
		param.Bool("kerberosDisableFAST", &k.noFAST).From(param.Auth).Default(false).
			Doc("Whether to leave FAST out, which some KDCs of Active Directory need, for gssapi."),
	}
}

// check finds what is missing and what can't be read. What is not resolved
// yet is not looked at.
func (k *krb) check(ps *param.Problems, user string, hasPassword bool) {
	const both = "authenticationRef"
	switch {
	case hasPassword && k.has.keytab:
		ps.Errorf(both, "both password and keytab are given; expected one of them, since sasl is gssapi")
	case !hasPassword && !k.has.keytab:
		ps.Errorf(both, "neither password nor keytab is given; expected one of them, since sasl is gssapi")
	}
	if !k.config.IsZero() && k.realm != "" {
		if _, err := k.readConfig(); err != nil {
			ps.Errorf("authenticationRef.kerberosConfig", "%v", err)
		}
	}
	if !k.keytab.IsZero() && k.realm != "" && user != "" {
		if _, err := k.readKeytab(user); err != nil {
			ps.Errorf("authenticationRef.keytab", "%v", err)
		}
	}
}

func (k *krb) digest() string {
	return conn.Digest(k.realm, k.service, k.keytab.Reveal(), k.config.Reveal(), fmt.Sprint(k.noFAST))
}

// readConfig reads the krb5.conf. The library's parser panics at some of
// what MIT's own takes, such as blocks inside a realm's.
func (k *krb) readConfig() (c *krbconfig.Config, err error) {
	unreadable := errors.New("can't be read; expected a krb5.conf with kdc lines for the realm in [realms], without blocks inside them")
	defer func() {
		if recover() != nil {
			c, err = nil, unreadable
		}
	}()
	text := k.config.Reveal()
	if lines := strings.Count(text, "\n"); lines > configLines {
		return nil, fmt.Errorf("has %d lines; expected at most %d", lines, configLines)
	}
	c, err = krbconfig.NewFromString(text)
	var skipped krbconfig.UnsupportedDirective
	if err != nil && !errors.As(err, &skipped) || c == nil {
		return nil, unreadable
	}
	own := slices.IndexFunc(c.Realms, func(r krbconfig.Realm) bool { return r.Realm == k.realm })
	if own < 0 || len(c.Realms[own].KDC) == 0 {
		if !c.LibDefaults.DNSLookupKDC {
			return nil, fmt.Errorf("has no kdc for the realm %s in [realms], and dns_lookup_kdc is off; expected one of the two", k.realm)
		}
	}
	return c, nil
}

// readKeytab reads the keytab, which must have a key of the user. The
// library's parser panics at some broken ones.
func (k *krb) readKeytab(user string) (kt *keytab.Keytab, err error) {
	unreadable := errors.New("can't be read; expected a keytab file's content, as it is or in base64")
	defer func() {
		if recover() != nil {
			kt, err = nil, unreadable
		}
	}()
	const firstByte = 5 // of every keytab
	content := []byte(k.keytab.Reveal())
	if len(content) > 0 && content[0] != firstByte {
		decoded, notBase64 := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(content)), ""))
		if notBase64 != nil {
			return nil, unreadable
		}
		content = decoded
	}
	kt = keytab.New()
	if kt.Unmarshal(content) != nil {
		return nil, unreadable
	}
	for _, e := range kt.Entries {
		if e.Principal.Realm == k.realm && strings.Join(e.Principal.Components, "/") == user {
			return kt, nil
		}
	}
	return nil, fmt.Errorf("has no key of %s@%s; expected one", user, k.realm)
}

// gssapi is the client side of SASL's GSSAPI. Every connection to a broker
// logs in anew: connections last long, and a ticket that is kept would not
// notice that a broker's or the user's key has changed.
type gssapi struct {
	krb      *krb
	user     string
	password param.Hidden
	env      scaler.Env
}

var _ sasl.Mechanism = (*gssapi)(nil)

// Name implements sasl.Mechanism.
func (*gssapi) Name() string { return "GSSAPI" }

// Authenticate implements sasl.Mechanism: it gets a ticket for the broker's
// service from the KDC. Its errors are of package scaler.
func (g *gssapi) Authenticate(ctx context.Context, host string) (session sasl.Session, first []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	doing := fmt.Sprintf("logging in to the Kerberos realm %s as %q", g.krb.realm, g.user)
	settings, err := g.krb.readConfig()
	if err != nil {
		return nil, nil, scaler.Misconfigured(err, "reading kerberosConfig")
	}
	relay, err := startRelay(ctx, settings, conn.NewNetwork(g.env.HTTP))
	if err != nil {
		return nil, nil, scaler.Unreachable(err, "%s", doing)
	}
	defer relay.close()
	defer func() { // the library takes answers apart that could be anything
		if recover() != nil {
			session, first, err = nil, nil, scaler.BadAnswer(errors.New("the KDC's answer can't be read"), "%s", doing)
		}
	}()
	client, err := g.client(relay.reroute(settings, g.krb.realm))
	if err != nil {
		return nil, nil, scaler.Misconfigured(err, "reading the keytab")
	}
	defer client.Destroy() // ends its renewals
	mechanism := kerberos.Auth{Client: client, Service: g.krb.service}.AsMechanism()
	if session, first, err = mechanism.Authenticate(ctx, host); err != nil {
		return nil, nil, relay.explain(doing, g.krb.service, host)
	}
	return session, first, nil
}

func (g *gssapi) client(settings *krbconfig.Config) (*krbclient.Client, error) {
	fast := krbclient.DisablePAFXFAST(g.krb.noFAST)
	if g.krb.keytab.IsZero() {
		return krbclient.NewWithPassword(g.user, g.krb.realm, g.password.Reveal(), settings, fast), nil
	}
	kt, err := g.krb.readKeytab(g.user)
	if err != nil {
		return nil, err
	}
	return krbclient.NewWithKeytab(g.user, g.krb.realm, kt, settings, fast), nil
}
