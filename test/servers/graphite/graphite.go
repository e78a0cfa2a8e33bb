// Package graphiteserver runs a real Graphite for tests: carbon, which takes
// samples, and the web application, which answers queries.
//
// It owns both processes and their folder, which end with the test.
package graphiteserver

import (
	"bytes"
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
	"sync"
	"testing"
	"time"
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
		if _, err := os.Stat(file); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("Graphite is needed in CI: %v", err)
			}
			t.Skipf("no Graphite: %v", err)
		}
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		s, err := start(t)
		if err == nil {
			return s
		}
		t.Logf("starting Graphite: %v", err)
	}
	t.Fatal("Graphite did not start")
	return nil
}

func start(t testing.TB) (*Server, error) {
	folder := t.TempDir()
	ports, err := free(3)
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: "127.0.0.1:" + ports[0], Carbon: "127.0.0.1:" + ports[1], client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	for name, text := range files(folder, ports[1], ports[2]) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"whisper", "log"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			return nil, err
		}
	}
	taking := exec.Command(carbon, "--config="+filepath.Join(folder, "carbon.conf"), "--nodaemon", "start")
	answering := exec.Command(python, "-W", "ignore", "-m", "django", "runserver", "--noreload", s.Addr)
	answering.Env = append(os.Environ(), "PYTHONPATH="+folder, "GRAPHITE_SETTINGS_MODULE=keda_settings", "DJANGO_SETTINGS_MODULE=keda_settings")
	var both running
	for _, cmd := range []*exec.Cmd{taking, answering} {
		cmd.Dir = folder
		if err := both.run(cmd); err != nil {
			both.stop()
			return nil, err
		}
	}
	if err := s.waitReady(&both); err != nil {
		both.stop()
		return nil, fmt.Errorf("%w: %s", err, both.said())
	}
	t.Cleanup(both.stop)
	return s, nil
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

// free finds ports that nobody listens on.
func free(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // not before all are found, so that they differ
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports, nil
}

// running are processes and what they say.
type running struct {
	ends  []func()
	ended []<-chan struct{}
	text  []*bytes.Buffer
}

func (r *running) run(cmd *exec.Cmd) error {
	said := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	r.ends = append(r.ends, func() { _ = cmd.Process.Kill(); <-ended })
	r.ended, r.text = append(r.ended, ended), append(r.text, said)
	return nil
}

// stop ends the processes.
func (r *running) stop() {
	var each sync.WaitGroup
	for _, end := range r.ends {
		each.Go(end)
	}
	each.Wait()
}

// said is what they wrote. They have ended.
func (r *running) said() string {
	var all []string
	for _, b := range r.text {
		all = append(all, b.String())
	}
	return strings.Join(all, "\n")
}

func (s *Server) waitReady(both *running) error {
	ready := func() bool {
		c, err := net.Dial("tcp", s.Carbon)
		if err != nil {
			return false
		}
		_ = c.Close()
		_, err = s.last("nothing")
		return err == nil
	}
	return until(60*time.Second, both.ended, ready)
}

// until waits until what holds.
func until(limit time.Duration, ended []<-chan struct{}, holds func() bool) error {
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
		for _, e := range ended {
			select {
			case <-e:
				return errors.New("it ended")
			default:
			}
		}
	}
	return nil
}

// Set stores n as the metric's value of now, and waits until queries see it.
func (s *Server) Set(t testing.TB, metric string, n float64) {
	t.Helper()
	sent := int64(0)
	err := until(30*time.Second, nil, func() bool {
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
