package secret

import (
	"testing"

	"github.com/kedago/keda/internal/model"
)

// TestUnread: what could not be read is to be tried again, what is not there
// is not: its coming is noticed.
func TestUnread(t *testing.T) {
	for name, want := range map[string]bool{"denied": true, "no-role": true, "gone": false, "redis": false} {
		c := &cluster{
			secrets: map[string]map[string][]byte{"default/redis": {"password": []byte("x")}},
			auth:    credsAuth(model.AuthSpec{Secrets: []model.AuthKey{{Parameter: "password", Name: name, Key: "password"}}}),
		}
		w := workload(withAuth(nil))
		creds, _ := (&Resolver{Reader: c}).Resolve(t.Context(), w, 1)
		if creds.Unread != want {
			t.Errorf("the Secret %q: Unread is %t, want %t", name, creds.Unread, want)
		}
	}
}
