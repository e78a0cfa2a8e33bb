package conn

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/api/option"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// gcpProvider is the podIdentity provider of the operator's own Google Cloud
// credentials.
const gcpProvider = "gcp"

// GCP are the parameters that every Google Cloud trigger has: who asks, and
// where the service is.
type GCP struct {
	key, envKey   param.Hidden
	file, envFile string
	endpoint      *url.URL
	has           struct{ key, file, envKey, envFile bool }
}

// Params declares the group. Names are upstream's, except endpoint.
func (g *GCP) Params() param.Set {
	return g.KeyParams().With(param.Group("Google Cloud",
		param.URL("endpoint", &g.endpoint).Example("https://monitoring-keda.p.googleapis.com").
			Doc("Address of the service where it is not the usual one, such as a private endpoint or an emulator; with a podIdentity it must be of googleapis.com. Without any credentials requests to it are anonymous."),
	))
}

// KeyParams declares only who asks, for services whose address is given
// otherwise, see OpenGCPBearer.
func (g *GCP) KeyParams() param.Set {
	return param.Group("Google Cloud",
		param.Secret("GoogleApplicationCredentials", &g.key).IsSet(&g.has.key).Doc("Key of a service account, as the JSON text that Google Cloud gives."),
		param.Text("GoogleApplicationCredentialsFile", &g.file).From(param.Auth).IsSet(&g.has.file).
			Doc("File with the key, below the folder that the operator opened to triggers."),
		param.Secret("credentials", &g.envKey).From(param.Env, param.Metadata).NamesEnv("").IsSet(&g.has.envKey).
			Doc("Key of a service account, as JSON text; usually by credentialsFromEnv, the name of a variable of the container."),
		param.Text("credentialsFromEnvFile", &g.envFile).NamesVariable().IsSet(&g.has.envFile).
			Doc("Name of a variable of the container that holds the name of a file with the key, below the folder that the operator opened to triggers."),
	)
}

// Given says whether there is a key, or will be once the authenticationRef is
// resolved.
func (g *GCP) Given() bool { return g.has.key || g.has.file || g.has.envKey || g.has.envFile }

// Check finds keys that can't be used, without echoing them.
func (g *GCP) Check() param.Problems {
	var ps param.Problems
	for path, key := range map[string]param.Hidden{"authenticationRef.GoogleApplicationCredentials": g.key, "metadata.credentials": g.envKey} {
		if key.IsZero() {
			continue
		}
		if _, err := readGCPKey([]byte(key.Reveal())); err != nil {
			ps.Errorf(path, "%v", err)
		}
	}
	slices.SortFunc(ps, func(a, b param.Problem) int { return strings.Compare(a.Path, b.Path) })
	return ps
}

// Endpoint is the parameter endpoint, nil when unset.
func (g *GCP) Endpoint() *url.URL { return g.endpoint }

// gcpKey is what we read of a service account's key.
type gcpKey struct {
	Type       string `json:"type"`
	Project    string `json:"project_id"`
	Email      string `json:"client_email"`
	PrivateKey string `json:"private_key"`
}

// readGCPKey takes keys of service accounts only. The other kinds of
// credentials name files, programs and addresses that the operator would open
// for whoever wrote them.
func readGCPKey(text []byte) (gcpKey, error) {
	var k gcpKey
	if json.Unmarshal(text, &k) != nil {
		return k, errors.New("found a value that is no JSON object; expected the key of a service account as JSON text")
	}
	if k.Type != "service_account" {
		return k, errors.New("found credentials that are not of the type service_account; expected the key of a service account, or a podIdentity gcp in the authenticationRef")
	}
	if k.Email == "" || k.PrivateKey == "" {
		return k, errors.New("found a key without client_email or private_key; expected the whole JSON text that Google Cloud gives")
	}
	return k, nil
}

// checkGCPKey finds keys that can't sign.
func checkGCPKey(text []byte) error {
	k, err := readGCPKey(text)
	if err != nil {
		return err
	}
	der := []byte(k.PrivateKey)
	if block, _ := pem.Decode(der); block != nil {
		der = block.Bytes
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return nil
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return nil
	}
	return errors.New("found a private_key that can't be read; expected one in PEM form")
}

// gcpIdentity is who asks: by a key, a file with a key, or the operator,
// maybe as another service account. All empty is nobody.
type gcpIdentity struct {
	key      param.Hidden
	file     string
	operator bool
	as       string
}

func (w gcpIdentity) anonymous() bool { return w.key.IsZero() && w.file == "" && !w.operator }

func (w gcpIdentity) digest() string {
	return Digest(w.key.Reveal(), w.file, fmt.Sprint(w.operator), w.as)
}

// check refuses a file where the operator opened no folder.
func (w gcpIdentity) check(env scaler.Env) error {
	if w.file != "" && env.ReadFile == nil {
		return scaler.Misconfigured(nil, "found a file with Google Cloud credentials, but the operator opened no folder to triggers (--filepath-auth-root-path); expected the key in a Secret, as GoogleApplicationCredentials of the authenticationRef")
	}
	return nil
}

var gcpAccountForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*@[a-zA-Z0-9.-]+\.gserviceaccount\.com$`)

func (g *GCP) identity(id scaler.Identity) (gcpIdentity, error) {
	switch id.Provider {
	case "", "none":
	case gcpProvider:
		if id.ID != "" && !gcpAccountForm.MatchString(id.ID) {
			return gcpIdentity{}, scaler.Misconfigured(nil, "podIdentity gcp: found an identityId that is no service account; expected name@project.iam.gserviceaccount.com")
		}
		if e := g.endpoint; e != nil && (e.Scheme != "https" || !strings.HasSuffix(e.Hostname(), ".googleapis.com")) {
			return gcpIdentity{}, scaler.Misconfigured(nil, "endpoint: found an address outside googleapis.com; expected an https address below it, since a podIdentity shows it the operator's token")
		}
		return gcpIdentity{operator: true, as: id.ID}, nil
	default:
		return gcpIdentity{}, scaler.Misconfigured(nil, "podIdentity %s gives no Google Cloud credentials; expected gcp", id.Provider)
	}
	for _, key := range []param.Hidden{g.key, g.envKey} {
		if !key.IsZero() {
			return gcpIdentity{key: key}, nil
		}
	}
	for _, file := range []string{g.file, g.envFile} {
		if file != "" {
			return gcpIdentity{file: file}, nil
		}
	}
	if g.endpoint != nil {
		return gcpIdentity{}, nil
	}
	return gcpIdentity{}, scaler.Misconfigured(nil, "there are no Google Cloud credentials; expected GoogleApplicationCredentials in the authenticationRef, credentialsFromEnv, or a podIdentity gcp")
}

// GCPService is what a client of one service is made for.
type GCPService struct {
	// Name is the service's host below googleapis.com, e.g. "monitoring".
	Name string
	// Path is put before the paths of the API, e.g. "/storage/v1/".
	Path string
	// Scopes are what tokens may be used for.
	Scopes []string
}

// GCPClient is a client of one Google Cloud service, shared by all triggers
// with the same endpoint and credentials.
type GCPClient[C any] struct {
	// API is the SDK's client.
	API C
	// Host stands for the server.
	Host string
	// Key is equal for clients that are the same.
	Key string

	tokens  *gcpTokens // nil when asking as nobody
	release []func()
}

// Close gives the client back.
func (c *GCPClient[C]) Close() error {
	for _, r := range slices.Backward(c.release) {
		r()
	}
	return nil
}

// Project is the project that the credentials belong to.
func (c *GCPClient[C]) Project(ctx context.Context) (string, error) {
	if c.tokens == nil {
		return "", scaler.Misconfigured(nil, "the project is not known without credentials; expected a full resource name such as projects/shop/subscriptions/orders")
	}
	return c.tokens.projectID(ctx)
}

// OpenGCP takes a client of a service from the pool, made by create (such as
// the SDK's NewService) when there is none. It does no network I/O. The caller
// closes it. The endpoint and a key's token address are a trigger's, so
// requests keep away from link-local addresses; only what asks for the
// operator's own credentials may use them.
func OpenGCP[C any](env scaler.Env, g *GCP, s GCPService, create func(context.Context, ...option.ClientOption) (C, error)) (*GCPClient[C], error) {
	who, err := g.identity(env.Identity)
	if err != nil {
		return nil, err
	}
	if err := who.check(env); err != nil {
		return nil, err
	}
	c := &GCPClient[C]{Host: s.Name + ".googleapis.com"}
	at := &url.URL{Scheme: "https", Host: c.Host}
	if g.endpoint != nil {
		at, c.Host = g.endpoint, g.endpoint.Host
	}
	at = at.JoinPath(s.Path)
	at.Path = "/" + strings.TrimLeft(at.Path, "/")
	// All holders of the client hold connections and tokens too, so those last
	// as long as it does.
	connections, release, err := leasePlainHTTP(env)
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing a Google Cloud client")
	}
	c.release = append(c.release, release)
	if !who.anonymous() {
		c.tokens, release, err = leaseGCPTokens(env, who, s.Scopes, connections.Transport)
		if err != nil {
			_ = c.Close()
			return nil, err
		}
		c.release = append(c.release, release)
	}
	key := scaler.PoolKey{Driver: "gcp-" + s.Name, Address: at.Redacted() + " " + gcpCommonKey(env), Credentials: who.digest()}
	c.Key = key.Address + " " + key.Credentials
	c.API, release, err = scaler.Lease(env.Pool, key, func() (C, error) {
		return create(context.Background(), option.WithHTTPClient(gcpHTTP(env.HTTP, connections.Transport, c.tokens)), option.WithEndpoint(at.String()))
	})
	if err != nil {
		_ = c.Close()
		return nil, scaler.Misconfigured(errors.New("the address can't be used"), "preparing a Google Cloud client")
	}
	c.release = append(c.release, release)
	return c, nil
}

// leaseGCPTokens takes the tokens of an identity from the pool.
func leaseGCPTokens(env scaler.Env, who gcpIdentity, scopes []string, base http.RoundTripper) (*gcpTokens, func(), error) {
	key := scaler.PoolKey{Driver: "gcp-identity", Address: strings.Join(scopes, ",") + " " + gcpCommonKey(env), Credentials: who.digest()}
	tokens, release, err := scaler.Lease(env.Pool, key, func() (*gcpTokens, error) { return newGCPTokens(env, who, scopes, base) })
	if err != nil {
		return nil, nil, scaler.Misconfigured(err, "preparing Google Cloud credentials")
	}
	return tokens, release, nil
}

// gcpCommonKey names the operator-wide settings that change a client.
func gcpCommonKey(env scaler.Env) string {
	return "timeout=" + httpTimeout(env.HTTP).String() + " " + optionsKey(env.HTTP)
}

// gcpHTTP is a client whose requests carry tokens. It follows no redirects,
// which would take the tokens elsewhere.
func gcpHTTP(o scaler.HTTPOptions, base http.RoundTripper, tokens *gcpTokens) *http.Client {
	return &http.Client{
		Transport: &gcpTransport{base: base, tokens: tokens}, Timeout: httpTimeout(o),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
