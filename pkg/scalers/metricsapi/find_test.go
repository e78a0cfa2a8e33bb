package metricsapi

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	const list = `{"parts":[{"n":1},{"n":2.5}],"a.b":3,"text":"7","size":"10Mi","no":null,"yes":true,"word":"s3cret"}`
	const doc = `<stats unit="items"><queue name="a"><depth>4</depth></queue><queue name="b"><depth unit="k">5</depth></queue><all> 9 </all></stats>`
	const text = `# TYPE queue_size gauge
queue_size{queue="orders",shard="1"} 3
queue_size{queue="orders",shard="2"} 4
queue_size{queue="mails"} 8
queue_size 21
# TYPE jobs counter
jobs_total{say="a\"b,}"} 5
# TYPE took histogram
took_bucket{le="1"} 2
took_bucket{le="+Inf"} 6
took_sum 12.5
took_count 6
plain{a="1",b="2"} 11
`
	tests := map[string]struct {
		format, location, body string
		want                   float64
		failure                string
	}{
		"json number":           {format: "json", location: "parts.1.n", body: list, want: 2.5},
		"json text":             {format: "json", location: "text", body: list, want: 7},
		"json quantity":         {format: "json", location: "size", body: list, want: 10 << 20},
		"json count":            {format: "json", location: "parts.#", body: list, want: 2},
		"json escaped dot":      {format: "json", location: `a\.b`, body: list, want: 3},
		"json nothing there":    {format: "json", location: "parts.7.n", body: list, failure: "nothing at that path"},
		"json null":             {format: "json", location: "no", body: list, failure: "null"},
		"json boolean":          {format: "json", location: "yes", body: list, failure: "boolean"},
		"json list":             {format: "json", location: "parts", body: list, failure: "a list"},
		"json object":           {format: "json", location: "parts.0", body: list, failure: "an object"},
		"json word":             {format: "json", location: "word", body: list, failure: "expected a number"},
		"json empty":            {format: "json", location: "text", body: "", failure: "no JSON"},
		"json cut short":        {format: "json", location: "text", body: `{"text":7`, failure: "no JSON"},
		"yaml number":           {format: "yaml", location: "foo.0.bar", body: "foo:\n- bar: 42\n", want: 42},
		"yaml big":              {format: "yaml", location: "count", body: "count: 9007199254740993", want: 9007199254740993},
		"yaml quantity":         {format: "yaml", location: "count", body: "count: 250m", want: 0.25},
		"yaml escaped dot":      {format: "yaml", location: `a\.b`, body: "a.b: 3", want: 3},
		"yaml nothing there":    {format: "yaml", location: "foo.x", body: "foo: {bar: 1}", failure: `no "x"`},
		"yaml past the list":    {format: "yaml", location: "foo.2", body: "foo: [1, 2]", failure: "list of 2"},
		"yaml below a number":   {format: "yaml", location: "foo.bar", body: "foo: 1", failure: "nothing below"},
		"yaml null":             {format: "yaml", location: "foo", body: "foo:", failure: "null"},
		"yaml map":              {format: "yaml", location: "foo", body: "foo: {a: 1}", failure: "map"},
		"yaml malformed":        {format: "yaml", location: "foo", body: "foo: [s3cret", failure: "no YAML"},
		"xml element":           {format: "xml", location: "stats.all", body: doc, want: 9},
		"xml repeated":          {format: "xml", location: "stats.queue.0.depth", body: doc, want: 4},
		"xml text beside":       {format: "xml", location: "stats.queue.1.depth", body: doc, want: 5},
		"xml attribute":         {format: "xml", location: "a.-n", body: `<?xml version="1.0"?><a n="6"/>`, want: 6},
		"xml nothing there":     {format: "xml", location: "stats.x", body: doc, failure: `no "x"`},
		"xml empty":             {format: "xml", location: "a", body: `<a/>`, failure: "expected a number"},
		"xml cut short":         {format: "xml", location: "stats.all", body: doc[:40], failure: "no XML"},
		"xml too deep":          {format: "xml", location: "a", body: strings.Repeat("<a>", 5000), failure: "no XML"},
		"text with labels":      {format: "prometheus", location: `queue_size{queue="orders",shard="2"}`, body: text, want: 4},
		"text some labels":      {format: "prometheus", location: `queue_size{ shard = "1" }`, body: text, want: 3},
		"text without labels":   {format: "prometheus", location: "queue_size", body: text, want: 21},
		"text only series":      {format: "prometheus", location: "plain", body: text, want: 11},
		"text escapes":          {format: "prometheus", location: `jobs_total{say="a\"b,}"}`, body: text, want: 5},
		"text histogram part":   {format: "prometheus", location: "took_count", body: text, want: 6},
		"text histogram sum":    {format: "prometheus", location: "took_sum", body: text, want: 12.5},
		"text histogram":        {format: "prometheus", location: "took", body: text, failure: "_count"},
		"text several":          {format: "prometheus", location: `queue_size{queue="orders"}`, body: text, failure: "2 series"},
		"text other value":      {format: "prometheus", location: `queue_size{queue="x"}`, body: text, failure: "no series"},
		"text other metric":     {format: "prometheus", location: "size", body: text, failure: "no metric"},
		"text malformed":        {format: "prometheus", location: "a", body: "s3cret{", failure: "text format"},
		"text empty":            {format: "prometheus", location: "a", body: "", failure: "no metric"},
		"text no final newline": {format: "prometheus", location: "a", body: "a 3", want: 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			find, err := finderOf(tc.format, tc.location)
			if err != nil {
				t.Fatal(err)
			}
			got, err := find([]byte(tc.body))
			if tc.failure != "" {
				if err == nil || !strings.Contains(err.Error(), tc.failure) {
					t.Fatalf("got %v, %v; want an error mentioning %q", got, err, tc.failure)
				}
				if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the error repeats the answer: %v", err)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %v, %v; want %v", got, err, tc.want)
			}
		})
	}
}

func TestSelectorIsChecked(t *testing.T) {
	for _, text := range []string{"", "1a", "a b", "a{", "a{b}", `a{b="c"`, `a{b=c}`, `a{b="c}`, `a{b="c"} d`, `a{1b="c"}`, `a{b="c" d="e"}`, `{b="c"}`} {
		if s, err := parseSelector(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, s)
		}
	}
}
