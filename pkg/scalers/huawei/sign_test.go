package huawei

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler/param"
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestCanonical: the example of Huawei's documentation has the hash that it
// prints there.
func TestCanonical(t *testing.T) {
	req, err := http.NewRequest(http.MethodGet, "https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(dateHeader, "20191115T033655Z")
	text, headers, err := canonicalOf(req)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hash(text), "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a"; got != want || headers != "content-type;host;x-sdk-date" {
		t.Errorf("the hash is %s with %s; expected %s\n%s", got, headers, want, text)
	}
}

// TestEscapes: paths and queries are spelled in the one way there is.
func TestEscapes(t *testing.T) {
	req, err := http.NewRequest(http.MethodGet, "https://a/V1.0/%C3%A4%20b/?z=1&b=x%2By~&b=%2F&a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := canonicalPath(req.URL)+" "+canonicalQuery(req.URL), "/V1.0/%C3%A4%20b/ a=&b=%2F&b=x%2By~&z=1"; got != want {
		t.Errorf("got %s; expected %s", got, want)
	}
	req.URL.Path = ""
	if got := canonicalPath(req.URL); got != "/" {
		t.Errorf("no path is %q; expected /", got)
	}
}

// TestSign: the whole header of a POST.
func TestSign(t *testing.T) {
	u := endpoint("eu-west-101", "myhuaweicloud.eu").JoinPath("V1.0", "0b0a", "batch-query-metric-data")
	if got := u.String(); got != "https://ces.eu-west-101.myhuaweicloud.eu/V1.0/0b0a/batch-query-metric-data" {
		t.Errorf("Cloud Eye is at %s", got)
	}
	req := conn.NewPost(u, http.Header{"X-Project-Id": {"0b0a"}}, []byte(`{"a":1}`), "application/json")
	now := time.Date(2026, 3, 1, 13, 5, 9, 0, time.FixedZone("", 3600))
	s := &signer{access: "AK", secret: param.Hide("SK-of-keda"), now: func() time.Time { return now }}
	if err := s.Sign(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	canonical := strings.Join([]string{
		"POST", "/V1.0/0b0a/batch-query-metric-data/", "",
		"content-type:application/json", "host:ces.eu-west-101.myhuaweicloud.eu", "x-project-id:0b0a", "x-sdk-date:20260301T120509Z", "",
		"content-type;host;x-project-id;x-sdk-date", hash(`{"a":1}`),
	}, "\n")
	mac := hmac.New(sha256.New, []byte("SK-of-keda"))
	mac.Write([]byte("SDK-HMAC-SHA256\n20260301T120509Z\n" + hash(canonical)))
	want := "SDK-HMAC-SHA256 Access=AK, SignedHeaders=content-type;host;x-project-id;x-sdk-date, Signature=" + hex.EncodeToString(mac.Sum(nil))
	if got := req.Header.Get("Authorization"); got != want {
		t.Errorf("signed %s\nexpected %s", got, want)
	}
}
