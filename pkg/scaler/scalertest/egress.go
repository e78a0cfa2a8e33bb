package scalertest

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
)

// whyRefused is what a refused trigger must show.
const whyRefused = "conformance refuses this server"

// noServer refuses every server, by name or once it is resolved.
type noServer struct{ byName bool }

// Name implements scaler.Egress.
func (e noServer) Name(host, port string) error {
	if !e.byName {
		return nil
	}
	return &scaler.RefusedError{Address: net.JoinHostPort(host, port), Why: whyRefused}
}

// Address implements scaler.Egress.
func (e noServer) Address(_ context.Context, at netip.AddrPort) error {
	if e.byName {
		return nil
	}
	return &scaler.RefusedError{Address: at.String(), Why: whyRefused}
}

// Key implements scaler.Egress.
func (e noServer) Key() string {
	if e.byName {
		return "no name"
	}
	return "no address"
}

// hasConnections says whether the fixture tells of connections, which those
// of sources that need no network don't.
func hasConnections(f Fixture) bool { return f.Connections != nil }

// refusedServers checks that every connection of a source goes by the
// operator's rules, and that a refusal says what it is: something to change,
// not something to wait for.
func refusedServers(t *testing.T, b *bench) {
	for how, rules := range map[string]noServer{"by its address": {}, "by its name": {byName: true}} {
		t.Run(how, func(t *testing.T) {
			_, _ = measureWithin(t, b.open(t)) // its connection is not to be shared
			before := b.Connections()
			env := b.env()
			env.HTTP.Egress = rules
			s, err := b.config(t).Open(t.Context(), env)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			defer func() { _ = s.Close() }()
			b.refused(t, s, scaler.ReasonMisconfigured)
			if _, err := measureWithin(t, s); err != nil && !strings.Contains(err.Error(), whyRefused) {
				t.Errorf("the error does not say why: %v", err)
			}
			if w, ok := s.(scaler.Watcher); ok {
				defer w.Watch(func(signal scaler.Signal) {
					if signal.Kind == scaler.Watching || signal.Kind == scaler.Arrived {
						t.Errorf("watching a refused server works: %+v", signal)
					}
				})()
				_, _ = measureWithin(t, s) // time for the watch to try
			}
			if made := b.Connections() - before; made != 0 && !b.Busy {
				t.Errorf("%d connections were made to a refused server", made)
			}
		})
	}
}
