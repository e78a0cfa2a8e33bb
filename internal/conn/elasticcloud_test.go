package conn_test

import (
	"encoding/base64"
	"testing"

	"github.com/kedago/keda/internal/conn"
)

func TestElasticCloud(t *testing.T) {
	id := func(text string) string { return "my-shop:" + base64.StdEncoding.EncodeToString([]byte(text)) }
	for text, want := range map[string]string{
		"example.com$0123$4567":          "https://0123.example.com",
		"example.com:9243$0123$4567":     "https://0123.example.com:9243",
		"example.com:9243$0123:443$4567": "https://0123.example.com:443",
		"example.com$0123":               "https://0123.example.com",
	} {
		if got, err := conn.ElasticCloud(id(text)); err != nil || got.String() != want {
			t.Errorf("%s is %v, %v; expected %s", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "name", "name:%%%", id("a/b$c@d"), id("$a"), id("a$"), id("a")} {
		if got, err := conn.ElasticCloud(bad); err == nil {
			t.Errorf("%q is %v; expected an error", bad, got)
		}
	}
}
