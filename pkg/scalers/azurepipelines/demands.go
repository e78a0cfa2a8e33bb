package azurepipelines

import (
	"slices"
	"strings"
)

// count is how many jobs are not finished and for such agents.
func (c *config) count(jobs []job) int {
	mine := versionless(c.demands)
	n := 0
	for _, j := range jobs {
		if j.Result == nil && c.takes(j, mine) {
			n++
		}
	}
	return n
}

// takes says whether an agent with the demands mine can take a job.
func (c *config) takes(j job, mine []string) bool {
	switch {
	case c.has.parent:
		for _, a := range j.Agents {
			if a.Name == c.parent {
				return true
			}
		}
		return false
	case len(c.demands) == 0:
		return true
	}
	wanted := versionless(j.Demands)
	switch {
	case c.exact:
		return c.within(wanted, mine) && c.within(mine, wanted)
	case c.atLeast:
		return c.within(mine, wanted)
	}
	return c.within(wanted, mine)
}

// within says whether all demands are among others.
func (c *config) within(demands, others []string) bool {
	for _, d := range demands {
		same := func(o string) bool { return o == d || c.fold && strings.EqualFold(o, d) }
		if !slices.ContainsFunc(others, same) {
			return false
		}
	}
	return true
}

// versionless are demands less those on the agent's version, which Azure
// Pipelines adds by itself.
func versionless(demands []string) []string {
	out := make([]string, 0, len(demands))
	for _, d := range demands {
		if !strings.HasPrefix(d, "Agent.Version") {
			out = append(out, d)
		}
	}
	return out
}
