package conn

import (
	"context"
	"net"

	"github.com/kedago/keda/pkg/scaler"
)

// DialFunc connects to "host:port" by TCP.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// TriggerDialer returns how a trigger's servers are dialled by clients that
// speak protocols of their own: within the operator's rules, and with TLS
// where the trigger's switch is on, for the name that is dialled.
func TriggerDialer(t *TLS, o scaler.HTTPOptions) (DialFunc, error) {
	settings, err := ClientTLS(t, o)
	if err != nil {
		return nil, err
	}
	network := NewNetwork(o)
	if settings == nil {
		return network.DialContext, nil
	}
	return func(ctx context.Context, kind, address string) (net.Conn, error) {
		return network.DialTLS(ctx, kind, address, settings)
	}, nil
}
