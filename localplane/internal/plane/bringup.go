package plane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kedago/keda/localplane/internal/certs"
	"github.com/kedago/keda/localplane/internal/component"
	"github.com/kedago/keda/localplane/internal/kubeapi"
	"github.com/kedago/keda/localplane/internal/supervise"
)

// checkInterval is how often a condition is looked at while starting.
const checkInterval = 50 * time.Millisecond

// bringUp starts the components, each as soon as what it needs answers, and
// returns when the plane is ready to be used.
func (p *Plane) bringUp(ctx context.Context) error {
	client, err := kubeapi.New(p.layout.certs.Pair(certs.CA), p.layout.certs.Pair(certs.Admin))
	if err != nil {
		return err
	}
	defer client.Close()
	server := url(p.layout.ports.apiServer)
	healthy := func(url string) func(context.Context) error {
		return func(ctx context.Context) error { return client.Get(ctx, url, nil) }
	}

	for _, name := range []string{component.Etcd, component.APIServer} {
		if _, err := p.launch(name); err != nil {
			return err
		}
	}
	if err := p.await(ctx, wait{component.APIServer, "health", healthy(server + "/readyz?verbose")}); err != nil {
		return err
	}
	for _, name := range []string{component.ControllerManager, component.Scheduler, component.KWOK} {
		if _, err := p.launch(name); err != nil {
			return err
		}
	}
	for _, w := range []wait{
		{component.APIServer, "controllers' accounts", func(ctx context.Context) error { return createControllerAccounts(ctx, client, server) }},
		{component.APIServer, "nodes", func(ctx context.Context) error { return createNodes(ctx, client, server, p.config.Nodes) }},
		{component.ControllerManager, "health", healthy(url(p.layout.ports.manager) + "/healthz")},
		{component.Scheduler, "health", healthy(url(p.layout.ports.scheduler) + "/healthz")},
		{component.KWOK, "nodes Ready", func(ctx context.Context) error { return nodesReady(ctx, client, server, p.config.Nodes) }},
		{component.ControllerManager, "default service account", healthy(server + "/api/v1/namespaces/default/serviceaccounts/default")},
	} {
		if err := p.await(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// wait is one condition of being ready, and who is to blame while it is missing.
type wait struct {
	component string
	what      string
	ready     func(context.Context) error
}

func nodesReady(ctx context.Context, client *kubeapi.Client, server string, count int) error {
	var nodes nodeList
	if err := client.Get(ctx, server+"/api/v1/nodes", &nodes); err != nil {
		return err
	}
	return nodes.problem(count)
}

// await returns when the condition holds. A component that ends in the
// meantime, or the end of ctx, is an error that says what was missing last.
func (p *Plane) await(ctx context.Context, w wait) error {
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	missing := errors.New("never asked")
	for {
		err := w.ready(ctx)
		if err == nil {
			p.say("%s: %s", w.component, w.what)
			return nil
		}
		if ctx.Err() == nil {
			missing = err // an error of the end itself says nothing
		}
		select {
		case child := <-p.died:
			return p.ended(child)
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ctx.Err()
			}
			return &ComponentError{
				Component: w.component,
				Reason:    fmt.Errorf("%s missing after %v (--start-timeout): %w", w.what, p.config.StartTimeout, missing),
				Tail:      supervise.Tail(p.logFile(w.component)),
			}
		case <-tick.C:
		}
	}
}
