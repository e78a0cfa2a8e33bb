package azure

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// storage are the parameters of a storage account: where it is, and who asks.
type storage struct {
	service    conn.AzureService
	connection param.Hidden
	account    string
	aad        bool
	cloud      conn.AzureCloud
	has        struct{ connection, account bool }
}

func (s *storage) params() param.Set {
	return param.Group("Storage account",
		param.Secret("connection", &s.connection).From(param.Auth, param.Metadata, param.Env).NamesEnv("AzureWebJobsStorage").IsSet(&s.has.connection).
			Doc("Connection string of the account, with its key or a SAS; in place of a podIdentity."),
		param.Text("accountName", &s.account).IsSet(&s.has.account).Example("orders").Doc("Name of the account, when the authenticationRef has the podIdentity azure-workload in place of a connection."),
		param.Bool("useAAdPodIdentity", &s.aad).Default(false).Deprecated("use a TriggerAuthentication with the podIdentity azure-workload").
			Doc("Whether the operator's own workload identity asks, where the authenticationRef has no podIdentity."),
	).With(s.cloud.Params())
}

// accountForm is what Azure allows as the name of an account.
var accountForm = param.NewForm(`^[a-z0-9]{3,}$`, 24)

func (s *storage) check() param.Problems {
	ps := s.cloud.Check()
	if s.has.account && !accountForm.MatchString(s.account) {
		ps.Errorf("metadata.accountName", "found %.40q; expected 3 to 24 lower-case letters and digits", s.account)
	}
	if !s.has.account && (s.aad || !s.has.connection) {
		ps.Errorf("metadata.accountName", "is missing; expected the account's name for a podIdentity, or a connection string in connection")
	}
	if !s.connection.IsZero() {
		if _, err := parseStorage(s.connection.Reveal(), s.service, s.cloud.StorageSuffix()); err != nil {
			ps.Errorf("authenticationRef.connection", "found a connection string that %v; expected one as the account's access keys page shows it", err)
		}
	}
	return ps
}

// storageAccount is the address of an account's service, and what opens it:
// a key, a SAS or a token.
type storageAccount struct {
	url   *url.URL
	name  string
	key   param.Hidden
	sas   param.Hidden
	token *conn.AzureCredential
}

// parseStorage reads a connection string. The suffix is used where neither an
// address nor a suffix is in it. Errors complete the sentence "a connection
// string that …" and hold nothing of it.
func parseStorage(connection string, service conn.AzureService, suffix string) (storageAccount, error) {
	parts := map[string]string{}
	for _, part := range strings.Split(connection, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return storageAccount{}, errors.New("has a part without =")
		}
		parts[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	a := storageAccount{
		name: parts["accountname"], key: param.Hide(parts["accountkey"]), sas: param.Hide(strings.TrimPrefix(parts["sharedaccesssignature"], "?")),
	}
	switch {
	case !a.key.IsZero() && a.name == "":
		return a, errors.New("has no AccountName")
	case a.key.IsZero() && a.sas.IsZero():
		return a, errors.New("has neither AccountKey nor SharedAccessSignature")
	}
	if _, err := base64.StdEncoding.DecodeString(a.key.Reveal()); err != nil {
		return a, errors.New("has an AccountKey that is not base64")
	}
	var err error
	a.url, err = storageAddress(parts, a.name, service, suffix)
	return a, err
}

// storageAddress is the address that a connection string gives, or the one
// made of its account's name.
func storageAddress(parts map[string]string, account string, service conn.AzureService, suffix string) (*url.URL, error) {
	address := parts[string(service)+"endpoint"]
	if address == "" {
		if !accountForm.MatchString(account) {
			return nil, fmt.Errorf("has no %sEndpoint, nor an AccountName of 3 to 24 lower-case letters and digits to make it of", strings.ToUpper(string(service[:1]))+string(service[1:]))
		}
		address = cmp.Or(parts["defaultendpointsprotocol"], "https") + "://" + account + "." + string(service) + "." + cmp.Or(parts["endpointsuffix"], suffix)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("gives no http or https address")
	}
	return u, nil
}

// address is the service's address for the SDK, with the SAS where there is
// one: it goes nowhere else.
func (a storageAccount) address() string {
	text := strings.TrimRight(a.url.String(), "/") + "/"
	if a.token == nil && a.key.IsZero() {
		text += "?" + a.sas.Reveal()
	}
	return text
}

func (a storageAccount) digest() string {
	switch {
	case a.token != nil:
		return conn.Digest("token", a.token.Key)
	case !a.key.IsZero():
		return conn.Digest("key", a.name, a.key.Reveal())
	}
	return conn.Digest("sas", a.sas.Reveal())
}

// open finds out who asks. It does no I/O. release is called once the account
// is not used any more.
func (s *storage) open(env scaler.Env) (a storageAccount, release func(), err error) {
	if s.aad && (env.Identity.Provider == "" || env.Identity.Provider == "none") {
		env.Identity.Provider = conn.AzureWorkload
	}
	if env.Identity.Provider == "" || env.Identity.Provider == "none" {
		if s.connection.IsZero() {
			return a, nil, scaler.Misconfigured(nil, "there are no credentials for the storage account; expected connection in the authenticationRef, connectionFromEnv in the metadata, or the podIdentity %s together with accountName", conn.AzureWorkload)
		}
		a, err = parseStorage(s.connection.Reveal(), s.service, s.cloud.StorageSuffix())
		if err != nil {
			return a, nil, scaler.Misconfigured(err, "reading the connection string")
		}
		return a, func() {}, nil
	}
	if s.account == "" {
		return a, nil, scaler.Misconfigured(nil, "podIdentity %s: accountName is missing; expected the name of the storage account", env.Identity.Provider)
	}
	a.url = &url.URL{Scheme: "https", Host: s.account + "." + s.cloud.Suffix(s.service)}
	if a.token, err = s.cloud.Credential(env); err != nil {
		return a, nil, err
	}
	return a, a.token.Close, nil
}

// storageClient is a client of one service of an account, shared by all
// triggers with the same account and credentials.
type storageClient[C any] struct {
	api     C
	host    string
	release []func()
}

// Host implements scaler.Hosted.
func (c *storageClient[C]) Host() string { return c.host }

// Close implements scaler.Source: it gives the client back.
func (c *storageClient[C]) Close() error {
	for _, r := range slices.Backward(c.release) {
		r()
	}
	return nil
}

// openStorage takes a client from the pool, made by create when there is
// none. It does no network I/O. The caller closes it.
func openStorage[C any](env scaler.Env, s *storage, create func(storageAccount, azcore.ClientOptions) (C, error)) (*storageClient[C], error) {
	options, release, err := conn.AzureClientOptions(env)
	if err != nil {
		return nil, err
	}
	c := &storageClient[C]{release: []func(){release}}
	account, release, err := s.open(env)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	c.host, c.release = account.url.Host, append(c.release, release)
	key := scaler.PoolKey{
		Driver: "azure-" + string(s.service), Credentials: account.digest(),
		Address: account.url.String() + " timeout=" + env.HTTP.Timeout.String() + " " + conn.OptionsKey(env.HTTP),
	}
	c.api, release, err = scaler.Lease(env.Pool, key, func() (C, error) { return create(account, options) })
	if err != nil {
		_ = c.Close()
		return nil, scaler.Misconfigured(err, "preparing a client of Azure Storage")
	}
	c.release = append(c.release, release)
	return c, nil
}
