// Package external asks scalers that run as services of their own, by gRPC, in
// the protocol of package externalscalerpb.
//
// Such a scaler states its metrics, their targets and whether there is
// anything to do; this package knows nothing of what is measured.
package external

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scalers/external/externalscalerpb"
)

// Kinds lists external, external-push and keda-add-on.
func Kinds() []scaler.Kind {
	const permissions = "Whatever the external scaler asks of its clients; a client certificate identifies KEDA to it."
	const byHand = "grpcurl -plaintext -proto externalscaler.proto -d '{\"name\": \"NAME\", \"namespace\": \"NAMESPACE\", \"scalerMetadata\": {…}}' ADDRESS externalscaler.ExternalScaler/IsActive"
	return []scaler.Kind{
		{
			Name: "external", Title: "External scalers", Since: "1.0",
			About: "Metrics, targets and activity as a gRPC service says that implements the service ExternalScaler. " +
				"Of several metrics the one that calls for most counts. All metadata of the trigger are passed on to it.",
			Permissions: permissions, ByHand: byHand,
			Cost: "Two round trips per poll: IsActive and GetMetricSpec at once, then GetMetrics for all metrics at once.",
			Examples: []scaler.Example{{
				Title:    "Orders of a shop",
				Metadata: map[string]string{"scalerAddress": "shop-scaler.default:6000", "queue": "orders"},
			}, {
				Title:    "Over TLS, with a token from the container",
				Metadata: map[string]string{"scalerAddress": "shop-scaler.default:6000", "enableTLS": "true", "tokenFromEnv": "SHOP_TOKEN"},
				Env:      map[string]string{"SHOP_TOKEN": "placeholder"},
			}},
			New: func() scaler.Config { return &config{} },
		},
		{
			Name: "external-push", Title: "External scalers that push", Since: "2.0",
			About: "As external, and StreamIsActive of the service tells at once that there is something to do. " +
				"Between its messages the service is asked as an external one.",
			Permissions: permissions, ByHand: byHand,
			Cost: "Two round trips per poll as for external, and one open stream per object.",
			Examples: []scaler.Example{{
				Title:    "Orders of a shop",
				Metadata: map[string]string{"scalerAddress": "shop-scaler.default:6000", "queue": "orders"},
			}},
			New: func() scaler.Config { return &config{push: true} },
		},
		addOnKind(),
	}
}

// config is one trigger.
type config struct {
	push bool

	address   string
	enableTLS bool
	tlsSet    bool
	unsafeSet bool
	certFile  string
	tls       conn.TLS
	rest      map[string]string
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("scalerAddress", &c.address).NamesEnvOrIs("").Required().Example("shop-scaler.default:6000").
			Doc("Address of the external scaler, host:port."),
		param.Bool("enableTLS", &c.enableTLS).Default(false).IsSet(&c.tlsSet).
			Doc("Whether to connect with TLS; an authority or a client certificate implies it."),
		param.Text("tlsCertFile", &c.certFile).Deprecated("give the authority as caCert of the authenticationRef").
			Doc("File of certificate authorities (PEM) below the folder that the operator opens to triggers."),
	}.With(c.tlsParams(), param.Set{
		param.Prefixed("", &c.rest).NamesEnv("").
			Doc("Any other name is passed on to the external scaler, …FromEnv with the value of the container's variable."),
	})
}

func (c *config) tlsParams() param.Set {
	s := c.tls.NamedParams("caCert", "tlsClientCert", "tlsClientKey")
	s[len(s)-1].IsSet(&c.unsafeSet)
	return s
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	return append(c.tls.Check(), conn.CheckGRPCAddress("scalerAddress", c.address)...)
}

// Metric implements scaler.Config. The external scaler's own names are only
// known once it answers.
func (c *config) Metric() string {
	host, _, err := net.SplitHostPort(strings.TrimPrefix(c.address, "dns:///"))
	if err != nil {
		host = c.address
	}
	return "external-" + host
}

// TargetStated implements scaler.Stated.
func (c *config) TargetStated() {}

// PerObject implements scaler.PerObject: the external scaler is told the name.
func (c *config) PerObject() {}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	settings, digest, err := c.security(env)
	if err != nil {
		return nil, err
	}
	channel, release, err := conn.OpenGRPC(env, c.address, settings, digest)
	if err != nil {
		return nil, err
	}
	s := &source{
		address: c.address, channel: channel, release: release, client: externalscalerpb.NewExternalScalerClient(channel),
		ref: &externalscalerpb.ScaledObjectRef{Name: env.Object, Namespace: env.Namespace, ScalerMetadata: c.metadata()},
	}
	if c.push {
		return newPushed(s), nil
	}
	return s, nil
}

// security is how the channel is secured (nil: not at all), and its digest.
func (c *config) security(env scaler.Env) (*tls.Config, string, error) {
	secure := c.tls // a copy: a configuration may be opened again
	if c.certFile != "" && !secure.HasCA() {
		if env.ReadFile == nil {
			return nil, "", scaler.Misconfigured(errors.New("the operator opens no folder to triggers"), "reading metadata.tlsCertFile")
		}
		text, err := env.ReadFile(c.certFile)
		if err != nil {
			return nil, "", scaler.Misconfigured(err, "reading metadata.tlsCertFile")
		}
		secure.Trust(string(text))
	}
	if !c.enableTLS && !secure.HasCA() && !secure.HasPair() {
		return nil, secure.Digest(), nil
	}
	settings, err := conn.AlwaysTLS(&secure, env.HTTP)
	if err != nil {
		return nil, "", scaler.Misconfigured(err, "preparing TLS")
	}
	return settings, secure.Digest(), nil
}

// metadata is what the external scaler is told: all that the user wrote,
// with variables resolved. Credentials of the authenticationRef stay here.
func (c *config) metadata() map[string]string {
	out := maps.Clone(c.rest)
	if out == nil {
		out = map[string]string{}
	}
	out["scalerAddress"] = c.address
	if c.tlsSet {
		out["enableTLS"] = strconv.FormatBool(c.enableTLS)
	}
	if c.unsafeSet {
		out["unsafeSsl"] = strconv.FormatBool(c.tls.Unsafe())
	}
	if c.certFile != "" {
		out["tlsCertFile"] = c.certFile
	}
	return out
}
