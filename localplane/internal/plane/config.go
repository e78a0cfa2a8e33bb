package plane

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Config is what the user chooses about a plane.
type Config struct {
	StateDir       string
	LogDir         string
	HPASyncPeriod  time.Duration
	HPAClientQPS   int // 0 = as Kubernetes has it
	Nodes          int
	APIServerPort  int // 0 = a free one
	ExitWithParent bool
	KeepState      bool
	StartTimeout   time.Duration
	Verbose        bool
}

// maxNodes keeps node names and addresses within one octet.
const maxNodes = 250

// ParseFlags reads a Config from the arguments of "up". Usage goes to output.
// It returns flag.ErrHelp when help was asked for and has been printed.
func ParseFlags(args []string, output io.Writer) (Config, error) {
	var c Config
	set := flag.NewFlagSet("localplane up", flag.ContinueOnError)
	set.SetOutput(output)
	set.StringVar(&c.StateDir, "state-dir", "", "`folder` for all state; locked while in use, removed at the end (default keda/localplane in the user's cache folder)")
	set.StringVar(&c.LogDir, "component-log-dir", "", "`folder` for the components' logs (default logs in the state folder)")
	set.DurationVar(&c.HPASyncPeriod, "hpa-sync-period", 15*time.Second, "how often the HPA controller looks at each HorizontalPodAutoscaler")
	set.IntVar(&c.HPAClientQPS, "hpa-client-qps", 0, "`requests` a second that each controller may make; bursts may be twice as many (0 = as Kubernetes has it, 20 and 30)")
	set.IntVar(&c.Nodes, "nodes", 4, "`number` of simulated nodes")
	set.IntVar(&c.APIServerPort, "apiserver-port", 0, "`port` of the API server on 127.0.0.1 (0 = a free one)")
	set.BoolVar(&c.ExitWithParent, "exit-with-parent", true, "end when the process that started this one ends, or closes the pipe that is this one's standard input")
	set.BoolVar(&c.KeepState, "keep-state", false, "leave the state folder behind at the end; the next plane in it starts empty all the same")
	set.DurationVar(&c.StartTimeout, "start-timeout", time.Minute, "give up when not ready after this `time`")
	set.BoolVar(&c.Verbose, "v", false, "say on standard error what is being done")
	if err := set.Parse(args); err != nil {
		return Config{}, err
	}
	if set.NArg() > 0 {
		return Config{}, fmt.Errorf("unexpected argument %q: up takes flags only", set.Arg(0))
	}
	if err := c.complete(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// complete checks the values and fills in the folders, as absolute paths since
// components run in a folder of their own.
func (c *Config) complete() error {
	if err := c.check(); err != nil {
		return err
	}
	if c.StateDir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find the user's cache folder, use --state-dir instead: %w", err)
		}
		c.StateDir = filepath.Join(cache, "keda", "localplane")
	}
	if c.LogDir == "" {
		c.LogDir = filepath.Join(c.StateDir, "logs")
	}
	for _, path := range []*string{&c.StateDir, &c.LogDir} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find the folder %s: %w", *path, err)
		}
		*path = absolute
	}
	return nil
}

func (c *Config) check() error {
	var problems []error
	report := func(flag string, found any, expected string) {
		problems = append(problems, fmt.Errorf("--%s is %v, expected %s", flag, found, expected))
	}
	if c.HPASyncPeriod < 100*time.Millisecond {
		report("hpa-sync-period", c.HPASyncPeriod, "100ms or more")
	}
	if c.HPAClientQPS < 0 {
		report("hpa-client-qps", c.HPAClientQPS, "0 or more")
	}
	if c.Nodes < 0 || c.Nodes > maxNodes {
		report("nodes", c.Nodes, fmt.Sprintf("0 to %d", maxNodes))
	}
	if c.APIServerPort < 0 || c.APIServerPort > 65535 {
		report("apiserver-port", c.APIServerPort, "0 to 65535")
	}
	if c.StartTimeout < time.Second {
		report("start-timeout", c.StartTimeout, "1s or more")
	}
	return errors.Join(problems...)
}
