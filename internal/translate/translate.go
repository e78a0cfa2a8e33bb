// Package translate rewrites manifests of one API group of KEDA as those of
// the other: of keda.k8s.io, the first, and of keda.sh, today's.
//
// It works on the documents as they are written: fields keep their order and
// their comments, and what is not translated keeps every byte. It is pure: it
// opens nothing, and no value of a credential gets into a finding. What has no
// counterpart is named, never dropped in silence; what would not work at all
// without it stays as it is.
package translate

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/manifest"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// Group is the API group to translate to.
type Group = model.Group

// Input is one file, or standard input.
type Input struct {
	// Name is how findings call the input.
	Name string
	Data []byte
}

// Options say what to do; all are required.
type Options struct {
	// Catalog knows the parameters of triggers.
	Catalog scaler.Catalog
	// To is the group of the output.
	To Group
}

// Finding is something that a person should know of one translated object.
type Finding struct {
	File string
	Line int
	// Object is kind, namespace and name.
	Object string
	// Path names the field; it may be empty.
	Path string
	// Message says what happened, and what would be right.
	Message string
	// Lost says that the output does not do what the input does. Otherwise the
	// finding is a remark.
	Lost bool
}

// String renders the finding on one line, as compilers do.
func (f Finding) String() string {
	severity := "note"
	if f.Lost {
		severity = "warning"
	}
	s := fmt.Sprintf("%s:%d: %s: ", f.File, f.Line, severity)
	if f.Object != "" {
		s += f.Object + ": "
	}
	if f.Path != "" {
		s += f.Path + ": "
	}
	return s + f.Message
}

// Result is the output and what is to be said about it.
type Result struct {
	Text     []byte
	Findings []Finding
	// Translated counts the objects that were rewritten.
	Translated int
	// Unreadable says that a document could not be parsed.
	Unreadable bool
}

// Lost says that a finding names a loss.
func (r Result) Lost() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Lost })
}

// document is one of a manifest with the objects that are in it.
type document struct {
	manifest.Document
	root    *yaml.Node
	objects []*object
	changed bool
}

// object is one Kubernetes object of a document.
type object struct {
	*mapping
	file                              string
	apiVersion, kind, namespace, name string
	// ours says that the object is of the group to translate from; stays, that
	// it can't be translated.
	ours, stays bool
}

// run is one translation.
type run struct {
	Options
	from, to string // apiVersions
	result   Result
	envs     map[targetKey]environment
	// position orders findings as the inputs are.
	position map[string]int
}

// Translate rewrites all objects of the inputs that belong to the other group.
// Documents that can't be read are a finding and stay as they are.
func Translate(inputs []Input, o Options) Result {
	r := &run{Options: o, envs: map[targetKey]environment{}, position: map[string]int{}}
	r.from, r.to = firstv1.SchemeGroupVersion.String(), kedav1.SchemeGroupVersion.String()
	if o.To == model.GroupFirst {
		r.from, r.to = r.to, r.from
	}
	var all [][]*document
	var objects []*object
	for i, in := range inputs {
		r.position[in.Name] = i
		var docs []*document
		for _, s := range manifest.Split(in.Data) {
			d := r.read(in.Name, s)
			docs = append(docs, d)
			objects = append(objects, d.objects...)
		}
		all = append(all, docs)
	}
	for _, o := range objects {
		r.learn(o)
	}
	for _, o := range objects {
		if o.ours = r.isOurs(o); o.ours {
			o.stays = !r.possible(o)
		}
	}
	r.together(objects)
	for _, docs := range all {
		for _, d := range docs {
			for _, o := range d.objects {
				if o.ours && !o.stays {
					r.rewrite(o)
					d.changed = true
				}
			}
		}
	}
	r.write(all)
	return r.result
}

func isAuth(kind string) bool {
	return kind == model.KindTriggerAuthentication || kind == model.KindClusterTriggerAuthentication
}

// read parses a document. Only documents that have objects of ours or
// workloads whose environment counts are of interest.
func (r *run) read(file string, s manifest.Document) *document {
	d := &document{Document: s}
	if !manifest.Meaningful(s.Text) {
		return d
	}
	text := s.Text
	if s.JSON {
		// Tabs mean nothing between JSON tokens, but are no indentation in YAML.
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" "))
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return r.unreadable(d, file, err)
	}
	left := mostNodes
	flat, err := plain(&root, &left)
	if err != nil {
		return r.unreadable(d, file, err)
	}
	d.root = flat
	shift(flat, s.Line-1)
	for _, m := range items(flat) {
		meta := m.object("metadata")
		d.objects = append(d.objects, &object{
			mapping: m, file: file, apiVersion: m.text("apiVersion"), kind: m.text("kind"),
			namespace: meta.text("namespace"), name: meta.text("name"),
		})
	}
	return d
}

// unreadable says why a document stays as it is.
func (r *run) unreadable(d *document, file string, err error) *document {
	r.result.Unreadable = true
	r.found(Finding{File: file, Line: d.Line, Message: fmt.Sprintf("the document can't be read and stays as it is: %v", err), Lost: true})
	return d
}

// items returns the objects of a document: those of a List, or the one it is.
func items(root *yaml.Node) []*mapping {
	if len(root.Content) == 0 {
		return nil
	}
	m := asMapping(root.Content[0])
	if m == nil {
		return nil
	}
	const list = "List"
	kind := m.text("kind")
	if len(kind) < len(list) || kind[len(kind)-len(list):] != list {
		return []*mapping{m}
	}
	return slices.DeleteFunc(m.objects("items"), func(m *mapping) bool { return m == nil })
}

// shift turns lines within the document into lines of the file.
func shift(n *yaml.Node, by int) {
	n.Line += by
	for _, c := range n.Content {
		shift(c, by)
	}
}

// isOurs says whether an object is of a kind and group to translate.
func (r *run) isOurs(o *object) bool {
	kinds := []string{model.KindScaledObject, model.KindTriggerAuthentication}
	if r.To == model.GroupFirst {
		kinds = append(kinds, model.KindScaledJob, model.KindClusterTriggerAuthentication)
	}
	return o.apiVersion == r.from && slices.Contains(kinds, o.kind)
}

// possible says whether an object can be translated, with all reasons why not.
func (r *run) possible(o *object) bool {
	switch {
	case o.object("spec") == nil:
		r.stays(o, o.line("spec"), "spec", "is missing or no object")
		return false
	case r.To == model.GroupToday && isAuth(o.kind):
		return true
	case r.To == model.GroupToday:
		return r.possibleToday(o)
	case isAuth(o.kind):
		return r.possibleAuthFirst(o)
	}
	return r.possibleFirst(o)
}

// together keeps objects and the auth objects that they name in one group, as
// neither finds the other across groups.
func (r *run) together(objects []*object) {
	auths := map[authKey]*object{}
	for _, o := range objects {
		if o.ours && o.kind == model.KindTriggerAuthentication {
			auths[authKey{o.namespace, o.name}] = o
		}
	}
	for again := true; again; {
		again = false
		for _, o := range objects {
			if !o.ours || isAuth(o.kind) {
				continue
			}
			for i, t := range o.object("spec").objects("triggers") {
				ref := t.object("authenticationRef")
				auth := auths[authKey{o.namespace, ref.text("name")}]
				if ref == nil || auth == nil || auth.stays == o.stays || ref.text("kind") == model.KindClusterTriggerAuthentication {
					continue
				}
				if o.stays {
					r.stays(auth, auth.line("kind"), "", "is used by the %s, which stays in %s", o.title(), o.apiVersion)
				} else {
					r.stays(o, ref.line("name"), fmt.Sprintf("spec.triggers[%d].authenticationRef.name", i), "names the %s, which stays in %s", auth.title(), auth.apiVersion)
				}
				o.stays, auth.stays, again = true, true, true
			}
		}
	}
}

// rewrite translates one object.
func (r *run) rewrite(o *object) {
	switch {
	case r.To == model.GroupToday && isAuth(o.kind):
		r.authToday(o)
	case r.To == model.GroupToday:
		r.scaledToday(o)
	case o.kind == model.KindScaledObject:
		r.scaledFirst(o)
	case o.kind == model.KindScaledJob:
		r.jobFirst(o)
	}
	o.set("apiVersion", r.to)
	clean(o)
	r.result.Translated++
}

// clean takes away what the API server or an operator of the other group
// wrote, with which the object could not be created.
func clean(o *object) {
	o.remove("status")
	meta := o.object("metadata")
	for _, name := range []string{
		"uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields",
		"deletionTimestamp", "deletionGracePeriodSeconds",
	} {
		meta.remove(name)
	}
	if a := meta.object("annotations"); a != nil {
		a.remove("kubectl.kubernetes.io/last-applied-configuration")
		if a.empty() {
			meta.remove("annotations")
		}
	}
	v := meta.value("finalizers")
	if v == nil || v.Kind != yaml.SequenceNode {
		return
	}
	v.Content = slices.DeleteFunc(v.Content, func(n *yaml.Node) bool {
		return n.Value == firstv1.Finalizer || n.Value == kedav1.Finalizer
	})
	if len(v.Content) == 0 {
		meta.remove("finalizers")
	}
}

func (r *run) found(f Finding) { r.result.Findings = append(r.result.Findings, f) }

// lost says what the output does not do.
func (r *run) lost(o *object, line int, path, format string, args ...any) {
	r.found(Finding{File: o.file, Line: line, Object: o.title(), Path: path, Message: fmt.Sprintf(format, args...), Lost: true})
}

// stays says why an object is not translated.
func (r *run) stays(o *object, line int, path, format string, args ...any) {
	r.lost(o, line, path, "%s; the object stays as it is", fmt.Sprintf(format, args...))
}

// note says what a person may want to know.
func (r *run) note(o *object, line int, path, format string, args ...any) {
	r.found(Finding{File: o.file, Line: line, Object: o.title(), Path: path, Message: fmt.Sprintf(format, args...)})
}

func (o *object) title() string {
	if o.namespace == "" {
		return o.kind + " " + o.name
	}
	return o.kind + " " + o.namespace + "/" + o.name
}
