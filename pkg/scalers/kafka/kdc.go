package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	krbconfig "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/messages"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// kdcTimeout bounds one KDC's answer, so that another is asked in time.
	kdcTimeout = 3 * time.Second
	// kdcMost bounds a message of Kerberos; tickets with long lists of groups
	// are below 64 KiB.
	kdcMost = 1 << 20
)

// relay stands between the Kerberos library and the KDCs while a login lasts.
// The library dials by itself, wherever it is told to, waits for fixed times
// and allocates what an answer says its size is; the relay keeps to the
// operator's rules of where triggers may go, ends with the context, bounds answers, and knows why
// a login failed. It listens on the loopback interface.
type relay struct {
	ctx      context.Context
	cancel   context.CancelFunc
	listener net.Listener
	settings *krbconfig.Config // with the KDCs' own addresses
	network  *conn.Network
	ended    chan struct{}

	mu   sync.Mutex // guards what follows
	err  error      // of the last message, where no KDC answered it
	code int32      // of the last message, where the KDC refused it
}

func startRelay(ctx context.Context, settings *krbconfig.Config, network *conn.Network) (*relay, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening on the loopback interface: %w", err)
	}
	r := &relay{listener: l, settings: settings, network: network, ended: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(ctx)
	context.AfterFunc(r.ctx, func() { _ = l.Close() })
	go r.serve()
	return r, nil
}

// close ends the relay and waits until it has.
func (r *relay) close() {
	r.cancel()
	<-r.ended
}

// reroute returns settings that lead every realm's messages to the relay.
func (r *relay) reroute(settings *krbconfig.Config, realm string) *krbconfig.Config {
	out := &krbconfig.Config{LibDefaults: settings.LibDefaults, DomainRealm: settings.DomainRealm}
	out.LibDefaults.UDPPreferenceLimit = 1 // always TCP
	out.LibDefaults.DNSLookupKDC = false
	if out.LibDefaults.DefaultRealm == "" {
		out.LibDefaults.DefaultRealm = realm
	}
	here := []string{r.listener.Addr().String()}
	for _, other := range settings.Realms {
		if other.Realm != realm {
			out.Realms = append(out.Realms, krbconfig.Realm{Realm: other.Realm, KDC: here})
		}
	}
	out.Realms = append(out.Realms, krbconfig.Realm{Realm: realm, KDC: here})
	return out
}

func (r *relay) serve() {
	defer close(r.ended)
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		stop := context.AfterFunc(r.ctx, func() { _ = c.Close() })
		r.answer(c)
		stop()
		_ = c.Close()
	}
}

// answer passes one message on; the library opens a connection for each.
func (r *relay) answer(c net.Conn) {
	request, err := readMessage(c)
	if err != nil {
		return
	}
	answer, err := r.ask(request)
	var refusal messages.KRBError
	r.mu.Lock()
	r.err, r.code = err, errorcode.KDC_ERR_NONE
	if err == nil && refusal.Unmarshal(answer) == nil {
		r.code = refusal.ErrorCode
	}
	r.mu.Unlock()
	if err == nil {
		_ = writeMessage(c, answer)
	}
}

// ask sends a message to the KDCs of its realm, one after the other.
func (r *relay) ask(request []byte) ([]byte, error) {
	kdcs, err := r.kdcs(realmOf(request))
	if err != nil {
		return nil, err
	}
	for _, address := range kdcs {
		var answer []byte
		if answer, err = r.askOne(address, request); err == nil {
			return answer, nil
		}
		err = conn.NetworkError(err, "asking the KDC "+address)
		if r.ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

func (r *relay) askOne(address string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(r.ctx, kdcTimeout)
	defer cancel()
	c, err := r.network.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if err := writeMessage(c, request); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	answer, err := readMessage(c)
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	return answer, nil
}

// kdcs lists the addresses of a realm's KDCs, from the configuration or, where
// that says so, from the DNS.
func (r *relay) kdcs(realm string) ([]string, error) {
	var out []string
	for _, known := range r.settings.Realms {
		if known.Realm != realm {
			continue
		}
		for _, address := range known.KDC {
			out = append(out, strings.TrimSuffix(address, "*")) // a star ends the list
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	if !r.settings.LibDefaults.DNSLookupKDC {
		return nil, scaler.Misconfigured(nil, "kerberosConfig has no kdc for the realm %s", realm)
	}
	_, records, err := net.DefaultResolver.LookupSRV(r.ctx, "kerberos", "tcp", realm)
	if err != nil {
		return nil, conn.NetworkError(err, "looking for the KDCs of the realm "+realm)
	}
	for _, s := range records {
		out = append(out, net.JoinHostPort(strings.TrimSuffix(s.Target, "."), fmt.Sprint(s.Port)))
	}
	if len(out) == 0 {
		return nil, scaler.Missing(nil, "the DNS lists no KDC of the realm %s", realm)
	}
	return out, nil
}

// realmOf is the realm whose KDC a message is for.
func realmOf(request []byte) string {
	var login messages.ASReq
	if login.Unmarshal(request) == nil {
		return login.ReqBody.Realm
	}
	var ticket messages.TGSReq
	if ticket.Unmarshal(request) == nil {
		return ticket.ReqBody.Realm
	}
	return ""
}

// explain says why a login failed, after it has.
func (r *relay) explain(doing, service, host string) error {
	r.mu.Lock()
	err, code := r.err, r.code
	r.mu.Unlock()
	var own *scaler.Error
	switch {
	case errors.As(err, &own):
		return own
	case err != nil:
		return scaler.Unreachable(err, "%s", doing)
	case r.ctx.Err() != nil:
		return scaler.Unreachable(r.ctx.Err(), "%s", doing)
	case code == errorcode.KDC_ERR_NONE, code == errorcode.KDC_ERR_PREAUTH_REQUIRED: // neither is a refusal
		return scaler.Denied(errors.New("the KDC's answer can't be used with the password or keytab"), "%s", doing)
	}
	said := errors.New("the KDC answered " + errorcode.Lookup(code))
	switch code {
	case errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN:
		name, _, _ := net.SplitHostPort(host)
		return scaler.Misconfigured(said, "%s: it has no principal %s/%s for the broker; check kerberosServiceName and the names under which brokers are listed", doing, service, name)
	case errorcode.KDC_ERR_ETYPE_NOSUPP:
		return scaler.Misconfigured(said, "%s: check the encryption types in kerberosConfig", doing)
	case errorcode.KDC_ERR_SVC_UNAVAILABLE, errorcode.KRB_ERR_GENERIC:
		return scaler.Unreachable(said, "%s", doing)
	}
	return scaler.Denied(said, "%s", doing)
}

// readMessage reads a message of Kerberos over TCP (RFC 4120, 7.2.2).
func readMessage(c net.Conn) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, fmt.Errorf("reading a size: %w", err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > kdcMost {
		return nil, fmt.Errorf("found a message of %d bytes; expected at most %d", n, kdcMost)
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(c, message); err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	return message, nil
}

// writeMessage writes all in one, since the library reads the size in one.
func writeMessage(c net.Conn, message []byte) error {
	framed := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(message)), uint32(len(message)))
	_, err := c.Write(append(framed, message...))
	return err
}
