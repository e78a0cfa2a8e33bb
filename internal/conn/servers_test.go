package conn

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
)

func TestServersInTurn(t *testing.T) {
	addresses, err := ParseAddresses([]string{"http://a:1", " https://b:2/path ", "http://c:3"})
	if err != nil {
		t.Fatal(err)
	}
	s := NewServers(addresses)
	if s.Host() != "a:1" {
		t.Errorf("the host is %s", s.Host())
	}
	var asked []string
	ask := func(ctx context.Context, answers map[string]error) error {
		asked = nil
		return s.Ask(ctx, func(u *url.URL) error {
			asked = append(asked, u.Host)
			return answers[u.Host]
		})
	}
	check := func(err error, reason scaler.Reason, want ...string) {
		t.Helper()
		if (err == nil) != (reason == "") || err != nil && scaler.ReasonOf(err) != reason || !slices.Equal(asked, want) {
			t.Errorf("asked %v, got %v; expected %v and the reason %q", asked, err, want, reason)
		}
	}
	down := scaler.Unreachable(errors.New("down"), "asking")
	check(ask(t.Context(), map[string]error{"a:1": down}), "", "a:1", "b:2")
	check(ask(t.Context(), nil), "", "b:2")
	check(ask(t.Context(), map[string]error{"b:2": scaler.Denied(nil, "asking")}), scaler.ReasonDenied, "b:2")
	all := map[string]error{"a:1": down, "b:2": down, "c:3": down}
	err = ask(t.Context(), all)
	check(err, scaler.ReasonUnreachable, "b:2", "c:3", "a:1")
	if !strings.Contains(err.Error(), "none of the 3 servers answered") {
		t.Errorf("got %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	check(ask(over, all), scaler.ReasonUnreachable, "b:2")
	check(ask(t.Context(), nil), "", "c:3") // the one that was not asked any more
}

func TestParseAddresses(t *testing.T) {
	for _, bad := range [][]string{nil, {"localhost:9200"}, {"http://a", "ftp://user:the-password@b"}, {"http://"}, {"http://the-password@[::1"}} {
		if got, err := ParseAddresses(bad); err == nil || strings.Contains(err.Error(), "the-password") {
			t.Errorf("%v gave %v, %v", bad, got, err)
		}
	}
}
