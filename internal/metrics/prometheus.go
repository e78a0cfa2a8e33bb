package metrics

import "github.com/prometheus/client_golang/prometheus"

// Build is what keda_build_info tells.
type Build struct{ Version, Commit, Go, OS, Arch string }

// Collector is a prometheus.Collector over a source.
type Collector struct {
	source Source
	build  Build
	families
	descriptions map[*family]*prometheus.Desc
	info         *prometheus.Desc
}

// NewCollector returns a collector that reads the source at every scrape.
func NewCollector(s Source, b Build) *Collector {
	c := &Collector{source: s, build: b, families: newFamilies(), descriptions: map[*family]*prometheus.Desc{}}
	for _, f := range c.all() {
		c.descriptions[f] = prometheus.NewDesc(f.prometheus, f.help, f.labels, nil)
	}
	c.info = prometheus.NewDesc("keda_build_info", "1, with the build in its labels.", []string{"version", "git_commit", "goversion", "goos", "goarch"}, nil)
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.info
	for _, d := range c.descriptions {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	b := c.build
	out <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1, b.Version, b.Commit, b.Go, b.OS, b.Arch)
	c.collect(c.source, func(p point) {
		kind := prometheus.GaugeValue
		if p.family.kind == counter {
			kind = prometheus.CounterValue
		}
		m, err := prometheus.NewConstMetric(c.descriptions[p.family], kind, p.value, p.values...)
		if err != nil {
			m = prometheus.NewInvalidMetric(c.descriptions[p.family], err)
		}
		out <- m
	})
}
