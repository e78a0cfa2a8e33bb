package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// secretMark is in every secret value of these tests; it may appear nowhere.
const secretMark = "never-to-be-seen"

// badSigns are what the operator's log may not have.
func badSigns() []string {
	return []string{"forbidden", "DATA RACE", "panic", secretMark}
}

// goodReasons are in lines that have a bad sign for no fault of ours: what is
// created in a namespace that is being deleted is refused, and a test keeps a
// kind from the operator.
func goodReasons() []string { return []string{"because it is being terminated", "unwatcheds"} }

// audit looks at what the operator did during the run: its log, and whether
// the API server has refused any of its requests.
func (c *cluster) audit() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var problems []error
	select {
	case <-c.operator.Done():
		problems = append(problems, fmt.Errorf("the operator ended: %w\n%s", errors.Join(errors.New("unexpectedly"), c.operator.Err()), c.logTail("")))
	default:
	}
	denied, err := c.deniedRequests(ctx)
	if err != nil {
		return err
	}
	for what, n := range denied {
		if before := c.denied[what]; n > before {
			problems = append(problems, fmt.Errorf("%.0f requests were refused with 403: %s", n-before, what))
		}
	}
	log, err := os.ReadFile(c.logFile())
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(log)) {
		if containsAny(line, badSigns()) && !containsAny(line, goodReasons()) {
			problems = append(problems, errors.New("the operator's log says: "+strings.TrimSpace(line)))
		}
	}
	return errors.Join(problems...)
}

func containsAny(text string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

func expectedDenials() []string {
	return []string{`group="external.metrics.k8s.io"`, `resource="unwatcheds"`, `verb="POST"`, `verb="APPLY"`}
}

var requestTotal = regexp.MustCompile(`(?m)^apiserver_request_total\{([^}]*)\} (\S+)$`)

// deniedRequests counts requests that the API server has answered with 403,
// by their labels. Left out are reads of external metrics, which tests make
// without permission on purpose, the kind that a test keeps from the operator,
// and creations, since in a namespace that is being deleted each is refused.
func (c *cluster) deniedRequests(ctx context.Context) (map[string]float64, error) {
	text, err := raw(ctx, c.config, "/metrics")
	if err != nil {
		return nil, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	out := map[string]float64{}
	for _, m := range requestTotal.FindAllStringSubmatch(string(text), -1) {
		labels := m[1]
		if !strings.Contains(labels, `code="403"`) || containsAny(labels, expectedDenials()) {
			continue
		}
		n, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, fmt.Errorf("reading the API server's metrics: %w", err)
		}
		out[labels] = n
	}
	return out, nil
}
