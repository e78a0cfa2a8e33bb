package conn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/oauth2"

	"github.com/kedago/keda/pkg/scaler"
)

// HTTPIdentity proves to an HTTP source who asks in a cloud's own way, which
// sets the Authorization header. It is safe for use by several goroutines.
type HTTPIdentity interface {
	// Sign puts the proof on a request that is otherwise complete. Its errors
	// are of package scaler.
	Sign(ctx context.Context, req *http.Request) error
	// Refused tells of a request that the server answered with 401.
	Refused(req *http.Request)
	// Close gives back what is shared. It does not wait for the network.
	Close()
}

// released is what identities hold of the pool.
type released []func()

// Close implements HTTPIdentity.
func (r released) Close() {
	for i := len(r) - 1; i >= 0; i-- {
		r[i]()
	}
}

// awsSigner signs requests to one service in one region.
type awsSigner struct {
	released
	provider        aws.CredentialsProvider
	service, region string
	now             func() time.Time
}

// awsProvider is what the pool holds.
type awsProvider struct{ aws.CredentialsProvider }

// OpenAWSSigner takes the credentials of a from the pool, to sign requests to
// a service ("aps") with AWS Signature Version 4. It does no network I/O. A
// signature is good for the address it was made for only.
func OpenAWSSigner(env scaler.Env, a *AWS, service string) (HTTPIdentity, error) {
	who, err := a.identity(env.Identity)
	if err != nil {
		return nil, err
	}
	if a.region == "" {
		return nil, scaler.Misconfigured(nil, "awsRegion is missing; expected the region of the AWS service, such as eu-west-1")
	}
	s := &awsSigner{service: service, region: a.region, now: env.Now}
	if s.now == nil {
		s.now = time.Now
	}
	key := scaler.PoolKey{
		Driver: "aws-identity", Address: a.region + " timeout=" + httpTimeout(env.HTTP).String() + " " + optionsKey(env.HTTP), Credentials: a.digest(who),
	}
	got, release, err := scaler.Lease(env.Pool, key, func() (awsProvider, error) {
		client, err := awsCredentialsClient(env.HTTP)
		return awsProvider{a.credentials(who, client)}, err
	})
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing AWS credentials")
	}
	s.provider, s.released = got, released{release}
	return s, nil
}

// Sign implements HTTPIdentity.
func (s *awsSigner) Sign(ctx context.Context, req *http.Request) error {
	const doing = "signing the request"
	credentials, err := s.provider.Retrieve(ctx)
	if err != nil {
		return AWSError(err, "getting AWS credentials")
	}
	sum := sha256.New()
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return scaler.BadAnswer(err, doing)
		}
		if _, err := io.Copy(sum, body); err != nil {
			return scaler.BadAnswer(err, doing)
		}
	}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, req, hex.EncodeToString(sum.Sum(nil)), s.service, s.region, s.now()); err != nil {
		return scaler.Misconfigured(errors.New("the credentials can't sign"), doing)
	}
	return nil
}

// Refused implements HTTPIdentity. Credentials are renewed by their end.
func (s *awsSigner) Refused(*http.Request) {}

// Token is a token for a scope that is good until end, for protocols that take
// one as a password.
func (c *AzureCredential) Token(ctx context.Context, scope string) (token string, end time.Time, err error) {
	got, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	return got.Token, got.ExpiresOn, err
}

// azureBearer sends tokens of Azure's.
type azureBearer struct {
	*AzureCredential
	scope string
}

// OpenAzureBearer takes the podIdentity's tokens for a scope from the pool. It
// does no network I/O. The caller has checked that the address asked may see
// such a token.
func OpenAzureBearer(env scaler.Env, c *AzureCloud, scope string) (HTTPIdentity, error) {
	credential, err := c.Credential(env)
	if err != nil {
		return nil, err
	}
	return &azureBearer{AzureCredential: credential, scope: scope}, nil
}

// Sign implements HTTPIdentity.
func (b *azureBearer) Sign(ctx context.Context, req *http.Request) error {
	token, _, err := b.Token(ctx, b.scope)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// Refused implements HTTPIdentity. Tokens are renewed by their end.
func (b *azureBearer) Refused(*http.Request) {}

// gcpBearer sends tokens of Google Cloud's.
type gcpBearer struct {
	released
	tokens *gcpTokens
}

// OpenGCPBearer takes the tokens of g for scopes from the pool, for requests
// to at, which parameter gave. It does no network I/O. A podIdentity's tokens
// are good for all that the operator may do, so only Google gets to see them.
func OpenGCPBearer(env scaler.Env, g *GCP, at *url.URL, parameter string, scopes []string) (HTTPIdentity, error) {
	who, err := g.identity(env.Identity)
	if err != nil {
		return nil, err
	}
	if who.operator && (at.Scheme != "https" || !strings.HasSuffix(at.Hostname(), ".googleapis.com")) {
		return nil, scaler.Misconfigured(nil, "%s: found an address outside googleapis.com; expected an https address below it, since a podIdentity shows it the operator's token", parameter)
	}
	if err := who.check(env); err != nil {
		return nil, err
	}
	b := &gcpBearer{}
	connections, release, err := leasePlainHTTP(env)
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing Google Cloud credentials")
	}
	b.released = append(b.released, release)
	b.tokens, release, err = leaseGCPTokens(env, who, scopes, connections.Transport)
	if err != nil {
		b.Close()
		return nil, err
	}
	b.released = append(b.released, release)
	return b, nil
}

type gcpTokenKey struct{}

// Sign implements HTTPIdentity.
func (b *gcpBearer) Sign(ctx context.Context, req *http.Request) error {
	token, err := b.tokens.token(ctx)
	if err != nil {
		return err
	}
	*req = *req.WithContext(context.WithValue(req.Context(), gcpTokenKey{}, token))
	token.SetAuthHeader(req)
	return nil
}

// Refused implements HTTPIdentity: the next request has a new token.
func (b *gcpBearer) Refused(req *http.Request) {
	if token, ok := req.Context().Value(gcpTokenKey{}).(*oauth2.Token); ok {
		b.tokens.drop(token)
	}
}
