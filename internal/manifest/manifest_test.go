package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSplit: where documents begin, what marks them, and that a document may
// begin on the line of its mark.
func TestSplit(t *testing.T) {
	type piece struct {
		Mark, Text string
		Line       int
		JSON       bool
	}
	for name, c := range map[string]struct {
		data string
		want []piece
	}{
		"yaml":         {"a: 1\n---\nb: 2\n", []piece{{"", "a: 1\n", 1, false}, {"---\n", "b: 2\n", 3, false}}},
		"on the line":  {"--- {a: 1}\n", []piece{{"", "", 1, false}, {"---", " {a: 1}\n", 1, false}}},
		"after an end": {"a: 1\n...\nb: 2\n", []piece{{"", "a: 1\n", 1, false}, {"...\n", "", 3, false}, {"", "b: 2\n", 3, false}}},
		"json":         {"{\"a\":1}\n{\"b\":2}\n", []piece{{"", "{\"a\":1}", 1, true}, {"", "\n{\"b\":2}\n", 1, true}}},
		"no json":      {"{a: 1}\n", []piece{{"", "{a: 1}\n", 1, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []piece
			for _, d := range Split([]byte(c.data)) {
				got = append(got, piece{string(d.Mark), string(d.Text), d.Line, d.JSON})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMeaningful(t *testing.T) {
	for text, want := range map[string]bool{"": false, "# a\n\n  # b\n%YAML 1.2\n": false, "# a\nb\n": true, " {": true} {
		if got := Meaningful([]byte(text)); got != want {
			t.Errorf("%q: %v; expected %v", text, got, want)
		}
	}
}

// FuzzSplit: the documents of an input are the input.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"", "---", "a\n---\nb\n...\n\n--- c\n---\td", "{\"a\":1}\n {\"b\":2}\n", "\r\n---\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got strings.Builder
		for _, s := range Split(data) {
			got.Write(s.Mark)
			line := 1 + strings.Count(got.String(), "\n")
			if !s.JSON && len(s.Text) > 0 && s.Line != line {
				t.Fatalf("a document is said to begin at line %d; it begins at %d of\n%q", s.Line, line, data)
			}
			got.Write(s.Text)
		}
		if got.String() != string(data) {
			t.Fatalf("%q became %q", data, got.String())
		}
	})
}
