package cli

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// environment gives flags their defaults where upstream reads variables. A
// value that can't be read is kept as a problem, so that a typing error is no
// silent default.
type environment struct {
	lookup   func(string) string
	problems []string
}

func fromEnv[T any](e *environment, name string, otherwise T, expected string, parse func(string) (T, error)) T {
	v := strings.TrimSpace(e.lookup(name))
	if v == "" {
		return otherwise
	}
	got, err := parse(v)
	if err != nil {
		e.problems = append(e.problems, fmt.Sprintf("environment variable %s: found %q; expected %s", name, v, expected))
		return otherwise
	}
	return got
}

func (e *environment) text(name, otherwise string) string {
	return fromEnv(e, name, otherwise, "a text", func(s string) (string, error) { return s, nil })
}

func (e *environment) whole(name string, otherwise int) int {
	return fromEnv(e, name, otherwise, "a whole number above 0", func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err == nil && n < 1 {
			err = strconv.ErrRange
		}
		return n, err
	})
}

func (e *environment) yes(name string) bool {
	return fromEnv(e, name, false, "true or false", strconv.ParseBool)
}

func (e *environment) duration(name string, otherwise time.Duration) time.Duration {
	return fromEnv(e, name, otherwise, "a duration such as 15s", time.ParseDuration)
}

func (e *environment) millis(name string, otherwise time.Duration) time.Duration {
	return time.Duration(e.whole(name, int(otherwise/time.Millisecond))) * time.Millisecond
}

func (e *environment) list(name string) []string {
	return fromEnv(e, name, nil, "a list separated by commas", func(s string) ([]string, error) {
		var out []string
		for _, part := range strings.Split(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out, nil
	})
}

// check returns all problems as one error.
func (e *environment) check() error {
	if len(e.problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(e.problems, "; "))
}

// tlsVersion checks the value of a flag.
func tlsVersion(flag, v string) error {
	switch v {
	case "", "TLS10", "TLS11", "TLS12", "TLS13":
		return nil
	}
	return fmt.Errorf("--%s: found %q; expected TLS10, TLS11, TLS12 or TLS13", flag, v)
}

// ciphers checks a list of cipher suites by Go's names of them.
func ciphers(flag string, names []string) error {
	for _, n := range names {
		known := false
		for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			known = known || c.Name == n
		}
		if !known {
			return fmt.Errorf("--%s: found %q; expected names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", flag, n)
		}
	}
	return nil
}
