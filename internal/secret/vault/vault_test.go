package vault

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func jwt(value string) func(context.Context) (param.Hidden, error) {
	return func(context.Context) (param.Hidden, error) { return param.Hide(value), nil }
}

// check compares a result, and sees that no error tells a value.
func check(t *testing.T, got secret.Fetched, value string, reason scaler.Reason, text string) {
	t.Helper()
	if got.Value != value {
		t.Errorf("value %q; expected %q", got.Value, value)
	}
	if (got.Err == nil) != (text == "") {
		t.Errorf("error %v; expected one with %q", got.Err, text)
	}
	if got.Err == nil {
		return
	}
	if scaler.ReasonOf(got.Err) != reason || !strings.Contains(got.Err.Error(), text) {
		t.Errorf("error %s %v; expected %s %q", scaler.ReasonOf(got.Err), got.Err, reason, text)
	}
	if strings.Contains(got.Err.Error(), hidden) {
		t.Errorf("the error tells a value: %v", got.Err)
	}
}

func TestKinds(t *testing.T) {
	s := startServer(t)
	store := s.open(s.byAccount())
	tests := map[string]struct {
		item   secret.Item
		value  string
		reason scaler.Reason
		text   string
	}{
		"version 1":                      {secret.Item{Name: "kv/app", Key: "password", Type: "secret"}, hidden, "", ""},
		"version 1, found out":           {secret.Item{Name: "kv/app", Key: "password"}, hidden, "", ""},
		"version 1 with a key data":      {secret.Item{Name: "kv/odd", Key: "data"}, hidden, "", ""},
		"version 2":                      {secret.Item{Name: "secret/data/app", Key: "password", Type: "secretV2"}, hidden + "-2", "", ""},
		"version 2, found out":           {secret.Item{Name: "/secret/data/app", Key: "password"}, hidden + "-2", "", ""},
		"a number":                       {secret.Item{Name: "kv/app", Key: "port"}, "5432", "", ""},
		"a boolean":                      {secret.Item{Name: "kv/app", Key: "on"}, "true", "", ""},
		"an object":                      {secret.Item{Name: "kv/app", Key: "nested"}, "", scaler.ReasonBadAnswer, `the key "nested" is no text`},
		"a list of numbers":              {secret.Item{Name: "kv/app", Key: "list"}, "", scaler.ReasonBadAnswer, `the key "list" is no text`},
		"no such key":                    {secret.Item{Name: "kv/app", Key: "pasword"}, "", scaler.ReasonMissing, `it has no key "pasword" (did you mean password?)`},
		"no such secret":                 {secret.Item{Name: "kv/gone", Key: "a"}, "", scaler.ReasonMissing, "reading kv/gone from Vault at " + s.Listener.Addr().String() + ": there is no such secret"},
		"a path that lacks data":         {secret.Item{Name: "secret/app", Key: "a"}, "", scaler.ReasonMissing, "expected data after the mount"},
		"a deleted version":              {secret.Item{Name: "secret/data/deleted", Key: "a"}, "", scaler.ReasonMissing, "its latest version has been deleted"},
		"version 1, said to be 2":        {secret.Item{Name: "kv/app", Key: "password", Type: "secretV2"}, "", scaler.ReasonMisconfigured, "it is no secret of version 2"},
		"a certificate":                  {secret.Item{Name: "pki/issue/web", Key: "certificate", Type: "pki", PKI: model.VaultPKI{CommonName: "cn", AltNames: "an", TTL: "30h"}}, "c1 of cn an 30h PUT", "", ""},
		"the authorities of certificate": {secret.Item{Name: "pki/issue/web", Key: "ca_chain", Type: "pki"}, "one\ntwo", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s.change(func() { s.issued = 0 })
			check(t, store.Fetch(t.Context(), []secret.Item{tt.item})[0], tt.value, tt.reason, tt.text)
		})
	}
	if s.logins != 1 {
		t.Errorf("%d logins; expected one for the store", s.logins)
	}
}

// TestTogether: what belongs together comes from one answer, and lasts as long
// as the lease or the certificate says.
func TestTogether(t *testing.T) {
	s := startServer(t)
	store := s.open(s.byAccount())
	pki := model.VaultPKI{CommonName: "cn"}
	got := store.Fetch(t.Context(), []secret.Item{
		{Name: "database/creds/reader", Key: "username"}, {Name: "pki/issue/web", Key: "private_key", Type: "pki", PKI: pki},
		{Name: "database/creds/reader", Key: "password"}, {Name: "pki/issue/web", Key: "certificate", Type: "pki", PKI: pki},
		{Name: "kv/app", Key: "password"}, {Name: "kv/app", Key: "port"},
	})
	want := []secret.Fetched{
		{Value: "u1", Again: 10 * time.Minute, Issued: true}, {Value: "k2", Again: 20 * time.Hour, Issued: true},
		{Value: "p1", Again: 10 * time.Minute, Issued: true}, {Value: "c2 of cn <nil> <nil> PUT", Again: 20 * time.Hour, Issued: true},
		{Value: hidden}, {Value: "5432"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"PUT auth/kubernetes/login", "GET database/creds/reader", "PUT pki/issue/web", "GET kv/app"}, s.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

var password = []secret.Item{{Name: "kv/app", Key: "password"}}

// TestLoginLasts: a login is used until a third of its life has gone; then it
// is renewed where it can be, else repeated.
func TestLoginLasts(t *testing.T) {
	for name, renewable := range map[string]bool{"renewed": true, "repeated": false} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			s.renewable = renewable
			store := s.open(s.byAccount())
			for range 7 { // 70 minutes of a life of 60
				check(t, store.Fetch(t.Context(), password)[0], hidden, "", "")
				s.pass(10 * time.Minute)
			}
			logins, renewals := 4, 0
			if renewable {
				logins, renewals = 1, 3
			}
			if s.logins != logins || s.renewals != renewals {
				t.Errorf("%d logins and %d renewals; expected %d and %d", s.logins, s.renewals, logins, renewals)
			}
		})
	}
}

// TestRevoked: a login that Vault has forgotten is repeated once.
func TestRevoked(t *testing.T) {
	s := startServer(t)
	store := s.open(s.byAccount())
	check(t, store.Fetch(t.Context(), password)[0], hidden, "", "")
	s.change(func() { clear(s.tokens) })
	check(t, store.Fetch(t.Context(), password)[0], hidden, "", "")
	if s.logins != 2 {
		t.Errorf("%d logins; expected 2", s.logins)
	}
	s.change(func() {
		s.override = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/login") {
				return false
			}
			refuse(w, http.StatusForbidden, "permission denied of "+hidden)
			return true
		}
	})
	check(t, store.Fetch(t.Context(), password)[0], "", scaler.ReasonDenied, "reading kv/app from Vault")
	if s.logins != 3 {
		t.Errorf("%d logins; expected one more", s.logins)
	}
}

// TestRevokedKeepsTheRest: with one path refused, others that were got already
// are not asked for again: asking may make something.
func TestRevokedKeepsTheRest(t *testing.T) {
	s := startServer(t)
	store := s.open(s.byAccount())
	s.override = func(w http.ResponseWriter, r *http.Request) bool {
		refused := strings.HasSuffix(r.URL.Path, "kv/app")
		if refused {
			refuse(w, http.StatusForbidden)
		}
		return refused
	}
	items := append([]secret.Item{{Name: "database/creds/reader", Key: "username"}}, password...)
	store.Fetch(t.Context(), password) // logs in
	got := store.Fetch(t.Context(), items)
	check(t, got[0], "u1", "", "")
	check(t, got[1], "", scaler.ReasonDenied, "403")
	if s.issued != 1 {
		t.Errorf("%d users made; expected 1", s.issued)
	}
}

// TestLoginFailsLater: a login that still lasts is used although the next one fails.
func TestLoginFailsLater(t *testing.T) {
	s := startServer(t)
	store := s.open(s.byAccount())
	check(t, store.Fetch(t.Context(), password)[0], hidden, "", "")
	s.change(func() {
		s.override = func(w http.ResponseWriter, r *http.Request) bool {
			down := strings.HasSuffix(r.URL.Path, "/login")
			if down {
				refuse(w, http.StatusServiceUnavailable, "Vault is sealed")
			}
			return down
		}
	})
	s.pass(30 * time.Minute)
	check(t, store.Fetch(t.Context(), password)[0], hidden, "", "")
	s.pass(31 * time.Minute)
	check(t, store.Fetch(t.Context(), password)[0], "", scaler.ReasonUnreachable, "logging in to Vault at "+s.Listener.Addr().String()+" as role keda: it is sealed or not ready (503)")
}

func TestToken(t *testing.T) {
	t.Run("kept alive", func(t *testing.T) {
		s := startServer(t)
		store := s.open(s.byToken("t", 60, true))
		for range 4 {
			got := store.Fetch(t.Context(), password)[0]
			check(t, got, hidden, "", "")
			if got.Again != 30*time.Second {
				t.Errorf("again after %v; expected before the token ends", got.Again)
			}
			s.pass(got.Again)
		}
		if s.renewals != 3 {
			t.Errorf("%d renewals; expected 3", s.renewals)
		}
	})
	t.Run("that lasts", func(t *testing.T) {
		s := startServer(t)
		store := s.open(s.byToken("root", 0, false))
		check(t, store.Fetch(t.Context(), password)[0], hidden, "", "")
		s.pass(1000 * time.Hour)
		if got := store.Fetch(t.Context(), password)[0]; got.Again != 0 || got.Err != nil {
			t.Errorf("got %v, again after %v", got.Err, got.Again)
		}
		if diff := cmp.Diff([]string{"GET auth/token/lookup-self", "GET kv/app", "GET kv/app"}, s.requests); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("that may not look itself up", func(t *testing.T) {
		s := startServer(t)
		s.override = func(w http.ResponseWriter, r *http.Request) bool {
			lookup := strings.HasSuffix(r.URL.Path, "lookup-self")
			if lookup {
				refuse(w, http.StatusForbidden)
			}
			return lookup
		}
		check(t, s.open(s.byToken("t", 60, false)).Fetch(t.Context(), password)[0], hidden, "", "")
	})
	t.Run("that is wrong", func(t *testing.T) {
		s := startServer(t)
		access := s.byToken("t", 60, false)
		access.Token = param.Hide(hidden)
		check(t, s.open(access).Fetch(t.Context(), password)[0], "", scaler.ReasonDenied, "the server answered 403")
	})
}

func TestLoginProblems(t *testing.T) {
	tests := map[string]struct {
		change func(*secret.VaultAccess)
		reason scaler.Reason
		text   string
	}{
		"an unknown role":    {func(a *secret.VaultAccess) { a.Role = "other" }, scaler.ReasonMisconfigured, "it refused the request (400)"},
		"a refused account":  {func(a *secret.VaultAccess) { a.JWT = jwt("other") }, scaler.ReasonDenied, "logging in to Vault"},
		"an unknown mount":   {func(a *secret.VaultAccess) { a.Mount = "k8s" }, scaler.ReasonMissing, "there is no auth/k8s/login"},
		"no account's token": {func(a *secret.VaultAccess) { a.JWT = noJWT }, scaler.ReasonMisconfigured, "no file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			access := s.byAccount()
			tt.change(&access)
			for _, got := range s.open(access).Fetch(t.Context(), append(password, password...)) {
				check(t, got, "", tt.reason, tt.text)
			}
			if len(s.requests) > 1 {
				t.Errorf("requests %v; expected nothing after the login failed", s.requests)
			}
		})
	}
}

func noJWT(context.Context) (param.Hidden, error) {
	return param.Hidden{}, scaler.Misconfigured(errors.New("no file"), "credential.serviceAccount")
}

// TestServerProblems: what is wrong with the server is told apart.
func TestServerProblems(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	tests := map[string]struct {
		answer http.HandlerFunc
		reason scaler.Reason
		text   string
	}{
		"sealed":     {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, "Vault is sealed") }, scaler.ReasonUnreachable, "sealed"},
		"overloaded": {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 429) }, scaler.ReasonUnreachable, "429"},
		"no Vault":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>" + hidden)) }, scaler.ReasonBadAnswer, "the answer is not Vault's"},
		"another's refusal": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte(hidden))
		}, scaler.ReasonBadAnswer, "418"},
		"too much": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, bodyLimit+1)) }, scaler.ReasonBadAnswer, "the answer is not Vault's"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, scaler.ReasonMisconfigured, "redirected to another port"},
		"a broken connection": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			_ = c.Close()
		}, scaler.ReasonUnreachable, "reading kv/app from Vault"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			s.override = func(w http.ResponseWriter, r *http.Request) bool {
				ours := strings.HasSuffix(r.URL.Path, "kv/app")
				if ours {
					tt.answer(w, r)
				}
				return ours
			}
			check(t, s.open(s.byAccount()).Fetch(t.Context(), password)[0], "", tt.reason, tt.text)
		})
	}
}

// TestOpen: where a store may be opened.
func TestOpen(t *testing.T) {
	token := param.Hide(hidden)
	jwt := func(context.Context) (param.Hidden, error) { return token, nil }
	tests := map[string]struct {
		options Options
		access  secret.VaultAccess
		problem string
	}{
		"any server":                             {Options{}, secret.VaultAccess{Address: "https://v:8200", Token: token}, ""},
		"no address":                             {Options{}, secret.VaultAccess{Token: token}, "address: found a value that is no address of Vault"},
		"a socket":                               {Options{}, secret.VaultAccess{Address: "unix:///run/v.sock", Token: token}, "no address of Vault"},
		"a password in it":                       {Options{}, secret.VaultAccess{Address: "https://u:" + hidden + "@v", Token: token}, "no address of Vault"},
		"an allowed server":                      {Options{Addresses: []string{"https://V:8200/"}}, secret.VaultAccess{Address: "https://v:8200/x", Token: token}, ""},
		"one that is not allowed":                {Options{Addresses: []string{"https://v:8200"}}, secret.VaultAccess{Address: "https://v:8201", Token: token}, "found v:8201, which the operator does not allow"},
		"no token":                               {Options{}, secret.VaultAccess{Address: "https://v"}, "credential: there is no token"},
		"the operator's token":                   {Options{OwnAddress: "https://v", OwnToken: token}, secret.VaultAccess{Address: "https://v"}, ""},
		"the operator's own account, any server": {Options{}, secret.VaultAccess{Address: "https://v", JWT: jwt, Operators: true}, "credential.serviceAccount: the operator's token is not shown to v"},
		"its account, an allowed server":         {Options{Addresses: []string{"https://v"}}, secret.VaultAccess{Address: "https://v", JWT: jwt, Operators: true}, ""},
		"its account, the operator's server":     {Options{OwnAddress: "https://v"}, secret.VaultAccess{Address: "https://v", JWT: jwt, Operators: true}, ""},
		"another account, any server":            {Options{}, secret.VaultAccess{Address: "https://v", JWT: jwt}, ""},
		"the token, another server":              {Options{OwnAddress: "https://v", OwnToken: token}, secret.VaultAccess{Address: "https://w"}, "credential: there is no token"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.options.Env = startServer(t).env
			store, err := New(tt.options)(tt.access)
			if err == nil {
				store.Close()
			}
			if (err == nil) != (tt.problem == "") || err != nil && (!strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), hidden)) {
				t.Errorf("error %v; expected one with %q", err, tt.problem)
			}
		})
	}
}

// TestOwnVariables: what Vault's variables hold is the operator's and goes to
// no server of a user's choice.
func TestOwnVariables(t *testing.T) {
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": hidden, "VAULT_NAMESPACE": "operators", "VAULT_HEADERS": `{"X-Own":"` + hidden + `"}`, "VAULT_MAX_RETRIES": "5",
	} {
		t.Setenv(name, value)
	}
	s := startServer(t)
	check(t, s.open(s.byAccount()).Fetch(t.Context(), password)[0], hidden, "", "")
	s.change(func() { s.namespace = "team" })
	access := s.byAccount()
	access.Namespace = "team"
	check(t, s.open(access).Fetch(t.Context(), password)[0], hidden, "", "")
}

// TestCloseGivesBack: connections are shared and given back.
func TestCloseGivesBack(t *testing.T) {
	s := startServer(t)
	held := s.env.Pool.(interface{ Len() map[string]int })
	store, err := New(Options{Env: s.env})(s.byAccount())
	if err != nil {
		t.Fatal(err)
	}
	if held.Len()["http"] != 1 {
		t.Errorf("held %v; expected one client", held.Len())
	}
	store.Close()
	if len(held.Len()) != 0 {
		t.Errorf("held %v after closing", held.Len())
	}
}
