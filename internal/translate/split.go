package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// segment is one document of an input as it is written there. All segments of
// an input, one after the other, are the input.
type segment struct {
	// mark is the line "---" that begins the document; it may be empty.
	mark []byte
	text []byte
	// line is the number of the first line of text, counted from 1.
	line int
	// json says that the document is written as JSON.
	json bool
}

// split cuts an input into its documents.
func split(data []byte) []segment {
	if out, ok := splitJSON(data); ok {
		return out
	}
	return splitYAML(data)
}

// splitJSON splits a stream of JSON objects; ok is false for anything else.
func splitJSON(data []byte) (out []segment, ok bool) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	start := int64(0)
	for {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			if n := len(out); n > 0 {
				out[n-1].text = append(bytes.Clone(out[n-1].text), data[start:]...)
			}
			return out, true
		}
		if err != nil {
			return nil, false
		}
		end := dec.InputOffset()
		out = append(out, segment{text: data[start:end], line: 1 + bytes.Count(data[:start], []byte("\n")), json: true})
		start = end
	}
}

// splitYAML splits at lines that begin with "---" and after those that are "...".
func splitYAML(data []byte) []segment {
	var out []segment
	current := segment{line: 1}
	for i, line := range bytes.SplitAfter(data, []byte("\n")) {
		text := strings.TrimRight(string(line), "\r\n")
		switch {
		case text == "...":
			out = append(out, current, segment{mark: line, line: i + 2})
			current = segment{line: i + 2}
		case strings.TrimRight(text, " \t") == "---":
			out = append(out, current)
			current = segment{mark: line, line: i + 2}
		case strings.HasPrefix(text, "--- ") || strings.HasPrefix(text, "---\t"):
			out = append(out, current)
			// What follows the mark on its line belongs to the document.
			current = segment{mark: []byte("---"), text: bytes.Clone(line[3:]), line: i + 1}
		default:
			current.text = append(current.text, line...)
		}
	}
	return append(out, current)
}

// meaningful says whether a text has more than comments and directives.
func meaningful(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '%' {
			return true
		}
	}
	return false
}
