// Package graphiteserver runs a real Graphite for tests: carbon, which takes
// samples, and the web application, which answers queries.
//
// It owns both processes and their folder, which end with the test.
package graphiteserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/test/servers/process"
)

// Where Debian has the two, and the Python that knows their libraries.
const (
	carbon = "/usr/bin/carbon-cache"
	web    = "/usr/lib/python3/dist-packages/graphite/settings.py"
	python = "/usr/bin/python3"
)

// Server is a running Graphite. It keeps one sample a second.
type Server struct {
	// Addr is where queries are answered, Carbon where samples are taken, both 127.0.0.1:port.
	Addr, Carbon string

	client *http.Client
}

// Start runs the server until the test ends. Without the programs the test is
// skipped, or fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	for _, file := range []string{carbon, web, python} {
		_, err := os.Stat(file)
		process.Need(t, "Graphite", err)
	}
	return process.Try(t, "Graphite", 3, func(at []string) (*Server, error) {
		s := &Server{Addr: at[0], Carbon: at[1], client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
		return s, s.start(t, at[2])
	})
}

// start runs both; carbon listens for the web application at an address of its own.
func (s *Server) start(t testing.TB, queries string) error {
	folder := t.TempDir()
	for name, text := range files(folder, process.Port(s.Carbon), process.Port(queries)) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, name := range []string{"whisper", "log"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			return err
		}
	}
	taking := exec.Command(carbon, "--config="+filepath.Join(folder, "carbon.conf"), "--nodaemon", "start")
	answering := exec.Command(python, "-W", "ignore", "-m", "django", "runserver", "--noreload", s.Addr)
	answering.Env = append(os.Environ(), "PYTHONPATH="+folder, "GRAPHITE_SETTINGS_MODULE=keda_settings", "DJANGO_SETTINGS_MODULE=keda_settings")
	taking.Dir, answering.Dir = folder, folder
	if err := process.Run(t, taking, func(context.Context) error { return s.send("") }); err != nil {
		return fmt.Errorf("carbon: %w", err)
	}
	err := process.Run(t, answering, func(context.Context) error {
		_, err := s.last("nothing")
		return err
	})
	if err != nil {
		return fmt.Errorf("the web application: %w", err)
	}
	return nil
}

// files are the settings of both, by the file's name.
func files(folder, line, query string) map[string]string {
	return map[string]string{
		"carbon.conf": strings.Join([]string{
			"[cache]", "STORAGE_DIR = " + folder, "LOCAL_DATA_DIR = " + folder + "/whisper", "CONF_DIR = " + folder, "LOG_DIR = " + folder + "/log", "PID_DIR = " + folder,
			"LINE_RECEIVER_INTERFACE = 127.0.0.1", "LINE_RECEIVER_PORT = " + line, "PICKLE_RECEIVER_PORT = 0", "CACHE_QUERY_INTERFACE = 127.0.0.1", "CACHE_QUERY_PORT = " + query,
			"MAX_CREATES_PER_MINUTE = inf", "MAX_UPDATES_PER_SECOND = inf", "ENABLE_TAGS = False", "",
		}, "\n"),
		"storage-schemas.conf": "[all]\npattern = .*\nretentions = 1s:1h\n",
		"keda_settings.py": strings.Join([]string{
			"from graphite.settings import *", "SECRET_KEY = 'of-tests'", "ALLOWED_HOSTS = ['*']", "TIME_ZONE = 'UTC'",
			fmt.Sprintf("STORAGE_DIR = %q", folder), "WHISPER_DIR = STORAGE_DIR + '/whisper'", "STANDARD_DIRS = [WHISPER_DIR]", "INDEX_FILE = STORAGE_DIR + '/index'",
			"LOG_DIR = STORAGE_DIR + '/log'", "LOG_FILE_INFO = LOG_FILE_EXCEPTION = LOG_FILE_CACHE = LOG_FILE_RENDERING = '-'",
			"CARBONLINK_HOSTS = ['127.0.0.1:" + query + "']", "FIND_CACHE_DURATION = DEFAULT_CACHE_DURATION = 0",
			"DATABASES = {'default': {'NAME': STORAGE_DIR + '/db', 'ENGINE': 'django.db.backends.sqlite3'}}", "",
		}, "\n"),
	}
}

// until waits until what holds.
func until(limit time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return errors.New("it took too long")
		case <-tick.C:
		}
	}
	return nil
}

// Set stores n as the metric's value of now, and waits until queries see it.
func (s *Server) Set(t testing.TB, metric string, n float64) {
	t.Helper()
	sent := int64(0)
	err := until(30*time.Second, func() bool {
		if now := time.Now().Unix(); now != sent { // the second may have been over before carbon had it
			sent = now
			if err := s.send(fmt.Sprintf("%s %v %d\n", metric, n, now)); err != nil {
				return false
			}
		}
		got, err := s.last(metric)
		return err == nil && got != nil && *got == n
	})
	if err != nil {
		t.Fatalf("storing %v as %s: %v", n, metric, err)
	}
}

func (s *Server) send(line string) error {
	c, err := net.Dial("tcp", s.Carbon)
	if err != nil {
		return err
	}
	_, err = c.Write([]byte(line))
	return errors.Join(err, c.Close())
}

// last is a metric's newest value, nil when there is none.
func (s *Server) last(metric string) (*float64, error) {
	resp, err := s.client.Get("http://" + s.Addr + "/render?" + url.Values{"target": {metric}, "from": {"-1min"}, "format": {"json"}, "noCache": {"true"}}.Encode())
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var series []struct {
		Points [][2]*float64 `json:"datapoints"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&series); err != nil || len(series) == 0 {
		return nil, err
	}
	var value *float64
	for _, p := range series[0].Points {
		if p[0] != nil {
			value = p[0]
		}
	}
	return value, nil
}
