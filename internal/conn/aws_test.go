package conn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	awsRole   = "arn:aws:iam::111122223333:role/keda"
	awsSecret = "aws-secret-key"
)

// fakeAWS is an STS and an SQS that remember who asked.
type fakeAWS struct {
	*httptest.Server
	mu     sync.Mutex   // guards what follows
	roles  []url.Values // requests of STS
	signed []string     // access key IDs that signed requests of SQS
	refuse bool         // whether STS refuses
}

func startFakeAWS(t *testing.T) *fakeAWS {
	t.Helper()
	f := &fakeAWS{}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	// Nothing of the machine's own configuration takes part.
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": f.URL, "AWS_ACCESS_KEY_ID": "AKIAOPERATOR", "AWS_SECRET_ACCESS_KEY": "operator-secret", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "", "AWS_PROFILE": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
	} {
		t.Setenv(name, value)
	}
	return f
}

func (f *fakeAWS) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, after, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	by, _, _ := strings.Cut(after, "/")
	if r.Header.Get("X-Amz-Target") != "" {
		f.signed = append(f.signed, by)
		_ = json.NewEncoder(w).Encode(map[string]any{"QueueUrl": "q"})
		return
	}
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	form.Set("signed by", by)
	f.roles = append(f.roles, form)
	if f.refuse {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: u is not authorized to perform: sts:AssumeRole on resource: `+awsRole+`</Message></Error></ErrorResponse>`)
		return
	}
	action := form.Get("Action")
	_, _ = fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></%[1]sResult></%[1]sResponse>`, action)
}

func (f *fakeAWS) lastSigned() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.signed) == 0 {
		return ""
	}
	return f.signed[len(f.signed)-1]
}

func (f *fakeAWS) assumed() []url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.roles
}

// openSQS opens a client for what the values say.
func openSQS(env scaler.Env, at string, auth map[string]string, owner string) (*conn.AWSClient[*sqs.Client], error) {
	var a conn.AWS
	v := param.Values{Metadata: map[string]string{"awsRegion": "eu-west-1", "awsEndpoint": at, "identityOwner": owner}, Auth: auth}
	if err := append(a.Params().Decode(v), a.Check()...).Err(); err != nil {
		return nil, err
	}
	return conn.OpenAWS(env, &a, "sqs", func(c aws.Config) *sqs.Client { return sqs.NewFromConfig(c) })
}

func ask(t *testing.T, c *conn.AWSClient[*sqs.Client]) error {
	t.Helper()
	_, err := c.API.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	if err != nil {
		return conn.AWSError(err, "asking")
	}
	return nil
}

func TestAWSWhoAsks(t *testing.T) {
	pair := map[string]string{"awsAccessKeyID": "AKIATRIGGER", "awsSecretAccessKey": awsSecret}
	both := map[string]string{"awsAccessKeyID": "AKIATRIGGER", "awsSecretAccessKey": awsSecret, "awsRoleArn": awsRole}
	role := map[string]string{"awsRoleArn": awsRole}
	for name, tc := range map[string]struct {
		identity scaler.Identity
		auth     map[string]string
		owner    string
		signed   string
		roleBy   string // who asked STS, empty for nobody
		external string
	}{
		"key pair":                  {auth: pair, signed: "AKIATRIGGER"},
		"key pair and role":         {auth: both, signed: "ASIAROLE", roleBy: "AKIATRIGGER"},
		"role":                      {auth: role, signed: "ASIAROLE", roleBy: "AKIAOPERATOR"},
		"operator":                  {owner: "operator", signed: "AKIAOPERATOR"},
		"operator before key pair":  {auth: pair, owner: "operator", signed: "AKIAOPERATOR"},
		"pod identity":              {identity: scaler.Identity{Provider: "aws"}, signed: "AKIAOPERATOR"},
		"pod identity with role":    {identity: scaler.Identity{Provider: "aws", RoleARN: awsRole, ExternalID: "e"}, signed: "ASIAROLE", roleBy: "AKIAOPERATOR", external: "e"},
		"pod identity before pair":  {identity: scaler.Identity{Provider: "aws"}, auth: pair, signed: "AKIAOPERATOR"},
		"workload's service role":   {identity: scaler.Identity{Provider: "aws", Owner: "workload", RoleARN: awsRole}, signed: "ASIAROLE", roleBy: "AKIAOPERATOR"},
		"aws-eks as the operator":   {identity: scaler.Identity{Provider: "aws-eks", Owner: "keda"}, signed: "AKIAOPERATOR"},
		"aws-eks with role as text": {identity: scaler.Identity{Provider: "aws-eks"}, auth: role, signed: "ASIAROLE", roleBy: "AKIAOPERATOR"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFakeAWS(t)
			c, err := openSQS(scaler.Env{Pool: pool.New(), Identity: tc.identity}, f.URL, tc.auth, tc.owner)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			for range 2 { // the second with what is known
				if err := ask(t, c); err != nil {
					t.Fatal(err)
				}
			}
			if got := f.lastSigned(); got != tc.signed {
				t.Errorf("signed by %s, want %s", got, tc.signed)
			}
			asked := f.assumed()
			switch {
			case tc.roleBy == "" && len(asked) == 0:
			case len(asked) != 1 || asked[0].Get("signed by") != tc.roleBy || asked[0].Get("RoleArn") != awsRole || asked[0].Get("ExternalId") != tc.external:
				t.Errorf("STS was asked %v; want by %q", asked, tc.roleBy)
			}
		})
	}
}

func TestAWSWebIdentity(t *testing.T) {
	f := startFakeAWS(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a.b.c"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file)
	c, err := openSQS(scaler.Env{Pool: pool.New(), Identity: scaler.Identity{Provider: "aws", RoleARN: awsRole}}, f.URL, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := ask(t, c); err != nil {
		t.Fatal(err)
	}
	asked := f.assumed()
	if len(asked) != 1 || asked[0].Get("Action") != "AssumeRoleWithWebIdentity" || asked[0].Get("WebIdentityToken") != "a.b.c" {
		t.Errorf("STS was asked %v", asked)
	}
}

func TestAWSRefusedRole(t *testing.T) {
	f := startFakeAWS(t)
	f.refuse = true
	c, err := openSQS(scaler.Env{Pool: pool.New()}, f.URL, map[string]string{"awsRoleArn": awsRole}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	err = ask(t, c)
	if scaler.ReasonOf(err) != scaler.ReasonDenied || !strings.Contains(err.Error(), "sts:AssumeRole on "+awsRole) {
		t.Errorf("got %v", err)
	}
	if f.lastSigned() != "" {
		t.Error("the service was asked without credentials")
	}
}

func TestAWSOperatorWithoutCredentials(t *testing.T) {
	f := startFakeAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	c, err := openSQS(scaler.Env{Pool: pool.New()}, f.URL, nil, "operator")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	err = ask(t, c)
	if scaler.ReasonOf(err) != scaler.ReasonDenied || !strings.Contains(err.Error(), "operator's own AWS credentials") {
		t.Errorf("got %v", err)
	}
}

func TestAWSNobodyToAsk(t *testing.T) {
	for name, id := range map[string]scaler.Identity{
		"none":             {},
		"aws-eks, no role": {Provider: "aws-eks"},
		"workload":         {Provider: "aws", Owner: "workload"},
		"another cloud's":  {Provider: "gcp"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := openSQS(scaler.Env{Pool: pool.New(), Identity: id}, "http://127.0.0.1:1", nil, ""); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestAWSShares checks that triggers share clients exactly when region,
// endpoint and credentials are the same.
func TestAWSShares(t *testing.T) {
	p := pool.New()
	one := map[string]string{"awsAccessKeyID": "A", "awsSecretAccessKey": awsSecret}
	rotated := map[string]string{"awsAccessKeyID": "A", "awsSecretAccessKey": "another"}
	var clients []*conn.AWSClient[*sqs.Client]
	for _, c := range []struct {
		at   string
		auth map[string]string
	}{{"http://127.0.0.1:1", one}, {"http://127.0.0.1:1", one}, {"http://127.0.0.1:2", one}, {"http://127.0.0.1:1", rotated}} {
		got, err := openSQS(scaler.Env{Pool: p}, c.at, c.auth, "")
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, got)
	}
	if clients[0].API != clients[1].API || clients[0].Key != clients[1].Key {
		t.Error("equal triggers have clients of their own")
	}
	for i, c := range clients[2:] {
		if c.API == clients[0].API || c.Key == clients[0].Key {
			t.Errorf("trigger %d shares a client that is not its own", i+2)
		}
		if strings.Contains(c.Key, awsSecret) {
			t.Error("the key shows a credential")
		}
	}
	if got := p.Len(); got["aws-sqs"] != 3 || got["http"] != 1 {
		t.Errorf("the pool holds %v", got)
	}
	for _, c := range clients {
		_ = c.Close()
	}
	if got := p.Len(); len(got) != 0 {
		t.Errorf("after closing the pool holds %v", got)
	}
}

func TestAWSErrorKeepsQuiet(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		reason scaler.Reason
		want   string
	}{
		"cancelled":    {context.Canceled, scaler.ReasonUnreachable, "doing: context canceled"},
		"late":         {context.DeadlineExceeded, scaler.ReasonUnreachable, "no answer in time"},
		"namespaced":   {&smithy.GenericAPIError{Code: "com.amazonaws.x#AccessDeniedException", Message: awsSecret}, scaler.ReasonDenied, "doing: AccessDeniedException"},
		"odd code":     {&smithy.GenericAPIError{Code: "A\n<b>"}, scaler.ReasonBadAnswer, "doing: Ab"},
		"own":          {fmt.Errorf("wrapped: %w", scaler.Denied(nil, "inner")), scaler.ReasonDenied, "inner"},
		"invalid":      {&smithy.GenericAPIError{Code: "ValidationException", Message: "x\ny"}, scaler.ReasonMisconfigured, "ValidationException: x y"},
		"no such type": {errors.New(awsSecret), scaler.ReasonMisconfigured, "could not be made"},
	} {
		t.Run(name, func(t *testing.T) {
			got := conn.AWSError(tc.err, "doing")
			if scaler.ReasonOf(got) != tc.reason || !strings.Contains(got.Error(), tc.want) || strings.Contains(got.Error(), awsSecret) {
				t.Errorf("got %s: %v", scaler.ReasonOf(got), got)
			}
		})
	}
}
