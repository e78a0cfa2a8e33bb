package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"

	"github.com/kedago/keda/pkg/scaler"
)

// mskToken signs in to Amazon MSK by OAUTHBEARER. A token is made for every
// session and lasts for 15 minutes; the client makes another before the
// broker's time for the session is over.
func mskToken(region string, credentials aws.CredentialsProvider, extensions map[string]string) sasl.Mechanism {
	return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		token, _, err := signer.GenerateAuthTokenFromCredentialsProvider(ctx, region, credentials)
		if err != nil {
			return oauth.Auth{}, signingFailed(err)
		}
		return oauth.Auth{Token: token, Extensions: extensions}, nil
	})
}

// signingFailed keeps the text of a credential that can't be used out of
// errors.
func signingFailed(err error) error {
	var own *scaler.Error // credentials that could not be got
	if errors.As(err, &own) {
		return own
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return scaler.Unreachable(err, "getting AWS credentials")
	}
	return scaler.Misconfigured(errors.New("the AWS credentials can't sign"), "signing in to Amazon MSK")
}

// mskIAM is the client side of SASL's AWS_MSK_IAM, whose one message is a
// signed request as JSON (github.com/aws/aws-msk-iam-auth, version
// 2020_10_22). The client's own mechanism takes the region out of a broker's
// name, which names of one's own don't have; here the trigger says it.
type mskIAM struct {
	region      string
	credentials aws.CredentialsProvider
	now         func() time.Time
}

var _ sasl.Mechanism = (*mskIAM)(nil)

// Name implements sasl.Mechanism.
func (*mskIAM) Name() string { return "AWS_MSK_IAM" }

// Authenticate implements sasl.Mechanism.
func (m *mskIAM) Authenticate(ctx context.Context, address string) (sasl.Session, []byte, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a broker's address: %w", err)
	}
	credentials, err := m.credentials.Retrieve(ctx)
	if err != nil {
		return nil, nil, signingFailed(err)
	}
	message, err := m.message(ctx, host, credentials)
	if err != nil {
		return nil, nil, signingFailed(err)
	}
	return mskSession{}, message, nil
}

func (m *mskIAM) message(ctx context.Context, host string, credentials aws.Credentials) ([]byte, error) {
	asked := url.URL{Scheme: "https", Host: host, Path: "/", RawQuery: url.Values{
		"Action": {"kafka-cluster:Connect"}, "X-Amz-Expires": {"900"}, // seconds
	}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, asked.String(), nil)
	if err != nil {
		return nil, err
	}
	nothing := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, credentials, req, hex.EncodeToString(nothing[:]), "kafka-cluster", m.region, m.now().UTC())
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(signed)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{"version": "2020_10_22", "host": host, "user-agent": "keda"}
	for name, values := range u.Query() {
		fields[strings.ToLower(name)] = values[0]
	}
	return json.Marshal(fields)
}

// mskSession takes the broker's one answer.
type mskSession struct{}

// Challenge implements sasl.Session.
func (mskSession) Challenge(answer []byte) (done bool, next []byte, err error) {
	if len(answer) == 0 {
		return false, nil, errors.New("the broker's answer to AWS_MSK_IAM is empty")
	}
	return true, nil, nil
}
