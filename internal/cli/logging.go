package cli

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// logOptions choose how logs look. The names are those of zap, which users of
// KEDA know.
type logOptions struct{ level, encoder, times string }

func (l *logOptions) bind(f *pflag.FlagSet) {
	f.StringVar(&l.level, "zap-log-level", "info", "debug, info, warn or error; or a number, of which all above 0 mean debug")
	f.StringVar(&l.encoder, "zap-encoder", "console", "console or json")
	f.StringVar(&l.times, "zap-time-encoding", "rfc3339", "how times are written: epoch, millis, nano, iso8601, rfc3339 or rfc3339nano")
}

func (l *logOptions) logger(out io.Writer) (*slog.Logger, error) {
	level, err := l.slogLevel()
	if err != nil {
		return nil, err
	}
	times, err := l.timeFormat()
	if err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
			a.Value = times(a.Value.Time())
		}
		return a
	}}
	switch l.encoder {
	case "console":
		return slog.New(slog.NewTextHandler(out, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return nil, fmt.Errorf("--zap-encoder: found %q; expected console or json", l.encoder)
}

func (l *logOptions) slogLevel() (slog.Level, error) {
	if n, err := strconv.Atoi(l.level); err == nil && n >= 0 {
		if n > 0 {
			return slog.LevelDebug, nil
		}
		return slog.LevelInfo, nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return 0, fmt.Errorf("--zap-log-level: found %q; expected debug, info, warn, error or a number", l.level)
	}
	return level, nil
}

func (l *logOptions) timeFormat() (func(time.Time) slog.Value, error) {
	layout := func(text string) func(time.Time) slog.Value {
		return func(t time.Time) slog.Value { return slog.StringValue(t.Format(text)) }
	}
	switch strings.ToLower(l.times) {
	case "epoch":
		return func(t time.Time) slog.Value { return slog.Float64Value(float64(t.UnixNano()) / 1e9) }, nil
	case "millis":
		return func(t time.Time) slog.Value { return slog.Int64Value(t.UnixMilli()) }, nil
	case "nano":
		return func(t time.Time) slog.Value { return slog.Int64Value(t.UnixNano()) }, nil
	case "iso8601":
		return layout("2006-01-02T15:04:05.000Z0700"), nil
	case "rfc3339":
		return layout(time.RFC3339), nil
	case "rfc3339nano":
		return layout(time.RFC3339Nano), nil
	}
	return nil, fmt.Errorf("--zap-time-encoding: found %q; expected epoch, millis, nano, iso8601, rfc3339 or rfc3339nano", l.times)
}
