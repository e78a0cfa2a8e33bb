// Package docgen writes the scalers' documentation and JSON schema from their
// declarations.
//
// It owns the shape of those files. It measures nothing and reads no file:
// the same catalog always gives the same bytes.
package docgen

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Pages returns all generated files by their path below docs/.
func Pages(c scaler.Catalog) (map[string][]byte, error) {
	out := map[string][]byte{"scalers/README.md": index(c)}
	for _, k := range c.Kinds() {
		p, err := page(k)
		if err != nil {
			return nil, fmt.Errorf("documenting %s: %w", k.Name, err)
		}
		out["scalers/"+k.Name+".md"] = p
	}
	schema, err := Schema(c)
	if err != nil {
		return nil, err
	}
	out["schema/triggers.json"] = schema
	return out, nil
}

// note heads every page, in words that linters of generated code know.
const note = "<!-- Code generated from the scalers' declarations by `make generate`. DO NOT EDIT. -->\n\n"

func index(c scaler.Catalog) []byte {
	var b bytes.Buffer
	b.WriteString(note + "# Scalers\n\n")
	b.WriteString("What a trigger of a ScaledObject or ScaledJob can measure. The pages are generated from the code; " +
		"a JSON schema of all triggers is in [triggers.json](../schema/triggers.json).\n\n")
	b.WriteString("| Trigger | Source | What is measured |\n| --- | --- | --- |\n")
	for _, k := range c.Kinds() {
		names := []string{fmt.Sprintf("[`%s`](%s.md)", k.Name, k.Name)}
		for _, a := range k.Aliases {
			names = append(names, "`"+a+"`")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.Join(names, ", "), cell(k.Title), cell(firstSentence(k.About)))
	}
	return b.Bytes()
}

func page(k scaler.Kind) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s# %s\n\n%s\n\n", note, k.Title, k.About)
	fmt.Fprintf(&b, "Trigger type `%s`", k.Name)
	for _, a := range k.Aliases {
		fmt.Fprintf(&b, ", also `%s`", a)
	}
	if k.Since != "" {
		fmt.Fprintf(&b, "; since %s", k.Since)
	}
	b.WriteString(".\n\n## Examples\n")
	for _, e := range k.Examples {
		fmt.Fprintf(&b, "\n### %s\n", e.Title)
		for _, a := range apis() {
			if e.Identity != "" && a.identity(e.Identity) == "" {
				fmt.Fprintf(&b, "\n%s there is no podIdentity `%s`.\n", a.title, e.Identity)
				continue
			}
			text, err := a.manifest(k, e)
			if err != nil {
				return nil, fmt.Errorf("example %q for %s: %w", e.Title, a.version, err)
			}
			fmt.Fprintf(&b, "\n%s:\n\n```yaml\n%s```\n", a.title, text)
		}
	}
	b.WriteString("\n## Parameters\n\n")
	b.WriteString("*From* says where a value may come from: the trigger's `metadata`, a parameter of the `authenticationRef`, " +
		"or the environment of the target's container, whose variable `<name>FromEnv` in the metadata names.\n")
	parameters(&b, k.New().Params().Describe())
	for _, s := range []struct{ title, text string }{{"Permissions", k.Permissions}, {"Cost", k.Cost}} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.title, s.text)
	}
	fmt.Fprintf(&b, "\n## By hand\n\nThis shows the same number:\n\n```sh\n%s\n```\n", k.ByHand)
	return b.Bytes(), nil
}

// parameters writes one table per group, that without a name first.
func parameters(b *bytes.Buffer, infos []param.Info) {
	var groups []string
	for _, i := range infos {
		if !slices.Contains(groups, i.Group) {
			groups = append(groups, i.Group)
		}
	}
	slices.SortStableFunc(groups, func(x, y string) int {
		return boolToInt(x != "") - boolToInt(y != "")
	})
	for _, g := range groups {
		if g != "" {
			fmt.Fprintf(b, "\n### %s\n", g)
		}
		b.WriteString("\n| Name | Aliases | From | Default | Required | Description |\n| --- | --- | --- | --- | --- | --- |\n")
		for _, i := range infos {
			if i.Group == g {
				parameter(b, i)
			}
		}
	}
}

func parameter(b *bytes.Buffer, i param.Info) {
	name := "`" + i.Name + "`"
	if i.Prefix {
		name = "`" + i.Name + "*`"
		if i.Name == "" {
			name = "*any other*"
		}
	}
	var aliases, from []string
	for _, a := range i.Aliases {
		aliases = append(aliases, "`"+a+"`")
	}
	for _, o := range i.Origins {
		from = append(from, string(o))
	}
	def, required := "", "no"
	if i.HasDefault && i.Default != "" {
		def = "`" + i.Default + "`"
	}
	if i.Required {
		required = "yes"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", name, strings.Join(aliases, ", "), strings.Join(from, ", "), cell(def), required, cell(describe(i)))
}

// describe puts all that is known of a parameter in sentences.
func describe(i param.Info) string {
	parts := []string{sentence(i.Doc)}
	switch i.Role {
	case param.RoleTarget:
		parts = append(parts, "This is the target per replica.")
	case param.RoleActivation:
		parts = append(parts, "This is the activation threshold.")
	}
	if len(i.OneOf) > 0 {
		parts = append(parts, "One of `"+strings.Join(i.OneOf, "`, `")+"`.")
	} else if words := kindWords(i.Kind); words != "" {
		parts = append(parts, words)
	}
	if i.Min != nil {
		parts = append(parts, fmt.Sprintf("At least %v%s.", *i.Min, unit(i)))
	}
	if i.Max != nil {
		parts = append(parts, fmt.Sprintf("At most %v%s.", *i.Max, unit(i)))
	}
	if i.Example != "" {
		parts = append(parts, "For example `"+i.Example+"`.")
	}
	if i.NamesEnv {
		text := "In `keda.k8s.io` the value names an environment variable of the target's container"
		if i.EnvVariable != "" {
			text += ", `" + i.EnvVariable + "` when unset"
		}
		parts = append(parts, text+".")
	}
	if i.FirstDefault != "" {
		parts = append(parts, "`"+i.FirstDefault+"` when unset in `keda.k8s.io`.")
	}
	if i.Since != "" {
		parts = append(parts, "Since "+i.Since+".")
	}
	if i.Deprecated != "" {
		parts = append(parts, "**Deprecated:** "+sentence(i.Deprecated))
	}
	return strings.Join(parts, " ")
}

func kindWords(kind string) string {
	switch kind {
	case "integer":
		return "A whole number."
	case "number":
		return "A number."
	case "boolean":
		return "`true` or `false`."
	case "list":
		return "A comma-separated list."
	case "map":
		return "Comma-separated `name=value` pairs."
	case "url":
		return "An address with `http://` or `https://`."
	}
	return ""
}

func unit(i param.Info) string {
	if i.Kind == "duration" {
		return " s"
	}
	return ""
}

// cell makes text fit into a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

func firstSentence(s string) string {
	first, _, _ := strings.Cut(s, ". ")
	return sentence(first)
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
