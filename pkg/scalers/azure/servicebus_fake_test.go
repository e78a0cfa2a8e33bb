package azure

import (
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

// busFake is the administration of a Service Bus namespace: the Atom documents
// about queues, topics and subscriptions, over TLS, for those with the key.
type busFake struct {
	t testing.TB
	// addr is where it listens, 127.0.0.1:port; file is its authority.
	addr, file string

	mu     sync.Mutex // guards what follows
	queues map[string]int
	topics map[string]map[string]int
	asked  []string // paths, with the first number of a page
	deny   bool
	only   string                    // the one path that the key is good for, when set
	reply  func(path string) *answer // goes before all else, unless nil
}

func newBusFake(t testing.TB) *busFake {
	t.Helper()
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "bus")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	b := &busFake{t: t, file: filepath.Join(t.TempDir(), "ca.pem"), queues: map[string]int{}, topics: map[string]map[string]int{}}
	if err := os.WriteFile(b.file, []byte(ca.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(b)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	b.addr = s.Listener.Addr().String()
	return b
}

// env trusts the fake.
func (b *busFake) env(env *scaler.Env) {
	env.HTTP = scaler.HTTPOptions{CAFiles: []string{b.file}, Timeout: 2 * time.Second}
}

func (b *busFake) newEnv() scaler.Env {
	env := newEnv()
	b.env(&env)
	return env
}

// busAuth is a connection string for a namespace that is reached at addr.
func busAuth(addr string) map[string]string {
	return map[string]string{"connection": fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=%s;SharedAccessKey=%s", addr, eventhubserver.KeyName, eventhubserver.Key)}
}

// change changes the state.
func (b *busFake) change(change func(*busFake)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// took returns what was asked since the last call, sorted.
func (b *busFake) took() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.asked
	b.asked = nil
	slices.Sort(out)
	return out
}

// signed checks the signature of a request for an address.
func signed(r *http.Request) bool {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "SharedAccessSignature ")
	parts, err := url.ParseQuery(text)
	if !ok || err != nil {
		return r.Header.Get("Authorization") == eventhubserver.Token
	}
	end, err := strconv.ParseInt(parts.Get("se"), 10, 64)
	resource := parts.Get("sr")
	at, _ := url.Parse(resource)
	return err == nil && end > time.Now().Unix() && strings.EqualFold(at.Path, r.URL.Path) &&
		r.Header.Get("Authorization") == signSAS(eventhubserver.KeyName, eventhubserver.Key, resource, parts.Get("se"))
}

// ServeHTTP implements http.Handler.
func (b *busFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	path, query := strings.Trim(r.URL.Path, "/"), r.URL.Query()
	if query.Get("api-version") == "" || r.Method != http.MethodGet {
		b.t.Errorf("asked %s %s", r.Method, r.URL)
	}
	shown := path
	if skip := query.Get("$skip"); skip != "" {
		shown += " from " + skip
	}
	b.asked = append(b.asked, shown)
	status, body := http.StatusOK, ""
	var special *answer
	if b.reply != nil {
		special = b.reply(path)
	}
	switch {
	case special != nil:
		status, body = special.status, special.body
		for name, value := range special.header {
			w.Header().Set(name, value)
		}
	case b.deny || !signed(r) || b.only != "" && path != b.only:
		status, body = http.StatusUnauthorized, "<Error><Code>401</Code><Detail>Manage,EntityRead claims required. "+eventhubserver.Key+"</Detail></Error>"
	default:
		body = b.document(strings.Split(path, "/"), query)
	}
	w.Header().Set("Content-Type", "application/atom+xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// noEntity is what the service answers, with 200, for what does not exist.
const noEntity = `<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Publicly Listed Services</title></feed>`

// document is the answer about a path.
func (b *busFake) document(path []string, query url.Values) string {
	switch {
	case path[0] == "$Resources":
		return busFeed("Queues", "QueueDescription", b.queues, query)
	case len(path) == 2:
		if b.topics[path[0]] == nil {
			return noEntity
		}
		return busFeed("Subscriptions", "SubscriptionDescription", b.topics[path[0]], query)
	case len(path) == 3:
		if n, ok := find(b.topics[path[0]], path[2]); ok {
			return busEntry(path[2], "SubscriptionDescription", n)
		}
	case b.topics[path[0]] != nil:
		return busEntry(path[0], "TopicDescription", 0)
	default:
		if n, ok := find(b.queues, path[0]); ok {
			return busEntry(path[0], "QueueDescription", n)
		}
	}
	return noEntity
}

// find looks a name up in any letter case.
func find(m map[string]int, name string) (int, bool) {
	for k, n := range m {
		if strings.EqualFold(k, name) {
			return n, true
		}
	}
	return 0, false
}

func busFeed(title, kind string, all map[string]int, query url.Values) string {
	top, skip := 100, 0
	if n, err := strconv.Atoi(query.Get("$top")); err == nil {
		top = min(top, n)
	}
	if n, err := strconv.Atoi(query.Get("$skip")); err == nil {
		skip = n
	}
	var entries strings.Builder
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i >= skip && i < skip+top {
			entries.WriteString(busEntry(name, kind, all[name]))
		}
	}
	return fmt.Sprintf(`<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">%s</title>%s</feed>`, title, entries.String())
}

// busEntry is the description of an entity with active messages, and others
// that don't count.
func busEntry(name, kind string, active int) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(name))
	const moment = "2030-01-01T00:00:00Z"
	numbers := ""
	for _, number := range []struct {
		name string
		n    int
	}{{"ActiveMessageCount", active}, {"DeadLetterMessageCount", 7}, {"ScheduledMessageCount", 5}, {"TransferMessageCount", 3}, {"TransferDeadLetterMessageCount", 2}} {
		numbers += fmt.Sprintf(`<d2p1:%[1]s xmlns:d2p1="http://schemas.microsoft.com/netservices/2011/06/servicebus">%[2]d</d2p1:%[1]s>`, number.name, number.n)
	}
	return fmt.Sprintf(`<entry xmlns="http://www.w3.org/2005/Atom"><title type="text">%s</title><content type="application/xml"><%[2]s xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect">`+
		`<SizeInBytes>1</SizeInBytes><MessageCount>%[4]d</MessageCount><CountDetails>%[3]s</CountDetails><SubscriptionCount>0</SubscriptionCount><CreatedAt>%[5]s</CreatedAt><UpdatedAt>%[5]s</UpdatedAt><AccessedAt>%[5]s</AccessedAt></%[2]s></content></entry>`,
		escaped.String(), kind, numbers, active+17, moment)
}
