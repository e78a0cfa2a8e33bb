package validate

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/kedago/keda/pkg/scaler/param"
)

// checker compares an object with the schema of its CRD as the API server
// does, in words that name what was found and what is expected. Rules in CEL
// are left to the API server.
type checker struct {
	problems param.Problems
	// broken are the paths whose value is missing or could not be used.
	broken []string
	// shy keeps values out of problems, for objects that may hold credentials.
	shy bool
}

// errorf adds a problem with a value that can't be used.
func (c *checker) errorf(path, format string, args ...any) {
	c.problems.Errorf(path, format, args...)
	c.broken = append(c.broken, path)
}

// schema checks value at path, and returns it with what has the wrong type
// made right where its meaning is clear, and otherwise removed, so that the
// rest can still be checked. ok is false for removed.
func (c *checker) schema(s *apiextensionsv1.JSONSchemaProps, path string, value any) (right any, ok bool) {
	if value == nil {
		if s.Nullable {
			return nil, true
		}
		c.errorf(path, "found nothing; expected %s", expected(s))
		return nil, false
	}
	if s.XIntOrString {
		switch value.(type) {
		case string, int64:
			return value, true
		}
		return c.wrongType(s, path, value)
	}
	switch s.Type {
	case "object":
		if m, is := value.(map[string]any); is {
			return c.object(s, path, m), true
		}
	case "array":
		if list, is := value.([]any); is {
			return c.array(s, path, list), true
		}
	case "string":
		if text, is := value.(string); is {
			c.text(s, path, text)
			return value, true
		}
	case "integer", "number":
		if n, is := number(value); is && (s.Type == "number" || n == math.Trunc(n)) {
			c.number(s, path, n)
			return value, true
		}
	case "boolean":
		if _, is := value.(bool); is {
			return value, true
		}
	default:
		return value, true // x-preserve-unknown-fields without a type
	}
	return c.wrongType(s, path, value)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// wrongType reports a value of another type and makes it right if it is clear
// what was meant: a number without quotes for a text, or with them for a number.
func (c *checker) wrongType(s *apiextensionsv1.JSONSchemaProps, path string, value any) (right any, ok bool) {
	c.problems.Errorf(path, "found %s; expected %s", c.show(value), expected(s))
	switch v := value.(type) {
	case string:
		switch s.Type {
		case "integer":
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				c.problems.Hint("write it without quotes")
				return n, true
			}
		case "number":
			if n, err := strconv.ParseFloat(v, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
				c.problems.Hint("write it without quotes")
				return n, true
			}
		case "boolean":
			if b, err := strconv.ParseBool(v); err == nil {
				c.problems.Hint("write it without quotes")
				return b, true
			}
		}
	case int64, float64, bool:
		if values := enum(s); s.Type == "string" && (len(values) == 0 || slices.Contains(values, fmt.Sprint(v))) {
			c.problems.Hint("write it in quotes")
			return fmt.Sprint(v), true
		}
	}
	c.broken = append(c.broken, path)
	return nil, false
}

// expected says in words what a schema takes.
func expected(s *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case s.XIntOrString:
		return "a whole number or a text"
	case len(s.Enum) > 0:
		return "one of " + strings.Join(enum(s), ", ")
	}
	switch s.Type {
	case "object":
		return "an object with fields"
	case "array":
		return "a list"
	case "string":
		return "a text"
	case "integer":
		return "a whole number"
	case "number":
		return "a number"
	case "boolean":
		return "true or false"
	}
	return "a value"
}

// show says in words what was found.
func (c *checker) show(value any) string {
	kind, text := "a value", ""
	switch v := value.(type) {
	case map[string]any:
		return "an object with fields"
	case []any:
		return "a list"
	case string:
		kind, text = "a text", strconv.Quote(v)
	case int64, float64:
		kind, text = "a number", fmt.Sprintf("the number %v", v)
	case bool:
		kind, text = "true or false", fmt.Sprintf("%v without quotes", v)
	}
	const most = 80
	if c.shy || len(text) > most {
		return kind
	}
	return text
}

func enum(s *apiextensionsv1.JSONSchemaProps) []string {
	var out []string
	for _, e := range s.Enum {
		out = append(out, strings.Trim(string(e.Raw), `"`))
	}
	return out
}

func (c *checker) text(s *apiextensionsv1.JSONSchemaProps, path, text string) {
	if values := enum(s); len(values) > 0 && !slices.Contains(values, text) {
		found := strconv.Quote(text)
		if len(found) > 80 {
			found = "a long text"
		}
		c.errorf(path, "found %s; expected one of %s", found, strings.Join(values, ", "))
		if near, ok := param.Nearest(text, values); ok {
			c.problems.Hint("did you mean %s?", near)
		}
	}
	n := int64(utf8.RuneCountInString(text))
	switch {
	case s.MinLength != nil && n < *s.MinLength:
		c.errorf(path, "has %d characters; expected at least %d", n, *s.MinLength)
	case s.MaxLength != nil && n > *s.MaxLength:
		c.errorf(path, "has %d characters; expected at most %d", n, *s.MaxLength)
	}
	if s.Pattern == "" {
		return
	}
	if re, err := regexp.Compile(s.Pattern); err == nil && !re.MatchString(text) {
		c.errorf(path, "found %s; expected a text of the form %s", c.show(text), s.Pattern)
	}
}

func (c *checker) number(s *apiextensionsv1.JSONSchemaProps, path string, n float64) {
	switch low, high := s.Minimum, s.Maximum; {
	case low != nil && s.ExclusiveMinimum && n <= *low:
		c.errorf(path, "found %v; expected a number above %v", n, *low)
	case low != nil && n < *low:
		c.errorf(path, "found %v; expected %v or more", n, *low)
	case high != nil && s.ExclusiveMaximum && n >= *high:
		c.errorf(path, "found %v; expected a number below %v", n, *high)
	case high != nil && n > *high:
		c.errorf(path, "found %v; expected %v or less", n, *high)
	}
	if s.Format == "int32" && (n > math.MaxInt32 || n < math.MinInt32) {
		c.errorf(path, "found %v; expected a whole number of 32 bits", n)
	}
}

func (c *checker) array(s *apiextensionsv1.JSONSchemaProps, path string, list []any) []any {
	n := int64(len(list))
	switch {
	case s.MinItems != nil && n < *s.MinItems:
		c.errorf(path, "has %d items; expected at least %d", n, *s.MinItems)
	case s.MaxItems != nil && n > *s.MaxItems:
		c.errorf(path, "has %d items; expected at most %d", n, *s.MaxItems)
	}
	if s.Items == nil || s.Items.Schema == nil {
		return list
	}
	out := make([]any, len(list))
	for i, item := range list {
		right, ok := c.schema(s.Items.Schema, fmt.Sprintf("%s[%d]", path, i), item)
		if !ok && s.Items.Schema.Type == "object" {
			right = map[string]any{} // keeps the numbers of those that follow
		}
		out[i] = right
	}
	return out
}

func (c *checker) object(s *apiextensionsv1.JSONSchemaProps, path string, m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		at := join(path, k)
		property, known := s.Properties[k]
		switch {
		case path == "" && (k == "apiVersion" || k == "kind" || k == "metadata"):
			out[k] = m[k] // checked as such
			continue
		case known:
		case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
			property = *s.AdditionalProperties.Schema
		case s.XPreserveUnknownFields != nil && *s.XPreserveUnknownFields, s.XEmbeddedResource,
			s.AdditionalProperties != nil && s.AdditionalProperties.Allows:
			out[k] = m[k]
			continue
		default:
			c.problems.Warnf(at, "is no field of this kind; the API server drops it")
			if near, ok := param.Nearest(k, slices.Sorted(maps.Keys(s.Properties))); ok {
				c.problems.Hint("did you mean %s?", near)
			}
			continue
		}
		if m[k] == nil && !property.Nullable {
			continue // the API server takes it as not there
		}
		if right, ok := c.schema(&property, at, m[k]); ok {
			out[k] = right
		}
	}
	for _, k := range s.Required {
		property := s.Properties[k]
		if v, there := m[k]; there && (v != nil || property.Nullable) {
			continue
		}
		if property.Default == nil {
			c.errorf(join(path, k), "is missing; expected %s", expected(&property))
		}
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
