package migrate

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report is what was found, and what Apply would do.
type Report struct {
	Installation Installation `json:"installation"`
	Objects      []Object     `json:"objects"`
	// Steps are what Apply would do, in order.
	Steps []string `json:"steps"`
}

// Ready says that every object works here.
func (r Report) Ready() bool { return r.notReady() == 0 }

func (r Report) notReady() int {
	n := 0
	for _, o := range r.Objects {
		if !o.Ready() {
			n++
		}
	}
	return n
}

// JSON writes the report for programs; nothing is null that is a list.
func (r Report) JSON(w io.Writer) error {
	in := &r.Installation
	in.Upstream, in.Ours, in.Webhooks = list(in.Upstream), list(in.Ours), list(in.Webhooks)
	r.Objects, r.Steps = list(slices.Clone(r.Objects)), list(r.Steps)
	for i := range r.Objects {
		o := &r.Objects[i]
		o.Problems = list(o.Problems)
		if o.HPA != nil {
			h := *o.HPA
			h.Managers, h.Changes = list(h.Managers), list(h.Changes)
			o.HPA = &h
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func list[S ~[]E, E any](s S) S {
	if s == nil {
		return S{}
	}
	return s
}

// Text writes the report for people.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	r.Installation.text(&b)
	b.WriteString("\nObjects\n")
	if len(r.Objects) == 0 {
		b.WriteString("  none\n")
	}
	for _, o := range r.Objects {
		o.text(&b)
	}
	b.WriteString("\nWhat --apply would do\n")
	if len(r.Steps) == 0 {
		b.WriteString("  nothing\n")
	}
	for i, s := range r.Steps {
		fmt.Fprintf(&b, "  %d. %s\n", i+1, s)
	}
	fmt.Fprintf(&b, "\n%d objects, of which %d can't be taken over as they are. Nothing was changed.\n", len(r.Objects), r.notReady())
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (in Installation) text(b *strings.Builder) {
	b.WriteString("Installation\n")
	if len(in.Upstream) == 0 {
		b.WriteString("  no Deployment of upstream's KEDA\n")
	}
	for _, d := range in.Upstream {
		fmt.Fprintf(b, "  upstream  %-8s Deployment %s/%s, %s, %d replicas\n", d.Part, d.Namespace, d.Name, d.Image, d.Replicas)
	}
	for _, d := range in.Ours {
		fmt.Fprintf(b, "  this      %-8s Deployment %s/%s, %s, %d replicas\n", d.Part, d.Namespace, d.Name, d.Image, d.Replicas)
	}
	if a := in.MetricsAPI; a == nil {
		b.WriteString("  external metrics are served by nobody\n")
	} else {
		state := "available"
		if !a.Available {
			state = "not available"
		}
		fmt.Fprintf(b, "  external metrics are served by Service %s, %s\n", a.Service, state)
	}
	if len(in.Webhooks) > 0 {
		fmt.Fprintf(b, "  objects are judged by %s\n", strings.Join(in.Webhooks, ", "))
	}
}

func (o Object) text(b *strings.Builder) {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	verdict := "ready"
	if !o.Ready() {
		verdict = "can't be taken over"
	}
	fmt.Fprintf(b, "  %s %s: %s\n", o.Kind, name, verdict)
	for _, p := range o.Problems {
		fmt.Fprintf(b, "    %s: %s\n", p.Severity, p)
	}
	h := o.HPA
	switch {
	case h == nil:
		return
	case h.Missing:
		fmt.Fprintf(b, "    HPA %s: there is none yet\n", h.Name)
	case len(h.Changes) == 0:
		fmt.Fprintf(b, "    HPA %s, written by %s: stays as it is\n", h.Name, strings.Join(h.Managers, ", "))
	default:
		fmt.Fprintf(b, "    HPA %s, written by %s:\n", h.Name, strings.Join(h.Managers, ", "))
	}
	for _, c := range h.Changes {
		fmt.Fprintf(b, "      %s: %s -> %s\n", c.Field, c.From, c.To)
	}
}
