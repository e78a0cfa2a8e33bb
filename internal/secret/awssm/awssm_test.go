package awssm

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

const (
	hidden = "s3cr3t-value"
	// role is of moto's own account.
	role = "arn:aws:iam::123456789012:role/keda"
	// otherRole is of another account, which has nothing.
	otherRole = "arn:aws:iam::111122223333:role/keda"
)

// expected is what an item gives.
type expected struct {
	value  string
	reason scaler.Reason
	text   string
}

func check(t *testing.T, got secret.Fetched, want expected) {
	t.Helper()
	if got.Value != want.value || (got.Err == nil) != (want.text == "") {
		t.Errorf("got %q, %v; expected %q, an error with %q", got.Value, got.Err, want.value, want.text)
	}
	if got.Err == nil {
		return
	}
	if scaler.ReasonOf(got.Err) != want.reason || !strings.Contains(got.Err.Error(), want.text) || strings.Contains(got.Err.Error(), hidden) {
		t.Errorf("error %s %v; expected %s %q, and no value", scaler.ReasonOf(got.Err), got.Err, want.reason, want.text)
	}
}

// operator keeps the machine's own configuration out, and is known to AWS by
// keys in its environment.
func operator(t *testing.T, url string) Options {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": url, "AWS_ACCESS_KEY_ID": "AKIAOPERATOR", "AWS_SECRET_ACCESS_KEY": "operator", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	return Options{Env: scaler.Env{Pool: pool.New(), Now: time.Now, HTTP: scaler.HTTPOptions{Timeout: 20 * time.Second}}, Endpoint: url}
}

func keys() secret.AWSAccess {
	return secret.AWSAccess{Region: motoserver.Region, KeyID: param.Hide("AKIA"), Secret: param.Hide(hidden), Session: param.Hide("session")}
}

func admin(url string) aws.Config {
	return aws.Config{Region: motoserver.Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIAADMIN", "admin", "")}
}

func TestSecrets(t *testing.T) {
	s := motoserver.Start(t)
	c := secretsmanager.NewFromConfig(admin(s.URL))
	create := func(name, value string) string {
		got, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
		if err != nil {
			t.Fatal(err)
		}
		return *got.VersionId
	}
	first := create("plain", hidden)
	create("object", `{"password":"`+hidden+`","port":12345678901234567890,"on":true,"nested":{},"none":null}`)
	arn, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("binary"), SecretBinary: []byte(hidden)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("plain"), SecretString: aws.String(hidden + "-2")}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		item secret.Item
		want expected
	}{
		"the current version": {secret.Item{Name: "plain"}, expected{value: hidden + "-2"}},
		"a version by ID":     {secret.Item{Name: "plain", Version: first}, expected{value: hidden}},
		"a version by stage":  {secret.Item{Name: "plain", Stage: "AWSPREVIOUS"}, expected{value: hidden}},
		"bytes, by ARN":       {secret.Item{Name: *arn.ARN}, expected{value: hidden}},
		"a field":             {secret.Item{Name: "object", Key: "password"}, expected{value: hidden}},
		"a field, a number":   {secret.Item{Name: "object", Key: "port"}, expected{value: "12345678901234567890"}},
		"a field, a boolean":  {secret.Item{Name: "object", Key: "on"}, expected{value: "true"}},
		"a field, an object":  {secret.Item{Name: "object", Key: "nested"}, expected{"", scaler.ReasonMisconfigured, `the field "nested" is no text`}},
		"a field, null":       {secret.Item{Name: "object", Key: "none"}, expected{"", scaler.ReasonMissing, `it has no field "none"`}},
		"no such field":       {secret.Item{Name: "object", Key: "pasword"}, expected{"", scaler.ReasonMissing, `reading "object" from AWS Secrets Manager: it has no field "pasword" (did you mean password?)`}},
		"no object":           {secret.Item{Name: "plain", Key: "password"}, expected{"", scaler.ReasonMisconfigured, "the value is no JSON object"}},
		"no such secret":      {secret.Item{Name: "gone"}, expected{"", scaler.ReasonMissing, `reading "gone" from AWS Secrets Manager`}},
		"no such version":     {secret.Item{Name: "plain", Version: "00000000-0000-0000-0000-000000000000"}, expected{"", scaler.ReasonMissing, "ResourceNotFoundException"}},
	}
	o := operator(t, s.URL)
	identities := map[string]secret.AWSAccess{
		"keys": keys(), "operator": {Region: motoserver.Region, Identity: scaler.Identity{Provider: "aws"}},
		"role": {Region: motoserver.Region, Identity: scaler.Identity{Provider: "aws", RoleARN: role}},
	}
	for who, access := range identities {
		store, err := NewSecrets(o)(access)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(store.Close)
		for name, tt := range tests {
			t.Run(who+", "+name, func(t *testing.T) { check(t, store.Fetch(t.Context(), []secret.Item{tt.item})[0], tt.want) })
		}
	}
	store, err := NewSecrets(o)(secret.AWSAccess{Region: motoserver.Region, Identity: scaler.Identity{Provider: "aws", RoleARN: otherRole}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	check(t, store.Fetch(t.Context(), []secret.Item{{Name: "plain"}})[0], expected{"", scaler.ReasonMissing, `reading "plain"`})
}

func TestParameters(t *testing.T) {
	s := motoserver.Start(t)
	c := ssm.NewFromConfig(admin(s.URL))
	put := func(name, value string, kind types.ParameterType) {
		if _, err := c.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &name, Value: &value, Type: kind, Overwrite: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
	}
	put("/app/plain", "old", types.ParameterTypeString)
	put("/app/plain", "new", types.ParameterTypeString)
	put("/app/secure", hidden, types.ParameterTypeSecureString)
	put("/app/object", `{"password":"`+hidden+`"}`, types.ParameterTypeSecureString)
	if _, err := c.LabelParameterVersion(t.Context(), &ssm.LabelParameterVersionInput{Name: aws.String("/app/plain"), ParameterVersion: aws.Int64(1), Labels: []string{"before"}}); err != nil {
		t.Fatal(err)
	}
	var items []secret.Item
	var want []expected
	add := func(it secret.Item, e expected) { items, want = append(items, it), append(want, e) }
	add(secret.Item{Name: "/app/plain"}, expected{value: "new"})
	add(secret.Item{Name: "/app/plain", Version: "1"}, expected{value: "old"})
	add(secret.Item{Name: "/app/plain", Version: "before"}, expected{value: "old"})
	add(secret.Item{Name: "/app/secure"}, expected{value: hidden})
	add(secret.Item{Name: "/app/object", Key: "password"}, expected{value: hidden})
	add(secret.Item{Name: "/app/object", Key: "user"}, expected{"", scaler.ReasonMissing, `it has no field "user"`})
	add(secret.Item{Name: "/app/gone"}, expected{"", scaler.ReasonMissing, `reading "/app/gone" from the AWS Parameter Store: there is no such parameter`})
	add(secret.Item{Name: "/app/plain", Version: "7"}, expected{"", scaler.ReasonMissing, "there is no such version of it"})
	store, err := NewParameters(operator(t, s.URL))(keys())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	for i, got := range store.Fetch(t.Context(), items) {
		t.Run(selector(items[i])+items[i].Key, func(t *testing.T) { check(t, got, want[i]) })
	}
}

// TestDenied: credentials that AWS does not know.
func TestDenied(t *testing.T) {
	s := motoserver.Start(t)
	o := operator(t, s.URL)
	s.Deny(t)
	for name, open := range map[string]func(secret.AWSAccess) (secret.Store, error){"secrets": NewSecrets(o), "parameters": NewParameters(o)} {
		t.Run(name, func(t *testing.T) {
			store, err := open(keys())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(store.Close)
			for _, got := range store.Fetch(t.Context(), []secret.Item{{Name: "a"}, {Name: "a", Key: "b"}}) {
				check(t, got, expected{"", scaler.ReasonDenied, `reading "a" from`})
			}
		})
	}
}

// TestOneRequest: fields of one version come from one answer.
func TestOneRequest(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write([]byte(`{"SecretString":"{\"user\":\"u\",\"password\":\"p\"}"}`))
	}))
	t.Cleanup(server.Close)
	store, err := NewSecrets(operator(t, server.URL))(keys())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	got := store.Fetch(t.Context(), []secret.Item{{Name: "db", Key: "user"}, {Name: "db", Key: "password"}})
	check(t, got[0], expected{value: "u"})
	check(t, got[1], expected{value: "p"})
	if requests != 1 {
		t.Errorf("%d requests; expected one", requests)
	}
}

func TestOpen(t *testing.T) {
	tests := map[string]struct {
		region  string
		access  secret.AWSAccess
		problem string
	}{
		"the operator's region": {"eu-west-1", secret.AWSAccess{Identity: scaler.Identity{Provider: "aws"}}, ""},
		"no region":             {"", secret.AWSAccess{Identity: scaler.Identity{Provider: "aws"}}, "region is missing"},
		"a host as a region":    {"", secret.AWSAccess{Region: "evil.example.org/", Identity: scaler.Identity{Provider: "aws"}}, "found values that can't be any"},
		"half a key pair":       {"eu-west-1", secret.AWSAccess{KeyID: param.Hide(hidden)}, "found values that can't be any"},
		"another cloud":         {"eu-west-1", secret.AWSAccess{Identity: scaler.Identity{Provider: "gcp"}}, "podIdentity gcp gives no AWS credentials"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := operator(t, "http://127.0.0.1:1")
			o.Region = tt.region
			for _, open := range []func(secret.AWSAccess) (secret.Store, error){NewSecrets(o), NewParameters(o)} {
				store, err := open(tt.access)
				if err == nil {
					store.Close()
				}
				if (err == nil) != (tt.problem == "") || err != nil && (!strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), hidden)) {
					t.Errorf("error %v; expected one with %q", err, tt.problem)
				}
			}
			if left := o.Env.Pool.(*pool.Pool).Len(); len(left) != 0 {
				t.Errorf("still held: %v", left)
			}
		})
	}
}
