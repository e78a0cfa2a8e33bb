package vault

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const hidden = "s3cr3t-value"

// server answers as Vault's HTTP API does: login by the method kubernetes,
// lookup and renewal of tokens, KV of both versions, a database and a PKI.
type server struct {
	*httptest.Server
	t   *testing.T
	env scaler.Env

	mu        sync.Mutex // guards what follows
	now       time.Time
	tokens    map[string]*token
	logins    int
	renewals  int
	issued    int
	requests  []string
	namespace string
	override  func(w http.ResponseWriter, r *http.Request) bool
	life      int // seconds that a login lasts
	renewable bool
}

type token struct {
	life      int
	renewable bool
	ends      time.Time
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, now: time.Unix(1_800_000_000, 0), tokens: map[string]*token{}, life: 3600}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	s.env = scaler.Env{Pool: pool.New(), Now: s.time}
	return s
}

func (s *server) time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *server) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// change alters the server's state.
func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	s.requests = append(s.requests, r.Method+" "+path)
	if r.Header.Get("X-Vault-Request") != "true" || r.Header.Get("X-Vault-Namespace") != s.namespace || r.Header.Get("X-Own") != "" {
		refuse(w, http.StatusBadRequest, "unexpected headers")
		return
	}
	if s.override != nil && s.override(w, r) {
		return
	}
	var body map[string]any
	if raw, _ := io.ReadAll(r.Body); len(raw) > 0 {
		_ = json.Unmarshal(raw, &body)
	}
	if path == "auth/kubernetes/login" {
		s.login(w, body)
		return
	}
	if strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login") {
		refuse(w, http.StatusNotFound)
		return
	}
	tok := s.tokens[r.Header.Get("X-Vault-Token")]
	if tok == nil || tok.life > 0 && !s.now.Before(tok.ends) {
		refuse(w, http.StatusForbidden, "permission denied of "+r.Header.Get("X-Vault-Token"))
		return
	}
	s.authorized(w, r, path, tok, body)
}

func (s *server) login(w http.ResponseWriter, body map[string]any) {
	switch {
	case body["role"] != "keda":
		refuse(w, http.StatusBadRequest, fmt.Sprintf("invalid role name %q", body["role"]))
	case body["jwt"] != "jwt-"+hidden:
		refuse(w, http.StatusForbidden, "permission denied")
	default:
		s.logins++
		name := fmt.Sprintf("login-%d-%s", s.logins, hidden)
		s.tokens[name] = &token{life: s.life, renewable: s.renewable, ends: s.now.Add(time.Duration(s.life) * time.Second)}
		reply(w, map[string]any{"auth": map[string]any{"client_token": name, "lease_duration": s.life, "renewable": s.renewable}})
	}
}

func (s *server) authorized(w http.ResponseWriter, r *http.Request, path string, tok *token, body map[string]any) {
	switch path {
	case "auth/token/lookup-self":
		reply(w, map[string]any{"data": map[string]any{"ttl": tok.life, "renewable": tok.renewable}})
	case "auth/token/renew-self":
		s.renewals++
		tok.ends = s.now.Add(time.Duration(tok.life) * time.Second)
		reply(w, map[string]any{"auth": map[string]any{"client_token": r.Header.Get("X-Vault-Token"), "lease_duration": tok.life, "renewable": tok.renewable}})
	case "kv/app":
		reply(w, map[string]any{"lease_duration": 2764800, "data": map[string]any{"password": hidden, "port": 5432, "on": true, "nested": map[string]any{"a": 1}, "list": []int{1}}})
	case "secret/data/app":
		reply(w, map[string]any{"data": map[string]any{"data": map[string]any{"password": hidden + "-2"}, "metadata": map[string]any{"version": 3}}})
	case "kv/odd": // a secret of version 1 with a key of this name
		reply(w, map[string]any{"data": map[string]any{"data": hidden}})
	case "secret/data/deleted":
		w.WriteHeader(http.StatusNotFound)
		reply(w, map[string]any{"data": map[string]any{"data": nil, "metadata": map[string]any{"deletion_time": "2026-01-01"}}})
	case "secret/app":
		w.WriteHeader(http.StatusNotFound)
		reply(w, map[string]any{"warnings": []string{"Invalid path for a versioned K/V secrets engine."}})
	case "database/creds/reader":
		s.issued++
		reply(w, map[string]any{"lease_id": "database/1", "lease_duration": 900, "data": map[string]any{"username": fmt.Sprint("u", s.issued), "password": fmt.Sprint("p", s.issued)}})
	case "pki/issue/web":
		s.issued++
		reply(w, map[string]any{"data": map[string]any{
			"certificate": fmt.Sprint("c", s.issued, " of ", body["common_name"], " ", body["alt_names"], " ", body["ttl"], " ", r.Method), "private_key": fmt.Sprint("k", s.issued),
			"ca_chain": []string{"one", "two"}, "expiration": s.now.Add(30 * time.Hour).Unix(),
		}})
	default:
		refuse(w, http.StatusNotFound)
	}
}

func reply(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func refuse(w http.ResponseWriter, status int, why ...string) {
	w.WriteHeader(status)
	reply(w, map[string]any{"errors": why})
}

// byAccount logs in as role keda.
func (s *server) byAccount() secret.VaultAccess {
	return secret.VaultAccess{Address: s.URL, Role: "keda", Mount: "kubernetes", JWT: jwt("jwt-" + hidden)}
}

func (s *server) byToken(name string, life int, renewable bool) secret.VaultAccess {
	s.change(func() {
		s.tokens[name] = &token{life: life, renewable: renewable, ends: s.now.Add(time.Duration(life) * time.Second)}
	})
	return secret.VaultAccess{Address: s.URL, Token: param.Hide(name)}
}

func (s *server) open(access secret.VaultAccess) secret.Store {
	s.t.Helper()
	store, err := New(Options{Env: s.env})(access)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(store.Close)
	return store
}
