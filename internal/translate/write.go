package translate

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/kedago/keda/internal/manifest"
)

// write puts the documents together again.
func (r *run) write(all [][]*document) {
	var out bytes.Buffer
	for _, docs := range all {
		for i, d := range docs {
			text := d.Text
			if d.changed {
				text = r.encode(d)
			}
			mark := d.Mark
			before := out.Bytes()
			if len(before) > 0 && before[len(before)-1] != '\n' && len(mark)+len(text) > 0 {
				out.WriteByte('\n')
			}
			if i == 0 && len(mark) == 0 && manifest.Meaningful(before) && len(bytes.TrimSpace(text)) > 0 {
				mark = []byte("---\n")
			}
			if d.changed && len(mark) > 0 && mark[len(mark)-1] != '\n' {
				mark = append(bytes.Clone(mark), '\n')
			}
			out.Write(mark)
			out.Write(text)
		}
	}
	r.result.Text = out.Bytes()
	slices.SortStableFunc(r.result.Findings, func(a, b Finding) int {
		return cmp.Or(r.position[a.File]-r.position[b.File], a.Line-b.Line)
	})
}

func (r *run) encode(d *document) []byte {
	encode := encodeYAML
	if d.JSON {
		encode = encodeJSON
	}
	text, err := encode(d.root)
	if err != nil {
		// A tree that was read can be written; what can't be stays as it was.
		for _, o := range d.objects {
			r.lost(o, o.line(""), "", "can't be written and stays as it is: %v", err)
		}
		return d.Text
	}
	return text
}
