package conn

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/kedago/keda/pkg/scaler"
)

// IAMDigest stands for the credentials and the region in a pool's key. It
// fails as Misconfigured where the trigger has no AWS credentials.
func (a *AWS) IAMDigest(id scaler.Identity) (string, error) {
	who, err := a.identity(id)
	if err != nil {
		return "", err
	}
	return Digest(a.region, a.digest(who)), nil
}

// IAM returns the trigger's credentials, for clients that sign by themselves.
// It does no I/O; temporary credentials are kept until shortly before their
// end. The provider's errors are of package scaler.
func (a *AWS) IAM(env scaler.Env) (aws.CredentialsProvider, error) {
	who, err := a.identity(env.Identity)
	if err != nil {
		return nil, err
	}
	var own *awshttp.BuildableClient
	if !who.keys || who.role != "" {
		if own, err = awsCredentialsClient(env.HTTP); err != nil {
			return nil, scaler.Misconfigured(err, "preparing an AWS client")
		}
	}
	return a.credentials(who, own), nil
}
