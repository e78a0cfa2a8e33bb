package kafka

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	franzaws "github.com/twmb/franz-go/pkg/sasl/aws"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

const (
	mskKeyID  = "AKIATESTTESTTESTTEST"
	mskSecret = "aws-s3cret"
	mskRegion = "eu-west-1"
)

// mskBrokers are brokers as Amazon MSK has them: TLS, and AWS credentials by
// either mechanism. A session lasts for 1 second.
type mskBrokers struct {
	address, ca string

	mu    sync.Mutex     // guards what follows
	taken map[string]int // sessions by mechanism
}

func startMSK(t *testing.T) *mskBrokers {
	t.Helper()
	authority := conntest.NewAuthority(t)
	pair := authority.Issue(t, "broker")
	own, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	f := kafkaserver.StartFake(t, kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{own}}), kfake.SeedTopics(1, "topic"))
	m := &mskBrokers{address: f.Addresses[0], ca: authority.PEM, taken: map[string]int{}}
	f.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		resp.SupportedMechanisms = []string{"AWS_MSK_IAM", "OAUTHBEARER"}
		if !slices.Contains(resp.SupportedMechanisms, req.(*kmsg.SASLHandshakeRequest).Mechanism) {
			resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		}
		return resp, nil, true
	})
	f.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		return m.authenticate(req.(*kmsg.SASLAuthenticateRequest)), nil, true
	})
	return m
}

func (m *mskBrokers) authenticate(req *kmsg.SASLAuthenticateRequest) *kmsg.SASLAuthenticateResponse {
	resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	mechanism := "OAUTHBEARER"
	if bytes.HasPrefix(req.SASLAuthBytes, []byte("{")) {
		mechanism = "AWS_MSK_IAM"
		resp.SASLAuthBytes = []byte(`{"version":"2020_10_22"}`)
	}
	if !m.right(mechanism, req.SASLAuthBytes) {
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return resp
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken[mechanism]++
	resp.SessionLifetimeMillis = 1000
	return resp
}

// right says whether a message is signed with the key, for its host.
func (m *mskBrokers) right(mechanism string, message []byte) bool {
	if mechanism == "AWS_MSK_IAM" {
		var fields map[string]string
		host, _, _ := net.SplitHostPort(m.address)
		return json.Unmarshal(message, &fields) == nil && fields["version"] == "2020_10_22" && fields["user-agent"] != "" &&
			fields["host"] == host && signedWith(mskSecret, host, func(name string) string { return fields[strings.ToLower(name)] })
	}
	_, after, _ := bytes.Cut(message, []byte("auth=Bearer "))
	token, rest, _ := bytes.Cut(after, []byte{1})
	text, err := base64.RawURLEncoding.DecodeString(string(token))
	if err != nil || !bytes.Contains(rest, []byte("pool=1\x01")) {
		return false
	}
	u, err := url.Parse(string(text))
	return err == nil && u.Host == "kafka."+mskRegion+".amazonaws.com" && signedWith(mskSecret, u.Host, u.Query().Get)
}

// signedWith signs a request at the time that another one names, and compares.
func signedWith(secret, host string, get func(string) string) bool {
	at, err := time.Parse("20060102T150405Z", get("X-Amz-Date"))
	id, _, _ := strings.Cut(get("X-Amz-Credential"), "/")
	if err != nil || time.Since(at).Abs() > time.Minute || get("Action") != "kafka-cluster:Connect" {
		return false
	}
	query := url.Values{"Action": {"kafka-cluster:Connect"}, "X-Amz-Expires": {get("X-Amz-Expires")}}
	req, err := http.NewRequest(http.MethodGet, "https://"+host+"/?"+query.Encode(), nil)
	if err != nil {
		return false
	}
	empty := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: get("X-Amz-Security-Token")},
		req, hex.EncodeToString(empty[:]), "kafka-cluster", mskRegion, at)
	if err != nil {
		return false
	}
	u, err := url.Parse(signed)
	return err == nil && get("X-Amz-Signature") != "" && u.Query().Get("X-Amz-Signature") == get("X-Amz-Signature")
}

func (m *mskBrokers) sessions(mechanism string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taken[mechanism]
}

// TestMSK signs in by both mechanisms, again when a session ends, and is
// refused.
func TestMSK(t *testing.T) {
	m := startMSK(t)
	auth := func(more ...string) map[string]string {
		out := map[string]string{"ca": m.ca, "awsAccessKeyID": mskKeyID, "awsSecretAccessKey": mskSecret, "oauthExtensions": "pool=1"}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	for mechanism, pairs := range map[string][]string{
		"AWS_MSK_IAM": {"sasl", "aws_msk_iam"},
		"OAUTHBEARER": {"sasl", "oauthbearer", "saslTokenProvider", "aws_msk_iam"},
	} {
		t.Run(mechanism, func(t *testing.T) {
			meta := trigger(append([]string{"bootstrapServers", m.address, "awsRegion", mskRegion, "tls", "enable"}, pairs...)...)
			s := open(t, newEnv(), meta, auth())
			expect(t, s, 1, 1, "no committed offset")
			before := m.sessions(mechanism)
			expect(t, s, 1, 1, "no committed offset")
			if after := m.sessions(mechanism); before == 0 || after <= before {
				t.Errorf("%d sessions, later %d; want a new one once the first is over", before, after)
			}
			expect(t, open(t, newEnv(), meta, auth("awsSessionToken", "a+token/=")), 1, 1, "no committed offset")
			refuse(t, open(t, newEnv(), meta, auth("awsSecretAccessKey", "wr0ng")), scaler.ReasonDenied)
		})
	}
}

// TestMSKWithoutCredentials checks what a trigger is told that gives none, or
// ones that can't be had.
func TestMSKWithoutCredentials(t *testing.T) {
	meta := trigger("sasl", "aws_msk_iam", "awsRegion", mskRegion, "tls", "enable")
	c := decoded(t, meta, nil)
	if _, err := c.Open(t.Context(), newEnv()); scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), "awsAccessKeyID") {
		t.Errorf("without credentials: %v", err)
	}
	env := newEnv()
	env.Identity = scaler.Identity{Provider: "gcp"}
	if _, err := c.Open(t.Context(), env); scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), "gcp") {
		t.Errorf("with another cloud's identity: %v", err)
	}
	none := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, scaler.Denied(nil, "assuming the role keda")
	})
	for name, err := range map[string]error{"IAM": mskFailure(none, false), "token": mskFailure(none, true)} {
		if scaler.ReasonOf(err) != scaler.ReasonDenied || !strings.Contains(err.Error(), "assuming the role") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mskFailure(credentials aws.CredentialsProvider, token bool) error {
	if token {
		_, _, err := mskToken(mskRegion, credentials, nil).Authenticate(context.Background(), "b:9098")
		return err
	}
	_, _, err := (&mskIAM{region: mskRegion, credentials: credentials, now: time.Now}).Authenticate(context.Background(), "b:9098")
	return err
}

// TestMSKIsLikeTheClients compares the message with that of the client's own
// mechanism, which signs without the SDK, at a host whose name has a region.
func TestMSKIsLikeTheClients(t *testing.T) {
	const host = "b-1.cluster.abcdef.c2.kafka.eu-west-1.amazonaws.com"
	fields := func(message []byte) map[string]string {
		var out map[string]string
		if err := json.Unmarshal(message, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	theirs := franzaws.Auth{AccessKey: mskKeyID, SecretKey: mskSecret, SessionToken: "a+token/=", UserAgent: "keda"}.AsManagedStreamingIAMMechanism()
	_, message, err := theirs.Authenticate(t.Context(), host+":9098")
	if err != nil {
		t.Fatal(err)
	}
	want := fields(message)
	at, err := time.Parse("20060102T150405Z", want["x-amz-date"])
	if err != nil {
		t.Fatal(err)
	}
	ours := &mskIAM{region: mskRegion, now: func() time.Time { return at }, credentials: credentials.NewStaticCredentialsProvider(mskKeyID, mskSecret, "a+token/=")}
	if _, message, err = ours.Authenticate(t.Context(), host+":9098"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fields(message)); diff != "" {
		t.Errorf("(-theirs +ours):\n%s", diff)
	}
}
