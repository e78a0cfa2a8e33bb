package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// window is open from each start until the next end.
//
// Schedules are evaluated on the clock on the wall, written as a UTC time. So
// a time that daylight saving skips counts as passed when the clock jumps over
// it, and one that comes twice counts the first time.
type window struct {
	start, end cron.Schedule
	zone       *time.Location
}

func newWindow(timezone, start, end string) (window, error) {
	var w window
	var err error
	if w.zone, err = zone(timezone); err != nil {
		return window{}, fmt.Errorf("timezone: %w", err)
	}
	if w.start, err = parse(start); err != nil {
		return window{}, fmt.Errorf("start: %w", err)
	}
	if w.end, err = parse(end); err != nil {
		return window{}, fmt.Errorf("end: %w", err)
	}
	return w, nil
}

// zone refuses "Local", which would depend on where KEDA runs.
func zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone", name)
	}
	return time.LoadLocation(name)
}

func parse(expression string) (cron.Schedule, error) {
	if strings.HasPrefix(expression, "TZ=") || strings.HasPrefix(expression, "CRON_TZ=") {
		return nil, errors.New("the time zone belongs in timezone")
	}
	s, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(expression)
	if err != nil {
		return nil, err
	}
	leap := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	if s.Next(leap).IsZero() {
		return nil, errors.New("no such date exists")
	}
	return s, nil
}

// contains says whether the last thing that happened until now is a start. A
// start and an end at the same moment is a start.
func (w window) contains(now time.Time) bool {
	wall := w.wall(now)
	start := last(w.start, wall)
	return !start.IsZero() && !start.Before(last(w.end, wall))
}

// nextChange is when the window opens or closes next.
func (w window) nextChange(now time.Time) time.Time {
	next := w.start
	if w.contains(now) {
		next = w.end
	}
	at := next.Next(w.wall(now))
	if at.IsZero() {
		return at
	}
	return w.instant(at)
}

// last is the latest time of s that is not after wall, or the zero time when
// there is none in the years that a schedule can skip. It looks back further
// and further until there is one, and then halves: no step over all times.
func last(s cron.Schedule, wall time.Time) time.Time {
	const longest = 8 * 366 * 24 * time.Hour // 29 February, around 2100
	passed := func(after time.Time) bool { n := s.Next(after); return !n.IsZero() && !n.After(wall) }
	back := time.Hour
	for !passed(wall.Add(-back)) {
		if back >= longest {
			return time.Time{}
		}
		back = min(back*8, longest)
	}
	low, high := wall.Add(-back), wall // something comes after low, nothing after high
	for high.Sub(low) > time.Second {
		middle := low.Add(high.Sub(low) / 2)
		if passed(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return s.Next(low)
}

// wall is the clock on the wall at now, written as UTC. In an hour that comes
// a second time it stands still at the hour's end, since all in it has passed.
func (w window) wall(now time.Time) time.Time {
	local := now.In(w.zone)
	if turned, repeated := w.repeats(local); repeated {
		return turned.Add(-time.Second)
	}
	return asUTC(local)
}

// repeats says whether local is in an hour that the wall clock shows a second
// time, and what it would show had it not been turned back.
func (w window) repeats(local time.Time) (turned time.Time, repeated bool) {
	since, _ := local.ZoneBounds()
	if since.IsZero() {
		return time.Time{}, false
	}
	_, offset := local.Zone()
	_, before := since.Add(-time.Nanosecond).In(w.zone).Zone()
	if local.Sub(since) >= time.Duration(before-offset)*time.Second {
		return time.Time{}, false
	}
	return asUTC(since.UTC().Add(time.Duration(before) * time.Second)), true
}

// instant is when the wall clock first shows wall or jumps over it.
func (w window) instant(wall time.Time) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, w.zone)
	since, until := t.ZoneBounds()
	switch shown := asUTC(t); {
	case shown.After(wall):
		return since
	case shown.Before(wall):
		return until
	}
	if _, repeated := w.repeats(t); repeated {
		_, offset := t.Zone()
		_, before := since.Add(-time.Nanosecond).In(w.zone).Zone()
		return t.Add(-time.Duration(before-offset) * time.Second)
	}
	return t
}

// asUTC keeps what a clock shows and calls it UTC.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}
