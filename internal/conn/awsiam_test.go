package conn_test

import (
	"strings"
	"testing"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// iamOf decodes the parameters of a source that takes AWS credentials.
func iamOf(t *testing.T, region string, auth map[string]string) *conn.AWS {
	t.Helper()
	a := &conn.AWS{}
	v := param.Values{Metadata: map[string]string{"awsRegion": region}, Auth: auth}
	if err := append(a.SigningParams("Region.").Decode(v), a.Check()...).Err(); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAWSIAM checks whose credentials a client gets that signs by itself, and
// that a role is assumed once for all that it signs.
func TestAWSIAM(t *testing.T) {
	pair := map[string]string{"awsAccessKeyID": "AKIATRIGGER", "awsSecretAccessKey": awsSecret}
	for name, tc := range map[string]struct {
		identity scaler.Identity
		auth     map[string]string
		want     string
		roles    int
	}{
		"key pair":               {auth: pair, want: "AKIATRIGGER"},
		"pod identity":           {identity: scaler.Identity{Provider: "aws"}, want: "AKIAOPERATOR"},
		"pod identity with role": {identity: scaler.Identity{Provider: "aws", RoleARN: awsRole}, want: "ASIAROLE", roles: 1},
		"role":                   {auth: map[string]string{"awsRoleArn": awsRole}, want: "ASIAROLE", roles: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFakeAWS(t)
			provider, err := iamOf(t, "eu-west-1", tc.auth).IAM(scaler.Env{Identity: tc.identity})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				got, err := provider.Retrieve(t.Context())
				if err != nil || got.AccessKeyID != tc.want {
					t.Errorf("got %s, %v; want %s", got.AccessKeyID, err, tc.want)
				}
			}
			if n := len(f.assumed()); n != tc.roles {
				t.Errorf("STS was asked %d times, want %d", n, tc.roles)
			}
		})
	}
}

func TestAWSIAMRefused(t *testing.T) {
	f := startFakeAWS(t)
	f.refuse = true
	provider, err := iamOf(t, "eu-west-1", map[string]string{"awsRoleArn": awsRole}).IAM(scaler.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Retrieve(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied || !strings.Contains(err.Error(), awsRole) {
		t.Errorf("got %v; want a refusal that names the role", err)
	}
	if _, err := iamOf(t, "eu-west-1", nil).IAM(scaler.Env{}); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("without credentials: %v", err)
	}
}

// TestAWSIAMDigest checks that clients are shared exactly when they may be.
func TestAWSIAMDigest(t *testing.T) {
	digest := func(region string, id scaler.Identity, secret string) string {
		got, err := iamOf(t, region, map[string]string{"awsAccessKeyID": "AKIATRIGGER", "awsSecretAccessKey": secret}).IAMDigest(id)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	one := digest("eu-west-1", scaler.Identity{}, awsSecret)
	if same := digest("eu-west-1", scaler.Identity{}, awsSecret); same != one || strings.Contains(one, awsSecret) {
		t.Errorf("%s and %s, which hold a credential or differ", one, same)
	}
	for name, other := range map[string]string{
		"region":   digest("eu-west-2", scaler.Identity{}, awsSecret),
		"secret":   digest("eu-west-1", scaler.Identity{}, "other"),
		"identity": digest("eu-west-1", scaler.Identity{Provider: "aws"}, awsSecret),
	} {
		if other == one {
			t.Errorf("another %s has the same digest", name)
		}
	}
}
