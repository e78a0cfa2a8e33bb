package conn

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/kedago/keda/pkg/scaler"
)

const (
	awsSessionName = "keda"
	// awsEarly is how long before their end temporary credentials are renewed.
	awsEarly = time.Minute
)

// credentials returns what signs requests. It does no I/O.
func (a *AWS) credentials(who awsIdentity, client *awshttp.BuildableClient) aws.CredentialsProvider {
	var base aws.CredentialsProvider
	if who.keys {
		base = credentials.NewStaticCredentialsProvider(a.keyID.Reveal(), a.secret.Reveal(), a.session.Reveal())
		if who.role == "" {
			return base
		}
	}
	return aws.NewCredentialsCache(&awsCredentials{who: who, region: a.region, client: client, base: base},
		func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = awsEarly })
}

// awsCredentialsClient is the client that asks for credentials. It keeps no
// connections, as it is used once an hour, and is of the SDK's own kind, or
// the SDK could not apply the operator's AWS_CA_BUNDLE.
func awsCredentialsClient(o scaler.HTTPOptions) (*awshttp.BuildableClient, error) {
	o.Trusted, o.DisableKeepAlives = true, true
	shared, err := newSharedHTTP(o, &HTTPAuth{})
	if err != nil {
		return nil, err
	}
	own, ok := shared.Transport.(*http.Transport)
	if !ok {
		return nil, errors.New("the transport is of an unknown kind")
	}
	return awshttp.NewBuildableClient().WithTimeout(httpTimeout(o)).WithTransportOptions(func(t *http.Transport) {
		t.Proxy, t.DialContext, t.TLSClientConfig = own.Proxy, own.DialContext, own.TLSClientConfig
		t.TLSHandshakeTimeout, t.DisableKeepAlives = own.TLSHandshakeTimeout, own.DisableKeepAlives
	}), nil
}

// awsCredentials looks for credentials when they are needed for the first
// time and when they end: those of the operator, or of a role.
type awsCredentials struct {
	who    awsIdentity
	region string
	client *awshttp.BuildableClient
	base   aws.CredentialsProvider // nil for the operator's own
}

// Retrieve implements aws.CredentialsProvider. It runs once at a time, see
// aws.CredentialsCache, which takes the caller's deadline away.
func (c *awsCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	const rounds = 4 // the operator's own, a token for a role, the role, and one to spare
	ctx, cancel := context.WithTimeout(ctx, rounds*c.client.GetTimeout())
	defer cancel()
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(c.region), awsconfig.WithHTTPClient(c.client), awsconfig.WithRetryer(awsRetryer),
	}
	if c.base != nil {
		options = append(options, awsconfig.WithCredentialsProvider(c.base))
	}
	config, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Credentials{}, scaler.Misconfigured(errors.New("the operator's AWS configuration can't be read"), "getting AWS credentials")
	}
	if c.who.role == "" {
		got, err := config.Credentials.Retrieve(ctx)
		return got, operatorRefused(ctx, err)
	}
	return c.assume(ctx, config)
}

// assume takes on the role: directly with the operator's web identity where
// it has one that the role trusts, else with the credentials at hand.
func (c *awsCredentials) assume(ctx context.Context, config aws.Config) (aws.Credentials, error) {
	doing := "assuming the role " + c.who.role
	if file := os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"); file != "" && c.base == nil && c.who.externalID == "" {
		anonymous := config.Copy()
		anonymous.Credentials = aws.AnonymousCredentials{}
		got, err := stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(anonymous), c.who.role, stscreds.IdentityTokenFile(file),
			func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = awsSessionName }).Retrieve(ctx)
		if err == nil || ctx.Err() != nil {
			return got, refusedOrNil(err, doing)
		}
	}
	got, err := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(config), c.who.role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = awsSessionName
		if c.who.externalID != "" {
			o.ExternalID = aws.String(c.who.externalID)
		}
	}).Retrieve(ctx)
	return got, refusedOrNil(err, doing)
}

func refusedOrNil(err error, doing string) error {
	if err == nil {
		return nil
	}
	return AWSError(err, doing)
}

// operatorRefused says why the operator has no credentials of its own. The
// SDK's text lists every place it looked at; none of that helps.
func operatorRefused(ctx context.Context, err error) error {
	const doing = "getting the operator's own AWS credentials"
	var answered smithy.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answered):
		return AWSError(err, doing)
	case ctx.Err() != nil:
		return scaler.Unreachable(ctx.Err(), doing)
	}
	return scaler.Denied(errors.New("none were found in its environment, files, or at the machine it runs on"), doing)
}
