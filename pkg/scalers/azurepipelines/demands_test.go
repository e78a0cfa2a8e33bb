package azurepipelines

import "testing"

// TestDemands: which jobs count for agents with some capabilities.
func TestDemands(t *testing.T) {
	const version = "Agent.Version -gtVersion 2.163.1"
	done := "succeeded"
	jobs := []job{
		{},
		{Demands: []string{version}},
		{Demands: []string{"maven", version}},
		{Demands: []string{"Maven"}},
		{Demands: []string{"docker", "maven"}},
		{Demands: []string{"docker", "maven", "java"}},
		{Demands: []string{"maven"}, Result: &done},
	}
	for name, c := range map[string]struct {
		config config
		want   int
	}{
		"no demands":             {config{}, 6},
		"no demands, all asked":  {config{exact: true}, 6},
		"none else":              {config{demands: []string{"maven", "docker"}}, 4},
		"none else, any case":    {config{demands: []string{"maven", "docker"}, fold: true}, 5},
		"version left out":       {config{demands: []string{"maven", version}}, 3},
		"exactly":                {config{demands: []string{"maven", "docker"}, exact: true}, 1},
		"exactly, twice the one": {config{demands: []string{"maven", "maven"}, exact: true}, 1},
		"exactly, any case":      {config{demands: []string{"MAVEN"}, exact: true, fold: true}, 2},
		"at least":               {config{demands: []string{"maven"}, atLeast: true}, 3},
		"at least two":           {config{demands: []string{"maven", "docker"}, atLeast: true}, 2},
		"exactly goes before":    {config{demands: []string{"maven", "docker"}, exact: true, atLeast: true}, 1},
		"of nobody":              {config{demands: []string{"rust"}, atLeast: true}, 0},
	} {
		if got := c.config.count(jobs); got != c.want {
			t.Errorf("%s: got %d jobs; want %d", name, got, c.want)
		}
	}
}

// TestParent: jobs that a template can take, whatever they demand.
func TestParent(t *testing.T) {
	agents := func(names ...string) (j job) {
		for _, n := range names {
			j.Agents = append(j.Agents, struct {
				Name string `json:"name"`
			}{n})
		}
		return j
	}
	jobs := []job{agents("maven-template", "other"), agents("other"), {}, agents("Maven-Template")}
	c := config{parent: "maven-template", demands: []string{"ignored"}}
	c.has.parent = true
	if got := c.count(jobs); got != 1 {
		t.Errorf("got %d jobs; want 1", got)
	}
}
