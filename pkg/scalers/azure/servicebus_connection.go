package azure

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// exampleBus is the connection string of the examples.
const exampleBus = "Endpoint=sb://orders.servicebus.windows.net/;SharedAccessKeyName=keda;SharedAccessKey=dGhlLWtleQ=="

// busConnection is what a connection string of Service Bus or Event Hubs
// says. Its host is a name, with a port where one is given.
type busConnection struct {
	host    string
	entity  string // EntityPath, empty for the whole namespace
	keyName string
	key     param.Hidden
	sas     param.Hidden // a ready signature in place of a key
	plain   bool         // an emulator, without TLS
}

// parseBus reads a connection string. Errors complete the sentence "a
// connection string that …" and hold nothing of it.
func parseBus(text string) (c busConnection, err error) {
	parts := map[string]string{}
	for _, part := range strings.Split(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return c, errors.New("has a part without =")
		}
		parts[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	if c.host, err = busHost(parts["endpoint"]); err != nil {
		return c, err
	}
	c.entity, c.keyName = parts["entitypath"], parts["sharedaccesskeyname"]
	c.key, c.sas = param.Hide(parts["sharedaccesskey"]), param.Hide(parts["sharedaccesssignature"])
	switch {
	case !c.sas.IsZero():
	case c.keyName == "" && c.key.IsZero():
		return c, errors.New("has neither SharedAccessKeyName and SharedAccessKey nor SharedAccessSignature")
	case c.keyName == "":
		return c, errors.New("has no SharedAccessKeyName")
	case c.key.IsZero():
		return c, errors.New("has no SharedAccessKey")
	}
	if emulated := parts["usedevelopmentemulator"]; emulated != "" {
		if c.plain, err = strconv.ParseBool(emulated); err != nil {
			return c, errors.New("has a UseDevelopmentEmulator that is neither true nor false")
		}
	}
	return c, nil
}

// busHost reads the endpoint of a connection string.
func busHost(endpoint string) (string, error) {
	if endpoint == "" {
		return "", errors.New("has no Endpoint")
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("has an Endpoint that is no address such as sb://orders.servicebus.windows.net/")
	}
	return u.Host, nil
}

// reveal is the connection string again, as the vendor writes it. It holds
// the credentials.
func (c busConnection) reveal() string {
	if !c.sas.IsZero() {
		return fmt.Sprintf("Endpoint=sb://%s/;SharedAccessSignature=%s", c.host, c.sas.Reveal())
	}
	return fmt.Sprintf("Endpoint=sb://%s/;SharedAccessKeyName=%s;SharedAccessKey=%s", c.host, c.keyName, c.key.Reveal())
}

func (c busConnection) digest() string {
	return conn.Digest("bus", c.keyName, c.key.Reveal(), c.sas.Reveal())
}

// busNamespace is what Azure allows as the name of a namespace. Nothing else
// may be put before a cloud's suffix: a token is sent to where the two lead.
var busNamespace = param.NewForm(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`, 63)

// bus is a namespace of Service Bus or Event Hubs: where it is and who asks,
// which is either the holder of a connection string or an identity.
type bus struct {
	busConnection
	token azcore.TokenCredential // nil with a connection string
	// identity is equal for tokens of the same identity.
	identity string
}

func (b *bus) digest() string {
	if b.token != nil {
		return conn.Digest("token", b.identity)
	}
	return b.busConnection.digest()
}

// busNames are the parameters' names for the namespace, for problems.
type busNames struct{ service, namespace string }

// openBus finds out who asks. It does no I/O. release is called once the
// result is not used any more.
func openBus(env scaler.Env, connection param.Hidden, namespace string, cloud *conn.AzureCloud, names busNames) (b *bus, release func(), err error) {
	b = &bus{}
	if p := env.Identity.Provider; p == "" || p == "none" {
		if connection.IsZero() {
			return nil, nil, scaler.Misconfigured(nil, "there are no credentials for %s; expected connection in the authenticationRef, connectionFromEnv in the metadata, or the podIdentity %s together with %s", names.service, conn.AzureWorkload, names.namespace)
		}
		if b.busConnection, err = parseBus(connection.Reveal()); err != nil {
			return nil, nil, scaler.Misconfigured(fmt.Errorf("found one that %w", err), "reading the connection string of %s", names.service)
		}
		return b, func() {}, nil
	}
	if namespace == "" {
		return nil, nil, scaler.Misconfigured(nil, "podIdentity %s: %s is missing; expected the name of the namespace", env.Identity.Provider, names.namespace)
	}
	b.host = namespace + "." + cloud.Suffix(conn.AzureServiceBus)
	credential, err := cloud.Credential(env)
	if err != nil {
		return nil, nil, err
	}
	b.token, b.identity = credential, credential.Key
	return b, credential.Close, nil
}

// checkBus finds what can't be a connection string or a namespace.
func checkBus(connection param.Hidden, namespace string, hasConnection bool, names busNames) (ps param.Problems) {
	if !hasConnection && namespace == "" {
		ps.Errorf("metadata."+names.namespace, "is missing; expected the namespace's name for a podIdentity, or a connection string in connection")
	}
	if namespace != "" && !busNamespace.MatchString(namespace) {
		ps.Errorf("metadata."+names.namespace, "found %.80q; expected the name alone: letters, digits and hyphens", namespace)
	}
	if !connection.IsZero() {
		if _, err := parseBus(connection.Reveal()); err != nil {
			ps.Errorf("authenticationRef.connection", "found a connection string that %v; expected one as the namespace's access policies page shows it", err)
		}
	}
	return ps
}
