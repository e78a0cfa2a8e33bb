// Package influxserver runs InfluxDB 1.7 for tests, which answers Flux by
// version 2's API and InfluxQL by version 1's.
//
// It owns the process and its folder; both end with the test. Tests that share
// a server keep apart by the names of their measurements.
package influxserver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/test/servers/process"
)

// Database is where all points go, and User who may read it.
const (
	Database = "jobs"
	User     = "keda"
)

// secret signs tokens, see Token.
const secret = "secret-of-the-server"

// owner prepares what User reads.
const owner, ownerPassword = "owner", "password-of-the-owner"

// Server is a running InfluxDB.
type Server struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string

	client *http.Client
}

// Start runs InfluxDB until the test ends, with User's password. Without it,
// and without the means to build it, the test is skipped, or fails where the
// environment has CI=true.
func Start(t testing.TB, password string) *Server {
	t.Helper()
	program := process.Script(t, "InfluxDB", "influxdb")
	s := process.Try(t, "InfluxDB", 1, func(at []string) (*Server, error) {
		s := &Server{Addr: at[0], client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
		cmd := exec.Command(program, "-config", "influxdb.conf")
		cmd.Dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(cmd.Dir, "influxdb.conf"), fmt.Appendf(nil, settings, s.Addr, secret), 0o600); err != nil {
			return nil, err
		}
		return s, process.Run(t, cmd, func(context.Context) error {
			_, _, err := s.ask("/ping", nil, nil)
			return err
		})
	})
	s.Exec(t, "CREATE USER "+owner+" WITH PASSWORD '"+ownerPassword+"' WITH ALL PRIVILEGES")
	s.Exec(t, "CREATE DATABASE "+Database)
	s.Exec(t, "CREATE USER "+User+" WITH PASSWORD '"+password+"'")
	s.MayRead(t, true)
	return s
}

const settings = `
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "meta"
[data]
dir = "data"
wal-dir = "wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "%s"
flux-enabled = true
auth-enabled = true
shared-secret = "%s"
log-enabled = false
`

// Password changes that of User, for all requests from then on.
func (s *Server) Password(t testing.TB, password string) {
	t.Helper()
	s.Exec(t, "SET PASSWORD FOR "+User+" = '"+password+"'")
}

// Token is one by which User may ask without a password, for an hour.
func Token() string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"username":"%s","exp":%d}`, User, time.Now().Add(time.Hour).Unix())
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

// MayRead allows User to read, or no longer.
func (s *Server) MayRead(t testing.TB, allowed bool) {
	t.Helper()
	if allowed {
		s.Exec(t, "GRANT READ ON "+Database+" TO "+User)
	} else {
		s.Exec(t, "REVOKE READ ON "+Database+" FROM "+User)
	}
}

// Exec runs a statement of InfluxQL.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	status, text, err := s.ask("/query", url.Values{"q": {statement}}, nil)
	if err != nil || status != http.StatusOK || strings.Contains(text, `"error"`) {
		t.Fatalf("%s: %d %s, %v", statement, status, text, err)
	}
}

// Write adds a point to a measurement, whose field n has the value, as of now.
func (s *Server) Write(t testing.TB, measurement string, n float64) {
	t.Helper()
	point := measurement + " n=" + strconv.FormatFloat(n, 'f', -1, 64)
	status, text, err := s.ask("/write", url.Values{"db": {Database}}, strings.NewReader(point))
	if err != nil || status != http.StatusNoContent {
		t.Fatalf("writing %s: %d %s, %v", point, status, text, err)
	}
}

func (s *Server) ask(path string, query url.Values, body io.Reader) (status int, text string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Addr+path+"?"+query.Encode(), body)
	if err != nil {
		return 0, "", err
	}
	req.SetBasicAuth(owner, ownerPassword)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}
