package conn

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The values of identityOwner.
const (
	awsOwnerPod      = "pod"
	awsOwnerOperator = "operator"
)

// AWS are the parameters that every AWS trigger has: where the service is and
// who asks it.
type AWS struct {
	region   string
	endpoint *url.URL
	keyID    param.Hidden
	secret   param.Hidden
	session  param.Hidden
	role     string
	owner    string
	has      struct{ keyID, secret bool }
}

// Params declares the group. Names are upstream's; the key pair may be read
// from the container's environment too, which keda.k8s.io does by default.
func (a *AWS) Params() param.Set {
	return param.Group("AWS",
		a.regionField().Required().Doc("Region of the service."),
		param.URL("awsEndpoint", &a.endpoint).Example("https://vpce-1a2b.sqs.eu-west-1.vpce.amazonaws.com").
			Doc("Address of the service where it is not the region's usual one, such as a VPC endpoint or an emulator."),
	).With(a.keyParams())
}

// SigningParams declares the group for sources that may be an AWS service and
// whose address is given otherwise, see OpenAWSSigner.
func (a *AWS) SigningParams(region string) param.Set {
	return param.Group("AWS", a.regionField().Doc(region)).With(a.keyParams())
}

func (a *AWS) regionField() *param.Field {
	return param.Text("awsRegion", &a.region).From(param.Metadata, param.Auth).Example("eu-west-1")
}

func (a *AWS) keyParams() param.Set {
	return param.Group("AWS",
		param.Secret("awsAccessKeyID", &a.keyID).Alias("awsAccessKeyId").From(param.Auth, param.Env, param.Metadata).NamesEnv("AWS_ACCESS_KEY_ID").
			IsSet(&a.has.keyID).Doc("Access key ID; together with awsSecretAccessKey."),
		param.Secret("awsSecretAccessKey", &a.secret).From(param.Auth, param.Env, param.Metadata).NamesEnv("AWS_SECRET_ACCESS_KEY").
			IsSet(&a.has.secret).Doc("Secret access key."),
		param.Secret("awsSessionToken", &a.session).From(param.Auth, param.Env).NamesEnv("AWS_SESSION_TOKEN").Doc("Session token of temporary credentials."),
		param.Text("awsRoleArn", &a.role).From(param.Auth).Example("arn:aws:iam::111122223333:role/keda").
			Doc("Role to assume, with the key pair where one is given and as the operator otherwise."),
		param.Text("identityOwner", &a.owner).OneOf(awsOwnerPod, awsOwnerOperator).Default(awsOwnerPod).
			Doc("Whose credentials are used: pod for those given with the trigger, operator for the operator's own. A podIdentity goes before it."),
	)
}

var (
	awsRegionForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	awsRoleForm   = regexp.MustCompile(`^arn:[a-z0-9-]+:iam::\d{12}:role/[\w+=,.@/-]+$`)
)

// Check finds half a key pair, and regions and roles that can't be any.
func (a *AWS) Check() param.Problems {
	var ps param.Problems
	if a.region != "" && !awsRegionForm.MatchString(a.region) {
		ps.Errorf("metadata.awsRegion", "found a value with characters that no region has; expected a region such as eu-west-1")
	}
	if a.has.keyID != a.has.secret {
		ps.Errorf("authenticationRef", "only one of awsAccessKeyID and awsSecretAccessKey is given; expected both or neither")
	}
	if a.role != "" && !awsRoleForm.MatchString(a.role) {
		ps.Errorf("authenticationRef.awsRoleArn", "found a value that is no role; expected arn:aws:iam::<account>:role/<name>")
	}
	return ps
}

// Region is the service's region.
func (a *AWS) Region() string { return a.region }

// InRegion is the same with another region.
func (a *AWS) InRegion(region string) AWS {
	c := *a
	c.region = region
	return c
}

// awsIdentity is who asks: with the trigger's key pair or as the operator, and
// through which role.
type awsIdentity struct {
	keys             bool
	role, externalID string
}

func (a *AWS) identity(id scaler.Identity) (awsIdentity, error) {
	switch id.Provider {
	case "", "none":
	case "aws", "aws-eks":
		role := cmp.Or(id.RoleARN, a.role)
		if role == "" && (id.Owner == "workload" || id.Provider == "aws-eks" && id.Owner != "keda") {
			return awsIdentity{}, scaler.Misconfigured(nil, "podIdentity %s: the role of the workload's service account is not known; give it in roleArn of the podIdentity, or as the parameter awsRoleArn", id.Provider)
		}
		return awsIdentity{role: role, externalID: id.ExternalID}, nil
	default:
		return awsIdentity{}, scaler.Misconfigured(nil, "podIdentity %s gives no AWS credentials; expected aws", id.Provider)
	}
	switch {
	case a.owner == awsOwnerOperator:
		return awsIdentity{}, nil
	case !a.keyID.IsZero() && !a.secret.IsZero():
		return awsIdentity{keys: true, role: a.role}, nil
	case a.role != "":
		return awsIdentity{role: a.role}, nil
	}
	return awsIdentity{}, scaler.Misconfigured(nil, "there are no AWS credentials; expected awsAccessKeyID and awsSecretAccessKey or awsRoleArn in the authenticationRef, a podIdentity aws, or identityOwner operator")
}

func (a *AWS) digest(who awsIdentity) string {
	if who.keys {
		return Digest("keys", a.keyID.Reveal(), a.secret.Reveal(), a.session.Reveal(), who.role, who.externalID)
	}
	return Digest("operator", who.role, who.externalID)
}

// AWSClient is a client of one AWS service, shared by all triggers with the
// same region, endpoint and credentials.
type AWSClient[C any] struct {
	// API is the SDK's client.
	API C
	// Host stands for the server.
	Host string
	// Key is equal for clients that are the same.
	Key string

	release []func()
}

// Close gives the client back.
func (c *AWSClient[C]) Close() error {
	for _, r := range slices.Backward(c.release) {
		r()
	}
	return nil
}

// OpenAWS takes a client of a service ("sqs") from the pool, made by create
// when there is none. It does no network I/O. The caller closes it. The
// region and the endpoint are a trigger's, so requests keep away from
// link-local addresses; the SDK's own ways to the operator's credentials may
// use them, since no trigger says where those are.
func OpenAWS[C any](env scaler.Env, a *AWS, service string, create func(aws.Config) C) (*AWSClient[C], error) {
	who, err := a.identity(env.Identity)
	if err != nil {
		return nil, err
	}
	c := &AWSClient[C]{Host: service + "." + a.region + ".amazonaws.com"}
	at := ""
	if a.endpoint != nil {
		c.Host, at = a.endpoint.Host, a.endpoint.Redacted()
	}
	key := scaler.PoolKey{
		Driver: "aws-" + service, Credentials: a.digest(who),
		Address: a.region + " " + at + " timeout=" + httpTimeout(env.HTTP).String() + " " + optionsKey(env.HTTP),
	}
	c.Key = key.Address + " " + key.Credentials
	// The connections are held by every holder of the client, so they last as
	// long as it does.
	connections, release, err := leasePlainHTTP(env)
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing an AWS client")
	}
	c.release = append(c.release, release)
	c.API, release, err = scaler.Lease(env.Pool, key, func() (api C, err error) {
		config, err := a.config(env.HTTP, who, connections)
		if err != nil {
			return api, err
		}
		return create(config), nil
	})
	if err != nil {
		_ = c.Close()
		return nil, scaler.Misconfigured(err, "preparing an AWS client")
	}
	c.release = append(c.release, release)
	return c, nil
}

// awsBodyLimit is the largest answer read, in bytes: records of Kinesis, the
// largest, have 10 MiB.
const awsBodyLimit = 32 << 20

// config is the SDK's configuration for one service. A signed request is good
// for one address only, so redirects are not followed.
func (a *AWS) config(o scaler.HTTPOptions, who awsIdentity, connections *sharedHTTP) (aws.Config, error) {
	var own *awshttp.BuildableClient
	if !who.keys || who.role != "" {
		var err error
		if own, err = awsCredentialsClient(o); err != nil {
			return aws.Config{}, err
		}
	}
	config := aws.Config{
		Region: a.region, Retryer: awsRetryer, Credentials: a.credentials(who, own),
		HTTPClient: &http.Client{
			Transport: limitedTransport{connections.Transport, awsBodyLimit}, Timeout: httpTimeout(o),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if a.endpoint != nil {
		config.BaseEndpoint = aws.String(a.endpoint.String())
	}
	return config, nil
}

// awsRetryer sends a request again once when its connection failed, as one
// that was idle for long may have; for anything else the next poll is soon
// enough.
func awsRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 2, 50*time.Millisecond, ratelimit.None
		o.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(awsNotAgain), retry.NoRetryCanceledError{}, retry.RetryableConnectionError{}}
	})
}

// awsNotAgain refuses to wait twice for a server that is slow.
func awsNotAgain(err error) aws.Ternary {
	var late interface{ Timeout() bool }
	if errors.As(err, &late) && late.Timeout() {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}
