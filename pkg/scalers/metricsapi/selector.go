package metricsapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// selector picks one series of the Prometheus text format.
type selector struct {
	name   string
	labels map[string]string
}

// parseSelector reads name or name{label="value",…}.
func parseSelector(text string) (selector, error) {
	s := selector{labels: map[string]string{}}
	name, rest, braced := strings.Cut(strings.TrimSpace(text), "{")
	s.name = strings.TrimSpace(name)
	if !model.LegacyValidation.IsValidMetricName(s.name) {
		return selector{}, fmt.Errorf("%q is no metric name", s.name)
	}
	if !braced {
		return s, nil
	}
	rest = strings.TrimSpace(rest)
	for !strings.HasPrefix(rest, "}") {
		label, after, ok := strings.Cut(rest, "=")
		label = strings.TrimSpace(label)
		if !ok || !model.LegacyValidation.IsValidLabelName(label) {
			return selector{}, errors.New("a label has no name or no =")
		}
		value, after, err := quoted(strings.TrimSpace(after))
		if err != nil {
			return selector{}, fmt.Errorf("label %s: %w", label, err)
		}
		s.labels[label] = value
		rest = strings.TrimSpace(after)
		if next, more := strings.CutPrefix(rest, ","); more {
			rest = strings.TrimSpace(next)
		} else if !strings.HasPrefix(rest, "}") {
			return selector{}, errors.New("the braces are not closed")
		}
	}
	if rest != "}" {
		return selector{}, errors.New("something follows the closing brace")
	}
	return s, nil
}

// quoted reads a value in double quotes with the escapes \\, \" and \n.
func quoted(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", errors.New("the value is not in double quotes")
	}
	var out strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return out.String(), text[i+1:], nil
		case text[i] == '\\' && i+1 < len(text):
			i++
			if text[i] == 'n' {
				out.WriteByte('\n')
			} else {
				out.WriteByte(text[i])
			}
		default:
			out.WriteByte(text[i])
		}
	}
	return "", "", errors.New("the value's quotes are not closed")
}

// find reads the one series that has the selector's labels; a series that has
// no others goes before those that have more.
func (s selector) find(body []byte) (float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.MultiReader(bytes.NewReader(body), strings.NewReader("\n"))) // many forget the last line break
	if err != nil {
		return 0, errors.New("the answer is not in the Prometheus text format")
	}
	family, part := s.family(families)
	if family == nil {
		return 0, errors.New("there is no metric of that name")
	}
	var found []*dto.Metric
	for _, m := range family.GetMetric() {
		if !s.matches(m) {
			continue
		}
		if len(m.GetLabel()) == len(s.labels) {
			return valueOf(m, part)
		}
		found = append(found, m)
	}
	switch len(found) {
	case 0:
		return 0, errors.New("no series has these labels")
	case 1:
		return valueOf(found[0], part)
	}
	return 0, fmt.Errorf("%d series have these labels; expected one, chosen with more labels", len(found))
}

// family finds the metric, or the histogram or summary that it is a part of.
func (s selector) family(families map[string]*dto.MetricFamily) (*dto.MetricFamily, string) {
	if f := families[s.name]; f != nil {
		return f, ""
	}
	for _, part := range []string{"_count", "_sum"} {
		if base, ok := strings.CutSuffix(s.name, part); ok && families[base] != nil {
			return families[base], part
		}
	}
	return nil, ""
}

func (s selector) matches(m *dto.Metric) bool {
	got := map[string]string{}
	for _, l := range m.GetLabel() {
		got[l.GetName()] = l.GetValue()
	}
	for name, want := range s.labels {
		if value, ok := got[name]; !ok || value != want {
			return false
		}
	}
	return true
}

func valueOf(m *dto.Metric, part string) (float64, error) {
	switch {
	case m.Histogram != nil && part == "_count":
		return float64(m.GetHistogram().GetSampleCount()), nil
	case m.Histogram != nil && part == "_sum":
		return m.GetHistogram().GetSampleSum(), nil
	case m.Summary != nil && part == "_count":
		return float64(m.GetSummary().GetSampleCount()), nil
	case m.Summary != nil && part == "_sum":
		return m.GetSummary().GetSampleSum(), nil
	case part != "" || m.Histogram != nil || m.Summary != nil:
		return 0, errors.New("there is a histogram or summary; expected one number, for example its _count")
	case m.Gauge != nil:
		return m.GetGauge().GetValue(), nil
	case m.Counter != nil:
		return m.GetCounter().GetValue(), nil
	case m.Untyped != nil:
		return m.GetUntyped().GetValue(), nil
	}
	return 0, errors.New("the series has no value")
}
