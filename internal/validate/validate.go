// Package validate checks manifests without a cluster: it reads documents,
// compares objects with the schemas of their CRDs, and applies the rules of
// the operator, with the Secrets, ConfigMaps and workloads of the same input
// as context.
//
// It owns documents, lines and the report. The rules are lint's, credentials
// are resolved by secret. It opens no file and no connection, and no value of
// a Secret gets into a report.
package validate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Options say what to check against; all are required.
type Options struct {
	Catalog scaler.Catalog
	Schemas Schemas
	// ClusterNamespace is where ClusterTriggerAuthentications find their Secrets.
	ClusterNamespace string
}

// object is one of our objects on its way through the checks.
type object struct {
	doc      document
	head     head
	workload *model.Workload
	auth     *lint.AuthObject
	source   *model.EventSource
	problems param.Problems
	// broken are the fields that the schema refused: what else is wrong with
	// them and with what is below them follows from that.
	broken []string
}

// Check reads the inputs together and checks every object of ours in them.
func Check(inputs []Input, o Options) Report {
	var report Report
	var objects []*object
	around := newSurroundings()
	for _, in := range inputs {
		for _, d := range documents(in) {
			if d.err != nil {
				report.Unreadable = true
			}
			if obj := read(d, o.Schemas, around); obj != nil {
				objects = append(objects, obj)
			}
		}
	}
	for _, obj := range objects {
		if a := obj.auth; a != nil {
			around.auths[authKey{a.Group, a.Kind, a.Namespace, a.Name}] = a.Spec
			obj.add(lint.Auth(a.Spec))
		}
	}
	for _, obj := range objects {
		if obj.workload != nil {
			obj.add(checkWorkload(obj.workload, o, around))
		}
		if obj.source != nil {
			obj.add(checkSource(obj.source, o, around))
		}
	}
	together(objects, around.context(o.ClusterNamespace))
	for _, obj := range objects {
		report.Results = append(report.Results, obj.result())
	}
	return report
}

// read turns a document into an object of ours, or takes it as context.
func read(d document, schemas Schemas, around *surroundings) *object {
	obj := &object{doc: d, head: headOf(d.content)}
	if d.err != nil {
		if d.found && errors.Is(d.err, errNoObject) {
			return nil
		}
		obj.problems.Errorf(d.prefix, "can't be read: %v", d.err)
		return obj
	}
	if obj.head.apiVersion == "" && obj.head.kind == "" && d.found {
		return nil
	}
	kind, ours := schemas.find(obj.head, &obj.problems)
	if !ours {
		around.add(d.content)
		return nil
	}
	if d.doubled != nil {
		obj.problems.Errorf("", "a field is there more than once, of which the API server takes one: %v", d.doubled)
	}
	if kind == nil {
		return obj
	}
	c := checker{shy: kind.auth}
	right := c.root(kind.schema, d.content)
	obj.broken = c.broken
	obj.problems = append(obj.problems, c.problems...)
	raw, err := json.Marshal(right)
	if err == nil && kind.decode != nil {
		err = kind.decode(raw, obj)
	}
	if err != nil {
		obj.problems.Errorf(fieldOf(err), "can't be decoded; expected the type that the field has in Kubernetes")
	}
	return obj
}

// fieldOf is the path that a decoding error speaks of.
func fieldOf(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return wrong.Field
	}
	return "spec"
}

// checkWorkload applies the operator's rules to one workload.
func checkWorkload(w *model.Workload, o Options, around *surroundings) param.Problems {
	ps := lint.Workload(w)
	resolver := secret.Resolver{Reader: around, ClusterNamespace: o.ClusterNamespace, Params: func(triggerType string) []param.Info {
		if k, ok := o.Catalog.Lookup(triggerType); ok {
			return k.New().Params().Describe()
		}
		return nil
	}}
	values := make([]param.Values, len(w.Triggers))
	for i, t := range w.Triggers {
		creds, problems := resolver.Resolve(context.Background(), w, i)
		ps = append(ps, problems...)
		failed := problems.Err() != nil
		values[i] = param.Values{
			Metadata: t.Metadata, Auth: creds.Values, Env: creds.Env, EnvNames: w.Key.Group == model.GroupFirst,
			AuthPending: creds.Unseen.Values, AllAuthPending: creds.Unseen.AllValues || failed, EnvPending: creds.Unseen.Env || failed,
		}
	}
	_, problems := lint.Prepare(o.Catalog, w, values)
	return append(ps, problems...)
}

// together applies the rules across objects.
func together(objects []*object, known lint.Context) {
	var set []lint.Object
	var owners []*object
	for _, obj := range objects {
		if obj.workload != nil || obj.auth != nil {
			set = append(set, lint.Object{Workload: obj.workload, Auth: obj.auth})
			owners = append(owners, obj)
		}
	}
	for i, problems := range lint.Set(set, known) {
		owners[i].add(problems)
	}
}

// add takes problems that say something new: what the schema has refused, and
// all below it, is not said twice.
func (obj *object) add(ps param.Problems) {
	for _, p := range ps {
		covered := slices.ContainsFunc(obj.broken, func(path string) bool {
			return p.Path == path || strings.HasPrefix(p.Path, path+".") || strings.HasPrefix(p.Path, path+"[")
		})
		if !covered && !slices.Contains(obj.problems, p) {
			obj.problems = append(obj.problems, p)
		}
	}
}

func (obj *object) result() Result {
	h := obj.head
	r := Result{
		File: obj.doc.file, Kind: h.kind, APIVersion: h.apiVersion, Namespace: h.namespace, Name: h.name,
		Valid: len(obj.problems.Errors()) == 0,
	}
	for _, p := range obj.problems {
		line := obj.doc.lineOf(p.Path)
		if p.Path == "" && obj.doc.doubled != nil {
			line = obj.doc.doubledLine
		}
		r.Problems = append(r.Problems, Problem{Path: p.Path, Severity: p.Severity, Message: p.Message, Hint: p.Hint, Line: line})
	}
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return a.Line - b.Line })
	return r
}
