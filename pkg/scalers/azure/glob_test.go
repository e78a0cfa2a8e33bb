package azure

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestGlob(t *testing.T) {
	for pattern, tc := range map[string]struct{ yes, no []string }{
		"":              {[]string{""}, []string{"a"}},
		"a.b+c":         {[]string{"a.b+c"}, []string{"axb+c", "a.bbc"}},
		"*":             {[]string{"", "a", "a/b", "a\nb"}, nil},
		"*.csv":         {[]string{".csv", "a.csv", "in/a.csv"}, []string{"a.csv2", "acsv", "a.CSV"}},
		"**/*.csv":      {[]string{"in/a.csv", "/a.csv"}, []string{"a.csv"}},
		"a?c":           {[]string{"abc", "a/c", "aéc"}, []string{"ac", "abbc"}},
		"[ab]x":         {[]string{"ax", "bx"}, []string{"cx", "x", "[ab]x"}},
		"[a-c]x":        {[]string{"bx"}, []string{"dx", "-x"}},
		"[!a-c]x":       {[]string{"dx", "-x"}, []string{"ax"}},
		"[-a]":          {[]string{"-", "a"}, []string{"b"}},
		"[a-]":          {[]string{"-", "a"}, []string{"b"}},
		"[a^]":          {[]string{"^", "a"}, []string{"b"}},
		"[^a]":          {[]string{"^", "a"}, []string{"b"}},
		`[\]a]`:         {[]string{"]", "a"}, []string{`\`}},
		"[[:alpha:]]":   {[]string{"a]", ":]", "[]"}, []string{"z", "b"}},
		"{a,bc}d":       {[]string{"ad", "bcd"}, []string{"bd", "d", "{a,bc}d"}},
		"{a,}d":         {[]string{"ad", "d"}, []string{"bd"}},
		"{a,b{c,d}*}.x": {[]string{"a.x", "bc.x", "bd7.x"}, []string{"b.x"}},
		`\*\{a,b\}`:     {[]string{"*{a,b}"}, []string{"a", "*a"}},
		"a]":            {[]string{"a]"}, []string{"a"}},
		"a,b":           {[]string{"a,b"}, []string{"a"}},
		"é*🙂":           {[]string{"é🙂", "éa🙂"}, []string{"e🙂"}},
		"(a|b)$":        {[]string{"(a|b)$"}, []string{"a", "b"}},
	} {
		t.Run(pattern, func(t *testing.T) {
			g, err := compileGlob(pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tc.yes {
				if !g.MatchString(s) {
					t.Errorf("%q does not match", s)
				}
			}
			for _, s := range tc.no {
				if g.MatchString(s) {
					t.Errorf("%q matches", s)
				}
			}
		})
	}
}

func TestGlobRefused(t *testing.T) {
	for pattern, want := range map[string]string{
		"{a,b": "without its }", "a}": "without its {", "[ab": "without its ]",
		"[]": "empty", "[!]": "empty", `a\`: "at its end", `[a\`: "without its ]", "[z-a]": "range", strings.Repeat("*a", 129): "longer",
	} {
		if _, err := compileGlob(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want %q", pattern, err, want)
		}
	}
}

// TestGlobIsBounded matches a name against a pattern that makes matchers that
// go back and try again run for ages.
func TestGlobIsBounded(t *testing.T) {
	g, err := compileGlob(strings.Repeat("{*,*a}", 40) + "x?")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool, 1)
	go func() { done <- g.MatchString(strings.Repeat("a", 1022) + "yz") }()
	select {
	case matched := <-done:
		if matched {
			t.Error("it matches")
		}
	case <-time.After(20 * time.Second):
		t.Error("it takes too long")
	}
}

// FuzzGlob checks that no pattern panics, and that a name stands for itself.
func FuzzGlob(f *testing.F) {
	for _, seed := range []string{"*.csv", "{a,b}", "[!a-c]", `\`, "[[", "}{", "[--a]", "[a-\\]]"} {
		f.Add(seed, "a.csv")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if g, err := compileGlob(pattern); err == nil {
			g.MatchString(name)
		}
		if !utf8.ValidString(name) || len(name) > globMost/2 {
			return
		}
		var plain strings.Builder
		for _, r := range name {
			plain.WriteString(`\`)
			plain.WriteRune(r)
		}
		if g, err := compileGlob(plain.String()); err != nil || !g.MatchString(name) {
			t.Errorf("%q does not match itself: %v", name, err)
		}
	})
}
