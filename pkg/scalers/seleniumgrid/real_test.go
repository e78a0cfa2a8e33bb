package seleniumgrid

import (
	"context"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	"github.com/kedago/keda/test/servers/selenium"
)

// TestRealGrid measures a Selenium Grid: its queue, its slots and its refusal.
func TestRealGrid(t *testing.T) {
	hub := selenium.Start(t, 2, `{"browserName": "chrome", "platformName": "linux", "se:downloadsEnabled": true}`)
	trigger := func(password string, more ...string) scaler.Source {
		return open(t, param.Values{
			Metadata: metadata("http://"+hub.Addr+"/graphql", more...),
			Auth:     map[string]string{"username": selenium.User, "password": password},
		}, &scalertest.Pool{})
	}
	firefox, other := trigger(selenium.Password, "browserName", "firefox"), trigger(selenium.Password, "browserName", "firefox", "platformName", "mac")
	if r, err := firefox.Measure(t.Context()); err != nil || r.Value != 0 {
		t.Fatalf("measured %v, %v of an empty queue; expected 0", r.Value, err)
	}
	for range 3 {
		hub.Wait(t, `{"browserName": "firefox", "platformName": "linux", "se:downloadsEnabled": true}`)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := firefox.Measure(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if r.Value == 3 {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("measured %v; expected 3", r.Value)
		}
	}
	for name, source := range map[string]scaler.Source{"another platform": other, "another browser": trigger(selenium.Password)} {
		if r, err := source.Measure(t.Context()); err != nil || r.Value != 0 {
			t.Errorf("%s: measured %v, %v; expected 0", name, r.Value, err)
		}
	}
	g, err := firefox.(*conn.BatchSource[grid]).Ask(t.Context())
	if err != nil || len(g.nodes) != 1 || !g.nodes[0].up || g.nodes[0].free != 2 || len(g.nodes[0].slots) != 1 || g.nodes[0].slots[0].N != 2 ||
		g.nodes[0].slots[0].Offer["browserName"] != "chrome" {
		t.Errorf("the Grid is read as %+v, %v; expected a node with 2 free slots for chrome", g, err)
	}
	if _, err := trigger("another password").Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied {
		t.Errorf("got %v; expected Denied", err)
	}
}
