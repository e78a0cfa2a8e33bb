package up

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
)

// frame is what is shown at one moment.
type frame struct {
	at       time.Duration
	lag      int64
	target   string
	desired  int32
	ready    int32
	replicas int32
	active   string
	decision string
	waves    int
}

// screen shows frames: a chart that is drawn over itself on a terminal, one
// line per change elsewhere.
type screen struct {
	out      io.Writer
	terminal bool
	header   string
	history  []frame
	last     string
	lastAt   time.Duration
}

const (
	chartWidth  = 60
	chartHeight = 6
	// quietLine is how often a plain line is written though nothing changed.
	quietLine = 15 * time.Second
)

func (s *screen) show(f frame) {
	if !s.terminal {
		s.line(f)
		return
	}
	s.history = append(s.history, f)
	if len(s.history) > chartWidth {
		s.history = s.history[1:]
	}
	var b strings.Builder
	b.WriteString("\x1b[H\x1b[2J")
	b.WriteString(s.header)
	b.WriteString(s.chart("lag (records)", asciigraph.Blue, func(f frame) float64 { return float64(f.lag) }))
	b.WriteString(s.chart("replicas: running", asciigraph.Green, func(f frame) float64 { return float64(f.ready) }))
	fmt.Fprintf(&b, "\n  %s  wave %d  lag %d  target %s per replica  active %s\n", clock(f.at), f.waves, f.lag, f.target, f.active)
	fmt.Fprintf(&b, "  replicas: %d wanted, %d in the Deployment, %d ready\n", f.desired, f.replicas, f.ready)
	fmt.Fprintf(&b, "  last decision: %s\n", f.decision)
	b.WriteString("\n  Ctrl-C ends everything.\n")
	_, _ = io.WriteString(s.out, b.String())
}

func (s *screen) chart(caption string, colour asciigraph.AnsiColor, value func(frame) float64) string {
	series := make([]float64, len(s.history))
	for i, f := range s.history {
		series[i] = value(f)
	}
	return "\n" + asciigraph.Plot(series,
		asciigraph.Width(chartWidth), asciigraph.Height(chartHeight), asciigraph.LowerBound(0),
		asciigraph.Precision(0), asciigraph.Caption(caption), asciigraph.SeriesColors(colour)) + "\n"
}

func (s *screen) line(f frame) {
	text := fmt.Sprintf("lag %5d  target %s  wanted %3d  replicas %3d  ready %3d  active %-5s  %s",
		f.lag, f.target, f.desired, f.replicas, f.ready, f.active, f.decision)
	if text == s.last && f.at-s.lastAt < quietLine {
		return
	}
	s.last, s.lastAt = text, f.at
	_, _ = fmt.Fprintf(s.out, "%s  %s\n", clock(f.at), text)
}

func clock(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
