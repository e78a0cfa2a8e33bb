package activemqserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// jolokia is the HTTP bridge of a broker.
type jolokia struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string

	path string
}

func (s *jolokia) waitReady(ended <-chan struct{}) error {
	over := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return errors.New("it ended")
		case <-over:
			return errors.New("it did not become ready")
		case <-tick.C:
		}
		if s.do(request{Type: "version"}) == nil {
			return nil
		}
	}
}

// request is one of Jolokia's.
type request struct {
	Type      string `json:"type"`
	MBean     string `json:"mbean,omitempty"`
	Operation string `json:"operation,omitempty"`
	Attribute string `json:"attribute,omitempty"`
	Arguments []any  `json:"arguments,omitempty"`
}

// do runs requests, all of which must succeed.
func (s *jolokia) do(all ...request) error {
	body, err := json.Marshal(all)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+s.Addr+s.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(User, Password)
	req.Header.Set("Origin", "http://127.0.0.1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var results []struct {
		Status int    `json:"status"`
		Error  string `json:"error"`
	}
	if err := json.Unmarshal(answer, &results); err != nil || len(results) != len(all) {
		return fmt.Errorf("the server answered %s: %s", resp.Status, answer)
	}
	for _, r := range results {
		if r.Status != http.StatusOK {
			return errors.New(r.Error)
		}
	}
	return nil
}
