// Package manifest cuts files of YAML or JSON into their documents.
//
// It owns where a document begins and ends. It loses nothing of a file and
// refuses to know what is in it.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// Document is one document of a file as it is written there. All documents of
// a file, one after the other, each with its mark before it, are the file.
type Document struct {
	// Mark is the line "---" that begins the document, or as much of it as is no
	// content; it may be empty.
	Mark []byte
	Text []byte
	// Line is the number of the first line of Text, counted from 1.
	Line int
	// JSON says that the document is written as JSON.
	JSON bool
}

// Split cuts a file into its documents, of which some may be empty. What is
// neither YAML nor JSON is still cut where YAML would be.
func Split(data []byte) []Document {
	if out, ok := splitJSON(data); ok {
		return out
	}
	return splitYAML(data)
}

// splitJSON splits a stream of JSON objects; ok is false for anything else.
func splitJSON(data []byte) (out []Document, ok bool) {
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
				out[n-1].Text = append(bytes.Clone(out[n-1].Text), data[start:]...)
			}
			return out, true
		}
		if err != nil {
			return nil, false
		}
		end := dec.InputOffset()
		out = append(out, Document{Text: data[start:end], Line: 1 + bytes.Count(data[:start], []byte("\n")), JSON: true})
		start = end
	}
}

// splitYAML splits at lines that begin with "---" and after those that are "...".
func splitYAML(data []byte) []Document {
	var out []Document
	current := Document{Line: 1}
	for i, line := range bytes.SplitAfter(data, []byte("\n")) {
		text := strings.TrimRight(string(line), "\r\n")
		switch {
		case text == "...":
			out = append(out, current, Document{Mark: line, Line: i + 2})
			current = Document{Line: i + 2}
		case strings.TrimRight(text, " \t") == "---":
			out = append(out, current)
			current = Document{Mark: line, Line: i + 2}
		case strings.HasPrefix(text, "--- ") || strings.HasPrefix(text, "---\t"):
			out = append(out, current)
			// What follows the mark on its line belongs to the document.
			current = Document{Mark: []byte("---"), Text: bytes.Clone(line[3:]), Line: i + 1}
		default:
			current.Text = append(current.Text, line...)
		}
	}
	return append(out, current)
}

// Meaningful says whether a text has more than comments and directives.
func Meaningful(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '%' {
			return true
		}
	}
	return false
}
