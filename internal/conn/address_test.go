package conn_test

import (
	"net/url"
	"testing"

	"github.com/kedago/keda/internal/conn"
)

// TestJoin: escapes are kept, and the address joined to stays as it is.
func TestJoin(t *testing.T) {
	for base, want := range map[string]string{
		"http://a:1":          "http://a:1/b%2Fc/d",
		"http://a:1/":         "http://a:1/b%2Fc/d",
		"http://a:1/x%2Fy/?q": "http://a:1/x%2Fy/b%2Fc/d?q",
	} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.Join(u, url.PathEscape("b/c"), "d").String(); got != want || u.String() != base {
			t.Errorf("below %s is %s; expected %s, and %s as it was", base, got, want, u)
		}
	}
}
