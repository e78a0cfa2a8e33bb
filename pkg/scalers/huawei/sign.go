package huawei

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	algorithm = "SDK-HMAC-SHA256"
	// dateHeader and dateForm say when a request was signed. It is refused 15
	// minutes later.
	dateHeader = "X-Sdk-Date"
	dateForm   = "20060102T150405Z"
)

// signer signs requests with an access key, as Huawei Cloud's API gateway wants:
// https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
type signer struct {
	access string
	secret param.Hidden
	now    func() time.Time
}

var _ conn.HTTPIdentity = (*signer)(nil)

// Sign implements conn.HTTPIdentity.
func (s *signer) Sign(_ context.Context, req *http.Request) error {
	req.Header.Set(dateHeader, s.now().UTC().Format(dateForm))
	canonical, headers, err := canonicalOf(req)
	if err != nil {
		return scaler.Misconfigured(err, "signing a request to Huawei Cloud")
	}
	sum := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(s.secret.Reveal()))
	_, _ = io.WriteString(mac, strings.Join([]string{algorithm, req.Header.Get(dateHeader), hex.EncodeToString(sum[:])}, "\n")) // it can't fail
	req.Header.Set("Authorization", algorithm+" Access="+s.access+", SignedHeaders="+headers+", Signature="+hex.EncodeToString(mac.Sum(nil)))
	return nil
}

// Refused implements conn.HTTPIdentity. Access keys do not change.
func (s *signer) Refused(*http.Request) {}

// Close implements conn.HTTPIdentity.
func (s *signer) Close() {}

// canonicalOf is the one spelling of a request that both sides make a hash of,
// and the names of the headers in it.
func canonicalOf(req *http.Request) (text, headers string, err error) {
	values := map[string]string{"host": req.Host}
	for _, name := range []string{"Content-Type", dateHeader, "X-Project-Id"} {
		if v := req.Header.Get(name); v != "" {
			values[strings.ToLower(name)] = strings.TrimSpace(v)
		}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	lines := ""
	for _, name := range names {
		lines += name + ":" + values[name] + "\n"
	}
	body := sha256.New()
	if req.GetBody != nil {
		r, err := req.GetBody()
		if err == nil {
			_, err = io.Copy(body, r)
		}
		if err != nil {
			return "", "", errors.New("the body can't be read")
		}
	}
	headers = strings.Join(names, ";")
	return strings.Join([]string{
		req.Method, canonicalPath(req.URL), canonicalQuery(req.URL), lines, headers, hex.EncodeToString(body.Sum(nil)),
	}, "\n"), headers, nil
}

// canonicalPath ends with a slash.
func canonicalPath(u *url.URL) string {
	parts := strings.Split(u.Path, "/")
	for i, p := range parts {
		parts[i] = escape(p)
	}
	return strings.TrimSuffix(strings.Join(parts, "/"), "/") + "/"
}

func canonicalQuery(u *url.URL) string {
	var pairs []string
	for name, values := range u.Query() {
		for _, v := range values {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape leaves letters, digits and -_.~ as they are (RFC 3986, 2.3).
func escape(text string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(text))
}
