package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scalers/external/externalscalerpb"
)

func addOnKind() scaler.Kind {
	return scaler.Kind{
		Name: "keda-add-on", Title: "Add-ons of KEDA", Since: "2.20",
		About: "Metrics, targets and activity as the external scaler of an add-on says, such as the HTTP add-on's. " +
			"The status of an object of the add-on's, in the same namespace, tells where that is.",
		Permissions: "KEDA's own service account gets the object that is named. It has no such permission by itself: " +
			"give it a Role in the namespace that lets it get that resource. What the external scaler asks of its clients comes on top.",
		Cost: "One get request to the API server a poll, and those of an external trigger; of an external-push one if the add-on pushes.",
		ByHand: "kubectl get interceptorroute NAME -o jsonpath={.status.addOnMetadata}, " +
			"then grpcurl -plaintext -proto externalscaler.proto -d '{\"name\": \"NAME\", \"namespace\": \"NAMESPACE\", \"scalerMetadata\": {…}}' ADDRESS externalscaler.ExternalScaler/IsActive",
		Examples: []scaler.Example{{
			Title:    "A route of the HTTP add-on",
			Metadata: map[string]string{"apiVersion": "http.keda.sh/v1beta1", "kind": "InterceptorRoute", "name": "checkout"},
		}},
		New: func() scaler.Config { return &addOnConfig{} },
	}
}

// addOnConfig is one trigger.
type addOnConfig struct{ apiVersion, kind, name string }

// Params implements scaler.Config.
func (c *addOnConfig) Params() param.Set {
	return param.Set{
		param.Text("apiVersion", &c.apiVersion).Required().Example("http.keda.sh/v1beta1").Doc("API version of the add-on's object."),
		param.Text("kind", &c.kind).Required().Example("InterceptorRoute").Doc("Kind of the add-on's object."),
		param.Text("name", &c.name).Required().Example("checkout").Doc("Name of the add-on's object, in the namespace of the trigger's."),
	}
}

// Check implements scaler.Checker.
func (c *addOnConfig) Check() param.Problems {
	var ps param.Problems
	if group, version, found := strings.Cut(c.apiVersion, "/"); c.apiVersion != "" && (group == "" || found && version == "" || strings.Contains(version, "/")) {
		ps.Errorf("metadata.apiVersion", "found %.100q; expected a group and a version, such as http.keda.sh/v1beta1", c.apiVersion)
	}
	return ps
}

// Metric implements scaler.Config.
func (c *addOnConfig) Metric() string { return "keda-add-on-" + c.name }

// TargetStated implements scaler.Stated.
func (c *addOnConfig) TargetStated() {}

// PerObject implements scaler.PerObject: the external scaler is told the name.
func (c *addOnConfig) PerObject() {}

// Open implements scaler.Config.
func (c *addOnConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	cluster, ok := env.Cluster.(scaler.Statuses)
	if !ok {
		return nil, scaler.Misconfigured(errors.New("there is no cluster to read it from"), "opening a keda-add-on trigger")
	}
	return &addOn{config: c, env: env, cluster: cluster, watches: map[*addOnWatch]struct{}{}}, nil
}

// statement is what an add-on says of its external scaler.
type statement struct {
	Address  string            `json:"serverAddress"`
	Metadata map[string]string `json:"metadata"`
	Push     bool              `json:"usePushScaler"`
}

func (s statement) equal(o statement) bool {
	return s.Address == o.Address && s.Push == o.Push && maps.Equal(s.Metadata, o.Metadata)
}

// addOn asks the external scaler of which an add-on tells. It asks another one
// once the add-on tells of another.
type addOn struct {
	config  *addOnConfig
	env     scaler.Env
	cluster scaler.Statuses

	mu      sync.Mutex // guards what follows; never held over I/O or while calling watchers
	closed  bool
	told    statement
	source  scaler.Source // for what was told; nil before
	watches map[*addOnWatch]struct{}
}

// addOnWatch is one of those who watch; stop ends watching the present source.
type addOnWatch struct {
	on   func(scaler.Signal)
	stop func()
}

var _ scaler.Watcher = (*addOn)(nil)

// Close implements scaler.Source.
func (a *addOn) Close() error {
	a.mu.Lock()
	source := a.source
	a.source, a.closed = nil, true
	a.mu.Unlock()
	if source == nil {
		return nil
	}
	return source.Close()
}

// Measure implements scaler.Source.
func (a *addOn) Measure(ctx context.Context) (scaler.Reading, error) {
	said, err := a.ask(ctx)
	if err != nil {
		return scaler.Reading{}, err
	}
	source, err := a.follow(said)
	if err != nil {
		return scaler.Reading{}, err
	}
	return source.Measure(ctx)
}

// ask reads what the add-on says.
func (a *addOn) ask(ctx context.Context) (statement, error) {
	c := a.config
	raw, err := a.cluster.ReadStatus(ctx, c.apiVersion, c.kind, a.env.Namespace, c.name)
	if err != nil {
		return statement{}, err
	}
	doing := fmt.Sprintf("reading where the scaler of %.100s %s/%s is", c.kind, a.env.Namespace, c.name)
	var status struct {
		AddOn *statement `json:"addOnMetadata"`
	}
	if len(raw) > 0 && json.Unmarshal(raw, &status) != nil {
		return statement{}, scaler.BadAnswer(errors.New("status.addOnMetadata is not what is expected: serverAddress, metadata and usePushScaler"), "%s", doing)
	}
	if status.AddOn == nil || strings.TrimSpace(status.AddOn.Address) == "" {
		return statement{}, scaler.Missing(errors.New("the add-on has not written status.addOnMetadata.serverAddress; expected it once the add-on runs and has seen the object"), "%s", doing)
	}
	status.AddOn.Address = strings.TrimSpace(status.AddOn.Address)
	if bad := conn.CheckGRPCAddress("serverAddress", status.AddOn.Address); len(bad) > 0 {
		return statement{}, scaler.BadAnswer(fmt.Errorf("status.addOnMetadata.serverAddress: %s", bad[0].Message), "%s", doing)
	}
	return *status.AddOn, nil
}

// follow returns the source for what the add-on says, to which those who watch
// have moved.
func (a *addOn) follow(said statement) (scaler.Source, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, scaler.Unreachable(errors.New("the trigger has ended"), "asking the external scaler")
	}
	if a.source != nil && said.equal(a.told) {
		return a.source, nil
	}
	next, err := a.open(said)
	if err != nil {
		return nil, err
	}
	before := a.source
	a.source, a.told = next, said
	for w := range a.watches {
		w.move(next)
	}
	if before != nil {
		_ = before.Close() // it never fails
	}
	return next, nil
}

func (a *addOn) open(said statement) (scaler.Source, error) {
	channel, release, err := conn.OpenGRPC(a.env, said.Address, nil, "")
	if err != nil {
		return nil, err
	}
	s := &source{
		address: said.Address, channel: channel, release: release, client: externalscalerpb.NewExternalScalerClient(channel),
		ref: &externalscalerpb.ScaledObjectRef{Name: a.env.Object, Namespace: a.env.Namespace, ScalerMetadata: said.Metadata},
	}
	if said.Push {
		return newPushed(s), nil
	}
	return s, nil
}

// Watch implements scaler.Watcher. While the add-on tells of no external scaler
// that pushes, there is nothing to watch.
func (a *addOn) Watch(on func(scaler.Signal)) (stop func()) {
	w := &addOnWatch{on: on}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watches[w] = struct{}{}
	w.move(a.source)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.watches, w)
		w.move(nil)
	}
}

// move stops watching, and watches another source if that can be.
func (w *addOnWatch) move(to scaler.Source) {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
	if p, ok := to.(*pushed); ok {
		w.stop = p.Watch(w.on)
	}
}
