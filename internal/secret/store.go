package secret

import (
	"context"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Store reads values that the API server doesn't hold, with one login. Fetch
// is not called by two goroutines at once.
type Store interface {
	// Fetch reads items, and returns one result each, in order. One item's
	// failure fails no other. The context carries the deadline. Errors are of
	// package scaler; they name server and item, and hold no value.
	Fetch(ctx context.Context, items []Item) []Fetched
	// Close gives connections back. It does not wait for the network.
	Close()
}

// Item is one value of a Store. Which fields mean something depends on the
// store. It is comparable.
type Item struct {
	// Name is a path, name, ID or ARN.
	Name string
	// Key is a key of a secret that holds several values, or a field of one
	// that is a JSON object.
	Key string
	// Version and Stage choose a version, the latest when both are empty.
	Version, Stage string
	// Type is one of model.VaultType…, PKI describes a certificate.
	Type string
	PKI  model.VaultPKI
}

// Fetched is what a Store gave for an item.
type Fetched struct {
	Value string
	Err   error
	// Again says after what time to ask again, where it is not the usual one.
	Again time.Duration
	// Issued says that asking makes a new value, such as a token.
	Issued bool
}

// External is where values come from that the API server doesn't hold. Stores
// are opened without I/O; Open… may be nil where a store is not to be had.
type External struct {
	Cache           *Cache
	ServiceAccounts ServiceAccounts
	Files           Files

	OpenVault         func(VaultAccess) (Store, error)
	OpenAWSSecrets    func(AWSAccess) (Store, error)
	OpenAWSParameters func(AWSAccess) (Store, error)
	OpenKeyVault      func(KeyVaultAccess) (Store, error)
	OpenGCPSecrets    func(GCPAccess) (Store, error)
}

// ServiceAccounts reads service accounts and issues tokens for them. An
// account that does not exist is an error of apierrors.IsNotFound.
type ServiceAccounts interface {
	Annotations(ctx context.Context, namespace, name string) (map[string]string, error)
	// Token issues a token for the API server's own audience and says how long
	// it is good.
	Token(ctx context.Context, namespace, name string) (token param.Hidden, good time.Duration, err error)
}

// VaultAccess says how to reach a Vault server, and as whom.
type VaultAccess struct {
	Address, Namespace string
	// Token is given for the method token; it may be empty, see package vault.
	Token param.Hidden
	// Role and Mount are of the method kubernetes, for which JWT gives a
	// service account's token at each login; it is nil with the method token.
	Role, Mount string
	JWT         func(context.Context) (param.Hidden, error)
	// Operators says that JWT gives a token of the operator's for an auth object
	// that anybody in a namespace may write, so that not every server may be
	// shown it: who has it can act as the operator.
	Operators bool
}

// AWSAccess says in which region a store is, and who asks: the key pair when
// the identity's Provider is empty.
type AWSAccess struct {
	Region                 string
	KeyID, Secret, Session param.Hidden
	Identity               scaler.Identity
}

// KeyVaultAccess says which Key Vault to ask, and as whom: the application
// when the identity's Provider is empty.
type KeyVaultAccess struct {
	URL, Cloud, ResourceURL, AuthorityHost string
	ClientID, TenantID                     string
	ClientSecret                           param.Hidden
	Identity                               scaler.Identity
}

// GCPAccess says as whom to ask: with a service account's key in JSON, or the
// operator's own identity when the identity's Provider is gcp.
type GCPAccess struct {
	Key      param.Hidden
	Identity scaler.Identity
}
